//! The join: gathers finished chunks as a set and writes playlists. It must never name a
//! segment that is not in S3, nor say that a video is ready with a chunk missing.
//!
//! Objects are written before the state, the state before the events, and the message is
//! acknowledged last; so a crash between any two steps is made good by the redelivery.

mod publish;

use std::sync::Arc;

use async_trait::async_trait;
use cattube_contract::envelope::MAX_HOPS;
use cattube_contract::key::{VideoKeys, media_prefix};
use cattube_contract::{ContractError, Envelope, Event, Metadata};
use cattube_core::join::{Join, JoinPhase, JoinStep};
use cattube_core::playlist::JoinError;
use cattube_core::storyboard::StoryboardError;
use cattube_ports::outcome::MessageHandler;
use cattube_ports::{Bus, Clock, Objects, Outcome, PortError, Table};

/// The sort key of a video's join.
const SORT_KEY: &str = "join";

/// How often a lost race for the state is run again before the queue is left to bring the
/// message back.
const MAX_RACES: usize = 8;

/// Why a message cannot be handled.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The message went in a circle.
    #[error("more than {MAX_HOPS} hops: the message runs in a circle")]
    Hops,
    /// The reports do not fit each other.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// No storyboard can be made.
    #[error(transparent)]
    Storyboard(#[from] StoryboardError),
    /// A document of ours does not parse or serialise.
    #[error("{document}: {reason}")]
    Document {
        /// Which.
        document: String,
        /// serde's reason.
        reason: String,
    },
    /// Other writers were first, again and again.
    #[error("{MAX_RACES} races for the state of {video} were lost")]
    Races {
        /// Which video.
        video: String,
    },
    /// Something does not parse or serialise.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The function.
pub struct Assembler {
    /// The masters bucket: plans and reports.
    pub masters: Arc<dyn Objects>,
    /// The media bucket: playlists.
    pub media: Arc<dyn Objects>,
    /// The function's own table: a join a video.
    pub table: Arc<dyn Table>,
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

fn document(document: &str) -> impl FnOnce(serde_json::Error) -> AssembleError {
    let document = document.to_owned();
    move |error| AssembleError::Document {
        document,
        reason: error.to_string(),
    }
}

#[async_trait]
impl MessageHandler for Assembler {
    type Error = AssembleError;

    async fn handle(&self, body: &str) -> Result<Outcome, AssembleError> {
        let envelope = Envelope::parse_bus_event(body)?;
        if envelope.metadata.hop > MAX_HOPS {
            return Err(AssembleError::Hops);
        }
        let mut wrote = false;
        for _ in 0..MAX_RACES {
            match self.attempt(&envelope, &mut wrote).await {
                Err(AssembleError::Port(PortError::Conflict { .. })) => {}
                Ok(action) => return Ok(Outcome::of(action, &envelope.metadata)),
                Err(error) => return Err(error),
            }
        }
        Err(AssembleError::Races {
            video: envelope.metadata.video_id.to_string(),
        })
    }
}

impl Assembler {
    /// One try: load, evolve, write what follows, save, publish. `wrote` remembers over
    /// tries that playlists were written, which a faster writer's may not outlive.
    async fn attempt(
        &self,
        envelope: &Envelope,
        wrote: &mut bool,
    ) -> Result<&'static str, AssembleError> {
        let metadata = &envelope.metadata;
        let partition = metadata.video_id.to_string();
        let stored = self.table.load(&partition, SORT_KEY).await?;
        let version = stored.as_ref().map(|item| item.version);
        let before: Join = match stored {
            None => Join::default(),
            Some(item) => serde_json::from_value(item.body).map_err(document("join"))?,
        };
        let join = before.clone().evolve(&envelope.event);
        if join.phase == JoinPhase::Deleted {
            if *wrote {
                self.remove_playlists(metadata).await?;
            }
            self.save(&partition, version, &before, &join).await?;
            return Ok("deleted");
        }
        let keys = VideoKeys {
            owner_id: metadata.owner_id,
            video_id: metadata.video_id,
            generation: join.generation,
        };
        let step = join.step();
        let mut events = match step {
            JoinStep::Wait => Vec::new(),
            JoinStep::PublishHead(head) => {
                *wrote = true;
                let playable = self.write_head(&keys, head).await?;
                // Later, longer heads are no news: the playlist says how long it is.
                let first = join.phase == JoinPhase::Gathering;
                first.then_some(playable).into_iter().collect()
            }
            JoinStep::Finish => {
                *wrote = true;
                vec![self.write_final(&keys).await?]
            }
        };
        let join = join.after(step);
        self.save(&partition, version, &before, &join).await?;
        if join == before && concerns(&envelope.event, &join) {
            // Seen before: the try that wrote this may have ended before it was published,
            // or have written an older head over the final playlists.
            events.extend(self.say_again(&keys, &join).await?);
        }
        self.publish(metadata, join.generation, events).await?;
        Ok(match step {
            JoinStep::Wait => "gathered",
            JoinStep::PublishHead(_) => "head published",
            JoinStep::Finish => "finished",
        })
    }

    async fn save(
        &self,
        partition: &str,
        version: Option<u64>,
        before: &Join,
        join: &Join,
    ) -> Result<(), AssembleError> {
        if join == before && version.is_some() {
            return Ok(());
        }
        let body = serde_json::to_value(join).map_err(document("join"))?;
        Ok(self.table.save(partition, SORT_KEY, version, &body).await?)
    }

    async fn publish(
        &self,
        cause: &Metadata,
        generation: u32,
        events: Vec<Event>,
    ) -> Result<(), AssembleError> {
        if events.is_empty() {
            return Ok(());
        }
        let generation = generation.to_string();
        let now = self.clock.now();
        let envelopes: Vec<_> = events
            .into_iter()
            .map(|event| {
                // One fact a generation, whichever chunk happened to be the last.
                let attempt = Metadata {
                    attempt: 1,
                    ..cause.clone()
                };
                Envelope::follow(&attempt, &[&generation], event, now)
            })
            .collect();
        Ok(self.bus.publish(&envelopes).await?)
    }

    /// The events of a join that stands, for whoever may have missed them.
    async fn say_again(&self, keys: &VideoKeys, join: &Join) -> Result<Vec<Event>, AssembleError> {
        match join.phase {
            JoinPhase::Ready => Ok(vec![self.write_final(keys).await?]),
            JoinPhase::Playable if join.published_head > 0 => {
                Ok(vec![self.playable(keys, join.published_head).await?])
            }
            JoinPhase::Playable
            | JoinPhase::Gathering
            | JoinPhase::Abandoned
            | JoinPhase::Deleted => Ok(Vec::new()),
        }
    }

    async fn remove_playlists(&self, metadata: &Metadata) -> Result<(), AssembleError> {
        let prefix = media_prefix(metadata.owner_id, metadata.video_id);
        loop {
            let keys = self.media.list(&prefix, None).await?;
            if keys.is_empty() {
                return Ok(());
            }
            self.media.delete(&keys).await?;
        }
    }
}

/// Whether an event is of the generation that the join is about.
fn concerns(event: &Event, join: &Join) -> bool {
    match event {
        Event::VideoPlanned(planned) => planned.generation == join.generation,
        Event::ChunkTranscoded(transcoded) => transcoded.generation == join.generation,
        Event::UploadRequested(_)
        | Event::UploadFailed(_)
        | Event::VideoUploaded(_)
        | Event::VideoRejected(_)
        | Event::PlanFailed(_)
        | Event::ChunkFailed(_)
        | Event::VideoPlayable(_)
        | Event::VideoReady(_)
        | Event::VideoDeleted(_)
        | Event::RetryScheduled(_)
        | Event::UploadResumed(_)
        | Event::UploadAbandoned(_)
        | Event::UploadCompleted(_)
        | Event::JoinFailed(_)
        | Event::RetryRequested(_)
        | Event::VideoAbandoned(_)
        | Event::MessageBuried(_)
        | Event::HumanRequested(_)
        | Event::HumanAnswered(_)
        | Event::RetriesExhausted(_) => false,
    }
}
