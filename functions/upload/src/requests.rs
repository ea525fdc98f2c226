//! The routes, one function each.

use std::collections::BTreeMap;
use std::time::Duration;

use cattube_contract::event::{UploadFailed, UploadRequested};
use cattube_contract::{Event, Fault, OwnerId, VideoId, read_json};
use cattube_core::intake::{encode_title, notes};
use cattube_core::upload::{PAGE_PARTS, Upload, UploadRequest, UploadState, plan_parts};
use cattube_ports::PortError;
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::objects::ArrivedPart;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Stored, UploadError, Uploads, document, master_key};

/// How long a signed part URL holds: long enough for a large part on a slow line, and never
/// longer than the credentials of a function (AWS: up to 12 hours) can sign for.
const PART_URL_VALID_FOR: Duration = Duration::from_secs(3600);

/// The longest idempotency key, in bytes.
const MAX_IDEMPOTENCY_KEY_BYTES: usize = 200;

/// What an idempotency key stands for.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    video_id: VideoId,
    request_sha256: String,
}

/// An upload as a client sees it.
pub(crate) fn describe(status: u16, upload: &Upload) -> ApiResponse {
    ApiResponse::json(
        status,
        json!({
            "video_id": upload.video_id,
            "state": upload.state,
            "title": upload.request.title,
            "size_bytes": upload.request.size_bytes,
            "sizes": upload.request.sizes,
            "part_size_bytes": upload.part_size_bytes,
            "part_count": upload.part_count(),
            "created_at": upload.created_at,
        }),
    )
}

fn closed(upload: &Upload) -> ApiResponse {
    let detail = match upload.state {
        UploadState::Open => "the upload is open",
        UploadState::Completed => "the upload is complete",
        UploadState::Cancelled => "the upload was cancelled",
    };
    ApiResponse::problem(409, "Upload not open", detail)
}

