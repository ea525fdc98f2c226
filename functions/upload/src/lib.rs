//! The upload microservice: grants a multipart upload straight into the bucket, signs its
//! parts, says what has arrived, completes or cancels. An upload that stalls or fails says so
//! on the bus, and goes on with its missing parts when it is told to. Bytes never pass through
//! it, it never lets a client choose a key, it shows an owner nothing of another's, and it
//! never decides whether a failed upload is tried again.

mod ending;
mod facts;
mod grants;
mod parts;
mod rescue;
mod view;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cattube_contract::key::MasterKey;
use cattube_contract::{ContractError, Envelope, Event, EventId, Metadata, OwnerId, VideoId};
use cattube_core::upload::Upload;
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::outcome::ApiHandler;
use cattube_ports::{Bus, Clock, Entropy, MultipartUploads, Objects, PortError, Scheduler, Table};
use jiff::Timestamp;

/// Why a request cannot be answered, by no fault of the client's, or a message not handled.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// A stored document does not parse, or one of ours does not serialise.
    #[error("{operation} of {key}: {reason}")]
    Document {
        /// Which step.
        operation: &'static str,
        /// Which document.
        key: String,
        /// serde's reason.
        reason: String,
    },
    /// The queue brought a command for somebody else.
    #[error("no command for `upload`")]
    Command,
    /// Something does not parse or serialise.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The function.
pub struct Uploads {
    /// The masters bucket.
    pub objects: Arc<dyn Objects>,
    /// The masters bucket, as a taker of uploads.
    pub store: Arc<dyn MultipartUploads>,
    /// The function's own table: an owner's uploads and idempotency keys.
    pub table: Arc<dyn Table>,
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bits, for new ids.
    pub entropy: Arc<dyn Entropy>,
    /// Deadlines that come to its own queue.
    pub deadlines: Arc<dyn Scheduler>,
    /// How long an upload of the smallest parts may go without one.
    pub deadline: Duration,
}

/// A stored upload with the version that a change must name.
struct Stored {
    upload: Upload,
    version: u64,
}

fn document(operation: &'static str, key: &str) -> impl FnOnce(serde_json::Error) -> UploadError {
    let key = key.to_owned();
    move |error| UploadError::Document {
        operation,
        key,
        reason: error.to_string(),
    }
}

impl Uploads {
    async fn load(&self, owner: OwnerId, video: VideoId) -> Result<Option<Stored>, UploadError> {
        let key = format!("upload#{video}");
        let Some(item) = self.table.load(&owner.to_string(), &key).await? else {
            return Ok(None);
        };
        let upload = serde_json::from_value(item.body).map_err(document("load", &key))?;
        Ok(Some(Stored {
            upload,
            version: item.version,
        }))
    }

    async fn save(
        &self,
        owner: OwnerId,
        upload: &Upload,
        expected: Option<u64>,
    ) -> Result<(), UploadError> {
        let key = format!("upload#{}", upload.video_id);
        let body = serde_json::to_value(upload).map_err(document("save", &key))?;
        Ok(self
            .table
            .save(&owner.to_string(), &key, expected, &body)
            .await?)
    }

    /// Publishes what follows from a message.
    async fn publish(&self, cause: &Metadata, event: Event) -> Result<(), UploadError> {
        let envelope = Envelope::follow(cause, &[], event, self.clock.now());
        Ok(self.bus.publish(&[envelope]).await?)
    }

    /// Publishes what follows from a client's request, which is no event.
    async fn publish_request(
        &self,
        owner: OwnerId,
        upload: &Upload,
        event: Event,
        now: Timestamp,
    ) -> Result<(), UploadError> {
        let request = request(owner, upload, now);
        let mut envelope = Envelope::follow(&request, &[], event, now);
        envelope.metadata.caused_by = None;
        Ok(self.bus.publish(&[envelope]).await?)
    }
}

/// The metadata of a client's request about an upload.
fn request(owner: OwnerId, upload: &Upload, now: Timestamp) -> Metadata {
    let video_id = upload.video_id;
    let event_id = EventId::derive("HTTP request", &[&video_id.to_string()]);
    Metadata {
        attempt: upload.attempt,
        ..Metadata::begin(event_id, owner, video_id, now)
    }
}

fn master_key(owner_id: OwnerId, video_id: VideoId) -> String {
    MasterKey::Uploaded { owner_id, video_id }.to_string()
}

#[async_trait]
impl ApiHandler for Uploads {
    type Error = UploadError;

    async fn answer(&self, request: ApiRequest) -> Result<ApiResponse, UploadError> {
        let owner = match request.owner() {
            Ok(owner) => owner,
            Err(problem) => return Ok(problem),
        };
        if request.route == "POST /v1/uploads" {
            return self.create(owner, &request).await;
        }
        let Some(video) = request.video_id() else {
            return Ok(view::not_found());
        };
        let Some(stored) = self.load(owner, video).await? else {
            return Ok(view::not_found());
        };
        let upload = &stored.upload;
        match request.route.as_str() {
            "GET /v1/uploads/{id}" => self.show(owner, upload).await,
            "GET /v1/uploads/{id}/part-urls" => self.sign(owner, upload, &request).await,
            "GET /v1/uploads/{id}/parts" => self.arrived(owner, upload, &request).await,
            "POST /v1/uploads/{id}/parts/{number}/failed" => {
                self.part_failed(owner, upload, &request).await
            }
            "POST /v1/uploads/{id}/complete" => self.complete(owner, stored, &request).await,
            "DELETE /v1/uploads/{id}" => self.cancel(owner, stored).await,
            _ => Ok(ApiResponse::no_such_route()),
        }
    }
}
