//! The upload microservice: grants a multipart upload straight into the bucket, signs its
//! parts, says what has arrived, completes or cancels. Bytes never pass through it, it never
//! lets a client choose a key, and it shows an owner nothing of another's.

mod grants;
mod requests;

use std::sync::Arc;

use async_trait::async_trait;
use cattube_contract::envelope::SCHEMA;
use cattube_contract::key::MasterKey;
use cattube_contract::{ContractError, Envelope, Event, EventId, Metadata, OwnerId, VideoId};
use cattube_core::upload::Upload;
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::outcome::ApiHandler;
use cattube_ports::{Bus, Clock, Entropy, MultipartUploads, Objects, PortError, Table};
use jiff::Timestamp;

/// Why a request cannot be answered, by no fault of the client's.
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
    /// Something of ours does not serialise.
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

fn not_found() -> ApiResponse {
    ApiResponse::problem(404, "No such upload", "you have no upload of this id")
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

    async fn publish(
        &self,
        owner: OwnerId,
        video: VideoId,
        event: Event,
        now: Timestamp,
    ) -> Result<(), UploadError> {
        let id = video.to_string();
        let request = Metadata {
            event_id: EventId::derive("HTTP request", &[&id]),
            video_id: video,
            owner_id: owner,
            caused_by: None,
            attempt: 1,
            hop: 0,
            schema: SCHEMA,
            occurred_at: now,
        };
        let mut envelope = Envelope::follow(&request, &[], event, now);
        envelope.metadata.caused_by = None;
        Ok(self.bus.publish(&[envelope]).await?)
    }
}

fn master_key(owner_id: OwnerId, video_id: VideoId) -> String {
    MasterKey::Uploaded { owner_id, video_id }.to_string()
}

#[async_trait]
impl ApiHandler for Uploads {
    type Error = UploadError;

    async fn answer(&self, request: ApiRequest) -> Result<ApiResponse, UploadError> {
        let Some(subject) = request
            .subject
            .as_deref()
            .filter(|subject| !subject.is_empty())
        else {
            return Ok(ApiResponse::problem(
                401,
                "Unauthorized",
                "the token has no subject",
            ));
        };
        let owner = OwnerId::of_subject(subject);
        if request.route == "POST /v1/uploads" {
            return self.create(owner, &request).await;
        }
        let Some(video) = request
            .path
            .get("id")
            .and_then(|id| id.parse::<VideoId>().ok())
        else {
            return Ok(not_found());
        };
        let Some(stored) = self.load(owner, video).await? else {
            return Ok(not_found());
        };
        match request.route.as_str() {
            "GET /v1/uploads/{id}" => Ok(requests::describe(200, &stored.upload)),
            "GET /v1/uploads/{id}/part-urls" => self.sign(owner, &stored.upload, &request).await,
            "GET /v1/uploads/{id}/parts" => self.arrived(owner, &stored.upload, &request).await,
            "POST /v1/uploads/{id}/complete" => self.complete(owner, stored).await,
            "DELETE /v1/uploads/{id}" => self.cancel(owner, stored).await,
            _ => Ok(ApiResponse::problem(
                404,
                "No such route",
                "see the API's description",
            )),
        }
    }
}
