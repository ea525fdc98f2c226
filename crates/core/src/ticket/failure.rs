//! What a ticket is made of.

use cattube_contract::event::FailedWork;
use cattube_contract::plan::{AUDIO_RENDITION, ChunkId, ChunkWork, Track};
use cattube_contract::{EventId, OwnerId, VideoId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One thing that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What, within its cause: `v00012`, `plan`.
    pub name: String,
    /// The event that told.
    pub event_id: EventId,
    /// Which video.
    pub video_id: VideoId,
    /// Whose.
    pub owner_id: OwnerId,
    /// The last attempt.
    pub attempt: u32,
    /// The event's hops.
    pub hop: u32,
    /// When it was told.
    pub occurred_at: Timestamp,
    /// Why it failed.
    pub reason: String,
    /// The size that failed, where one alone is to blame.
    pub rendition: Option<String>,
    /// What can be tried again.
    pub work: Option<FailedWork>,
}

impl Failure {
    /// Where it stands in its ticket's partition.
    #[must_use]
    pub fn sort_key(&self) -> String {
        sort_key(&self.name, self.attempt)
    }

    /// What may be to blame, of what can be left out: one rendition alone if it is known, the
    /// sound if the chunk is of it, else every size of the chunk.
    pub(super) fn blamed(&self) -> Vec<String> {
        let chunk = self.name.parse::<ChunkId>();
        match (&self.rendition, chunk) {
            (Some(name), _) => vec![name.clone()],
            (None, Ok(chunk)) if chunk.track == Track::Audio => vec![AUDIO_RENDITION.to_owned()],
            (None, _) => self.sizes(),
        }
    }

    /// Every size of the chunk that failed, tallest first; none if it is no chunk of pictures.
    pub(super) fn sizes(&self) -> Vec<String> {
        match &self.work {
            Some(FailedWork::Chunk(chunk)) => match &chunk.work {
                ChunkWork::Video { encoding, .. } => {
                    let names = encoding.renditions.iter().map(|size| size.name.clone());
                    names.collect()
                }
                ChunkWork::Audio { .. } => Vec::new(),
            },
            Some(FailedWork::Plan(_) | FailedWork::Message { .. }) | None => Vec::new(),
        }
    }
}

pub(super) fn sort_key(name: &str, attempt: u32) -> String {
    format!("work#{name}#{attempt:010}")
}
