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
    /// The size that failed, where one alone is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendition: Option<String>,
}

/// See [`crate::Event::JoinFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinFailed {
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

/// Where in the flow something failed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// While the master was uploaded.
    Upload,
    /// While it was planned or a chunk was made.
    #[default]
    Work,
    /// While chunks were joined.
    Join,
    /// Nothing was heard of the job until its deadline, again and again.
    Deadline,
}

/// Work that failed for good, so that a person can have it tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedWork {
    /// The whole job.
    Plan(PlanVideo),
    /// One chunk.
    Chunk(Box<TranscodeChunk>),
    /// A message of a queue.
    Message {
        /// The queue that it stood in.
        queue: String,
        /// Its body.
        body: String,
    },
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
    /// Where in the flow.
    #[serde(default)]
    pub stage: Stage,
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
    /// Where in the flow.
    #[serde(default)]
    pub stage: Stage,
    /// The work, so that a person can have it tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<FailedWork>,
    /// The size that failed, where one alone is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rendition: Option<String>,
}

/// See [`crate::Event::VideoAbandoned`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoAbandoned {
    /// Which making of the video was given up. An older one that is ready stands.
    pub generation: u32,
    /// Why.
    pub reason: String,
}

/// See [`crate::Event::MessageBuried`]. Its video is [`crate::VideoId::NONE`] if the message
/// names none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageBuried {
    /// The queue that it stood in, such as `assemble`.
    pub queue: String,
    /// Why it could not be handled, as far as its text tells.
    pub reason: String,
    /// SHA-256 of its body in hex.
    pub body_sha256: String,
    /// Its body, unless it is too long for the bus; it is kept whole among the parked messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}
