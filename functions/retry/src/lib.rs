//! The only place that decides what follows a failure: again after a delay, or no more. It
//! consumes `*Failed` events and the dead letters of the work queues; it must never do the
//! work itself, and it knows nothing of who consumes what it says.
//!
//! It keeps no state: a failure's event carries the command and the attempt, the delay is
//! derived from the event's id, and a command that is sent twice is harmless.

mod failure;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cattube_contract::command::{PlanVideo, TranscodeChunk};
use cattube_contract::envelope::MAX_HOPS;
use cattube_contract::event::{ChunkFailed, PlanFailed, RetriesExhausted, RetryScheduled, Stage};
use cattube_contract::{
    Command, CommandMessage, ContractError, Envelope, Event, Fault, Metadata, read_json,
};
use cattube_ports::outcome::MessageHandler;
use cattube_ports::{Bus, Clock, Outcome, PortError, Queue};
use failure::{Failure, again, next, outgoing, subject};

/// What a worker that never answered is said to have done.
const BURIED: &str =
    "no worker ended this work: each crashed, ran out of time or ran out of memory";

/// Why a message cannot be handled.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// The message went in a circle.
    #[error("more than {MAX_HOPS} hops: the message runs in a circle")]
    Hops,
    /// The queue brought a command for somebody else.
    #[error("no command for `retry`")]
    Command,
    /// The body is neither an event nor a command.
    #[error("message: {0}")]
    Message(String),
    /// Something does not parse or serialise.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A port failed; the queue brings the message again.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The function.
pub struct Retry {
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// The `jobs` queue.
    pub jobs: Arc<dyn Queue>,
    /// The `chunks` queue.
    pub chunks: Arc<dyn Queue>,
    /// Its own queue, for what it must not send on before a delay is over.
    pub own: Arc<dyn Queue>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl MessageHandler for Retry {
    type Error = RetryError;

    async fn handle(&self, body: &str) -> Result<Outcome, RetryError> {
        let shape: serde_json::Value = read_json(body.as_bytes()).map_err(RetryError::Message)?;
        if shape.get("command").is_some() {
            let message = CommandMessage::parse(body)?;
            if message.metadata.hop > MAX_HOPS {
                return Err(RetryError::Hops);
            }
            return self.handle_command(message).await;
        }
        let envelope = Envelope::parse_bus_event(body)?;
        let metadata = &envelope.metadata;
        if metadata.hop > MAX_HOPS {
            return Err(RetryError::Hops);
        }
        let action = match &envelope.event {
            Event::PlanFailed(failed) => self.after_plan(metadata, failed).await?,
            Event::ChunkFailed(failed) => self.after_chunk(metadata, failed).await?,
            Event::UploadRequested(_)
            | Event::UploadFailed(_)
            | Event::VideoUploaded(_)
            | Event::VideoPlanned(_)
            | Event::VideoRejected(_)
            | Event::ChunkTranscoded(_)
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
            | Event::RetriesExhausted(_) => "no failure",
        };
        Ok(Outcome::of(action, metadata))
    }
}

impl Retry {
    /// A command is either our own, whose delay is over, or a dead letter of a work queue.
    async fn handle_command(&self, message: CommandMessage) -> Result<Outcome, RetryError> {
        let CommandMessage { metadata, command } = message;
        let action = match command {
            Command::ForwardPlan(job) => {
                self.forward(&metadata, job).await?;
                "forwarded"
            }
            Command::PlanVideo(job) => {
                let failed = PlanFailed {
                    generation: job.generation,
                    fault: Fault::Permanent,
                    reason: BURIED.to_owned(),
                    command: Some(job),
                };
                let subject = [failed.generation.to_string(), "buried".to_owned()];
                self.state(&metadata, &subject, Event::PlanFailed(failed))
                    .await?;
                "dead letter stated"
            }
            Command::TranscodeChunk(work) => {
                let failed = ChunkFailed {
                    generation: work.generation,
                    chunk: work.chunk,
                    fault: Fault::Permanent,
                    reason: BURIED.to_owned(),
                    command: Some(work),
                    rendition: None,
                };
                let subject = [
                    failed.generation.to_string(),
                    failed.chunk.to_string(),
                    "buried".to_owned(),
                ];
                self.state(&metadata, &subject, Event::ChunkFailed(failed))
                    .await?;
                "dead letter stated"
            }
            Command::CheckUpload(_)
            | Command::ResumeUpload(_)
            | Command::CheckJob(_)
            | Command::PurgeVideo(_) => return Err(RetryError::Command),
        };
        Ok(Outcome::of(action, &metadata))
    }

