//! What a person was asked about is not forgotten: if the question, or the answer, is lost, it
//! is asked again.

use std::time::Duration;

use cattube_contract::command::{CheckJob, PlanVideo};
use cattube_contract::event::{FailedWork, RetriesExhausted, Stage};
use cattube_contract::{Command, CommandMessage, Event, Fault, Metadata};
use cattube_core::retry::{POLICY, Reminder, asked_deadline_name, judge_reminder};
use cattube_ports::scheduler::Deadline;
use jiff::Timestamp;

use crate::{Retry, RetryError};

/// Deadlines of a job that pass before a person is asked again: a day, as they are by default.
const PATIENCE: u32 = 48;

/// What is said then.
const UNHEARD: &str = "a person was asked about this job, and nothing has come of it";

impl Retry {
    /// Sets the deadline of a question: `failed` is the metadata of what it is about.
    pub(crate) async fn remind(
        &self,
        failed: &Metadata,
        job: PlanVideo,
        reports_seen: Option<u32>,
        asked: u32,
    ) -> Result<(), RetryError> {
        let generation = job.generation;
        let text = generation.to_string();
        let now = self.clock.now();
        // It is no circle, since it is asked so often and no more.
        let failed = Metadata {
            hop: 0,
            ..failed.clone()
        };
        let message = CommandMessage {
            metadata: failed.follow("CheckJob", &[&text, "asked"], now),
            command: Command::CheckJob(CheckJob {
                job,
                reports_seen,
                asked,
                waited: 0,
            }),
        };
        let wait: Duration = self.job_deadline.saturating_mul(PATIENCE);
        let deadline = Deadline {
            name: asked_deadline_name(failed.video_id, generation),
            at: now.checked_add(wait).unwrap_or(Timestamp::MAX),
            body: message.to_body()?,
        };
        Ok(self.scheduler.set(deadline).await?)
    }

    /// Removes the deadline of a question.
    pub(crate) async fn remind_no_more(
        &self,
        metadata: &Metadata,
        generation: u32,
    ) -> Result<(), RetryError> {
        let name = asked_deadline_name(metadata.video_id, generation);
        Ok(self.scheduler.remove(&name).await?)
    }

    /// The deadline of a question has come: the job has not ended since.
    pub(crate) async fn check_asked(
        &self,
        metadata: &Metadata,
        check: CheckJob,
    ) -> Result<&'static str, RetryError> {
        let progress = self.progress(metadata, &check.job).await?;
        match judge_reminder(POLICY, progress, check.reports_seen, check.asked) {
            Reminder::Over => Ok("over"),
            Reminder::Enough => Ok("asked often enough"),
            Reminder::Wait => {
                let seen = progress.reports_seen();
                self.remind(metadata, check.job, seen, check.asked).await?;
                Ok("watched on")
            }
            Reminder::Requeue { asked } => {
                // Not watched as well: if what stands is not to be said any more, the two
                // deadlines would set each other again for ever.
                let seen = progress.reports_seen();
                self.remind(metadata, check.job.clone(), seen, asked)
                    .await?;
                self.say_again(metadata, check.job, asked).await?;
                Ok("queued again")
            }
            Reminder::AskAgain { asked } => {
                let generation = check.job.generation;
                let subject = [
                    generation.to_string(),
                    "asked".to_owned(),
                    asked.to_string(),
                ];
                let event = Event::RetriesExhausted(RetriesExhausted {
                    generation,
                    chunk: None,
                    attempts: metadata.attempt,
                    fault: Fault::Transient,
                    reason: UNHEARD.to_owned(),
                    stage: Stage::Deadline,
                    work: Some(FailedWork::Plan(check.job.clone())),
                    rendition: None,
                });
                self.remind(metadata, check.job, progress.reports_seen(), asked)
                    .await?;
                self.publish(metadata, &subject, event).await?;
                Ok("asked again")
            }
        }
    }
}
