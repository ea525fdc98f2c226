//! Word to people.

use async_trait::async_trait;

use crate::PortError;

/// What people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// One line of printable ASCII, at most 100 characters (SNS's limit for a subject).
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// Reaches people, whoever they are.
#[async_trait]
pub trait Notices: Send + Sync {
    /// Sends word, at least once.
    ///
    /// # Errors
    /// [`PortError::Notice`].
    async fn send(&self, notice: Notice) -> Result<(), PortError>;
}
