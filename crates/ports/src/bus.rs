//! The event bus.

use async_trait::async_trait;
use cattube_contract::Envelope;

use crate::PortError;

/// Takes facts; knows no consumer.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Publishes events, each at least once. Any number; the bus is asked in its own batches.
    ///
    /// # Errors
    /// [`PortError::Publish`] if any event was not accepted after the client's own retries.
    async fn publish(&self, events: &[Envelope]) -> Result<(), PortError>;
}
