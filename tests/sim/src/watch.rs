//! What is asserted at every step: of each event, each record, each playlist.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use cattube_contract::event::VideoReady;
use cattube_contract::key::VideoKeys;
use cattube_contract::plan::{ChunkId, Track};
use cattube_contract::{Envelope, Event, EventId, Fault, OwnerId, VideoId};
use cattube_core::video::VideoState;
use serde_json::Value;

use crate::essence::essence;
use crate::state::{QueueId, QueueName, State, Who};

/// How often the same work of a chunk is sent, at most: five attempts in each round, a round
/// for each word of a person and each deadline, and duplicates of all.
const MAX_SENT: u32 = 400;

/// An upload that was accepted.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub owner: OwnerId,
    /// Its key, if it was dropped.
    pub drop_key: Option<String>,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Watch {
    /// Every event, once, in the order of the first publishing.
    pub history: Vec<Envelope>,
    known: BTreeMap<EventId, usize>,
    pub accepted: BTreeMap<VideoId, Accepted>,
    /// Whose deletion was accepted.
    pub deleted: BTreeSet<VideoId>,
    states: BTreeMap<VideoId, VideoState>,
    /// What is not served any more, whether or not everybody has heard it.
    pub(crate) given_up: BTreeSet<VideoId>,
    planned: BTreeMap<(VideoId, u32), (u32, u32)>,
    pub(crate) reports: BTreeSet<String>,
    ready: BTreeMap<(VideoId, u32), EventId>,
    sent: BTreeMap<u64, u32>,
    transient: BTreeSet<(VideoId, u32)>,
    pub deadlines: BTreeMap<String, u32>,
    pub commands: u64,
}

impl Watch {
    /// From here on work that is sent is counted anew.
    pub fn forget_sent(&mut self) {
        self.sent.clear();
    }
}

impl State {
    /// An upload is accepted.
    pub fn accept(&mut self, video: VideoId, owner: OwnerId, key: &str) {
        let accepted = Accepted {
            owner,
            drop_key: Some(key.to_owned()),
        };
        self.watch.accepted.insert(video, accepted);
    }

    /// A deletion was accepted.
    pub fn deleted(&mut self, video: VideoId) {
        self.watch.deleted.insert(video);
    }

    /// An event is published.
    pub fn saw_publish(&mut self, envelope: &Envelope) {
        let id = envelope.metadata.event_id;
        if fault_of(&envelope.event) == Some(Fault::Transient) {
            let attempt = (envelope.metadata.video_id, envelope.metadata.attempt);
            self.watch.transient.insert(attempt);
        }
        self.digest(id.bits() as u64);
        self.note(|| {
            format!(
                "  * {} attempt {} {:?}",
                envelope.event.name(),
                envelope.metadata.attempt,
                envelope.event
            )
        });
        if let Some(first) = self
            .watch
            .known
            .get(&id)
            .map(|place| &self.watch.history[*place])
        {
            if first.event != envelope.event && essence(&first.event) != essence(&envelope.event) {
                let (first, then) = (essence(&first.event), essence(&envelope.event));
                self.violate(2, || format!("{id} said {first} and then {then}"));
            }
            return;
        }
        self.watch.known.insert(id, self.watch.history.len());
        self.watch.history.push(envelope.clone());
        self.judge(envelope);
    }

    fn judge(&mut self, envelope: &Envelope) {
        let metadata = &envelope.metadata;
        let video = metadata.video_id;
        match &envelope.event {
            Event::VideoPlanned(planned) => {
                let counts = (planned.video_chunk_count, planned.audio_chunk_count);
                self.watch
                    .planned
                    .insert((video, planned.generation), counts);
            }
            Event::VideoDeleted(_) | Event::VideoAbandoned(_) => {
                self.watch.given_up.insert(video);
            }
            Event::VideoReady(ready) => self.judge_ready(envelope, ready),
            Event::RetryScheduled(scheduled) => {
                let next = scheduled.next_attempt;
                if (next - 1) % 5 == 0 || next != metadata.attempt + 1 {
                    self.violate(8, || {
                        format!("attempt {next} follows {} by itself", metadata.attempt)
                    });
                }
                if scheduled.delay_ms > 900_000 {
                    self.violate(8, || format!("a delay of {} ms", scheduled.delay_ms));
                }
                let was_transient = self.watch.transient.contains(&(video, metadata.attempt));
                if !was_transient {
                    self.violate(8, || format!("a permanent fault of {video} is tried again"));
                }
            }
            _ => {}
        }
    }

