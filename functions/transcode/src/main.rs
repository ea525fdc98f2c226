//! Wires `transcode` to AWS.

use std::sync::Arc;

use cattube_adapters::bus::EventBridge;
use cattube_adapters::clock::System;
use cattube_adapters::ffmpeg::Ffmpeg;
use cattube_adapters::objects::S3;
use cattube_adapters::{lambda, load_aws, worker_name};
use cattube_contract::env;
use transcode::Worker;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_logging();
    let aws = load_aws().await;
    lambda::run_consumer(Worker {
        masters: Arc::new(S3::new(&aws, env::read(env::MASTERS_BUCKET)?)),
        media: Arc::new(S3::new(&aws, env::read(env::MEDIA_BUCKET)?)),
        bus: Arc::new(EventBridge::new(
            &aws,
            env::read(env::BUS_NAME)?,
            "transcode",
        )),
        encoder: Arc::new(Ffmpeg::start()?),
        encode_limit: env::read_seconds(env::ENCODE_LIMIT_SECONDS)?,
        clock: Arc::new(System),
        name: worker_name(),
    })
    .await
}
