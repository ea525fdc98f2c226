//! Commands: imperatives, on a queue, for exactly one consumer.

use serde::{Deserialize, Serialize};

use crate::event::MasterLocation;
use crate::plan::{ChunkId, ChunkWork, SliceRef};
use crate::size::Sizes;
use crate::{ContractError, Metadata};

/// Everything that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", content = "data")]
pub enum Command {
    /// Probe a master, cut it, queue its chunks.
    PlanVideo(PlanVideo),
    /// Encode one chunk.
    TranscodeChunk(Box<TranscodeChunk>),
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
    /// [`ContractError::Message`] with serde's reason.
    pub fn parse(body: &str) -> Result<Self, ContractError> {
        serde_json::from_str(body).map_err(|error| ContractError::Message {
            name: "command".to_owned(),
            reason: error.to_string(),
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
