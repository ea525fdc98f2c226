//! A new making of a video, or of a part of it, as a person asks for it.

use cattube_contract::command::{Base, Redo};
use cattube_contract::event::RetryRequested;
use cattube_contract::plan::{AUDIO_RENDITION, ChunkId, Track};
use cattube_contract::{TicketId, excerpt};
use serde::{Deserialize, Deserializer, Serialize};

use super::{PlanSummary, Video, VideoState};

/// What is made anew: all, or one size, or one chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedoRequest {
    /// A size by its name, such as `720p`, or `audio`.
    #[serde(default, deserialize_with = "present")]
    pub size: Option<String>,
    /// A chunk, such as `v00003`.
    #[serde(default, deserialize_with = "present")]
    pub chunk: Option<ChunkId>,
}

/// A field that is there must have a value: `null` is not the same as nothing.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A making that a person asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redoing {
    /// What was asked for.
    pub request: RetryRequested,
    /// Whether the event of it was heard.
    pub begun: bool,
}

/// Why a video is not made anew; the text names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedoRefusal {
    /// The video is not in a state to be made anew.
    #[error("state: {}", describe(*.0))]
    State(VideoState),
    /// Where the master is was never told.
    #[error("master: it is not known where the master is")]
    NoMaster,
    /// Both a size and a chunk are named.
    #[error("chunk: expected a size or a chunk, not both")]
    Both,
    /// The plan has no such size.
    #[error("size: {wanted:?} is not among {known:?}")]
    Size {
        /// As asked for, cut to 80 characters.
        wanted: String,
        /// The plan's.
        known: Vec<String>,
    },
    /// The plan has no such chunk.
    #[error("chunk: {wanted} is not among {video} of pictures and {audio} of sound")]
    Chunk {
        /// As asked for.
        wanted: ChunkId,
        /// How many chunks of pictures there are.
        video: u32,
        /// How many chunks of sound there are.
        audio: u32,
    },
}

impl RedoRefusal {
    /// Whether the request can be right for another video or at another time.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::State(_) | Self::NoMaster => true,
            Self::Both | Self::Size { .. } | Self::Chunk { .. } => false,
        }
    }
}

fn describe(state: VideoState) -> &'static str {
    match state {
        VideoState::Uploading => "the master has not arrived",
        VideoState::Rejected => "the master is no video that can be made into a stream",
        VideoState::Abandoned => "the video was given up",
        VideoState::Deleted => "the video was deleted",
        VideoState::Uploaded | VideoState::Planned | VideoState::Playable | VideoState::Ready => {
            "the video can be made anew"
        }
    }
}

fn sizes(plan: Option<&PlanSummary>) -> Vec<String> {
    let Some(plan) = plan else {
        return Vec::new();
    };
    let mut names: Vec<_> = plan
        .renditions
        .iter()
        .map(|made| made.name.clone())
        .collect();
    if plan.audio_chunk_count > 0 {
        names.push(AUDIO_RENDITION.to_owned());
    }
    names
}

impl Video {
    /// What must be published for this to be made anew. A request that is being followed
    /// already gives the same making again, so that whoever lost the answer may ask again.
    ///
    /// # Errors
    /// [`RedoRefusal`].
    pub fn redo(&self, wanted: &RedoRequest) -> Result<RetryRequested, RedoRefusal> {
        let redo = match (&wanted.size, wanted.chunk) {
            (None, None) => None,
            (Some(_), Some(_)) => return Err(RedoRefusal::Both),
            (Some(size), None) => Some(Redo::Size(self.known_size(size)?)),
            (None, Some(chunk)) => Some(Redo::Chunk(self.known_chunk(chunk)?)),
        };
        let standing = self.redo.as_ref().filter(|redoing| {
            let same = redoing.request.base.as_ref().map(|base| &base.redo) == redo.as_ref();
            let stuck = redoing.begun && self.needs_attention.is_some();
            same && redoing.request.generation == self.generation
                && self.is_in_the_making()
                && !stuck
        });
        if let Some(standing) = standing {
            return Ok(standing.request.clone());
        }
        let finished = self.ready.as_ref().map(|ready| ready.generation);
        let generation = finished.unwrap_or(self.generation);
        self.next_making(redo.map(|redo| Base { generation, redo }))
    }