    async fn after_plan(
        &self,
        metadata: &Metadata,
        failed: &PlanFailed,
    ) -> Result<&'static str, RetryError> {
        let failure = Failure {
            metadata,
            generation: failed.generation,
            chunk: None,
            fault: failed.fault,
            reason: &failed.reason,
        };
        let (Some((attempt, delay)), Some(job)) = (again(&failure), &failed.command) else {
            return self.give_up(&failure).await;
        };
        let command = Command::ForwardPlan(job.clone());
        let message = outgoing(
            &next(metadata, attempt, "ForwardPlan", &failure, self.clock.now()),
            command,
            delay,
        )?;
        self.own.send(&[message]).await?;
        self.schedule(&failure, attempt, delay).await
    }

    async fn after_chunk(
        &self,
        metadata: &Metadata,
        failed: &ChunkFailed,
    ) -> Result<&'static str, RetryError> {
        let failure = Failure {
            metadata,
            generation: failed.generation,
            chunk: Some(failed.chunk),
            fault: failed.fault,
            reason: &failed.reason,
        };
        let (Some((attempt, delay)), Some(work)) = (again(&failure), &failed.command) else {
            return self.give_up(&failure).await;
        };
        let command = Command::TranscodeChunk(Box::<TranscodeChunk>::clone(work));
        let message = outgoing(
            &next(
                metadata,
                attempt,
                "TranscodeChunk",
                &failure,
                self.clock.now(),
            ),
            command,
            delay,
        )?;
        self.chunks.send(&[message]).await?;
        self.schedule(&failure, attempt, delay).await
    }

    /// Puts a job whose delay is over on the `jobs` queue, as a new message of its attempt.
    async fn forward(&self, metadata: &Metadata, job: PlanVideo) -> Result<(), RetryError> {
        let id = format!(
            "{}-{}-{}",
            metadata.video_id, job.generation, metadata.attempt
        );
        let now = self.clock.now();
        let metadata = metadata.follow("PlanVideo", &[&job.generation.to_string()], now);
        let mut message = outgoing(&metadata, Command::PlanVideo(job), Duration::ZERO)?;
        message.deduplication_id = Some(id);
        Ok(self.jobs.send(&[message]).await?)
    }

    async fn schedule(
        &self,
        failure: &Failure<'_>,
        next_attempt: u32,
        delay: Duration,
    ) -> Result<&'static str, RetryError> {
        let event = Event::RetryScheduled(RetryScheduled {
            generation: failure.generation,
            chunk: failure.chunk,
            next_attempt,
            delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            reason: failure.reason.to_owned(),
            stage: Stage::Work,
        });
        self.state(failure.metadata, &subject(failure), event)
            .await?;
        Ok("retry scheduled")
    }

    async fn give_up(&self, failure: &Failure<'_>) -> Result<&'static str, RetryError> {
        let event = Event::RetriesExhausted(RetriesExhausted {
            generation: failure.generation,
            chunk: failure.chunk,
            attempts: failure.metadata.attempt,
            fault: failure.fault,
            reason: failure.reason.to_owned(),
            stage: Stage::Work,
            work: None,
            rendition: None,
        });
        self.state(failure.metadata, &subject(failure), event)
            .await?;
        Ok("retries exhausted")
    }

    async fn state(
        &self,
        cause: &Metadata,
        subject: &[String],
        event: Event,
    ) -> Result<(), RetryError> {
        let subject: Vec<_> = subject.iter().map(String::as_str).collect();
        let envelope = Envelope::follow(cause, &subject, event, self.clock.now());
        Ok(self.bus.publish(&[envelope]).await?)
    }
}
