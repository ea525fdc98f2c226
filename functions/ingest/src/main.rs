//! Wires `ingest` to AWS.

use std::sync::Arc;

use cattube_adapters::bus::EventBridge;
use cattube_adapters::clock::System;
use cattube_adapters::objects::S3;
use cattube_adapters::queue::Sqs;
use cattube_adapters::scheduler::Schedules;
use cattube_adapters::{lambda, load_aws};
use cattube_contract::{OwnerId, env};
use ingest::Ingest;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_logging();
    let aws = load_aws().await;
    lambda::run_consumer(Ingest {
        objects: Arc::new(S3::new(&aws, env::read(env::MASTERS_BUCKET)?)),
        bus: Arc::new(EventBridge::new(&aws, env::read(env::BUS_NAME)?, "ingest")),
        jobs: Arc::new(Sqs::new(&aws, env::read(env::JOBS_QUEUE_URL)?)),
        scheduler: Arc::new(Schedules::new(
            &aws,
            env::read(env::SCHEDULE_GROUP)?,
            env::read(env::SCHEDULE_ROLE_ARN)?,
            env::read(env::DEADLINES_QUEUE_ARN)?,
            env::read(env::SCHEDULE_DEAD_LETTERS_ARN)?,
        )),
        job_deadline: env::read_seconds(env::JOB_DEADLINE_SECONDS)?,
        clock: Arc::new(System),
        drop_owner: OwnerId::of_subject(&env::read(env::DROP_OWNER_SUBJECT)?),
    })
    .await
}