    fn judge_ready(&mut self, envelope: &Envelope, ready: &VideoReady) {
        let metadata = &envelope.metadata;
        let video = metadata.video_id;
        let id = metadata.event_id;
        let said = self.watch.ready.insert((video, ready.generation), id);
        if said.is_some_and(|said| said != id) {
            self.violate(2, || format!("{video} is ready by two different events"));
        }
        let keys = VideoKeys {
            owner_id: metadata.owner_id,
            video_id: video,
            generation: ready.generation,
        };
        let Some((pictures, sounds)) = self.watch.planned.get(&(video, ready.generation)).copied()
        else {
            self.violate(4, || format!("{video} is ready and was not planned"));
            return;
        };
        let ids = |track, count| (0..count).map(move |index| ChunkId { track, index });
        let missing = ids(Track::Video, pictures)
            .chain(ids(Track::Audio, sounds))
            .find(|chunk| !self.watch.reports.contains(&keys.report(*chunk)));
        if let Some(chunk) = missing {
            self.violate(4, || format!("{video} is ready without {chunk}"));
        }
    }

    /// A command is sent.
    pub fn saw_command(&mut self, to: QueueId, body: &str) {
        self.watch.commands += 1;
        self.note(|| format!("  > {:?} {body}", to.name));
        if to.name == QueueName::Chunks {
            // The same work, whatever its metadata.
            let work = body
                .split_once("\"command\"")
                .map_or(body, |(_, work)| work);
            let mut hasher = std::hash::DefaultHasher::new();
            work.hash(&mut hasher);
            let count = self.watch.sent.entry(hasher.finish()).or_default();
            *count += 1;
            if *count > MAX_SENT {
                self.violate(8, || {
                    format!("the same work was sent {MAX_SENT} times: {body}")
                });
            }
        }
    }

    /// A deadline comes.
    pub fn saw_deadline(&mut self, name: &str) {
        let count = self.watch.deadlines.entry(name.to_owned()).or_default();
        *count += 1;
        let count = *count;
        if count > 60 {
            self.violate(1, || format!("the deadline {name} came {count} times"));
        }
    }

    /// An item is saved.
    pub fn saw_save(&mut self, who: Who, partition: &str, sort: &str, body: &Value) {
        match who {
            Who::Upload => {
                let video = sort.strip_prefix("upload#").and_then(|id| id.parse().ok());
                if let (Some(video), Ok(owner)) = (video, partition.parse()) {
                    let accepted = Accepted {
                        owner,
                        drop_key: None,
                    };
                    self.watch.accepted.entry(video).or_insert(accepted);
                }
            }
            Who::Manage => {
                if let Ok(video) = sort.parse() {
                    self.saw_record(video, partition, body);
                }
            }
            _ => {}
        }
    }

    fn saw_record(&mut self, video: VideoId, partition: &str, body: &Value) {
        let Some(accepted) = self.watch.accepted.get(&video) else {
            self.violate(15, || {
                format!("{video} is in the catalogue and was never accepted")
            });
            return;
        };
        if accepted.owner.to_string() != partition {
            self.violate(12, || format!("{video} stands under another owner"));
        }
        let Ok(state) = serde_json::from_value::<VideoState>(body["state"].clone()) else {
            return;
        };
        self.note(|| format!("  = {video} {state:?}"));
        let before = self.watch.states.insert(video, state);
        let is_over = matches!(
            before,
            Some(
                VideoState::Ready
                    | VideoState::Rejected
                    | VideoState::Abandoned
                    | VideoState::Deleted
            )
        );
        let deletes = state == VideoState::Deleted;
        if let Some(before) = before {
            if is_over && before != state && !deletes {
                self.violate(6, || format!("{video} was {before:?} and is {state:?}"));
            } else if before > state && before != VideoState::Deleted {
                self.violate(6, || {
                    format!("{video} goes back from {before:?} to {state:?}")
                });
            }
        }
    }

    /// What the catalogue says of a video, as far as it was saved.
    #[must_use]
    pub fn state_of(&self, video: VideoId) -> Option<VideoState> {
        self.watch.states.get(&video).copied()
    }

    /// The sums of messages are right.
    pub fn balance(&mut self) {
        let wrong = self
            .queues
            .all()
            .find(|(_, held)| held.sent != held.done + held.buried + held.messages.len() as u64)
            .map(|(id, _)| id);
        if let Some(id) = wrong {
            self.violate(0, || format!("the messages of {id:?} do not add up"));
        }
    }
}

/// What an event says that failed.
fn fault_of(event: &Event) -> Option<Fault> {
    match event {
        Event::UploadFailed(failed) => Some(failed.fault),
        Event::PlanFailed(failed) => Some(failed.fault),
        Event::ChunkFailed(failed) => Some(failed.fault),
        Event::JoinFailed(failed) => Some(failed.fault),
        _ => None,
    }
}
