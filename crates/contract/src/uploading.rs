//! The events of an upload, before there is a master.

use serde::{Deserialize, Serialize};

use crate::Fault;
use crate::size::Sizes;

/// See [`crate::Event::UploadRequested`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRequested {
    /// What the client calls it.
    pub title: String,
    /// How large the master will be.
    pub size_bytes: u64,
    /// The media type that the client states; nothing trusts it.
    pub content_type: String,
    /// The sizes required.
    pub sizes: Sizes,
}

/// See [`crate::Event::UploadFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadFailed {
    /// Whether the same upload can still succeed.
    pub fault: Fault,
    /// What a person should know.
    pub reason: String,
    /// How many parts have not arrived, where that is known. 0 with a permanent fault: the file
    /// is whole, and nobody takes it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_part_count: Option<u32>,
}

impl UploadFailed {
    /// Whether the file is whole in the store, and nobody takes it up.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.fault == Fault::Permanent && self.missing_part_count == Some(0)
    }
}

/// See [`crate::Event::UploadResumed`]. The URLs themselves are secrets and stand in no event:
/// the client asks for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadResumed {
    /// How many parts are to be sent still.
    pub missing_part_count: u32,
    /// The first of them, from 1.
    pub first_missing_part: Option<u32>,
}

/// See [`crate::Event::UploadAbandoned`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadAbandoned {
    /// How many attempts there were.
    pub attempts: u32,
    /// Why the last one failed.
    pub reason: String,
}

/// See [`crate::Event::UploadCompleted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadCompleted {
    /// Its key in the masters bucket.
    pub key: String,
    /// Its entity tag without quotes.
    pub etag: String,
}
