//! What tickets are about has a life of its own: a video becomes ready or is deleted, an alarm
//! goes quiet. Then there is nothing to ask any more.

use std::collections::BTreeMap;

use cattube_contract::{Event, TicketId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, Concern};

/// What is known of a video or an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Subject {
    /// The video is deleted.
    pub deleted: bool,
    /// Makings up to this one are ready or given up.
    pub ended_generation: u32,
    /// The alarm was quiet last then.
    pub quiet_at: Option<Timestamp>,
    /// The newest ticket about each making; 0 for what is not about one.
    pub tickets: BTreeMap<u32, TicketId>,
}

/// How a subject ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The video is gone.
    Deleted,
    /// The video will never be one.
    Rejected,
    /// This making is ready or given up, and so are those before it.
    Making(u32),
    /// The alarm is quiet.
    Quiet(Timestamp),
}

impl Ending {
    /// What ends by an event, if anything.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::VideoDeleted(_) => Some(Self::Deleted),
            Event::VideoRejected(_) => Some(Self::Rejected),
            Event::VideoReady(ready) => Some(Self::Making(ready.generation)),
            Event::VideoAbandoned(abandoned) => Some(Self::Making(abandoned.generation)),
            Event::UploadRequested(_)
            | Event::UploadFailed(_)
            | Event::UploadResumed(_)
            | Event::UploadAbandoned(_)
            | Event::UploadCompleted(_)
            | Event::VideoUploaded(_)
            | Event::VideoPlanned(_)
            | Event::PlanFailed(_)
            | Event::ChunkTranscoded(_)
            | Event::ChunkFailed(_)
            | Event::JoinFailed(_)
            | Event::VideoPlayable(_)
            | Event::RetryScheduled(_)
            | Event::RetriesExhausted(_)
            | Event::RetryRequested(_)
            | Event::MessageBuried(_)
            | Event::HumanRequested(_)
            | Event::HumanAnswered(_) => None,
        }
    }
}

impl Subject {
    /// The subject after it has ended, for good or for now.
    #[must_use]
    pub fn end(mut self, ending: Ending) -> Self {
        match ending {
            Ending::Deleted => self.deleted = true,
            // A master is refused before it is cut: that ends all that was begun.
            Ending::Rejected => {
                let newest = self.tickets.keys().max().copied().unwrap_or(0);
                self.ended_generation = self.ended_generation.max(newest).max(1);
            }
            Ending::Making(generation) => {
                self.ended_generation = self.ended_generation.max(generation);
            }
            Ending::Quiet(at) => self.quiet_at = self.quiet_at.max(Some(at)),
        }
        self
    }

    /// The subject with its newest ticket.
    #[must_use]
    pub fn with(mut self, generation: u32, ticket: TicketId) -> Self {
        self.tickets.insert(generation, ticket);
        self
    }

    /// Whether there is nothing to ask about this any more.
    #[must_use]
    pub fn is_over(&self, concern: &Concern) -> bool {
        self.ends(&concern.cause, concern.failure.occurred_at)
    }

    /// Whether a ticket about `cause`, whose newest failure was told `last_at`, is needless.
    #[must_use]
    pub fn ends(&self, cause: &Cause, last_at: Timestamp) -> bool {
        match cause {
            Cause::Making { generation, .. } => {
                self.deleted || *generation <= self.ended_generation
            }
            Cause::Upload { .. } => self.deleted || self.ended_generation > 0,
            Cause::Alarm { .. } => self.quiet_at.is_some_and(|quiet_at| last_at <= quiet_at),
            Cause::Message { .. } => false,
        }
    }
}
