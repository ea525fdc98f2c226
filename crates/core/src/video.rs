//! A video's life as the catalogue tells it: one record that events move forward, never
//! back. Stale, doubled and out-of-order events are no-ops; terminal states never change.

mod evolve;
mod redo;
mod removal;

use std::collections::{BTreeMap, BTreeSet};

use cattube_contract::TicketId;
use cattube_contract::event::{
    MasterLocation, RejectionCode, RenditionSummary, RetryRequested, VideoPlanned, VideoReady,
};
use cattube_contract::size::Sizes;
use cattube_contract::{Fault, Metadata, OwnerId, VideoId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use evolve::{is_of_a_video, master_of};
pub use redo::{RedoRefusal, RedoRequest, Redoing};
pub use removal::{Aftermath, Removal};

/// Where a video stands, in the order of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoState {
    /// Its upload was granted.
    Uploading,
    /// Its master arrived.
    Uploaded,
    /// Its chunks are queued.
    Planned,
    /// Its head can be played.
    Playable,
    /// All of it can be played.
    Ready,
    /// Its master is no video.
    Rejected,
    /// It was given up.
    Abandoned,
    /// Its owner deleted it.
    Deleted,
}

/// The last thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The event's name.
    pub event: String,
    /// For people.
    pub reason: String,
    /// Whether again may help.
    pub fault: Fault,
    /// When.
    pub occurred_at: Timestamp,
}

/// Why the master was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// For programs.
    pub code: RejectionCode,
    /// For people.
    pub reason: String,
}

/// What the plan says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// The film's length, where the container tells it.
    pub duration_ms: Option<u64>,
    /// The sizes in the making.
    pub renditions: Vec<RenditionSummary>,
    /// Sizes asked for that the master cannot fill.
    pub skipped_sizes: Vec<u32>,
    /// Chunks of pictures and sound.
    pub chunk_count: u32,
    /// Chunks of sound among them.
    #[serde(default)]
    pub audio_chunk_count: u32,
}

impl PlanSummary {
    fn of(planned: &VideoPlanned) -> Self {
        Self {
            duration_ms: planned.duration_ms,
            renditions: planned.renditions.clone(),
            skipped_sizes: planned.skipped_sizes.clone(),
            chunk_count: planned
                .video_chunk_count
                .saturating_add(planned.audio_chunk_count),
            audio_chunk_count: planned.audio_chunk_count,
        }
    }
}

/// A video in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Video {
    /// Which.
    pub video_id: VideoId,
    /// Whose.
    pub owner_id: OwnerId,
    /// What people call it.
    pub title: String,
    /// Where it stands.
    pub state: VideoState,
    /// Which making of it; 0 before there is one.
    pub generation: u32,
    /// The sizes required.
    pub sizes: Sizes,
    /// The master's key, once it arrived.
    pub master_key: Option<String>,
    /// Where the master is, once it arrived, for making the video anew.
    #[serde(default)]
    pub master: Option<MasterLocation>,
    /// The plan of this generation.
    pub plan: Option<PlanSummary>,
    /// Key of the multivariant playlist, once a head can be played.
    pub hls_key: Option<String>,
    /// The making whose head that is, until one is ready.
    #[serde(default)]
    pub head_generation: Option<u32>,
    /// What is ready.
    pub ready: Option<VideoReady>,
    /// Why it was refused.
    pub rejection: Option<Rejection>,
    /// The last thing that went wrong.
    pub last_failure: Option<Failure>,
    /// Why a person must look at it: work of it failed and is not tried again.
    #[serde(default)]
    pub needs_attention: Option<String>,
    /// The newest making that was asked for by a person.
    #[serde(default)]
    pub redo: Option<Redoing>,
    /// The makings that people asked for by their answers, by ticket: an answer is taken once.
    #[serde(default)]
    pub answered: BTreeMap<TicketId, RetryRequested>,
    /// Makings that were given up.
    #[serde(default)]
    pub abandoned: BTreeSet<u32>,
    /// Makings that a newer one replaced and whose objects are not removed yet.
    #[serde(default)]
    pub superseded: BTreeSet<u32>,
    /// When it was first heard of.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Video {
    /// A video that is heard of for the first time.
    #[must_use]
    pub fn new(metadata: &Metadata) -> Self {
        Self {
            video_id: metadata.video_id,
            owner_id: metadata.owner_id,
            title: String::new(),
            state: VideoState::Uploading,
            generation: 0,
            sizes: Sizes::Auto,
            master_key: None,
            master: None,
            plan: None,
            hls_key: None,
            head_generation: None,
            ready: None,
            rejection: None,
            last_failure: None,
            needs_attention: None,
            redo: None,
            answered: BTreeMap::new(),
            abandoned: BTreeSet::new(),
            superseded: BTreeSet::new(),
            created_at: metadata.occurred_at,
            updated_at: metadata.occurred_at,
        }
    }

    /// Whether nothing can change its state any more, except that its owner deletes it.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(
            self.state,
            VideoState::Ready | VideoState::Rejected | VideoState::Abandoned | VideoState::Deleted
        )
    }

    /// The video once its owner deleted it.
    #[must_use]
    pub fn delete(mut self, now: Timestamp) -> Self {
        if self.state != VideoState::Deleted {
            self.state = VideoState::Deleted;
            self.updated_at = now;
        }
        self
    }

    /// Whether its newest generation is being made.
    #[must_use]
    pub fn is_in_the_making(&self) -> bool {
        match &self.ready {
            Some(ready) => {
                ready.generation < self.generation
                    && self.state == VideoState::Ready
                    && !self.abandoned.contains(&self.generation)
            }
            None => !self.is_terminal(),
        }
    }

    /// The making that players get, if any.
    #[must_use]
    pub fn served_generation(&self) -> Option<u32> {
        let ready = self.ready.as_ref().map(|ready| ready.generation);
        ready.or(self.head_generation)
    }
}

#[cfg(test)]
mod tests;
