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

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use backon::{BackoffBuilder, ExponentialBuilder};
use cattube_ports::PortError;

/// How long a connection may take to stand, and to begin to answer. The SDK waits for ever
/// otherwise, and a function with it; what takes longer is tried again. S3's completion of an
/// upload in parts keeps its connection alive meanwhile.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
const READ_LIMIT: Duration = Duration::from_secs(20);

/// Credentials, region and endpoint from the environment, read once at a cold start.
pub async fn load_aws() -> SdkConfig {
    let limits = TimeoutConfig::builder()
        .connect_timeout(CONNECT_LIMIT)
        .read_timeout(READ_LIMIT)
        .build();
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .timeout_config(limits)
        .load()
        .await
}

/// Cuts what is to be sent into calls that take so many entries and bytes at most, in order. One
/// that is larger by itself goes alone.
fn cut<T>(
    entries: &[T],
    max_entries: usize,
    max_bytes: usize,
    size: impl Fn(&T) -> usize,
) -> Vec<Vec<&T>> {
    let mut calls: Vec<Vec<&T>> = Vec::new();
    let mut bytes = 0_usize;
    for entry in entries {
        let more = size(entry);
        let fits = calls.last().is_some_and(|call| call.len() < max_entries)
            && bytes.saturating_add(more) <= max_bytes;
        if !fits {
            calls.push(Vec::new());
            bytes = 0;
        }
        bytes = bytes.saturating_add(more);
        if let Some(call) = calls.last_mut() {
            call.push(entry);
        }
    }
    calls
}

/// The pauses before what was refused is sent again where the SDK does not do so by itself: the
/// answer of a batch call is no failure, and a race that was lost is one for good.
fn pauses() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_factor(4.0)
        .with_max_times(3)
        .with_jitter()
        .build()
}

/// The first of [`pauses`].
async fn pause() {
    if let Some(pause) = pauses().next() {
        tokio::time::sleep(pause).await;
    }
}

/// Sends `all` and, again after a pause, what of it was refused. Gives what is refused in the end,
/// and why.
async fn send_all<'a, T, Sending>(
    all: Vec<&'a T>,
    send: impl Fn(Vec<&'a T>) -> Sending,
) -> Result<(Vec<&'a T>, String), PortError>
where
    Sending: Future<Output = Result<(Vec<&'a T>, String), PortError>>,
{
    let (mut left, mut reason) = send(all).await?;
    for pause in pauses() {
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(pause).await;
        (left, reason) = send(left).await?;
    }
    Ok((left, reason))
}

/// A name for this execution environment: Lambda gives each a log stream of its own.
#[must_use]
pub fn worker_name() -> String {
    std::env::var("AWS_LAMBDA_LOG_STREAM_NAME")
        .unwrap_or_else(|_| format!("process {}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_keep_order_and_both_limits() {
        let sizes = |entries: &[usize]| -> Vec<usize> {
            let calls = cut(entries, 10, 250_000, |size| *size);
            let all: Vec<usize> = calls.iter().flatten().map(|size| **size).collect();
            assert_eq!(all, entries);
            calls.iter().map(Vec::len).collect()
        };
        assert_eq!(sizes(&[10; 23]), [10, 10, 3]);
        assert_eq!(sizes(&[100_000; 5]), [2, 2, 1]);
        assert_eq!(sizes(&[1, 300_000, 1]), [1, 1, 1]);
        assert_eq!(sizes(&[]), [0; 0]);
    }

    #[test]
    fn what_was_refused_waits_longer_each_time() {
        let pauses: Vec<_> = pauses().collect();
        assert_eq!(pauses.len(), 3);
        assert!(
            pauses.iter().zip(&[100, 400, 1_600]).all(|(pause, least)| {
                let least = Duration::from_millis(*least);
                (least..=least * 2).contains(pause)
            }),
            "{pauses:?}"
        );
    }
}
