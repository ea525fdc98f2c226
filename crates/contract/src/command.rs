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
            "PlanVideo" => read_value("data", raw.data).map(Command::PlanVideo),
            "TranscodeChunk" => read_value("data", raw.data).map(Command::TranscodeChunk),
            "ForwardPlan" => read_value("data", raw.data).map(Command::ForwardPlan),
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
