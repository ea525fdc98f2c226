//! The only place that decides what follows a failure, or silence: again after a delay, or no
//! more. It consumes `*Failed` events, the deadlines of jobs, people's answers and the dead
//! letters of the other functions; it must never do the work itself, and it knows nothing of
//! who consumes what it says.
//!
//! It keeps no state: a failure's event carries the command and the attempt, the delay is
//! derived from the event's id, what a job has done stands in S3, and a command that is sent
//! twice is harmless.

mod answers;
mod buried;
mod deadlines;
mod failure;
mod reminders;
mod store;
mod uploads;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cattube_contract::{
    Command, CommandMessage, ContractError, Envelope, Event, Message, Metadata,
};
use cattube_ports::outcome::MessageHandler;
use cattube_ports::{Bus, Clock, Objects, Outcome, PortError, Queue, Scheduler};

/// Why a message cannot be handled.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// The queue brought a command for somebody else.
    #[error("no command for `retry`")]
    Command,
    /// A message is to go back to a queue that there is not.
    #[error("queue: nothing can be sent back to {queue:?}")]
    Queue {
        /// Its name.
        queue: String,
    },
    /// Something does not parse or serialise.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A port failed; the queue brings the message again.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The function.
pub struct Retry {
    /// The masters bucket: what work there is of a job.
    pub masters: Arc<dyn Objects>,
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// The `jobs` queue.
    pub jobs: Arc<dyn Queue>,
    /// The `chunks` queue.
    pub chunks: Arc<dyn Queue>,
    /// The queue of `upload`.
    pub uploads: Arc<dyn Queue>,
    /// Its own queue, for what it must not send on before a delay is over.
    pub own: Arc<dyn Queue>,
    /// Messages that nobody could handle.
    pub parked: Arc<dyn Queue>,
    /// The ARNs of the dead-letter queues that it reads, by the names of their queues.
    pub dead_letters: BTreeMap<String, String>,
    /// The queues that a buried message may go back to, by their names.
    pub sources: BTreeMap<String, Arc<dyn Queue>>,
    /// The deadlines of jobs.
    pub scheduler: Arc<dyn Scheduler>,
    /// How long a job may go without progress.
    pub job_deadline: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl MessageHandler for Retry {
    type Error = RetryError;

    async fn handle(&self, body: &str) -> Result<Outcome, RetryError> {
        let message = Message::parse(body)?;
        message.metadata().check_hops()?;
        match message {
            Message::Command(message) => self.handle_command(message).await,
            Message::Event(envelope) => {
                let action = self.handle_event(&envelope).await?;
                Ok(Outcome::of(action, &envelope.metadata))
            }
        }
    }

    async fn handle_from(&self, source: &str, body: &str) -> Result<Outcome, RetryError> {
        let mut dead_letters = self.dead_letters.iter();
        match dead_letters.find(|(_, arn)| *arn == source) {
            Some((queue, _)) => self.bury(queue, body).await,
            None => self.handle(body).await,
        }
    }
}

impl Retry {
    /// A command is our own whose delay is over, or a deadline.
    async fn handle_command(&self, message: CommandMessage) -> Result<Outcome, RetryError> {
        let CommandMessage { metadata, command } = message;
        let action = match command {
            Command::ForwardPlan(job) => self.forward(&metadata, job).await?,
            Command::CheckJob(check) => self.check_job(&metadata, check).await?,
            Command::PlanVideo(_)
            | Command::TranscodeChunk(_)
            | Command::CheckUpload(_)
            | Command::ResumeUpload(_)
            | Command::PurgeVideo(_) => return Err(RetryError::Command),
        };
        Ok(Outcome::of(action, &metadata))
    }

    async fn handle_event(&self, envelope: &Envelope) -> Result<&'static str, RetryError> {
        let metadata = &envelope.metadata;
        match &envelope.event {
            Event::PlanFailed(failed) => self.after_plan(metadata, failed).await,
            Event::ChunkFailed(failed) => self.after_chunk(metadata, failed).await,
            Event::JoinFailed(failed) => self.after_join(metadata, failed).await,
            Event::UploadFailed(failed) => self.after_upload(metadata, failed).await,
            Event::RetryRequested(requested) => self.begin(metadata, requested).await,
            Event::HumanAnswered(answered) => self.after_answer(metadata, answered).await,
            Event::VideoReady(ready) => self.unwatch(metadata, ready.generation).await,
            Event::VideoAbandoned(given_up) => self.unwatch(metadata, given_up.generation).await,
            Event::VideoRejected(rejected) if rejected.generation > 0 => {
                self.unwatch_until(metadata, rejected.generation).await
            }
            // They say of no making in particular.
            Event::VideoRejected(_) | Event::VideoDeleted(_) => self.unwatch_all(metadata).await,
            Event::UploadRequested(_)
            | Event::VideoUploaded(_)
            | Event::VideoPlanned(_)
            | Event::ChunkTranscoded(_)
            | Event::VideoPlayable(_)
            | Event::RetryScheduled(_)
            | Event::UploadResumed(_)
            | Event::UploadAbandoned(_)
            | Event::UploadCompleted(_)
            | Event::MessageBuried(_)
            | Event::HumanRequested(_)
            | Event::RetriesExhausted(_) => Ok("no failure"),
        }
    }

    async fn publish(
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
