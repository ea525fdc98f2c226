//! Granting an upload, once for each idempotency key.

use std::collections::BTreeMap;

use cattube_contract::event::UploadRequested;
use cattube_contract::{Event, OwnerId, VideoId, read_json};
use cattube_core::digest::sha256_hex;
use cattube_core::intake::{encode_title, notes};
use cattube_core::upload::{Look, Upload, UploadRequest, UploadState, plan_parts};
use cattube_ports::PortError;
use cattube_ports::http::{ApiRequest, ApiResponse};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::view::describe;
use crate::{UploadError, Uploads, document, master_key, request};

/// The longest idempotency key, in bytes.
const MAX_IDEMPOTENCY_KEY_BYTES: usize = 200;

/// What an idempotency key stands for.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    video_id: VideoId,
    request_sha256: String,
}

fn parse_request(body: &[u8]) -> Result<(UploadRequest, u64), ApiResponse> {
    let request: UploadRequest =
        read_json(body).map_err(|reason| ApiResponse::problem(400, "Bad request", &reason))?;
    let part_size_bytes = plan_parts(&request)
        .map_err(|error| ApiResponse::problem(422, "Invalid upload", &error.to_string()))?;
    Ok((request, part_size_bytes))
}

impl Uploads {
    pub(crate) async fn create(
        &self,
        owner: OwnerId,
        request: &ApiRequest,
    ) -> Result<ApiResponse, UploadError> {
        let (wanted, part_size_bytes) = match parse_request(&request.body) {
            Ok(parsed) => parsed,
            Err(problem) => return Ok(problem),
        };
        let fresh = VideoId::new(self.clock.now(), self.entropy.random());
        let video_id = match request.headers.get("idempotency-key") {
            None => fresh,
            Some(key) if key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY_BYTES => {
                let detail =
                    format!("Idempotency-Key: expected 1 to {MAX_IDEMPOTENCY_KEY_BYTES} bytes");
                return Ok(ApiResponse::problem(400, "Bad request", &detail));
            }
            Some(key) => {
                if let Some(video_id) = self.claim(owner, key, &wanted, fresh).await? {
                    video_id
                } else {
                    let detail = "Idempotency-Key: it was used for another request";
                    return Ok(ApiResponse::problem(422, "Idempotency key reused", detail));
                }
            }
        };
        let upload = match self.load(owner, video_id).await? {
            Some(stored) => stored.upload,
            None => self.grant(owner, video_id, wanted, part_size_bytes).await?,
        };
        // Published on every try: the first may have ended between the write and this.
        let event = Event::UploadRequested(UploadRequested {
            title: upload.request.title.clone(),
            size_bytes: upload.request.size_bytes,
            content_type: upload.request.content_type.clone(),
            sizes: upload.request.sizes.clone(),
        });
        let first = Upload {
            attempt: 1,
            ..upload.clone()
        };
        self.publish_request(owner, &first, event, upload.created_at)
            .await?;
        Ok(describe(201, &upload))
    }

    /// The video that `key` stands for, or `None` if it stands for another request.
    async fn claim(
        &self,
        owner: OwnerId,
        key: &str,
        wanted: &UploadRequest,
        fresh: VideoId,
    ) -> Result<Option<VideoId>, UploadError> {
        let partition = owner.to_string();
        let sort = format!("idempotency#{key}");
        let canonical = serde_json::to_vec(wanted).map_err(document("claim", &sort))?;
        let claim = Claim {
            video_id: fresh,
            request_sha256: sha256_hex(&canonical),
        };
        let body = serde_json::to_value(&claim).map_err(document("claim", &sort))?;
        match self.table.save(&partition, &sort, None, &body).await {
            Ok(()) => return Ok(Some(fresh)),
            Err(PortError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let standing = self.table.load(&partition, &sort).await?;
        let standing = standing.map_or(Value::Null, |item| item.body);
        let standing: Claim = serde_json::from_value(standing).map_err(document("claim", &sort))?;
        let same = standing.request_sha256 == claim.request_sha256;
        Ok(same.then_some(standing.video_id))
    }

    /// Begins an upload in the store. Its notes end up on the object.
    pub(crate) async fn begin(
        &self,
        owner: OwnerId,
        video_id: VideoId,
        wanted: &UploadRequest,
    ) -> Result<String, UploadError> {
        let metadata = BTreeMap::from([
            (notes::TITLE.to_owned(), encode_title(&wanted.title)),
            (notes::SIZES.to_owned(), wanted.sizes.to_text()),
            (notes::SIZE_BYTES.to_owned(), wanted.size_bytes.to_string()),
        ]);
        let key = master_key(owner, video_id);
        let begun = self.store.begin(&key, &wanted.content_type, &metadata);
        Ok(begun.await?)
    }

    async fn grant(
        &self,
        owner: OwnerId,
        video_id: VideoId,
        wanted: UploadRequest,
        part_size_bytes: u64,
    ) -> Result<Upload, UploadError> {
        let store_upload = self.begin(owner, video_id, &wanted).await?;
        let upload = Upload {
            video_id,
            request: wanted,
            store_upload,
            part_size_bytes,
            state: UploadState::Open,
            created_at: self.clock.now(),
            attempt: 1,
            accepted: false,
            reason: None,
        };
        // Before the upload is written down: none is without a deadline.
        let cause = request(owner, &upload, upload.created_at);
        let look = Look::first(&upload, 0, self.deadline.as_secs());
        self.look_again(&cause, look).await?;
        match self.save(owner, &upload, None).await {
            Ok(()) => Ok(upload),
            Err(UploadError::Port(PortError::Conflict { .. })) => {
                let stored = self.load(owner, video_id).await?;
                let standing = stored.map_or_else(|| upload.clone(), |stored| stored.upload);
                if standing.store_upload != upload.store_upload {
                    // The same request came twice at once; the other one's upload stands. It is
                    // this one's where the write was done and its reply was lost.
                    let key = master_key(owner, video_id);
                    self.store.abort(&key, &upload.store_upload).await?;
                }
                Ok(standing)
            }
            Err(error) => Err(error),
        }
    }
}
