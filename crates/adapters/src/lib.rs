//! The world behind the ports: S3, EventBridge, SQS, DynamoDB, ffmpeg, Lambda. It decides
//! nothing, and it never logs a payload, a token or a signed URL.

pub mod bus;
pub mod clock;
pub mod ffmpeg;
pub mod lambda;
pub mod multipart;
pub mod notices;
pub mod objects;
pub mod queue;
pub mod scheduler;
pub mod table;

use aws_config::SdkConfig;

/// Credentials, region and endpoint from the environment, read once at a cold start.
pub async fn load_aws() -> SdkConfig {
    aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await
}

/// A name for this execution environment: Lambda gives each a log stream of its own.
#[must_use]
pub fn worker_name() -> String {
    std::env::var("AWS_LAMBDA_LOG_STREAM_NAME")
        .unwrap_or_else(|_| format!("process {}", std::process::id()))
}
