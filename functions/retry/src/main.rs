//! Wires `retry` to AWS.

use std::sync::Arc;

use cattube_adapters::bus::EventBridge;
use cattube_adapters::clock::System;
use cattube_adapters::objects::S3;
use cattube_adapters::queue::Sqs;
use cattube_adapters::scheduler::Schedules;
use cattube_adapters::{lambda, load_aws};
use cattube_contract::env;
use cattube_ports::Queue;
use retry::Retry;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_logging();
    let aws = load_aws().await;
    let queue = |url| -> Arc<dyn Queue> { Arc::new(Sqs::new(&aws, url)) };
    let sources = env::read_pairs(env::SOURCE_QUEUES)?.into_iter();
    let group = env::read(env::SCHEDULE_GROUP)?;
    let role = env::read(env::SCHEDULE_ROLE_ARN)?;
    let deadlines = env::read(env::DEADLINES_QUEUE_ARN)?;
    let dead_deadlines = env::read(env::SCHEDULE_DEAD_LETTERS_ARN)?;
    lambda::run_consumer(Retry {
        masters: Arc::new(S3::new(&aws, env::read(env::MASTERS_BUCKET)?)),
        bus: Arc::new(EventBridge::new(&aws, env::read(env::BUS_NAME)?, "retry")),
        jobs: queue(env::read(env::JOBS_QUEUE_URL)?),
        chunks: queue(env::read(env::CHUNKS_QUEUE_URL)?),
        uploads: queue(env::read(env::UPLOADS_QUEUE_URL)?),
        own: queue(env::read(env::RETRY_QUEUE_URL)?),
        parked: queue(env::read(env::PARKED_QUEUE_URL)?),
        dead_letters: env::read_pairs(env::DEAD_LETTERS)?,
        sources: sources.map(|(name, url)| (name, queue(url))).collect(),
        scheduler: Arc::new(Schedules::new(&aws, group, role, deadlines, dead_deadlines)),
        job_deadline: env::read_seconds(env::JOB_DEADLINE_SECONDS)?,
        clock: Arc::new(System),
    })
    .await
}
