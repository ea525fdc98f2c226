//! What the functions need of the world, as small traits. Behind the feature `fakes` stand
//! in-memory twins, for tests. No decisions here.

pub mod bus;
pub mod clock;
pub mod encoder;
#[cfg(feature = "fakes")]
pub mod fakes;
pub mod http;
pub mod notices;
pub mod objects;
pub mod outcome;
pub mod queue;
pub mod scheduler;
pub mod table;

pub use bus::Bus;
pub use clock::{Clock, Entropy};
pub use encoder::{Encoder, Workspace};
pub use notices::Notices;
pub use objects::{MultipartUploads, Objects};
pub use outcome::Outcome;
pub use queue::Queue;
pub use scheduler::Scheduler;
pub use table::Table;

use cattube_contract::Fault;

/// Why a port could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// An object store call failed.
    #[error("{operation} of object {key}: {reason}")]
    Object {
        /// Which call.
        operation: &'static str,
        /// Which object or prefix.
        key: String,
        /// Whether again may help.
        fault: Fault,
        /// What the store said.
        reason: String,
    },
    /// The object, or the multipart upload, is not there.
    #[error("{operation} of object {key}: not there")]
    ObjectMissing {
        /// Which call.
        operation: &'static str,
        /// Which object.
        key: String,
    },
    /// The object is not the writing of it that was meant.
    #[error("{operation} of object {key}: it was overwritten")]
    ObjectChanged {
        /// Which call.
        operation: &'static str,
        /// Which object.
        key: String,
    },
    /// A table call failed.
    #[error("{operation} of item {key}: {reason}")]
    Table {
        /// Which call.
        operation: &'static str,
        /// Which item.
        key: String,
        /// Whether again may help.
        fault: Fault,
        /// What the store said.
        reason: String,
    },
    /// Another writer was first.
    #[error("save of item {key}: another writer was first")]
    Conflict {
        /// Which item.
        key: String,
    },
    /// Events were not, or not all, accepted.
    #[error("publish of {count} events ({first}, …): {reason}")]
    Publish {
        /// How many were refused.
        count: usize,
        /// Name and id of the first one.
        first: String,
        /// What the bus said.
        reason: String,
    },
    /// Messages were not, or not all, accepted.
    #[error("send of {count} messages: {reason}")]
    Send {
        /// How many were refused.
        count: usize,
        /// What the queue said.
        reason: String,
    },
    /// A queue did not say how long it is.
    #[error("length of queue {queue}: {reason}")]
    Length {
        /// Which queue.
        queue: String,
        /// What it said.
        reason: String,
    },
    /// A deadline was not set or removed.
    #[error("{operation} of deadline {name}: {reason}")]
    Schedule {
        /// Which call.
        operation: &'static str,
        /// Which deadline.
        name: String,
        /// Whether again may help.
        fault: Fault,
        /// What the scheduler said.
        reason: String,
    },
    /// People were not reached.
    #[error("notice: {reason}")]
    Notice {
        /// Whether again may help.
        fault: Fault,
        /// What the topic said.
        reason: String,
    },
    /// The encoder could not be run, or did not end by itself.
    #[error("encoder {operation}: {reason}")]
    Encoder {
        /// Which step.
        operation: &'static str,
        /// Whether again may help.
        fault: Fault,
        /// What happened.
        reason: String,
    },
}

impl PortError {
    /// Whether again may help.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Object { fault, .. }
            | Self::Table { fault, .. }
            | Self::Schedule { fault, .. }
            | Self::Notice { fault, .. }
            | Self::Encoder { fault, .. } => *fault,
            Self::ObjectMissing { .. } | Self::ObjectChanged { .. } => Fault::Permanent,
            Self::Conflict { .. }
            | Self::Publish { .. }
            | Self::Send { .. }
            | Self::Length { .. } => Fault::Transient,
        }
    }
}
