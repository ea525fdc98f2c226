//! SQS behind the port `Queue`.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use aws_smithy_types::error::display::DisplayErrorContext;
use cattube_ports::queue::OutgoingMessage;
use cattube_ports::{PortError, Queue};
use futures::{StreamExt, TryStreamExt, stream};

/// Entries that a batch takes (SQS quota).
const MAX_ENTRIES: usize = 10;

/// Bytes that a batch takes: 256 KiB, the lowest value that SQS has had; today's is 1 MiB.
const MAX_BATCH_BYTES: usize = 262_144;

/// Batches in flight at once. A long film has some hundred of them.
const CONCURRENCY: usize = 8;

/// How often refused entries of a batch are sent again before the send fails.
const MAX_ROUNDS: usize = 4;

/// A queue.
#[derive(Debug, Clone)]
pub struct Sqs {
    client: Client,
    url: String,
}

impl Sqs {
    /// The queue at `url`.
    #[must_use]
    pub fn new(config: &SdkConfig, url: String) -> Self {
        Self {
            client: Client::new(config),
            url,
        }
    }

    /// Sends a batch and, again, what of it was refused.
    async fn send_batch(&self, batch: Vec<&OutgoingMessage>) -> Result<(), PortError> {
        let mut left = batch;
        let mut reason = String::new();
        for _ in 0..MAX_ROUNDS {
            let entries = left
                .iter()
                .enumerate()
                .map(|(place, message)| entry(place, message))
                .collect::<Result<Vec<_>, _>>()?;
            let answer = self
                .client
                .send_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(entries))
                .send()
                .await
                .map_err(|error| refused(left.len(), DisplayErrorContext(&error).to_string()))?;
            let failed: Vec<&str> = answer
                .failed()
                .iter()
                .map(aws_sdk_sqs::types::BatchResultErrorEntry::id)
                .collect();
            if let Some(entry) = answer.failed().first() {
                reason = format!("{}: {}", entry.code(), entry.message().unwrap_or_default());
            }
            left = left
                .into_iter()
                .enumerate()
                .filter(|(place, _)| failed.contains(&place.to_string().as_str()))
                .map(|(_, message)| message)
                .collect();
            if left.is_empty() {
                return Ok(());
            }
        }
        Err(refused(left.len(), reason))
    }
}

fn refused(count: usize, reason: String) -> PortError {
    PortError::Send { count, reason }
}

fn entry(
    place: usize,
    message: &OutgoingMessage,
) -> Result<SendMessageBatchRequestEntry, PortError> {
    SendMessageBatchRequestEntry::builder()
        .id(place.to_string())
        .message_body(&message.body)
        .message_group_id(&message.group)
        .set_message_deduplication_id(message.deduplication_id.clone())
        .set_delay_seconds(delay_seconds(message))
        .build()
        .map_err(|error| refused(1, error.to_string()))
}

/// FIFO queues refuse a message with a delay of its own, even one of 0.
fn delay_seconds(message: &OutgoingMessage) -> Option<i32> {
    let seconds = message.delay.as_millis().div_ceil(1000);
    i32::try_from(seconds).ok().filter(|seconds| *seconds > 0)
}

/// Cuts messages into batches that SQS takes.
fn batches(messages: &[OutgoingMessage]) -> Vec<Vec<&OutgoingMessage>> {
    let mut batches: Vec<Vec<&OutgoingMessage>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let fits = batches
            .last()
            .is_some_and(|batch| batch.len() < MAX_ENTRIES)
            && bytes + message.body.len() <= MAX_BATCH_BYTES;
        if !fits {
            batches.push(Vec::new());
            bytes = 0;
        }
        bytes += message.body.len();
        if let Some(batch) = batches.last_mut() {
            batch.push(message);
        }
    }
    batches
}

#[async_trait]
impl Queue for Sqs {
    async fn send(&self, messages: &[OutgoingMessage]) -> Result<(), PortError> {
        let sends: Vec<_> = batches(messages)
            .into_iter()
            .map(|batch| self.send_batch(batch))
            .collect();
        stream::iter(sends)
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_order_and_both_limits() {
        let message = |size: usize| OutgoingMessage {
            body: "x".repeat(size),
            group: "g".to_owned(),
            deduplication_id: None,
            delay: std::time::Duration::ZERO,
        };
        let small: Vec<_> = (0..23).map(|_| message(10)).collect();
        let sizes: Vec<_> = batches(&small).iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 10, 3]);
        let large: Vec<_> = (0..5).map(|_| message(100_000)).collect();
        let sizes: Vec<_> = batches(&large).iter().map(Vec::len).collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert!(batches(&[]).is_empty());
    }
}
