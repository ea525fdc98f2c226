//! Wires `plan` to AWS.

use std::sync::Arc;

use cattube_adapters::bus::EventBridge;
use cattube_adapters::clock::System;
use cattube_adapters::ffmpeg::Ffmpeg;
use cattube_adapters::objects::S3;
use cattube_adapters::queue::Sqs;
use cattube_adapters::{lambda, load_aws};
use cattube_contract::env;
use cattube_contract::plan::Quality;
use cattube_core::ladder::DEFAULT_CRF;
use plan::Planner;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_logging();
    let aws = load_aws().await;
    lambda::run_consumer(Planner {
        objects: Arc::new(S3::new(&aws, env::read(env::MASTERS_BUCKET)?)),
        bus: Arc::new(EventBridge::new(&aws, env::read(env::BUS_NAME)?, "plan")),
        chunks: Arc::new(Sqs::new(&aws, env::read(env::CHUNKS_QUEUE_URL)?)),
        encoder: Arc::new(Ffmpeg::start()?),
        clock: Arc::new(System),
        quality: Quality::Crf(DEFAULT_CRF),
    })
    .await
}
