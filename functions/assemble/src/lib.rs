//! The join: gathers finished chunks as a set and writes playlists. It must never name a
//! segment that is not in S3, say that a video is ready with a chunk missing, or publish
//! anything of a making that was given up or replaced.
//!
//! Objects are written before the state, the state before the events, and the message is
//! acknowledged last; so a crash between any two steps is made good by the redelivery.

mod mend;
mod publish;
mod say;

use std::sync::Arc;

use async_trait::async_trait;
use cattube_contract::key::VideoKeys;
use cattube_contract::{ContractError, Envelope, Event, EventId, Metadata};
use cattube_core::join::{Join, JoinPhase, JoinStep};
use cattube_core::playlist::JoinError;
use cattube_core::storyboard::StoryboardError;
use cattube_ports::outcome::MessageHandler;
use cattube_ports::{Bus, Clock, Objects, Outcome, PortError, Table};
use say::news;

/// The sort key of a video's join.
const SORT_KEY: &str = "join";

/// How often a lost race for the state is run again before the queue is left to bring the
/// message back. Every chunk of a film races for one record, and the table lets losers pause.
const MAX_RACES: usize = 16;

/// Why a message cannot be handled.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
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

impl AssembleError {
    /// Whether the chunks themselves are to blame, so that the same ones fail again.
    fn is_of_the_chunks(&self) -> bool {
        match self {
            Self::Join(_) | Self::Storyboard(_) | Self::Document { .. } => true,
            Self::Races { .. } | Self::Contract(_) | Self::Port(_) => false,
        }
    }
}

/// A join with the version that a change must name.
#[derive(Default)]
struct Stored {
    join: Join,
    version: Option<u64>,
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

/// What an error calls the record of a join.
fn join_of(metadata: &Metadata) -> String {
    format!("join of {}", metadata.video_id)
}

#[async_trait]
impl MessageHandler for Assembler {
    type Error = AssembleError;

    async fn handle(&self, body: &str) -> Result<Outcome, AssembleError> {
        let envelope = Envelope::parse_bus_event(body)?;
        envelope.metadata.check_hops()?;
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
        let Envelope { metadata, event } = envelope;
        let before = self.load(metadata).await?;
        let join = before.join.clone().evolve(event);
        let keys = VideoKeys::of(metadata, join.generation);
        let join = self.look_for_reports(&keys, event, join).await?;
        if matches!(join.phase, JoinPhase::Deleted | JoinPhase::Abandoned) {
            if *wrote {
                self.remove_playlists(&keys, join.phase).await?;
            }
            self.save(metadata, &before, &join, false).await?;
            if *wrote || join.is_of_the_standing(event) {
                self.restore_standing(&keys, &join).await?;
            }
            return Ok("nothing follows");
        }
        let overtaken = *wrote;
        let step = match (join.concerns(event), overtaken) {
            // Of an older making: should this writer die, nobody would look at what it wrote.
            (false, _) => JoinStep::Wait,
            (true, false) => join.step(),
            (true, true) => join.step_after_a_race(),
        };
        let writes = step != JoinStep::Wait;
        *wrote |= writes;
        let cause = metadata.event_id;
        let (join, action) = match self.carry_out(&keys, cause, step, join.clone()).await {
            Ok(done) => done,
            Err(error) if error.is_of_the_chunks() => {
                let failed = self.failed(&keys, metadata, join, &error).await?;
                (failed, "join failed")
            }
            Err(error) => return Err(error),
        };
        self.save(metadata, &before, &join, writes).await?;
        // Seen before: the try that wrote this may have ended before it was published.
        let seen = join == before.join && join.concerns(event);
        if seen || overtaken || writes {
            self.restore_finals(&keys, &join).await?;
        }
        if overtaken || join.is_of_the_standing(event) {
            self.restore_standing(&keys, &join).await?;
        }
        let news = news(&before.join, &join, envelope, seen);
        self.publish(metadata, join.generation, news).await?;
        Ok(action)
    }

    /// When the plan is said, what is done is looked for: a chunk whose event was lost is done
    /// all the same.
    async fn look_for_reports(
        &self,
        keys: &VideoKeys,
        event: &Event,
        join: Join,
    ) -> Result<Join, AssembleError> {
        let planned = matches!(event, Event::VideoPlanned(_)) && join.concerns(event);
        if planned && join.is_gathering() {
            return Ok(join.found(self.reported(keys).await?));
        }
        Ok(join)
    }

    /// Writes what a step asks for because of the event `cause`; gives the join after it.
    async fn carry_out(
        &self,
        keys: &VideoKeys,
        cause: EventId,
        step: JoinStep,
        mut join: Join,
    ) -> Result<(Join, &'static str), AssembleError> {
        let action = match step {
            JoinStep::Wait => "gathered",
            JoinStep::PublishHead(head) => {
                let playable = self.write_head(keys, head).await?;
                // Later, longer heads are no news: the playlist says how long it is.
                if join.playable.is_none() {
                    join.playable = Some(playable);
                    join.playable_by = Some(cause);
                }
                "head published"
            }
            JoinStep::Finish => {
                let written = self.write_final(keys).await?;
                join.ready = Some(written.ready);
                join.ready_by = Some(cause);
                join.finals = written.playlists;
                "finished"
            }
        };
        Ok((join.after(step), action))
    }

    async fn load(&self, metadata: &Metadata) -> Result<Stored, AssembleError> {
        let partition = metadata.video_id.to_string();
        let Some(item) = self.table.load(&partition, SORT_KEY).await? else {
            return Ok(Stored::default());
        };
        Ok(Stored {
            version: Some(item.version),
            join: serde_json::from_value(item.body).map_err(document(&join_of(metadata)))?,
        })
    }

    /// One that has written playlists always saves, changed or not: only so does it learn that
    /// it was overtaken.
    async fn save(
        &self,
        metadata: &Metadata,
        before: &Stored,
        join: &Join,
        writes: bool,
    ) -> Result<(), AssembleError> {
        if *join == before.join && before.version.is_some() && !writes {
            return Ok(());
        }
        let partition = metadata.video_id.to_string();
        let body = serde_json::to_value(join).map_err(document(&join_of(metadata)))?;
        let saved = self.table.save(&partition, SORT_KEY, before.version, &body);
        Ok(saved.await?)
    }
}
