//! The join: which chunks of a video are done, and what can be said of it. Chunks are a
//! set, never a counter: a chunk that two workers finish counts once.

mod telling;

use std::collections::{BTreeMap, BTreeSet};

use cattube_contract::event::{JoinFailed, VideoPlayable, VideoReady};
use cattube_contract::plan::{ChunkId, Track};
use cattube_contract::{Event, EventId};
use serde::{Deserialize, Serialize};

/// How many chunks a plan has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkCounts {
    /// Of pictures.
    pub video: u32,
    /// Of sound.
    pub audio: u32,
}

/// Where the join of a video stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinPhase {
    /// Nothing can be played yet.
    #[default]
    Gathering,
    /// A head can be played.
    Playable,
    /// All can be played. Only a new generation or a deletion follows.
    Ready,
    /// This making was given up. Only a new generation or a deletion follows.
    Abandoned,
    /// The video was deleted. Nothing follows.
    Deleted,
}

/// What is known of one video's chunks, of its newest generation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Join {
    /// Which making of the video; 0 before anything is known.
    pub generation: u32,
    /// How many chunks there are, once the plan is known.
    pub counts: Option<ChunkCounts>,
    /// The chunks that are done.
    pub done: BTreeSet<ChunkId>,
    /// How many chunks of pictures the published head has.
    pub published_head: u32,
    /// Where it stands.
    pub phase: JoinPhase,
    /// What was said of the first head, to be said again.
    #[serde(default)]
    pub playable: Option<VideoPlayable>,
    /// The event that led to that.
    #[serde(default)]
    pub playable_by: Option<EventId>,
    /// What was said of the whole, to be said again.
    #[serde(default)]
    pub ready: Option<VideoReady>,
    /// The event that led to that.
    #[serde(default)]
    pub ready_by: Option<EventId>,
    /// The final playlists that a head can be written over: their digests by their keys.
    #[serde(default)]
    pub finals: BTreeMap<String, String>,
    /// The making that was ready when this one began.
    #[serde(default)]
    pub standing: Option<Standing>,
    /// Why the chunks do not join: nothing is tried until the plan is said again.
    #[serde(default)]
    pub failure: Option<JoinFailure>,
}

/// An older making that is played until a newer one is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Which making.
    pub generation: u32,
    /// As [`Join::finals`].
    pub finals: BTreeMap<String, String>,
}

/// A join that failed for a reason that the same chunks will have again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinFailure {
    /// The attempt of the event that led to it.
    pub attempt: u32,
    /// What was said.
    pub said: JoinFailed,
}

/// What the join asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinStep {
    /// Nothing: a chunk is missing, or all is said.
    Wait,
    /// Write playlists of the head: so many chunks of pictures and of sound.
    PublishHead(ChunkCounts),
    /// Write the final playlists.
    Finish,
}

impl Join {
    /// The join after an event. Events of an older generation change nothing; one of a
    /// newer generation begins anew.
    #[must_use]
    pub fn evolve(mut self, event: &Event) -> Self {
        if self.phase == JoinPhase::Deleted {
            return self;
        }
        match event {
            Event::VideoPlanned(planned) => {
                if self.enter(planned.generation) {
                    self.counts = Some(ChunkCounts {
                        video: planned.video_chunk_count,
                        audio: planned.audio_chunk_count,
                    });
                    self.failure = None;
                }
            }
            Event::ChunkTranscoded(transcoded) => {
                if self.enter(transcoded.generation) {
                    self.done.insert(transcoded.chunk);
                }
            }
            Event::VideoDeleted(_) => {
                self = Self {
                    phase: JoinPhase::Deleted,
                    ..Self::default()
                };
            }
            Event::VideoAbandoned(abandoned) => {
                if self.enter(abandoned.generation) && self.phase != JoinPhase::Ready {
                    self.phase = JoinPhase::Abandoned;
                }
            }
            Event::UploadRequested(_)
            | Event::UploadFailed(_)
            | Event::VideoUploaded(_)
            | Event::VideoRejected(_)
            | Event::PlanFailed(_)
            | Event::ChunkFailed(_)
            | Event::VideoPlayable(_)
            | Event::VideoReady(_)
            | Event::RetryScheduled(_)
            | Event::UploadResumed(_)
            | Event::UploadAbandoned(_)
            | Event::UploadCompleted(_)
            | Event::JoinFailed(_)
            | Event::RetryRequested(_)
            | Event::MessageBuried(_)
            | Event::HumanRequested(_)
            | Event::HumanAnswered(_)
            | Event::RetriesExhausted(_) => {}
        }
        self
    }

    /// The join with chunks of the current plan that were found to be done, whether or not
    /// their events ever come. Chunks that the plan does not have are none of it.
    #[must_use]
    pub fn found(mut self, chunks: impl IntoIterator<Item = ChunkId>) -> Self {
        if let Some(counts) = self.counts {
            let planned = |chunk: &ChunkId| match chunk.track {
                Track::Video => chunk.index < counts.video,
                Track::Audio => chunk.index < counts.audio,
            };
            self.done.extend(chunks.into_iter().filter(planned));
        }
        self
    }

