//! The end of the upload tier: an object appeared in the bucket; is it a master, and whose?
//! It says so on the bus, puts the job on the `jobs` queue and is done. It must never know
//! whether anything reads there, nor keep anything of its own: the same event again gives
//! the same ids, and whoever consumes them sees that.

mod heard;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cattube_contract::command::{CheckJob, PlanVideo};
use cattube_contract::event::{MasterLocation, UploadFailed, VideoRejected, VideoUploaded};
use cattube_contract::{
    Command, CommandMessage, ContractError, Envelope, Event, Metadata, OwnerId,
};
use cattube_core::intake::{self, Verdict};
use cattube_core::retry::job_deadline_name;
use cattube_ports::objects::ObjectHead;
use cattube_ports::outcome::MessageHandler;
use cattube_ports::queue::OutgoingMessage;
use cattube_ports::scheduler::Deadline;
use cattube_ports::{Bus, Clock, Objects, Outcome, PortError, Queue, Scheduler};
use jiff::Timestamp;

/// A redo is a new generation; what arrives is the first.
const FIRST_GENERATION: u32 = 1;

/// Why a message cannot be handled.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The body is neither an `Object Created` event of S3 nor one of an upload's end.
    #[error("S3 event: {0}")]
    Event(String),
    /// Something of ours does not serialise.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A port failed; the queue brings the message again.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The function.
pub struct Ingest {
    /// The masters bucket.
    pub objects: Arc<dyn Objects>,
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// The `jobs` queue.
    pub jobs: Arc<dyn Queue>,
    /// The deadlines of jobs.
    pub scheduler: Arc<dyn Scheduler>,
    /// How long a job may go without progress.
    pub job_deadline: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who owns what is dropped into the bucket without the API.
    pub drop_owner: OwnerId,
}

#[async_trait]
impl MessageHandler for Ingest {
    type Error = IngestError;

    async fn handle(&self, body: &str) -> Result<Outcome, IngestError> {
        let said = heard::read(body, self.drop_owner)?;
        let cause = &said.cause;
        let head = match &said.identity.key {
            Ok(_) => self.objects.head(&said.key).await?,
            Err(_) => None,
        };
        if let (Ok(_), None) = (&said.identity.key, &head) {
            return Ok(Outcome::of("gone already", cause));
        }
        let head = head.unwrap_or(ObjectHead {
            size_bytes: 0,
            etag: String::new(),
            metadata: std::collections::BTreeMap::new(),
        });
        let told = &said.etag;
        if said.identity.key.is_ok() && !told.is_empty() && head.etag != *told {
            // The key was written again: that writing has an event of its own.
            return Ok(Outcome::of("superseded", cause));
        }
        match intake::judge(&said.identity.key, head.size_bytes, &head.metadata) {
            Verdict::Accept { title, sizes } => {
                let uploaded = VideoUploaded {
                    master: MasterLocation {
                        key: said.key.clone(),
                        etag: head.etag,
                        size_bytes: head.size_bytes,
                    },
                    title,
                    sizes,
                    generation: FIRST_GENERATION,
                };
                self.accept(cause, uploaded).await
            }
            Verdict::Reject { code, reason } => {
                let event = Event::VideoRejected(VideoRejected {
                    generation: FIRST_GENERATION,
                    code,
                    reason,
                });
                self.publish(cause, &[], event, "rejected").await
            }
            Verdict::Mismatch { fault, reason } => {
                let event = Event::UploadFailed(UploadFailed {
                    fault,
                    reason,
                    missing_part_count: None,
                });
                // A failure of the upload's attempt, apart from those that it states itself.
                let cause = Metadata {
                    attempt: said.attempt,
                    ..cause.clone()
                };
                self.publish(&cause, &[&head.etag], event, "mismatched")
                    .await
            }
        }
    }
}

impl Ingest {
    async fn publish(
        &self,
        cause: &Metadata,
        subject: &[&str],
        event: Event,
        action: &'static str,
    ) -> Result<Outcome, IngestError> {
        let envelope = Envelope::follow(cause, subject, event, self.clock.now());
        let outcome = Outcome::of(action, &envelope.metadata);
        self.bus.publish(&[envelope]).await?;
        Ok(outcome)
    }

    async fn accept(
        &self,
        cause: &Metadata,
        uploaded: VideoUploaded,
    ) -> Result<Outcome, IngestError> {
        let now = self.clock.now();
        let generation = uploaded.generation.to_string();
        let job = PlanVideo {
            generation: uploaded.generation,
            master: uploaded.master.clone(),
            sizes: uploaded.sizes.clone(),
            base: None,
            requeue: false,
        };
        let event = Event::VideoUploaded(uploaded);
        let envelope = Envelope::follow(cause, &[&generation], event, now);
        // First of all, so that whatever is lost from here on, somebody looks after the job.
        let deadline = self.deadline(&envelope.metadata, &job, now)?;
        self.scheduler.set(deadline).await?;
        let message = CommandMessage {
            metadata: envelope.metadata.follow("PlanVideo", &[&generation], now),
            command: Command::PlanVideo(job),
        };
        let outgoing = OutgoingMessage {
            body: message.to_body()?,
            group: cause.owner_id.to_string(),
            deduplication_id: Some(format!("{}-{generation}", cause.video_id)),
            delay: Duration::ZERO,
        };
        let outcome = Outcome::of("accepted", &envelope.metadata);
        self.bus.publish(&[envelope]).await?;
        self.jobs.send(&[outgoing]).await?;
        Ok(outcome)
    }

    /// Has somebody look, later, whether the job got on.
    fn deadline(
        &self,
        uploaded: &Metadata,
        job: &PlanVideo,
        now: Timestamp,
    ) -> Result<Deadline, IngestError> {
        let check = CheckJob {
            job: job.clone(),
            reports_seen: None,
            asked: 0,
            waited: 0,
        };
        let message = CommandMessage {
            metadata: uploaded.follow("CheckJob", &[&job.generation.to_string()], now),
            command: Command::CheckJob(check),
        };
        Ok(Deadline {
            name: job_deadline_name(uploaded.video_id, job.generation),
            at: now.checked_add(self.job_deadline).unwrap_or(Timestamp::MAX),
            body: message.to_body()?,
        })
    }
}
