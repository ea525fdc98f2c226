//! The real join, met by every message: each join that can stand in the table has a number,
//! and what the function's own decisions make of it is worked out once.

use std::collections::{BTreeMap, HashMap};

use cattube_contract::envelope::SCHEMA;
use cattube_contract::event::{
    ChunkTranscoded, VideoAbandoned, VideoDeleted, VideoPlanned, VideoPlayable, VideoReady,
};
use cattube_contract::plan::{ChunkId, Track};
use cattube_contract::{Envelope, Event, EventId, Metadata, OwnerId, VideoId};
use cattube_core::join::{ChunkCounts, Join, JoinStep};
use jiff::Timestamp;

use super::Bug;

/// A join by its number; 0 is the one of a video that nothing is known of.
pub type JoinId = u16;

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// How many chunks a making has.
    Planned(u32, ChunkCounts),
    /// A chunk of a making is done.
    Done(u32, ChunkId),
    /// A making was given up.
    Abandoned(u32),
    /// The video was deleted.
    Deleted,
}

impl Said {
    /// As it is on the bus.
    pub fn event(self) -> Event {
        match self {
            Self::Planned(generation, counts) => Event::VideoPlanned(VideoPlanned {
                generation,
                duration_ms: None,
                source_width_px: 2,
                source_height_px: 2,
                renditions: vec![],
                skipped_sizes: vec![],
                video_chunk_count: counts.video,
                audio_chunk_count: counts.audio,
                master: None,
            }),
            Self::Done(generation, chunk) => Event::ChunkTranscoded(ChunkTranscoded {
                generation,
                chunk,
                worker: "w".to_owned(),
                started_at: Timestamp::UNIX_EPOCH,
                finished_at: Timestamp::UNIX_EPOCH,
                read_bytes: 0,
                written_bytes: 0,
            }),
            Self::Abandoned(generation) => Event::VideoAbandoned(VideoAbandoned {
                generation,
                reason: "r".to_owned(),
            }),
            Self::Deleted => Event::VideoDeleted(VideoDeleted { master_key: None }),
        }
    }

    /// The making that it is about.
    pub fn generation(self) -> u32 {
        match self {
            Self::Planned(generation, _)
            | Self::Done(generation, _)
            | Self::Abandoned(generation) => generation,
            Self::Deleted => 0,
        }
    }
}

/// What a handler makes of a join that it has loaded.
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    /// What it has to write.
    pub step: JoinStep,
    /// The join that it saves when that is written.
    pub after: JoinId,
}

/// The joins that were met.
pub struct Joins {
    /// What can be said; messages are counted in this order.
    pub said: Vec<Said>,
    /// The same as it is delivered.
    delivered: Vec<Envelope>,
    bug: Option<Bug>,
    met: Vec<Join>,
    numbers: HashMap<String, JoinId>,
    decided: HashMap<(JoinId, u8, bool, u16), Decision>,
}

impl Joins {
    pub fn new(said: Vec<Said>, bug: Option<Bug>) -> Self {
        let mut joins = Self {
            delivered: (0..)
                .zip(&said)
                .map(|(place, said)| deliver(place, *said))
                .collect(),
            said,
            bug,
            met: Vec::new(),
            numbers: HashMap::new(),
            decided: HashMap::new(),
        };
        assert_eq!(joins.number(&Join::default()), 0);
        joins
    }

    /// The join as the next handler reads it from the table.
    pub fn join(&self, id: JoinId) -> &Join {
        &self.met[usize::from(id)]
    }

    /// A join's number, by what is stored of it.
    fn number(&mut self, join: &Join) -> JoinId {
        let stored = serde_json::to_string(join).unwrap();
        if let Some(number) = self.numbers.get(&stored) {
            return *number;
        }
        let number = JoinId::try_from(self.met.len()).unwrap();
        self.met.push(serde_json::from_str(&stored).unwrap());
        self.numbers.insert(stored, number);
        number
    }

    /// The chunks of a making, as messages that are marked, one bit each.
    pub fn chunks(&self, generation: u32, marked: u16) -> impl Iterator<Item = ChunkId> {
        let said = self.said.iter().enumerate();
        said.filter_map(move |(place, said)| match said {
            Said::Done(of, chunk) if *of == generation && marked & (1 << place) != 0 => {
                Some(*chunk)
            }
            Said::Planned(..) | Said::Done(..) | Said::Abandoned(_) | Said::Deleted => None,
        })
    }