    /// Whether chunks that are done can still change something.
    #[must_use]
    pub fn is_gathering(&self) -> bool {
        matches!(self.phase, JoinPhase::Gathering | JoinPhase::Playable)
    }

    /// Whether an event of `generation` counts; a newer one starts the join over.
    fn enter(&mut self, generation: u32) -> bool {
        if generation > self.generation {
            let standing = if self.phase == JoinPhase::Ready {
                Some(Standing {
                    generation: self.generation,
                    finals: std::mem::take(&mut self.finals),
                })
            } else {
                self.standing.take()
            };
            *self = Self {
                generation,
                standing,
                ..Self::default()
            };
        }
        generation == self.generation
    }

    /// How many chunks from the first on are done without a gap.
    #[must_use]
    pub fn head(&self, track: Track) -> u32 {
        (0..u32::MAX)
            .find(|index| {
                !self.done.contains(&ChunkId {
                    track,
                    index: *index,
                })
            })
            .unwrap_or(u32::MAX)
    }

    /// What is to be done now. The head is published when it has doubled, so that a long
    /// film's playlists are written a few times and not once a chunk.
    #[must_use]
    pub fn step(&self) -> JoinStep {
        let Some(counts) = self.counts else {
            return JoinStep::Wait;
        };
        if !self.is_gathering() || self.failure.is_some() {
            return JoinStep::Wait;
        }
        let head = self.heads(counts);
        if head == counts {
            return JoinStep::Finish;
        }
        let sound_begins = counts.audio == 0 || head.audio > 0;
        let grown = head.video > 0 && head.video >= self.published_head.saturating_mul(2);
        if sound_begins && grown && head.video > self.published_head {
            JoinStep::PublishHead(head)
        } else {
            JoinStep::Wait
        }
    }

    /// As [`Join::step`], for a writer that has written a head and was overtaken: its head may
    /// stand in the place of a longer one, so the head as it is now is written over it.
    #[must_use]
    pub fn step_after_a_race(&self) -> JoinStep {
        let step = self.step();
        match (step, self.counts) {
            (JoinStep::Wait, Some(counts))
                if self.phase == JoinPhase::Playable && self.failure.is_none() =>
            {
                JoinStep::PublishHead(self.heads(counts))
            }
            (JoinStep::Wait | JoinStep::PublishHead(_) | JoinStep::Finish, _) => step,
        }
    }

    /// The heads of both tracks, at most what the plan has.
    fn heads(&self, counts: ChunkCounts) -> ChunkCounts {
        ChunkCounts {
            video: self.head(Track::Video).min(counts.video),
            audio: self.head(Track::Audio).min(counts.audio),
        }
    }

