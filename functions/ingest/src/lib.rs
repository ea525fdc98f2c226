//! The end of the upload tier: an object appeared in the bucket; is it a master, and whose?
//! It says so on the bus, puts the job on the `jobs` queue and is done. It must never know
//! whether anything reads there, nor keep anything of its own: the same event again gives
//! the same ids, and whoever consumes them sees that.

use std::sync::Arc;

use async_trait::async_trait;
use cattube_contract::command::PlanVideo;
use cattube_contract::envelope::SCHEMA;
use cattube_contract::event::{MasterLocation, UploadFailed, VideoRejected, VideoUploaded};
use cattube_contract::{
    Command, CommandMessage, ContractError, Envelope, Event, EventId, Fault, Metadata, OwnerId,
    excerpt, read_json,
};
use cattube_core::intake::{self, Arrival, Identity, Verdict};
use cattube_ports::objects::ObjectHead;
use cattube_ports::outcome::MessageHandler;
use cattube_ports::queue::OutgoingMessage;
use cattube_ports::{Bus, Clock, Objects, Outcome, PortError, Queue};
use jiff::Timestamp;
use serde::Deserialize;

/// A redo is a new generation; what arrives is the first.
const FIRST_GENERATION: u32 = 1;

/// Why a message cannot be handled.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The body is no `Object Created` event of S3.
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
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who owns what is dropped into the bucket without the API.
    pub drop_owner: OwnerId,
}

#[derive(Deserialize)]
struct S3Event {
    #[serde(rename = "detail-type")]
    detail_type: String,
    time: Timestamp,
    detail: S3Detail,
}

#[derive(Deserialize)]
struct S3Detail {
    bucket: S3Bucket,
    object: S3Object,
}

#[derive(Deserialize)]
struct S3Bucket {
    name: String,
}

#[derive(Deserialize)]
struct S3Object {
    key: String,
    #[serde(default)]
    etag: String,
    sequencer: String,
}

fn parse(body: &str) -> Result<S3Event, IngestError> {
    let event: S3Event = read_json(body.as_bytes()).map_err(IngestError::Event)?;
    if event.detail_type == "Object Created" {
        Ok(event)
    } else {
        let name = excerpt(&event.detail_type, 80);
        Err(IngestError::Event(format!(
            "detail-type: expected `Object Created`, got {name:?}"
        )))
    }
}

#[async_trait]
impl MessageHandler for Ingest {
    type Error = IngestError;

    async fn handle(&self, body: &str) -> Result<Outcome, IngestError> {
        let event = parse(body)?;
        let arrival = Arrival {
            bucket: &event.detail.bucket.name,
            key: &event.detail.object.key,
            sequencer: &event.detail.object.sequencer,
            written_at: event.time,
        };
        let identity = intake::identify(&arrival, self.drop_owner);
        let cause = root(&arrival, &identity);
        let head = match &identity.key {
            Ok(_) => self.objects.head(arrival.key).await?,
            Err(_) => None,
        };
        if let (Ok(_), None) = (&identity.key, &head) {
            return Ok(Outcome::of("gone already", &cause));
        }
        let head = head.unwrap_or(ObjectHead {
            size_bytes: 0,
            etag: String::new(),
            metadata: std::collections::BTreeMap::new(),
        });
        let told = &event.detail.object.etag;
        if identity.key.is_ok() && !told.is_empty() && head.etag != *told {
            // The key was written again: that writing has an event of its own.
            return Ok(Outcome::of("superseded", &cause));
        }
        match intake::judge(&identity.key, head.size_bytes, &head.metadata) {
            Verdict::Accept { title, sizes } => {
                let uploaded = VideoUploaded {
                    master: MasterLocation {
                        key: arrival.key.to_owned(),
                        etag: head.etag,
                        size_bytes: head.size_bytes,
                    },
                    title,
                    sizes,
                    generation: FIRST_GENERATION,
                };
                self.accept(&cause, uploaded).await
            }
            Verdict::Reject { code, reason } => {
                let event = Event::VideoRejected(VideoRejected { code, reason });
                self.state(&cause, event, "rejected").await
            }
            Verdict::Mismatch { reason } => {
                let fault = Fault::Permanent;
                let event = Event::UploadFailed(UploadFailed {
                    fault,
                    reason,
                    missing_part_count: None,
                });
                self.state(&cause, event, "mismatched").await
            }
        }
    }
}

/// The metadata of the outside fact: S3 wrote this object.
fn root(arrival: &Arrival<'_>, identity: &Identity) -> Metadata {
    let subject = [arrival.bucket, arrival.key, arrival.sequencer];
    Metadata {
        event_id: EventId::derive("Object Created", &subject),
        video_id: identity.video_id,
        owner_id: identity.owner_id,
        caused_by: None,
        attempt: 1,
        hop: 0,
        schema: SCHEMA,
        occurred_at: arrival.written_at,
    }
}

impl Ingest {
    async fn state(
        &self,
        cause: &Metadata,
        event: Event,
        action: &'static str,
    ) -> Result<Outcome, IngestError> {
        let envelope = Envelope::follow(cause, &[], event, self.clock.now());
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
        let message = CommandMessage {
            metadata: envelope.metadata.follow("PlanVideo", &[&generation], now),
            command: Command::PlanVideo(job),
        };
        let outgoing = OutgoingMessage {
            body: message.to_body()?,
            group: cause.owner_id.to_string(),
            deduplication_id: Some(format!("{}-{generation}", cause.video_id)),
            delay: std::time::Duration::ZERO,
        };
        let outcome = Outcome::of("accepted", &envelope.metadata);
        self.bus.publish(&[envelope]).await?;
        self.jobs.send(&[outgoing]).await?;
        Ok(outcome)
    }
}