fn number(request: &ApiRequest, name: &str, default: u32) -> Result<u32, ApiResponse> {
    request.query.get(name).map_or(Ok(default), |text| {
        text.parse().map_err(|_| {
            let detail = format!("{name}: expected a whole number");
            ApiResponse::problem(400, "Bad query", &detail)
        })
    })
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
            Some(key) => match self.claim(owner, key, &wanted, fresh).await? {
                Some(video_id) => video_id,
                None => {
                    let detail = "Idempotency-Key: it was used for another request";
                    return Ok(ApiResponse::problem(422, "Idempotency key reused", detail));
                }
            },
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
        self.publish(owner, video_id, event, upload.created_at)
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
            request_sha256: hex(&Sha256::digest(canonical)),
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

    async fn grant(
        &self,
        owner: OwnerId,
        video_id: VideoId,
        wanted: UploadRequest,
        part_size_bytes: u64,
    ) -> Result<Upload, UploadError> {
        let metadata = BTreeMap::from([
            (notes::TITLE.to_owned(), encode_title(&wanted.title)),
            (notes::SIZES.to_owned(), wanted.sizes.to_text()),
            (notes::SIZE_BYTES.to_owned(), wanted.size_bytes.to_string()),
        ]);
        let key = master_key(owner, video_id);
        let store_upload = self
            .store
            .begin(&key, &wanted.content_type, &metadata)
            .await?;
        let upload = Upload {
            video_id,
            request: wanted,
            store_upload,
            part_size_bytes,
            state: UploadState::Open,
            created_at: self.clock.now(),
        };
        match self.save(owner, &upload, None).await {
            Ok(()) => Ok(upload),
            Err(UploadError::Port(PortError::Conflict { .. })) => {
                // The same request came twice at once; the other one's upload stands.
                self.store.abort(&key, &upload.store_upload).await?;
                let stored = self.load(owner, video_id).await?;
                Ok(stored.map_or(upload, |stored| stored.upload))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn sign(
        &self,
        owner: OwnerId,
        upload: &Upload,
        request: &ApiRequest,
    ) -> Result<ApiResponse, UploadError> {
        if upload.state != UploadState::Open {
            return Ok(closed(upload));
        }
        let page = number(request, "first", 1)
            .and_then(|first| Ok((first, number(request, "count", 100)?)));
        let (first, count) = match page {
            Ok(page) => page,
            Err(problem) => return Ok(problem),
        };
        if upload.part_bytes(first).is_none() || !PAGE_PARTS.contains(&count) {
            let detail = format!(
                "first: expected 1 to {}; count: expected {PAGE_PARTS:?}",
                upload.part_count()
            );
            return Ok(ApiResponse::problem(400, "Bad query", &detail));
        }
        let key = master_key(owner, upload.video_id);
        let mut parts = Vec::new();
        for part in first..first.saturating_add(count) {
            let Some(size_bytes) = upload.part_bytes(part) else {
                break;
            };
            let url = self
                .store
                .part_url(&key, &upload.store_upload, part, PART_URL_VALID_FOR)
                .await?;
            parts.push(json!({ "number": part, "url": url, "size_bytes": size_bytes }));
        }
        let expires_at = self.clock.now().saturating_add(PART_URL_VALID_FOR);
        let expires_at = expires_at.map(|at| at.to_string()).unwrap_or_default();
        Ok(ApiResponse::json(
            200,
            json!({ "parts": parts, "expires_at": expires_at }),
        ))
    }

    pub(crate) async fn arrived(
        &self,
        owner: OwnerId,
        upload: &Upload,
        request: &ApiRequest,
    ) -> Result<ApiResponse, UploadError> {
        if upload.state != UploadState::Open {
            return Ok(closed(upload));
        }
        let after = match number(request, "after", 0) {
            Ok(after) => after,
            Err(problem) => return Ok(problem),
        };
        let key = master_key(owner, upload.video_id);
        let parts = self.store.parts(&key, &upload.store_upload, after).await?;
        let next_after = (parts.len() >= 1000).then(|| parts.last().map(|part| part.number));
        let parts: Vec<_> = parts
            .iter()
            .map(|part| json!({ "number": part.number, "size_bytes": part.size_bytes, "etag": part.etag }))
            .collect();
        Ok(ApiResponse::json(
            200,
            json!({ "parts": parts, "next_after": next_after.flatten() }),
        ))
    }

    /// Every part that has arrived.
    async fn all_parts(&self, key: &str, upload: &Upload) -> Result<Vec<ArrivedPart>, PortError> {
        let mut parts: Vec<ArrivedPart> = Vec::new();
        loop {
            let after = parts.last().map_or(0, |part| part.number);
            let page = self.store.parts(key, &upload.store_upload, after).await?;
            if page.is_empty() {
                return Ok(parts);
            }
            parts.extend(page);
        }
    }

    pub(crate) async fn complete(
        &self,
        owner: OwnerId,
        stored: Stored,
    ) -> Result<ApiResponse, UploadError> {
        let Stored {
            mut upload,
            version,
        } = stored;
        match upload.state {
            UploadState::Completed => return Ok(describe(202, &upload)),
            UploadState::Cancelled => return Ok(closed(&upload)),
            UploadState::Open => {}
        }
        let key = master_key(owner, upload.video_id);
        match self.all_parts(&key, &upload).await {
            Ok(parts) => {
                let arrived: Vec<_> = parts
                    .iter()
                    .map(|part| (part.number, part.size_bytes))
                    .collect();
                let missing = upload.missing_parts(&arrived);
                if !missing.is_empty() {
                    let detail = format!("{} parts have not arrived in full", missing.len());
                    let mut problem = ApiResponse::problem(409, "Parts missing", &detail);
                    if let Some(body) = problem.body.as_object_mut() {
                        body.insert("missing".to_owned(), json!(missing));
                    }
                    return Ok(problem);
                }
                self.store
                    .complete(&key, &upload.store_upload, &parts)
                    .await?;
            }
            Err(PortError::ObjectMissing { .. }) => {
                // Either an earlier try completed it and ended before it could write that
                // down, or the bucket's lifecycle aborted it.
                if self.objects.head(&key).await?.is_none() {
                    let detail = "the upload was left for too long; begin a new one";
                    return Ok(ApiResponse::problem(409, "Upload expired", detail));
                }
            }
            Err(error) => return Err(error.into()),
        }
        upload.state = UploadState::Completed;
        match self.save(owner, &upload, Some(version)).await {
            Ok(()) | Err(UploadError::Port(PortError::Conflict { .. })) => {
                Ok(describe(202, &upload))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn cancel(
        &self,
        owner: OwnerId,
        stored: Stored,
    ) -> Result<ApiResponse, UploadError> {
        let Stored {
            mut upload,
            version,
        } = stored;
        if upload.state == UploadState::Completed {
            return Ok(closed(&upload));
        }
        let key = master_key(owner, upload.video_id);
        self.store.abort(&key, &upload.store_upload).await?;
        if upload.state == UploadState::Open {
            upload.state = UploadState::Cancelled;
            self.save(owner, &upload, Some(version)).await?;
        }
        let event = Event::UploadFailed(UploadFailed {
            fault: Fault::Permanent,
            reason: "the client cancelled the upload".to_owned(),
        });
        self.publish(owner, upload.video_id, event, self.clock.now())
            .await?;
        Ok(ApiResponse::empty(204))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
