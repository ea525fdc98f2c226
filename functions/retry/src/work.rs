//! What follows the failure of a plan, a chunk or a join.

use std::time::Duration;

use cattube_contract::command::{PlanVideo, TranscodeChunk};
use cattube_contract::event::{ChunkFailed, FailedWork, JoinFailed, PlanFailed, Stage};
use cattube_contract::{Command, Metadata};
use cattube_core::retry::job_deadline_name;

use crate::failure::{Failure, outgoing};
use crate::{Retry, RetryError};

/// What the log calls it.
pub(crate) const SCHEDULED: &str = "retry scheduled";

impl Retry {
    pub(crate) async fn after_plan(
        &self,
        metadata: &Metadata,
        failed: &PlanFailed,
    ) -> Result<&'static str, RetryError> {
        let failure = Failure {
            metadata,
            stage: Stage::Work,
            generation: failed.generation,
            chunk: None,
            fault: failed.fault,
            reason: &failed.reason,
            work: failed.command.clone().map(FailedWork::Plan),
            rendition: None,
        };
        self.plan_again(&failure, failed.command.as_ref()).await
    }

    pub(crate) async fn after_join(
        &self,
        metadata: &Metadata,
        failed: &JoinFailed,
    ) -> Result<&'static str, RetryError> {
        let failure = Failure {
            metadata,
            stage: Stage::Join,
            generation: failed.generation,
            chunk: None,
            fault: failed.fault,
            reason: &failed.reason,
            work: failed.command.clone().map(FailedWork::Plan),
            rendition: None,
        };
        self.plan_again(&failure, failed.command.as_ref()).await
    }

    /// A job whose plan stands is only said to be planned, which is what joins it again.
    async fn plan_again(
        &self,
        failure: &Failure<'_>,
        job: Option<&PlanVideo>,
    ) -> Result<&'static str, RetryError> {
        let (Some((attempt, delay)), Some(job)) = (failure.again(), job) else {
            return self.give_up(failure).await;
        };
        let metadata = failure.next("ForwardPlan", attempt, self.clock.now());
        let message = outgoing(&metadata, Command::ForwardPlan(job.clone()), delay)?;
        self.postpone(&metadata, failure.generation, Some(job), delay)
            .await?;
        self.schedule(failure, attempt, delay).await?;
        self.own.send(&[message]).await?;
        Ok(SCHEDULED)
    }

    pub(crate) async fn after_chunk(
        &self,
        metadata: &Metadata,
        failed: &ChunkFailed,
    ) -> Result<&'static str, RetryError> {
        let failure = Failure {
            metadata,
            stage: Stage::Work,
            generation: failed.generation,
            chunk: Some(failed.chunk),
            fault: failed.fault,
            reason: &failed.reason,
            work: failed.command.clone().map(FailedWork::Chunk),
            rendition: failed.rendition.clone(),
        };
        let (Some((attempt, delay)), Some(work)) = (failure.again(), &failed.command) else {
            return self.give_up(&failure).await;
        };
        let metadata = failure.next("TranscodeChunk", attempt, self.clock.now());
        let command = Command::TranscodeChunk(Box::<TranscodeChunk>::clone(work));
        let message = outgoing(&metadata, command, delay)?;
        self.postpone(&metadata, failure.generation, None, delay)
            .await?;
        self.schedule(&failure, attempt, delay).await?;
        self.chunks.send(&[message]).await?;
        Ok(SCHEDULED)
    }

    /// Puts a job whose delay is over on the `jobs` queue, as a new message of its attempt.
    pub(crate) async fn forward(
        &self,
        metadata: &Metadata,
        job: PlanVideo,
    ) -> Result<&'static str, RetryError> {
        let generation = job.generation.to_string();
        let id = format!("{}-{generation}-{}", metadata.video_id, metadata.attempt);
        let metadata = metadata.follow("PlanVideo", &[&generation], self.clock.now());
        self.queue_job(&metadata, job, id).await?;
        Ok("forwarded")
    }

    /// Puts a job on its queue. Messages with the same `id` within five minutes are one.
    pub(crate) async fn queue_job(
        &self,
        metadata: &Metadata,
        job: PlanVideo,
        id: String,
    ) -> Result<(), RetryError> {
        let mut message = outgoing(metadata, Command::PlanVideo(job), Duration::ZERO)?;
        message.deduplication_id = Some(id);
        Ok(self.jobs.send(&[message]).await?)
    }

    /// Says that work is tried again, before it is: the event is the same however often it is
    /// said, but every command is work. While the bus is away, a failure that comes again and
    /// again would otherwise send its command each time, and each of those would fail.
    pub(crate) async fn schedule(
        &self,
        failure: &Failure<'_>,
        next_attempt: u32,
        delay: Duration,
    ) -> Result<(), RetryError> {
        let event = failure.scheduled(next_attempt, delay);
        self.publish(failure.metadata, &failure.subject(), event)
            .await
    }

    /// Says that a person has to help. The job is not watched any more, the question is; a job
    /// that is not known, since its plan is not written yet, keeps its deadline.
    pub(crate) async fn give_up(&self, failure: &Failure<'_>) -> Result<&'static str, RetryError> {
        let Failure {
            metadata,
            generation,
            ..
        } = *failure;
        let known = match &failure.work {
            Some(FailedWork::Plan(job)) => Some(job),
            Some(FailedWork::Chunk(_) | FailedWork::Message { .. }) | None => None,
        };
        let job = self.job(metadata, generation, known).await?;
        let is_known = job.is_some();
        if let Some((job, seen)) = job {
            self.remind(metadata, job, seen, 1).await?;
        }
        let event = failure.exhausted();
        self.publish(metadata, &failure.subject(), event).await?;
        if is_known {
            let name = job_deadline_name(metadata.video_id, generation);
            self.scheduler.remove(&name).await?;
        }
        Ok("retries exhausted")
    }
}
