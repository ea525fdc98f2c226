//! Commands: imperatives, on a queue, for exactly one consumer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::event::MasterLocation;
use crate::plan::{ChunkId, ChunkWork, SliceRef};
use crate::size::Sizes;
use crate::{ContractError, Metadata, excerpt, read_json, read_value};

/// Everything that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", content = "data")]
pub enum Command {
    /// Probe a master, cut it, queue its chunks.
    PlanVideo(PlanVideo),
    /// Encode one chunk.
    TranscodeChunk(Box<TranscodeChunk>),
    /// Put a job on the `jobs` queue again: `retry` tells itself so, with a delay, since a
    /// FIFO queue takes no delay for a single message.
    ForwardPlan(PlanVideo),
    /// See how an upload gets on: `upload` tells itself so, by a deadline.
    CheckUpload(CheckUpload),
    /// Grant a failed upload's missing parts afresh.
    ResumeUpload(ResumeUpload),
    /// See how a job gets on: its deadline.
    CheckJob(CheckJob),
    /// Remove what a deleted, abandoned or replaced making of a video left: `manage` tells
    /// itself so, by a deadline.
    PurgeVideo(PurgeVideo),
}

/// See [`Command::PlanVideo`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanVideo {
    /// Which making of the video.
    pub generation: u32,
    /// Where the master is.
    pub master: MasterLocation,
    /// The sizes required.
    pub sizes: Sizes,
    /// What is taken over from an older making; none if all is made anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Whether the chunks that have no report yet are queued again if the plan stands already.
    #[serde(default)]
    pub requeue: bool,
}

/// An older making of a video, and what of it is made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The older making.
    pub generation: u32,
    /// What is made anew; the rest is copied where it is finished.
    pub redo: Redo,
}

/// What a new making of a video does not take over from an older one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redo {
    /// One chunk, in every size.
    Chunk(ChunkId),
    /// One size, by its name (`1080p`, or `audio`).
    Size(String),
    /// Nothing: this size is left out.
    Skip(String),
}

/// See [`Command::CheckUpload`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckUpload {
    /// Bytes that had arrived when the deadline was set.
    pub arrived_bytes: u64,
    /// How often the same was said without an answer.
    #[serde(default)]
    pub round: u32,
}

/// See [`Command::ResumeUpload`]. The attempt stands in the metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeUpload {}

/// See [`Command::CheckJob`]. Which round it is stands in the metadata's attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckJob {
    /// The job.
    pub job: PlanVideo,
    /// How many chunks were reported when the deadline was set; none if there was no plan.
    pub reports_seen: Option<u32>,
    /// How often a person was asked about it already; 0 as long as it is tried again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub asked: u32,
    /// How often in a row it was only watched on, since work waits for workers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub waited: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// See [`Command::PurgeVideo`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeVideo {
    /// Which making; none for the whole video.
    pub generation: Option<u32>,
}

/// See [`Command::TranscodeChunk`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscodeChunk {
    /// Which making of the video.
    pub generation: u32,
    /// Which chunk.
    pub chunk: ChunkId,
    /// Where the master is.
    pub master: MasterLocation,
    /// Where the slice's recipe is, in the slices object of the plan.
    pub slice: SliceRef,
    /// What to do.
    pub work: ChunkWork,
    /// What is copied from an older making instead of being made, if it is finished there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Reuse>,
}

/// Renditions of a chunk that an older making has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reuse {
    /// The older making.
    pub generation: u32,
    /// Their names.
    pub renditions: Vec<String>,
}

/// A command with its metadata: the body of a queue message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandMessage {
    /// Whose, why, and which attempt.
    pub metadata: Metadata,
    /// What to do.
    #[serde(flatten)]
    pub command: Command,
}

impl CommandMessage {
    /// Parses a queue message's body.
    ///
    /// # Errors
    /// [`ContractError::Message`] that names the field.
    pub fn parse(body: &str) -> Result<Self, ContractError> {
        #[derive(Deserialize)]
        struct Raw {
            metadata: Metadata,
            command: String,
            data: Value,
        }
        let fail = |name: &str, reason| ContractError::Message {
            name: excerpt(name, 80),
            reason,
        };
        let raw: Raw = read_json(body.as_bytes()).map_err(|reason| fail("command", reason))?;
        let command = match raw.command.as_str() {
            "PlanVideo" => read_value("data", &raw.data).map(Command::PlanVideo),
            "TranscodeChunk" => read_value("data", &raw.data).map(Command::TranscodeChunk),
            "ForwardPlan" => read_value("data", &raw.data).map(Command::ForwardPlan),
            "CheckUpload" => read_value("data", &raw.data).map(Command::CheckUpload),
            "ResumeUpload" => read_value("data", &raw.data).map(Command::ResumeUpload),
            "CheckJob" => read_value("data", &raw.data).map(Command::CheckJob),
            "PurgeVideo" => read_value("data", &raw.data).map(Command::PurgeVideo),
            _ => Err("command: no such command".to_owned()),
        };
        Ok(Self {
            metadata: raw.metadata,
            command: command.map_err(|reason| fail(&raw.command, reason))?,
        })
    }

    /// The queue message's body.
    ///
    /// # Errors
    /// [`ContractError::Message`] if serde refuses, which no value of ours makes it do.
    pub fn to_body(&self) -> Result<String, ContractError> {
        serde_json::to_string(self).map_err(|error| ContractError::Message {
            name: "command".to_owned(),
            reason: error.to_string(),
        })
    }
}