    /// The join after a step was carried out.
    #[must_use]
    pub fn after(mut self, step: JoinStep) -> Self {
        match step {
            JoinStep::Wait => {}
            JoinStep::PublishHead(head) => {
                self.published_head = head.video;
                self.phase = JoinPhase::Playable;
            }
            JoinStep::Finish => self.phase = JoinPhase::Ready,
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cattube_contract::event::{ChunkTranscoded, VideoAbandoned, VideoDeleted, VideoPlanned};
    use jiff::Timestamp;
    use proptest::prelude::*;

    pub(super) fn planned(generation: u32, video: u32, audio: u32) -> Event {
        Event::VideoPlanned(VideoPlanned {
            generation,
            duration_ms: None,
            source_width_px: 2,
            source_height_px: 2,
            renditions: vec![],
            skipped_sizes: vec![],
            video_chunk_count: video,
            audio_chunk_count: audio,
            master: None,
        })
    }

    pub(super) fn done(generation: u32, chunk: &str) -> Event {
        Event::ChunkTranscoded(ChunkTranscoded {
            generation,
            chunk: chunk.parse().unwrap(),
            worker: "w".to_owned(),
            started_at: Timestamp::UNIX_EPOCH,
            finished_at: Timestamp::UNIX_EPOCH,
            read_bytes: 0,
            written_bytes: 0,
        })
    }

    fn run(events: &[Event]) -> (Join, u32) {
        let mut finished = 0;
        let join = events.iter().fold(Join::default(), |join, event| {
            let join = join.evolve(event);
            let step = join.step();
            finished += u32::from(step == JoinStep::Finish);
            join.after(step)
        });
        (join, finished)
    }

    proptest! {
        #[test]
        fn any_order_with_doubles_finishes_exactly_once(
            order in Just(vec![0_usize, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]).prop_shuffle()
        ) {
            let events = [planned(1, 3, 2), done(1, "v00000"), done(1, "v00001"), done(1, "v00002"), done(1, "a00000"), done(1, "a00001")];
            let events: Vec<_> = order.iter().map(|place| events[*place].clone()).collect();
            let (join, finished) = run(&events);
            prop_assert_eq!(finished, 1);
            prop_assert_eq!(join.phase, JoinPhase::Ready);
        }

        #[test]
        fn it_never_finishes_with_a_chunk_missing(missing in 0_usize..5, repeats in 1_usize..4) {
            let chunks = ["v00000", "v00001", "v00002", "a00000", "a00001"];
            let mut events = vec![planned(1, 3, 2)];
            for _ in 0..repeats {
                for (place, chunk) in chunks.iter().enumerate() {
                    if place != missing { events.push(done(1, chunk)); }
                }
            }
            let (join, finished) = run(&events);
            prop_assert_eq!(finished, 0);
            prop_assert_ne!(join.phase, JoinPhase::Ready);
        }
    }

    #[test]
    fn generations_do_not_mix() {
        let (join, finished) = run(&[
            planned(2, 2, 0),
            done(1, "v00000"),
            done(2, "v00001"),
            planned(1, 1, 0),
        ]);
        assert_eq!(finished, 0);
        assert_eq!(join.generation, 2);
        assert_eq!(join.done.len(), 1);
    }

    #[test]
    fn a_head_needs_sound_and_doubles() {
        let join = Join::default()
            .evolve(&planned(1, 9, 1))
            .evolve(&done(1, "v00000"));
        assert_eq!(join.step(), JoinStep::Wait);
        let join = join.evolve(&done(1, "a00000"));
        let head = ChunkCounts { video: 1, audio: 1 };
        assert_eq!(join.step(), JoinStep::PublishHead(head));
        let join = join.after(JoinStep::PublishHead(head));
        assert_eq!(join.step(), JoinStep::Wait);
        let join = join.evolve(&done(1, "v00002"));
        assert_eq!(join.step(), JoinStep::Wait);
        let join = join.evolve(&done(1, "v00001"));
        assert_eq!(
            join.step(),
            JoinStep::PublishHead(ChunkCounts { video: 3, audio: 1 })
        );
    }

    #[test]
    fn what_is_found_counts_as_what_is_heard_of() {
        let ids = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        let found: Vec<ChunkId> = ids(&["v00000", "v00001", "a00000", "v00002", "a00001"]);
        let join = Join::default().evolve(&planned(1, 2, 1)).found(found);
        assert_eq!(
            join.done,
            ids(&["v00000", "v00001", "a00000"]).into_iter().collect()
        );
        assert_eq!(join.step(), JoinStep::Finish);
        // Before the plan is known nobody can tell what belongs to it.
        let found: Vec<ChunkId> = ids(&["v00000"]);
        assert!(Join::default().found(found).done.is_empty());
    }

    #[test]
    fn an_overtaken_writer_writes_the_longer_head_again() {
        let head = ChunkCounts { video: 2, audio: 0 };
        let join = Join::default()
            .evolve(&planned(1, 9, 0))
            .evolve(&done(1, "v00000"))
            .evolve(&done(1, "v00001"))
            .after(JoinStep::PublishHead(head));
        assert_eq!(join.step(), JoinStep::Wait);
        assert_eq!(join.step_after_a_race(), JoinStep::PublishHead(head));
        let join = join.after(JoinStep::Finish);
        assert_eq!(join.step_after_a_race(), JoinStep::Wait);
    }

    #[test]
    fn a_failed_join_rests_until_its_plan_is_said_again() {
        let failed = JoinFailed {
            generation: 1,
            fault: cattube_contract::Fault::Permanent,
            reason: "r".to_owned(),
            command: None,
        };
        let mut join = Join::default()
            .evolve(&planned(1, 1, 0))
            .evolve(&done(1, "v00000"));
        join.failure = Some(JoinFailure {
            attempt: 1,
            said: failed,
        });
        let join = join.evolve(&done(1, "v00000"));
        assert_eq!(join.step(), JoinStep::Wait);
        assert_eq!(join.step_after_a_race(), JoinStep::Wait);
        let join = join.evolve(&planned(1, 1, 0));
        assert_eq!(join.step(), JoinStep::Finish);
    }

    #[test]
    fn an_abandoned_making_publishes_nothing_and_a_newer_one_begins_anew() {
        let abandoned = Event::VideoAbandoned(VideoAbandoned {
            generation: 1,
            reason: "r".to_owned(),
        });
        let (join, finished) = run(&[planned(1, 1, 0), abandoned.clone(), done(1, "v00000")]);
        assert_eq!((join.phase, finished), (JoinPhase::Abandoned, 0));
        let (join, finished) = run(&[abandoned, planned(2, 1, 0), done(2, "v00000")]);
        assert_eq!((join.phase, finished), (JoinPhase::Ready, 1));
        let (join, _) = run(&[planned(1, 1, 0), done(1, "v00000")]);
        let late = Event::VideoAbandoned(VideoAbandoned {
            generation: 1,
            reason: "r".to_owned(),
        });
        assert_eq!(join.evolve(&late).phase, JoinPhase::Ready);
    }

    #[test]
    fn deletion_is_final() {
        let deleted = Event::VideoDeleted(VideoDeleted { master_key: None });
        let (join, finished) = run(&[deleted, planned(1, 1, 0), done(1, "v00000")]);
        assert_eq!((join.phase, finished), (JoinPhase::Deleted, 0));
    }
}
