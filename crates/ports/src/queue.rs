//! A command queue.

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
}

/// Takes commands.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends all messages, each at least once; those that a batch refuses are sent again.
    ///
    /// # Errors
    /// [`PortError::Send`] if any message was not accepted in the end.
    async fn send(&self, messages: &[OutgoingMessage]) -> Result<(), PortError>;
}
