//! The watch over jobs: a deadline that is set again as long as the job gets on, and that
//! queues it again when it does not.

use std::time::Duration;

use cattube_contract::command::{CheckJob, PlanVideo};
use cattube_contract::event::{FailedWork, RetryRequested, Stage};
use cattube_contract::key::VideoKeys;
use cattube_contract::{Command, CommandMessage, Fault, Metadata};
use cattube_core::retry::{self, Judgement, POLICY, Turn, job_deadline_name};
use cattube_ports::scheduler::Deadline;
use jiff::Timestamp;

use crate::failure::Failure;
use crate::{Retry, RetryError};

/// What is said of a job that nothing more was heard of.
const SILENT: &str = "nothing was heard of this job any more, although it was queued again and \
     again";

/// So many makings' deadlines are removed at most. One that is missed comes once more, and finds
/// the master gone or a newer making planned.
const MAKINGS: u32 = 8;

/// A job that nothing is known of but how far it is.
fn watched(job: PlanVideo, reports_seen: Option<u32>) -> CheckJob {
    CheckJob {
        job,
        reports_seen,
        asked: 0,
        waited: 0,
    }
}

impl Retry {
    /// The deadline of a job has come.
    pub(crate) async fn check_job(
        &self,
        metadata: &Metadata,
        check: CheckJob,
    ) -> Result<&'static str, RetryError> {
        if check.asked > 0 {
            return self.check_asked(metadata, check).await;
        }
        let CheckJob {
            job,
            reports_seen,
            waited,
            ..
        } = check;
        let progress = self.progress(metadata, &job).await?;
        let seen = progress.reports_seen();
        let may_wait = progress.may_wait(reports_seen);
        let line = if progress.planned_chunks.is_some() {
            &self.chunks
        } else {
            &self.jobs
        };
        let turn = Turn {
            has_backlog: may_wait && line.backlog().await? > 0,
            waited,
        };
        match retry::judge_deadline(POLICY, progress, reports_seen, metadata.attempt, turn) {
            Judgement::Over => Ok("over"),
            Judgement::Wait { waited } => {
                let check = CheckJob {
                    waited,
                    ..watched(job, reports_seen)
                };
                let deadline = self.deadline(metadata.clone(), check, Duration::ZERO)?;
                self.scheduler.set(deadline).await?;
                Ok("waits its turn")
            }
            Judgement::Enough => {
                let failure = Failure {
                    metadata,
                    stage: Stage::Deadline,
                    generation: job.generation,
                    chunk: None,
                    fault: Fault::Transient,
                    reason: SILENT,
                    work: Some(FailedWork::Plan(job)),
                    rendition: None,
                };
                self.give_up(&failure).await
            }
            Judgement::Again { requeue: false, .. } => {
                // No hop: a long film has many deadlines, and each of them has seen it get on.
                self.watch(metadata.clone(), job, seen).await?;
                Ok("watched on")
            }
            Judgement::Again {
                round,
                requeue: true,
            } => {
                self.queue_again(metadata, job, round, seen).await?;
                Ok("queued again")
            }
        }
    }

    /// Watches a job for another round, and has whatever of it is not made queued again.
    pub(crate) async fn queue_again(
        &self,
        metadata: &Metadata,
        job: PlanVideo,
        round: u32,
        seen: Option<u32>,
    ) -> Result<(), RetryError> {
        let now = self.clock.now();
        let generation = job.generation.to_string();
        let next = Metadata {
            attempt: round,
            ..metadata.clone()
        };
        let watch = next.follow("CheckJob", &[&generation], now);
        self.watch(watch, job.clone(), seen).await?;
        let id = format!(
            "{}-{generation}-deadline-{}-{}",
            metadata.video_id,
            metadata.attempt,
            seen.unwrap_or(0)
        );
        let again = PlanVideo {
            // Without a plan nothing of it can be lost but the job itself: one that only waited
            // behind others finds itself planned when this comes, and queues no chunk twice.
            requeue: seen.is_some(),
            ..job
        };
        let plan = next.follow("PlanVideo", &[&generation], now);
        self.queue_job(&plan, again, id).await
    }

    /// Queues a job that is made, so that it is said again.
    pub(crate) async fn say_again(
        &self,
        metadata: &Metadata,
        job: PlanVideo,
        asked: u32,
    ) -> Result<(), RetryError> {
        let generation = job.generation.to_string();
        let id = format!("{}-{generation}-asked-{asked}", metadata.video_id);
        let again = PlanVideo {
            requeue: true,
            ..job
        };
        let plan = metadata.follow("PlanVideo", &[&generation], self.clock.now());
        self.queue_job(&plan, again, id).await
    }

    /// A new making of a video.
    pub(crate) async fn begin(
        &self,
        metadata: &Metadata,
        requested: &RetryRequested,
    ) -> Result<&'static str, RetryError> {
        let job = PlanVideo {
            generation: requested.generation,
            master: requested.master.clone(),
            sizes: requested.sizes.clone(),
            base: requested.base.clone(),
            requeue: false,
        };
        let now = self.clock.now();
        let generation = job.generation.to_string();
        let first = Metadata {
            attempt: 1,
            hop: 0,
            ..metadata.clone()
        };
        let watch = first.follow("CheckJob", &[&generation], now);
        self.watch(watch, job.clone(), None).await?;
        self.unwatch_until(metadata, job.generation.saturating_sub(1))
            .await?;
        let id = format!("{}-{generation}", metadata.video_id);
        let plan = first.follow("PlanVideo", &[&generation], now);
        self.queue_job(&plan, job, id).await?;
        Ok("begun")
    }

    /// Sets the deadline of a job: `metadata` is that of its message.
    pub(crate) async fn watch(
        &self,
        metadata: Metadata,
        job: PlanVideo,
        reports_seen: Option<u32>,
    ) -> Result<(), RetryError> {
        let deadline = self.deadline(metadata, watched(job, reports_seen), Duration::ZERO)?;
        Ok(self.scheduler.set(deadline).await?)
    }

    /// Sets the deadline of a job that is tried again on a person's word: `metadata` is that of
    /// its message. That of the question is put off and stays: a failure of the attempts before
    /// that comes late takes the job's away.
    pub(crate) async fn watch_again(
        &self,
        metadata: Metadata,
        generation: u32,
        job: Option<&PlanVideo>,
    ) -> Result<(), RetryError> {
        let Some((job, seen)) = self.job(&metadata, generation, job).await? else {
            return Ok(());
        };
        self.remind(&metadata, job.clone(), seen, 1).await?;
        self.watch(metadata, job, seen).await
    }

    /// Puts the deadline of a job off until an attempt that has yet to come had its time.
    /// `metadata` is that of the attempt. One that is not set any more stays so.
    pub(crate) async fn postpone(
        &self,
        metadata: &Metadata,
        generation: u32,
        job: Option<&PlanVideo>,
        delay: Duration,
    ) -> Result<(), RetryError> {
        let Some((job, seen)) = self.job(metadata, generation, job).await? else {
            return Ok(());
        };
        let text = generation.to_string();
        // The round of the attempt that failed: the one to come has one of its own, in which it
        // is queued again if it dies without a word.
        let failed = Metadata {
            attempt: metadata.attempt.saturating_sub(1).max(1),
            ..metadata.clone()
        };
        let watch = failed.follow("CheckJob", &[&text], self.clock.now());
        let deadline = self.deadline(watch, watched(job, seen), delay)?;
        Ok(self.scheduler.postpone(deadline).await?)
    }

    /// A job and how far it is. A chunk does not say which job it belongs to, its plan does;
    /// without a plan it cannot be made, which it will say at once.
    pub(crate) async fn job(
        &self,
        metadata: &Metadata,
        generation: u32,
        known: Option<&PlanVideo>,
    ) -> Result<Option<(PlanVideo, Option<u32>)>, RetryError> {
        let work = self.work(&VideoKeys::of(metadata, generation)).await?;
        let seen = work.reports_seen();
        let job = known.cloned().or(work.plan.and_then(|plan| plan.job));
        Ok(job.map(|job| (job, seen)))
    }

    fn deadline(
        &self,
        metadata: Metadata,
        check: CheckJob,
        after: Duration,
    ) -> Result<Deadline, RetryError> {
        let name = job_deadline_name(metadata.video_id, check.job.generation);
        let wait = self.job_deadline.saturating_add(after);
        let at = self.clock.now().checked_add(wait);
        let message = CommandMessage {
            metadata,
            command: Command::CheckJob(check),
        };
        Ok(Deadline {
            name,
            at: at.unwrap_or(Timestamp::MAX),
            body: message.to_body()?,
        })
    }

    pub(crate) async fn unwatch(
        &self,
        metadata: &Metadata,
        generation: u32,
    ) -> Result<&'static str, RetryError> {
        let name = job_deadline_name(metadata.video_id, generation);
        self.scheduler.remove(&name).await?;
        self.remind_no_more(metadata, generation).await?;
        Ok("watched no more")
    }

    /// Of a making and those before it.
    pub(crate) async fn unwatch_until(
        &self,
        metadata: &Metadata,
        generation: u32,
    ) -> Result<&'static str, RetryError> {
        let oldest = generation.saturating_sub(MAKINGS - 1).max(1);
        for older in oldest..=generation {
            self.unwatch(metadata, older).await?;
        }
        Ok("watched no more")
    }

    pub(crate) async fn unwatch_all(
        &self,
        metadata: &Metadata,
    ) -> Result<&'static str, RetryError> {
        self.unwatch_until(metadata, MAKINGS).await
    }
}
