//! What follows a person's answer.

use std::time::Duration;

use cattube_contract::command::{PlanVideo, TranscodeChunk};
use cattube_contract::event::{Answer, FailedWork, HumanAnswered, VideoAbandoned};
use cattube_contract::{Command, Event, Metadata};
use cattube_core::retry::{POLICY, next_round};
use cattube_ports::queue::OutgoingMessage;

use crate::failure::outgoing;
use crate::{Retry, RetryError};

impl Retry {
    pub(crate) async fn after_answer(
        &self,
        metadata: &Metadata,
        answered: &HumanAnswered,
    ) -> Result<&'static str, RetryError> {
        match (&answered.answer, &answered.work) {
            (Answer::Retry, Some(FailedWork::Plan(job))) => self.job_again(metadata, job).await,
            (Answer::Retry, Some(FailedWork::Chunk(work))) => {
                self.chunk_again(metadata, work).await
            }
            (Answer::Retry, Some(FailedWork::Message { queue, body })) => {
                self.send_back(metadata, queue, body).await
            }
            (Answer::Retry, None) => Ok("nothing to try"),
            // A new making without that size is not ours to number.
            (Answer::SkipSize(_), _) => Ok("not ours"),
            // About no making: a message, an upload or an alarm is left as it is.
            (Answer::GiveUp, _) if answered.generation == 0 => Ok("left as it is"),
            (Answer::GiveUp, _) => {
                let event = Event::VideoAbandoned(VideoAbandoned {
                    generation: answered.generation,
                    reason: "a person gave it up".to_owned(),
                });
                let subject = [answered.generation.to_string()];
                self.publish(metadata, &subject, event).await?;
                Ok("abandoned")
            }
        }
    }

    async fn job_again(
        &self,
        answer: &Metadata,
        job: &PlanVideo,
    ) -> Result<&'static str, RetryError> {
        let next = next(answer);
        let generation = job.generation.to_string();
        let now = self.clock.now();
        // If the plan stands, what is not made of it is what is tried again.
        let job = PlanVideo {
            requeue: true,
            ..job.clone()
        };
        let watch = next.follow("CheckJob", &[&generation], now);
        self.watch_again(watch, job.generation, Some(&job)).await?;
        let id = format!("{}-{generation}-{}", next.video_id, next.attempt);
        let plan = next.follow("PlanVideo", &[&generation], now);
        self.queue_job(&plan, job, id).await?;
        Ok("tried again")
    }

    async fn chunk_again(
        &self,
        answer: &Metadata,
        work: &TranscodeChunk,
    ) -> Result<&'static str, RetryError> {
        let next = next(answer);
        let (generation, chunk) = (work.generation.to_string(), work.chunk.to_string());
        let now = self.clock.now();
        let watch = next.follow("CheckJob", &[&generation], now);
        self.watch_again(watch, work.generation, None).await?;
        let metadata = next.follow("TranscodeChunk", &[&generation, &chunk], now);
        let command = Command::TranscodeChunk(Box::new(work.clone()));
        let message = outgoing(&metadata, command, Duration::ZERO)?;
        self.chunks.send(&[message]).await?;
        Ok("tried again")
    }

    async fn send_back(
        &self,
        answer: &Metadata,
        queue: &str,
        body: &str,
    ) -> Result<&'static str, RetryError> {
        let Some(source) = self.sources.get(queue) else {
            return Err(RetryError::Queue {
                queue: queue.to_owned(),
            });
        };
        let message = OutgoingMessage {
            body: body.to_owned(),
            group: answer.owner_id.to_string(),
            // A FIFO queue alone takes one.
            deduplication_id: (queue == "jobs").then(|| answer.event_id.to_string()),
            delay: Duration::ZERO,
        };
        source.send(&[message]).await?;
        Ok("sent back")
    }
}

/// The metadata of the first attempt after a person's word. It is no circle, since a person
/// stands in it: hops count anew.
fn next(answer: &Metadata) -> Metadata {
    Metadata {
        attempt: next_round(POLICY, answer.attempt),
        hop: 0,
        ..answer.clone()
    }
}
