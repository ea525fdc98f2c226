//! The events of failed work and of what follows it.

use serde::{Deserialize, Serialize};

use crate::Fault;
use crate::command::{PlanVideo, TranscodeChunk};
use crate::plan::ChunkId;

/// See [`crate::Event::PlanFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanFailed {
    /// Which making of the video.
    pub generation: u32,
    /// Whether again may help.
    pub fault: Fault,
    /// What a person should know.
    pub reason: String,
    /// The job, so that it can be tried again by whoever decides that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<PlanVideo>,
}

/// See [`crate::Event::ChunkFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkFailed {
    /// Which making of the video.
    pub generation: u32,
    /// Which chunk.
    pub chunk: ChunkId,
    /// Whether again may help.
    pub fault: Fault,
    /// What a person should know.
    pub reason: String,
    /// The work, so that it can be tried again by whoever decides that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Box<TranscodeChunk>>,
}

/// See [`crate::Event::RetryScheduled`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryScheduled {
    /// Which making of the video.
    pub generation: u32,
    /// Which chunk, or none if it is the plan.
    pub chunk: Option<ChunkId>,
    /// Which attempt comes next.
    pub next_attempt: u32,
    /// How long it waits.
    pub delay_ms: u64,
    /// Why the last one failed.
    pub reason: String,
}

/// See [`crate::Event::RetriesExhausted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetriesExhausted {
    /// Which making of the video.
    pub generation: u32,
    /// Which chunk, or none if it is the plan.
    pub chunk: Option<ChunkId>,
    /// How many attempts there were.
    pub attempts: u32,
    /// What the last one failed by.
    pub fault: Fault,
    /// Why the last one failed.
    pub reason: String,
}
