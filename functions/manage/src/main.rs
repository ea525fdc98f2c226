//! Wires `manage` to AWS.

use std::sync::Arc;

use cattube_adapters::bus::EventBridge;
use cattube_adapters::clock::System;
use cattube_adapters::objects::S3;
use cattube_adapters::scheduler::Schedules;
use cattube_adapters::table::DynamoDb;
use cattube_adapters::{lambda, load_aws};
use cattube_contract::env;
use manage::Catalogue;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_logging();
    let aws = load_aws().await;
    lambda::run_consumer_and_api(Catalogue {
        masters: Arc::new(S3::new(&aws, env::read(env::MASTERS_BUCKET)?)),
        media: Arc::new(S3::new(&aws, env::read(env::MEDIA_BUCKET)?)),
        table: Arc::new(DynamoDb::new(&aws, env::read(env::CATALOGUE_TABLE)?)),
        bus: Arc::new(EventBridge::new(&aws, env::read(env::BUS_NAME)?, "manage")),
        scheduler: Arc::new(Schedules::new(
            &aws,
            env::read(env::SCHEDULE_GROUP)?,
            env::read(env::SCHEDULE_ROLE_ARN)?,
            env::read(env::MANAGE_QUEUE_ARN)?,
            env::read(env::SCHEDULE_DEAD_LETTERS_ARN)?,
        )),
        purge_delay: env::read_seconds(env::PURGE_DELAY_SECONDS)?,
        clock: Arc::new(System),
        media_base_url: env::read(env::MEDIA_BASE_URL)?,
    })
    .await
}
