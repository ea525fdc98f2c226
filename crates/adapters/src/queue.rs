//! SQS behind the port `Queue`.

use std::fmt::Display;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    QueueAttributeName, SendMessageBatchRequestEntry, SendMessageBatchResultEntry,
};
use aws_smithy_types::error::display::DisplayErrorContext;
use cattube_ports::queue::OutgoingMessage;
use cattube_ports::{PortError, Queue};
use futures::{StreamExt, TryStreamExt, stream};

use crate::{cut, send_all};

/// Entries that a batch takes (SQS quota).
const MAX_ENTRIES: usize = 10;

/// Bytes that a batch takes: 256 KiB, the lowest value that SQS has had; today's is 1 MiB.
const MAX_BATCH_BYTES: usize = 262_144;

/// Batches in flight at once. A long film has some hundred of them.
const CONCURRENCY: usize = 8;

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

    /// The queue's name.
    fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    fn refused(&self, count: usize, reason: &dyn Display) -> PortError {
        refused(count, format!("{}: {reason}", self.name()))
    }

    /// Sends a batch; gives what of it was refused, and why.
    async fn send_once<'a>(
        &'a self,
        batch: Vec<&'a OutgoingMessage>,
    ) -> Result<(Vec<&'a OutgoingMessage>, String), PortError> {
        let entries = batch
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
            .map_err(|error| self.refused(batch.len(), &DisplayErrorContext(&error)))?;
        let reason = answer.failed().first().map_or_else(String::new, |entry| {
            format!("{}: {}", entry.code(), entry.message().unwrap_or_default())
        });
        let sent: Vec<&str> = answer
            .successful()
            .iter()
            .map(SendMessageBatchResultEntry::id)
            .collect();
        let left = batch
            .iter()
            .enumerate()
            .filter(|(place, _)| !sent.contains(&place.to_string().as_str()))
            .map(|(_, message)| *message);
        Ok((left.collect(), reason))
    }

    /// Sends a batch and, again, what of it was refused.
    async fn send_batch(&self, batch: Vec<&OutgoingMessage>) -> Result<(), PortError> {
        let (left, reason) = send_all(batch, |batch| self.send_once(batch)).await?;
        if left.is_empty() {
            return Ok(());
        }
        Err(self.refused(left.len(), &reason))
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

#[async_trait]
impl Queue for Sqs {
    async fn send(&self, messages: &[OutgoingMessage]) -> Result<(), PortError> {
        let size = |message: &OutgoingMessage| message.body.len();
        let sends: Vec<_> = cut(messages, MAX_ENTRIES, MAX_BATCH_BYTES, size)
            .into_iter()
            .map(|batch| self.send_batch(batch))
            .collect();
        stream::iter(sends)
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await
    }

    async fn backlog(&self) -> Result<u64, PortError> {
        let wanted = QueueAttributeName::ApproximateNumberOfMessages;
        let refused = |reason| PortError::Length {
            queue: self.name().to_owned(),
            reason,
        };
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(wanted.clone())
            .send()
            .await
            .map_err(|error| refused(DisplayErrorContext(&error).to_string()))?;
        let count = answer.attributes().and_then(|found| found.get(&wanted));
        count
            .and_then(|count| count.parse().ok())
            .ok_or_else(|| refused(format!("it said {count:?}")))
    }
}
