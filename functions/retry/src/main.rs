//! Wires `retry` to AWS.

use std::sync::Arc;

use cattube_adapters::bus::EventBridge;
use cattube_adapters::clock::System;
use cattube_adapters::queue::Sqs;
use cattube_adapters::{lambda, load_aws};
use cattube_contract::env;
use retry::Retry;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_logging();
    let aws = load_aws().await;
    lambda::run_consumer(Retry {
        bus: Arc::new(EventBridge::new(&aws, env::read(env::BUS_NAME)?, "retry")),
        jobs: Arc::new(Sqs::new(&aws, env::read(env::JOBS_QUEUE_URL)?)),
        chunks: Arc::new(Sqs::new(&aws, env::read(env::CHUNKS_QUEUE_URL)?)),
        own: Arc::new(Sqs::new(&aws, env::read(env::RETRY_QUEUE_URL)?)),
        clock: Arc::new(System),
    })
    .await
}
