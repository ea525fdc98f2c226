//! A command queue.

use std::time::Duration;

use async_trait::async_trait;

use crate::PortError;

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// A command's JSON.
    pub body: String,
    /// The message group: the owner, for order (FIFO) or fairness (standard).
    pub group: String,
    /// FIFO queues only: messages with the same id within 5 minutes are one.
    pub deduplication_id: Option<String>,
    /// Standard queues only: how long nobody sees it, at most 15 minutes (SQS's limit).
    pub delay: Duration,
}

impl OutgoingMessage {
    /// A message of this group that is seen at once.
    #[must_use]
    pub fn new(body: String, group: String) -> Self {
        Self {
            body,
            group,
            deduplication_id: None,
            delay: Duration::ZERO,
        }
    }
}

/// Takes commands.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends all messages, each at least once; those that a batch refuses are sent again.
    ///
    /// # Errors
    /// [`PortError::Send`] if any message was not accepted in the end.
    async fn send(&self, messages: &[OutgoingMessage]) -> Result<(), PortError>;

    /// About how many messages wait for somebody to take them: neither those that are in work nor
    /// those that are delayed.
    ///
    /// # Errors
    /// [`PortError::Length`].
    async fn backlog(&self) -> Result<u64, PortError>;
}
