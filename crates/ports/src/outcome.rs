//! What a handler did with one message, for the one log line on it.

use async_trait::async_trait;
use cattube_contract::Metadata;

use crate::http::{ApiRequest, ApiResponse};

/// A message's outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was done, in a word or two, such as `planned` or `already planned`.
    pub action: &'static str,
    /// The message's metadata, where it has one of ours.
    pub metadata: Option<Metadata>,
}

impl Outcome {
    /// An outcome of a message of ours.
    #[must_use]
    pub fn of(action: &'static str, metadata: &Metadata) -> Self {
        Self {
            action,
            metadata: Some(metadata.clone()),
        }
    }
}

/// Handles one message of a queue.
#[async_trait]
pub trait MessageHandler: Send + Sync {
    /// The function's error; it becomes a batch item failure, and so a redelivery.
    type Error: std::error::Error + Send + Sync;

    /// Does what the message asks for, once or again.
    ///
    /// # Errors
    /// What cannot be handled; the queue redelivers it and in the end buries it in its
    /// dead-letter queue.
    async fn handle(&self, body: &str) -> Result<Outcome, Self::Error>;

    /// The same, for a function that several queues wake and to which it matters which one it
    /// was: a dead letter does not say where it was buried. `source` is the queue's ARN.
    ///
    /// # Errors
    /// See [`MessageHandler::handle`].
    async fn handle_from(&self, source: &str, body: &str) -> Result<Outcome, Self::Error> {
        let _ = source;
        self.handle(body).await
    }
}

/// Answers HTTP requests.
#[async_trait]
pub trait ApiHandler: Send + Sync {
    /// The function's error; the client sees a 500 without its text, the log has it.
    type Error: std::error::Error + Send + Sync;

    /// Answers a request.
    ///
    /// # Errors
    /// What is not the client's fault.
    async fn answer(&self, request: ApiRequest) -> Result<ApiResponse, Self::Error>;
}
