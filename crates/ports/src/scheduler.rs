//! One-off deadlines: each is a message that comes to one queue at its time, so that nothing
//! polls.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::PortError;

/// A message for later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    /// Its name: at most 64 letters, digits, `-`, `_` and `.` (EventBridge Scheduler's limit).
    pub name: String,
    /// When it comes, at the earliest, to the second.
    pub at: Timestamp,
    /// A command's JSON.
    pub body: String,
}

/// Keeps deadlines for one queue.
#[async_trait]
pub trait Scheduler: Send + Sync {
    /// Sets a deadline; one of the same name is replaced.
    ///
    /// # Errors
    /// [`PortError::Schedule`].
    async fn set(&self, deadline: Deadline) -> Result<(), PortError>;

    /// Puts a deadline that is set off, and replaces its message; sets none that is not.
    ///
    /// # Errors
    /// [`PortError::Schedule`].
    async fn postpone(&self, deadline: Deadline) -> Result<(), PortError>;

    /// Removes a deadline; one that is not there is removed already.
    ///
    /// # Errors
    /// [`PortError::Schedule`].
    async fn remove(&self, name: &str) -> Result<(), PortError>;
}