    /// What must be published for a person's answer to skip a size of a making; `None` if the
    /// answer is about a making that is no more the newest.
    ///
    /// # Errors
    /// [`RedoRefusal`].
    pub fn skip(
        &self,
        ticket: TicketId,
        generation: u32,
        size: &str,
    ) -> Result<Option<RetryRequested>, RedoRefusal> {
        if let Some(standing) = self.answered.get(&ticket) {
            return Ok(Some(standing.clone()));
        }
        if generation != self.generation || !self.is_in_the_making() {
            return Ok(None);
        }
        let redo = Redo::Skip(self.known_size(size)?);
        self.next_making(Some(Base { generation, redo })).map(Some)
    }

    /// The video with a making allocated, by a ticket's answer if one is named. The same
    /// again changes nothing.
    #[must_use]
    pub fn allocate(mut self, request: &RetryRequested, ticket: Option<TicketId>) -> Self {
        if let Some(ticket) = ticket {
            self.answered
                .entry(ticket)
                .or_insert_with(|| request.clone());
        }
        if request.generation > self.generation {
            self.generation = request.generation;
            self.redo = Some(Redoing {
                request: request.clone(),
                begun: false,
            });
        }
        self
    }

    /// The newest making, if a person asked for it and it is not done.
    #[must_use]
    pub fn redo_in_progress(&self) -> Option<&RetryRequested> {
        let redoing = self.redo.as_ref()?;
        let newest = redoing.request.generation == self.generation;
        (newest && self.is_in_the_making()).then_some(&redoing.request)
    }

    /// The same, if its event was not heard: what allocated it may have died before it said so.
    #[must_use]
    pub fn unheard_redo(&self) -> Option<&RetryRequested> {
        let begun = self.redo.as_ref().is_some_and(|redoing| redoing.begun);
        self.redo_in_progress().filter(|_| !begun)
    }

    /// The making begins: what a person was asked about an older one is answered.
    pub(super) fn begin_redo(&mut self, request: &RetryRequested) {
        let begun = self
            .redo
            .as_ref()
            .is_some_and(|redoing| redoing.begun && redoing.request == *request);
        if !begun {
            self.needs_attention = None;
            self.redo = Some(Redoing {
                request: request.clone(),
                begun: true,
            });
        }
    }

    fn next_making(&self, base: Option<Base>) -> Result<RetryRequested, RedoRefusal> {
        match self.state {
            VideoState::Uploading
            | VideoState::Rejected
            | VideoState::Abandoned
            | VideoState::Deleted => return Err(RedoRefusal::State(self.state)),
            VideoState::Uploaded
            | VideoState::Planned
            | VideoState::Playable
            | VideoState::Ready => {}
        }
        let Some(master) = self.master.clone() else {
            return Err(RedoRefusal::NoMaster);
        };
        Ok(RetryRequested {
            generation: self.generation.saturating_add(1),
            master,
            sizes: self.sizes.clone(),
            base,
        })
    }

    fn known_size(&self, wanted: &str) -> Result<String, RedoRefusal> {
        let known = sizes(self.plan.as_ref());
        if known.iter().any(|name| name == wanted) {
            return Ok(wanted.to_owned());
        }
        let wanted = excerpt(wanted, 80);
        Err(RedoRefusal::Size { wanted, known })
    }

    fn known_chunk(&self, wanted: ChunkId) -> Result<ChunkId, RedoRefusal> {
        let (all, audio) = self
            .plan
            .as_ref()
            .map_or((0, 0), |plan| (plan.chunk_count, plan.audio_chunk_count));
        let video = all.saturating_sub(audio);
        let count = match wanted.track {
            Track::Video => video,
            Track::Audio => audio,
        };
        if wanted.index < count {
            return Ok(wanted);
        }
        Err(RedoRefusal::Chunk {
            wanted,
            video,
            audio,
        })
    }
}
