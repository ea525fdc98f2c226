//! Plans a video: probes the master with ranged reads, cuts it into chunks and queues one
//! command a chunk. It must never download a master that it can index, and it decides
//! nothing by what another worker did: the same master always gives the same plan.
//!
//! The plan's object is written when every command is on the queue, so it marks the job as
//! done: a redelivery that finds it only says so on the bus again, and queues the chunks that
//! are not done if it is asked to.

mod decide;
mod probe;
mod store;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use cattube_contract::command::PlanVideo;
use cattube_contract::event::{PlanFailed, RejectionCode, VideoRejected};
use cattube_contract::key::VideoKeys;
use cattube_contract::plan::{Plan, Quality};
use cattube_contract::{
    Command, CommandMessage, ContractError, Envelope, Event, Fault, Metadata, excerpt,
};
use cattube_core::redo::{self, NothingLeft};
use cattube_ports::outcome::MessageHandler;
use cattube_ports::{Bus, Clock, Encoder, Objects, Outcome, PortError, Queue};
use decide::{make_plan, summarise};

/// Why a message cannot be handled, or a plan not be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The queue brought another command.
    #[error("expected PlanVideo, got another command")]
    Command,
    /// The master is no video.
    #[error("{reason}")]
    Rejected {
        /// For programs.
        code: RejectionCode,
        /// For people.
        reason: String,
    },
    /// The index asks for bytes for ever.
    #[error("the master's index was not found in {reads} reads")]
    Reads {
        /// How many were tried.
        reads: usize,
    },
    /// The store is slow, or the index lies scattered.
    #[error("the master's index was not found in time, after {reads} reads: remux it to MP4")]
    Slow {
        /// How many were done.
        reads: usize,
    },
    /// Nothing would be left to make.
    #[error(transparent)]
    NothingLeft(#[from] NothingLeft),
    /// Something does not parse or serialise.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A document of ours does not parse or serialise.
    #[error("{document}: {reason}")]
    Document {
        /// Which.
        document: String,
        /// serde's reason.
        reason: String,
    },
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl PlanError {
    fn fault(&self) -> Fault {
        match self {
            Self::Port(error) => error.fault(),
            Self::Slow { .. } => Fault::Transient,
            Self::Command
            | Self::Rejected { .. }
            | Self::Reads { .. }
            | Self::NothingLeft(_)
            | Self::Contract(_)
            | Self::Document { .. } => Fault::Permanent,
        }
    }
}

/// The function.
pub struct Planner {
    /// The masters bucket.
    pub objects: Arc<dyn Objects>,
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// The `chunks` queue.
    pub chunks: Arc<dyn Queue>,
    /// Looks at containers that are not indexed here.
    pub encoder: Arc<dyn Encoder>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What quality every size aims at.
    pub quality: Quality,
}

#[async_trait]
impl MessageHandler for Planner {
    type Error = PlanError;

    async fn handle(&self, body: &str) -> Result<Outcome, PlanError> {
        let message = CommandMessage::parse(body)?;
        let Command::PlanVideo(job) = message.command else {
            return Err(PlanError::Command);
        };
        let metadata = message.metadata;
        metadata.check_hops()?;
        let generation = job.generation.to_string();
        let (action, event) = match self.plan(&metadata, &job).await {
            Ok((action, plan)) => (action, Event::VideoPlanned(summarise(&plan))),
            Err(PlanError::Rejected { code, reason }) => (
                "rejected",
                Event::VideoRejected(VideoRejected {
                    generation: job.generation,
                    code,
                    reason,
                }),
            ),
            // Whether and when it is tried again is not ours to decide.
            Err(error) => {
                let failed = PlanFailed {
                    generation: job.generation,
                    fault: error.fault(),
                    reason: excerpt(&error.to_string(), 600),
                    command: Some(job),
                };
                ("plan failed", Event::PlanFailed(failed))
            }
        };
        let envelope = Envelope::follow(&metadata, &[&generation], event, self.clock.now());
        self.bus.publish(&[envelope]).await?;
        Ok(Outcome::of(action, &metadata))
    }
}

impl Planner {
    async fn plan(
        &self,
        metadata: &Metadata,
        job: &PlanVideo,
    ) -> Result<(&'static str, Plan), PlanError> {
        let keys = VideoKeys::of(metadata, job.generation);
        if let Some(plan) = self.stored_plan(&keys).await? {
            if !job.requeue {
                return Ok(("already planned", plan));
            }
            let plan = self.requeue(metadata, job, &keys, plan).await?;
            return Ok(("queued again", plan));
        }
        let index = self.index(&job.master).await?;
        let mut plan = make_plan(metadata, job, &index, self.quality);
        let old = self.base_plan(&keys, job).await?;
        if let Some(base) = &job.base {
            redo::leave_out(&mut plan, old.as_ref(), &base.redo)?;
        }
        let (slices, references) = store::lay_out(&plan, &index);
        plan.slices = references;
        self.store_slices(&keys, slices).await?;
        let commands = store::commands(job, &plan, old.as_ref(), &BTreeSet::new());
        self.send(metadata, commands).await?;
        self.store_plan(&keys, &plan).await?;
        Ok(("planned", plan))
    }

    /// Queues the chunks of a stored plan that nobody has reported as done.
    async fn requeue(
        &self,
        metadata: &Metadata,
        job: &PlanVideo,
        keys: &VideoKeys,
        mut plan: Plan,
    ) -> Result<Plan, PlanError> {
        let done = self.reported(keys).await?;
        if plan.chunk_ids().all(|chunk| done.contains(&chunk)) {
            return Ok(plan);
        }
        if plan.slices.len() != plan.chunk_ids().count() {
            // A plan of old does not say where its slices are; the same master gives the same.
            let index = self.index(&job.master).await?;
            let (_, references) = store::lay_out(&plan, &index);
            plan.slices = references;
        }
        // The job as it was planned: what asks for it again need not name its base.
        let planned = plan.job.clone().unwrap_or_else(|| job.clone());
        let old = self.base_plan(keys, &planned).await?;
        let commands = store::commands(&planned, &plan, old.as_ref(), &done);
        self.send(metadata, commands).await?;
        Ok(plan)
    }

    /// The plan of the making that the job builds on, if it names one and it is there still.
    async fn base_plan(
        &self,
        keys: &VideoKeys,
        job: &PlanVideo,
    ) -> Result<Option<Plan>, PlanError> {
        let Some(base) = &job.base else {
            return Ok(None);
        };
        let generation = base.generation;
        self.stored_plan(&VideoKeys {
            generation,
            ..*keys
        })
        .await
    }
}
