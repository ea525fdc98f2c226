//! A video's life as the catalogue tells it: one record that events move forward, never
//! back. Stale, doubled and out-of-order events are no-ops; terminal states never change.

use cattube_contract::event::{
    RejectionCode, RenditionSummary, VideoAbandoned, VideoReady, VideoRejected,
};
use cattube_contract::size::Sizes;
use cattube_contract::{Envelope, Event, Fault, Metadata, OwnerId, VideoId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
    /// The plan of this generation.
    pub plan: Option<PlanSummary>,
    /// Key of the multivariant playlist, once a head can be played.
    pub hls_key: Option<String>,
    /// What is ready.
    pub ready: Option<VideoReady>,
    /// Why it was refused.
    pub rejection: Option<Rejection>,
    /// The last thing that went wrong.
    pub last_failure: Option<Failure>,
    /// Why a person must look at it: work of it failed and is not tried again.
    #[serde(default)]
    pub needs_attention: Option<String>,
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
            plan: None,
            hls_key: None,
            ready: None,
            rejection: None,
            last_failure: None,
            needs_attention: None,
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

    /// The video after an event. The same event again changes nothing.
    #[must_use]
    pub fn evolve(mut self, envelope: &Envelope) -> Self {
        let before = self.clone();
        self.created_at = self.created_at.min(envelope.metadata.occurred_at);
        if before.state != VideoState::Deleted {
            self.apply(envelope);
        }
        if self != before {
            self.updated_at = before.updated_at.max(envelope.metadata.occurred_at);
        }
        self
    }

    fn apply(&mut self, envelope: &Envelope) {
        match &envelope.event {
            Event::UploadRequested(requested) => {
                if self.title.is_empty() {
                    self.title.clone_from(&requested.title);
                    self.sizes = requested.sizes.clone();
                }
            }
            Event::VideoUploaded(uploaded) => {
                self.title.clone_from(&uploaded.title);
                self.sizes = uploaded.sizes.clone();
                self.master_key = Some(uploaded.master.key.clone());
                self.generation = self.generation.max(uploaded.generation);
                self.advance(VideoState::Uploaded);
            }
            Event::VideoPlanned(planned) => {
                if self.enter(planned.generation) {
                    self.plan = Some(PlanSummary {
                        duration_ms: planned.duration_ms,
                        renditions: planned.renditions.clone(),
                        skipped_sizes: planned.skipped_sizes.clone(),
                        chunk_count: planned
                            .video_chunk_count
                            .saturating_add(planned.audio_chunk_count),
                    });
                    self.advance(VideoState::Planned);
                }
            }
            Event::VideoPlayable(playable) => {
                // Players stay with an older making until a newer one is ready.
                if self.enter(playable.generation) && self.ready.is_none() {
                    self.hls_key = Some(playable.hls_key.clone());
                    self.advance(VideoState::Playable);
                }
            }
            Event::VideoReady(ready) => self.replace(ready),
            Event::VideoRejected(rejected) => self.reject(rejected),
            Event::UploadFailed(failed) => {
                self.note(envelope, &failed.reason, failed.fault);
            }
            Event::UploadAbandoned(abandoned) => {
                if self.state == VideoState::Uploading {
                    self.note(envelope, &abandoned.reason, Fault::Permanent);
                    self.advance(VideoState::Abandoned);
                }
            }
            Event::PlanFailed(failed) => self.note(envelope, &failed.reason, failed.fault),
            Event::ChunkFailed(failed) => self.note(envelope, &failed.reason, failed.fault),
            Event::JoinFailed(failed) => self.note(envelope, &failed.reason, failed.fault),
            Event::MessageBuried(buried) => {
                self.note(envelope, &buried.reason, Fault::Permanent);
            }
            Event::ChunkTranscoded(transcoded) => {
                self.enter(transcoded.generation);
            }
            Event::VideoDeleted(_) => self.state = VideoState::Deleted,
            Event::RetryRequested(requested) => {
                if self.enter(requested.generation) {
                    self.needs_attention = None;
                }
            }
            Event::VideoAbandoned(abandoned) => self.abandon(envelope, abandoned),
            Event::HumanAnswered(answered) => {
                if answered.generation == self.generation {
                    self.needs_attention = None;
                }
            }
            Event::RetriesExhausted(exhausted) => {
                if self.enter(exhausted.generation) && self.is_in_the_making() {
                    self.needs_attention = Some(exhausted.reason.clone());
                }
            }
            Event::RetryScheduled(_)
            | Event::UploadResumed(_)
            | Event::UploadCompleted(_)
            | Event::HumanRequested(_) => {}
        }
    }

    fn reject(&mut self, rejected: &VideoRejected) {
        if !self.is_terminal() {
            self.rejection = Some(Rejection {
                code: rejected.code,
                reason: rejected.reason.clone(),
            });
            self.advance(VideoState::Rejected);
        }
    }

    /// A making is ready: it is what players get from now on, unless a newer one is.
    fn replace(&mut self, ready: &VideoReady) {
        let gone = matches!(
            self.state,
            VideoState::Rejected | VideoState::Abandoned | VideoState::Deleted
        );
        let older = self
            .ready
            .as_ref()
            .is_some_and(|standing| standing.generation >= ready.generation);
        if self.enter(ready.generation) {
            self.needs_attention = None;
        }
        if !gone && !older {
            self.hls_key = Some(ready.hls_key.clone());
            self.ready = Some(ready.clone());
            self.advance(VideoState::Ready);
        }
    }

    /// A making was given up: the video with it, unless an older making is ready.
    fn abandon(&mut self, envelope: &Envelope, abandoned: &VideoAbandoned) {
        if self.enter(abandoned.generation) {
            self.needs_attention = None;
            self.note(envelope, &abandoned.reason, Fault::Permanent);
            self.advance(VideoState::Abandoned);
        }
    }

    /// Whether its newest generation is being made.
    fn is_in_the_making(&self) -> bool {
        match &self.ready {
            Some(ready) => ready.generation < self.generation && self.state == VideoState::Ready,
            None => !self.is_terminal(),
        }
    }

    /// Whether an event of `generation` counts.
    fn enter(&mut self, generation: u32) -> bool {
        self.generation = self.generation.max(generation);
        generation == self.generation
    }

    fn advance(&mut self, state: VideoState) {
        if !self.is_terminal() && state > self.state {
            self.state = state;
        }
    }

    fn note(&mut self, envelope: &Envelope, reason: &str, fault: Fault) {
        let newer = self
            .last_failure
            .as_ref()
            .is_none_or(|last| last.occurred_at < envelope.metadata.occurred_at);
        if newer {
            self.last_failure = Some(Failure {
                event: envelope.event.name().to_owned(),
                reason: reason.to_owned(),
                fault,
                occurred_at: envelope.metadata.occurred_at,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cattube_contract::EventId;
    use cattube_contract::event::{
        MasterLocation, UploadRequested, VideoDeleted, VideoPlanned, VideoPlayable, VideoUploaded,
    };
    use proptest::prelude::*;

    fn metadata(second: i64) -> Metadata {
        Metadata {
            event_id: EventId::derive("t", &[&second.to_string()]),
            video_id: VideoId::new(Timestamp::UNIX_EPOCH, 1),
            owner_id: OwnerId::of_subject("a"),
            caused_by: None,
            attempt: 1,
            hop: 0,
            schema: 1,
            occurred_at: Timestamp::from_second(second).unwrap(),
        }
    }

    fn life() -> Vec<Envelope> {
        let hls_key = "k".to_owned();
        let events = [
            Event::UploadRequested(UploadRequested {
                title: "cat".to_owned(),
                size_bytes: 9,
                content_type: "video/mp4".to_owned(),
                sizes: Sizes::Auto,
            }),
            Event::VideoUploaded(VideoUploaded {
                master: MasterLocation {
                    key: "m".to_owned(),
                    etag: "e".to_owned(),
                    size_bytes: 9,
                },
                title: "cat".to_owned(),
                sizes: Sizes::Auto,
                generation: 1,
            }),
            Event::VideoPlanned(VideoPlanned {
                generation: 1,
                duration_ms: Some(1000),
                source_width_px: 2,
                source_height_px: 2,
                renditions: vec![],
                skipped_sizes: vec![],
                video_chunk_count: 3,
                audio_chunk_count: 1,
            }),
            Event::VideoPlayable(VideoPlayable {
                generation: 1,
                hls_key: hls_key.clone(),
                head_ms: 4,
            }),
            Event::VideoReady(VideoReady {
                generation: 1,
                hls_key,
                dash_key: "d".to_owned(),
                poster_key: "p".to_owned(),
                storyboard_key: "s".to_owned(),
                duration_ms: 1000,
                size_bytes: 5,
                frame_count: 25,
            }),
        ];
        events
            .into_iter()
            .zip(1..)
            .map(|(event, second)| Envelope {
                metadata: metadata(second),
                event,
            })
            .collect()
    }

    fn fold(events: &[Envelope]) -> Video {
        events
            .iter()
            .fold(Video::new(&events[0].metadata), Video::evolve)
    }

    proptest! {
        #[test]
        fn any_order_with_doubles_gives_the_same_video(
            order in Just(vec![0_usize, 1, 2, 3, 4, 0, 1, 2, 3, 4]).prop_shuffle()
        ) {
            let life = life();
            let shuffled: Vec<_> = order.iter().map(|place| life[*place].clone()).collect();
            let (mut left, mut right) = (fold(&shuffled), fold(&life));
            prop_assert_eq!(left.state, VideoState::Ready);
            // Only the time of the last change may differ.
            left.updated_at = Timestamp::UNIX_EPOCH;
            right.updated_at = Timestamp::UNIX_EPOCH;
            prop_assert_eq!(left, right);
        }
    }

    #[test]
    fn deletion_wins_over_all() {
        let deleted = Envelope {
            metadata: metadata(3),
            event: Event::VideoDeleted(VideoDeleted { master_key: None }),
        };
        let mut events = life();
        events.insert(2, deleted);
        assert_eq!(fold(&events).state, VideoState::Deleted);
    }

    #[test]
    fn a_rejected_video_stays_rejected() {
        let rejected = Envelope {
            metadata: metadata(2),
            event: Event::VideoRejected(VideoRejected {
                code: RejectionCode::Empty,
                reason: "empty".to_owned(),
            }),
        };
        let mut events = life();
        events.insert(2, rejected);
        let video = fold(&events);
        assert_eq!(video.state, VideoState::Rejected);
        assert!(video.ready.is_none());
    }
}
