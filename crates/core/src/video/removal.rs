//! Which objects of a video go, and when. What is being served is never removed.

use cattube_contract::Event;

use super::{Video, VideoState};

/// What is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Removal {
    /// Everything of the video, its master too.
    Video,
    /// One making of it.
    Making(u32),
}

impl Removal {
    /// What a command to remove this generation, or all, asks for.
    #[must_use]
    pub fn of(generation: Option<u32>) -> Self {
        generation.map_or(Self::Video, Self::Making)
    }

    /// The generation, or none for all.
    #[must_use]
    pub fn generation(self) -> Option<u32> {
        match self {
            Self::Video => None,
            Self::Making(generation) => Some(generation),
        }
    }
}

/// What is to be removed after an event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aftermath {
    /// At once.
    pub now: Vec<Removal>,
    /// By a deadline: what players may still be reading, and once more what a late worker may
    /// write after the first removal.
    pub later: Vec<Removal>,
}

/// The making that an event of work in progress is of.
fn working_on(event: &Event) -> Option<u32> {
    match event {
        Event::VideoPlanned(planned) => Some(planned.generation),
        Event::ChunkTranscoded(transcoded) => Some(transcoded.generation),
        Event::VideoPlayable(playable) => Some(playable.generation),
        Event::VideoReady(ready) => Some(ready.generation),
        // What fails halfway has written the half.
        Event::ChunkFailed(failed) => Some(failed.generation),
        Event::PlanFailed(failed) => Some(failed.generation),
        Event::RetriesExhausted(exhausted) => Some(exhausted.generation),
        Event::UploadRequested(_)
        | Event::UploadFailed(_)
        | Event::UploadResumed(_)
        | Event::UploadAbandoned(_)
        | Event::UploadCompleted(_)
        | Event::VideoUploaded(_)
        | Event::VideoRejected(_)
        | Event::JoinFailed(_)
        | Event::VideoDeleted(_)
        | Event::RetryScheduled(_)
        | Event::RetryRequested(_)
        | Event::VideoAbandoned(_)
        | Event::MessageBuried(_)
        | Event::HumanRequested(_)
        | Event::HumanAnswered(_) => None,
    }
}

impl Video {
    /// What is to be removed after `event`, which this record has taken in. The same event
    /// again gives the same, or less once it is done.
    #[must_use]
    pub fn aftermath(&self, event: &Event) -> Aftermath {
        let abandoned = if let Event::VideoAbandoned(abandoned) = event {
            Some(abandoned.generation)
        } else if let (Event::VideoRejected(rejected), Some(_)) = (event, &self.ready) {
            Some(rejected.generation)
        } else {
            None
        };
        if self.may_remove(Removal::Video) {
            // Whatever this event tells of may have left objects behind. The deadline of a
            // deletion was set before it was said.
            let later = abandoned.map(|_| Removal::Video);
            return Aftermath {
                now: vec![Removal::Video],
                later: later.into_iter().collect(),
            };
        }
        if abandoned == Some(self.generation) {
            let served = self.ready.as_ref().map_or(0, |ready| ready.generation);
            let given_up = self.abandoned.iter().filter(|made| **made > served);
            let given_up: Vec<_> = given_up.map(|made| Removal::Making(*made)).collect();
            return Aftermath {
                now: given_up.clone(),
                later: given_up,
            };
        }
        let late = working_on(event).filter(|made| self.is_removed(*made));
        let is_ready = matches!(event, Event::VideoReady(_));
        let replaced = self.superseded.iter().filter(|_| is_ready);
        Aftermath {
            now: late.map(Removal::Making).into_iter().collect(),
            later: replaced.map(|made| Removal::Making(*made)).collect(),
        }
    }

    /// Whether nothing of this is served or can be again.
    #[must_use]
    pub fn may_remove(&self, removal: Removal) -> bool {
        let gone = matches!(self.state, VideoState::Abandoned | VideoState::Deleted);
        match (removal, &self.ready) {
            (_, _) if gone => true,
            (Removal::Video, _) | (Removal::Making(_), None) => false,
            (Removal::Making(made), Some(ready)) => {
                made < ready.generation
                    || (made > ready.generation && self.abandoned.contains(&made))
            }
        }
    }

    /// The video after something of it was removed.
    #[must_use]
    pub fn removed(mut self, removal: Removal) -> Self {
        match removal {
            Removal::Video => self.superseded.clear(),
            Removal::Making(made) => {
                self.superseded.remove(&made);
            }
        }
        self
    }

    /// Whether a making was removed, so that what still comes of it goes too.
    fn is_removed(&self, made: u32) -> bool {
        self.may_remove(Removal::Making(made)) && !self.superseded.contains(&made)
    }
}