    /// What `assemble` decides on a message: see `Assembler::attempt`. `made` are the messages
    /// whose chunk has a report in S3.
    pub fn decide(&mut self, before: JoinId, message: u8, overtaken: bool, made: u16) -> Decision {
        let said = self.said[usize::from(message)];
        // Only the plan's message has the handler look into S3.
        let made = if matches!(said, Said::Planned(..)) {
            made
        } else {
            0
        };
        let question = (before, message, overtaken, made);
        if let Some(decision) = self.decided.get(&question) {
            return *decision;
        }
        let mut join = self.evolve(before, said);
        let concerns = matches!(said, Said::Planned(..) | Said::Done(..))
            && said.generation() == join.generation;
        if concerns && matches!(said, Said::Planned(..)) && join.is_gathering() {
            let found: Vec<ChunkId> = self.chunks(join.generation, made).collect();
            join = join.found(found);
        }
        let step = match (concerns, overtaken) {
            (false, _) => JoinStep::Wait,
            (true, false) => join.step(),
            (true, true) => join.step_after_a_race(),
        };
        let cause = self.delivered[usize::from(message)].metadata.event_id;
        let after = carried_out(join, cause, step);
        let decision = Decision {
            step,
            after: self.number(&after),
        };
        self.decided.insert(question, decision);
        decision
    }

    fn evolve(&self, before: JoinId, said: Said) -> Join {
        let before = self.join(before).clone();
        let was_done = match said {
            Said::Done(generation, chunk) => {
                generation == before.generation && before.done.contains(&chunk)
            }
            Said::Planned(..) | Said::Abandoned(_) | Said::Deleted => false,
        };
        let mut join = before.evolve(&said.event());
        if self.bug == Some(Bug::Counter) && was_done {
            // A counter cannot tell a chunk from one that it had already.
            let next = (0..).map(|index| ChunkId {
                track: Track::Video,
                index,
            });
            let next = { next }.find(|chunk| !join.done.contains(chunk));
            join.done.extend(next);
        }
        join
    }

    /// Whether a message has it said again that the making is ready.
    pub fn says_ready_again(&self, message: u8, join: JoinId) -> bool {
        let envelope = &self.delivered[usize::from(message)];
        Join::says_again(self.join(join).ready_by, envelope)
    }

    /// The id of the event that says that a making is ready, said on this message: as
    /// `Assembler::publish` makes it.
    pub fn ready_id(&self, message: u8, join: JoinId) -> EventId {
        let join = self.join(join);
        let delivered = self.delivered[usize::from(message)].metadata.clone();
        let cause = match self.bug {
            Some(Bug::AttemptInId) => delivered,
            _ => Metadata {
                attempt: 1,
                ..delivered
            },
        };
        let event = Event::VideoReady(join.ready.clone().expect("only a ready join says so"));
        let generation = join.generation.to_string();
        let envelope = Envelope::follow(&cause, &[&generation], event, Timestamp::UNIX_EPOCH);
        envelope.metadata.event_id
    }
}

/// The message at a place, as it is delivered.
fn deliver(place: u32, said: Said) -> Envelope {
    let metadata = Metadata {
        event_id: EventId::derive("model", &[&place.to_string()]),
        video_id: VideoId::NONE,
        owner_id: OwnerId::NONE,
        caused_by: None,
        attempt: 1 + place,
        hop: place,
        schema: SCHEMA,
        occurred_at: Timestamp::UNIX_EPOCH,
    };
    Envelope {
        metadata,
        event: said.event(),
    }
}

/// As `Assembler::carry_out`, without the writing. Which event made it playable is left out: the
/// model does not look at what is said of that.
fn carried_out(mut join: Join, cause: EventId, step: JoinStep) -> Join {
    let generation = join.generation;
    let hls_key = format!("g{generation}/master.m3u8");
    match step {
        JoinStep::Wait => {}
        JoinStep::PublishHead(head) => {
            join.playable.get_or_insert(VideoPlayable {
                generation,
                hls_key,
                head_ms: u64::from(head.video),
            });
        }
        JoinStep::Finish => {
            join.ready_by = Some(cause);
            join.finals = BTreeMap::from([(hls_key.clone(), "final".to_owned())]);
            join.ready = Some(VideoReady {
                generation,
                hls_key,
                dash_key: String::new(),
                poster_key: String::new(),
                storyboard_key: String::new(),
                duration_ms: 0,
                size_bytes: 0,
                frame_count: 0,
            });
        }
    }
    join.after(step)
}
