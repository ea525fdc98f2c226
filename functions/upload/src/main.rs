//! Wires `upload` to AWS.

use std::sync::Arc;

use cattube_adapters::bus::EventBridge;
use cattube_adapters::clock::System;
use cattube_adapters::objects::S3;
use cattube_adapters::scheduler::Schedules;
use cattube_adapters::table::DynamoDb;
use cattube_adapters::{lambda, load_aws};
use cattube_contract::env;
use upload::Uploads;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_logging();
    let aws = load_aws().await;
    let masters = Arc::new(S3::new(&aws, env::read(env::MASTERS_BUCKET)?));
    let deadlines = Schedules::new(
        &aws,
        env::read(env::SCHEDULE_GROUP)?,
        env::read(env::SCHEDULE_ROLE_ARN)?,
        env::read(env::UPLOADS_QUEUE_ARN)?,
        env::read(env::SCHEDULE_DEAD_LETTERS_ARN)?,
    );
    lambda::run_consumer_and_api(Uploads {
        objects: Arc::<S3>::clone(&masters),
        store: masters,
        table: Arc::new(DynamoDb::new(&aws, env::read(env::UPLOADS_TABLE)?)),
        bus: Arc::new(EventBridge::new(&aws, env::read(env::BUS_NAME)?, "upload")),
        clock: Arc::new(System),
        entropy: Arc::new(System),
        deadlines: Arc::new(deadlines),
        deadline: env::read_seconds(env::UPLOAD_DEADLINE_SECONDS)?,
    })
    .await
}
