//! What a handler did with one message, for the one log line on it.

use cattube_contract::Metadata;

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
