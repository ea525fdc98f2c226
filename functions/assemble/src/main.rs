//! Wires `assemble` to AWS.

use std::sync::Arc;

use assemble::Assembler;
use cattube_adapters::bus::EventBridge;
use cattube_adapters::clock::System;
use cattube_adapters::objects::S3;
use cattube_adapters::table::DynamoDb;
use cattube_adapters::{lambda, load_aws};
use cattube_contract::env;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_logging();
    let aws = load_aws().await;
    lambda::run_consumer(Assembler {
        masters: Arc::new(S3::new(&aws, env::read(env::MASTERS_BUCKET)?)),
        media: Arc::new(S3::new(&aws, env::read(env::MEDIA_BUCKET)?)),
        table: Arc::new(DynamoDb::new(&aws, env::read(env::JOINS_TABLE)?)),
        bus: Arc::new(EventBridge::new(
            &aws,
            env::read(env::BUS_NAME)?,
            "assemble",
        )),
        clock: Arc::new(System),
    })
    .await
}
