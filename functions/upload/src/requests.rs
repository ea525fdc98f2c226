//! The routes, one function each.

use std::time::Duration;

use cattube_contract::event::UploadFailed;
use cattube_contract::{Event, Fault, OwnerId};
use cattube_core::upload::{PAGE_PARTS, Upload, UploadState};
use cattube_ports::PortError;
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::objects::ArrivedPart;
use serde_json::json;

use crate::{Stored, UploadError, Uploads, master_key};

/// How long a signed part URL holds: long enough for a large part on a slow line, and never
/// longer than the credentials of a function (AWS: up to 12 hours) can sign for.
const PART_URL_VALID_FOR: Duration = Duration::from_hours(1);

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

impl Uploads {
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
            missing_part_count: None,
        });
        self.publish(owner, upload.video_id, event, self.clock.now())
            .await?;
        Ok(ApiResponse::empty(204))
    }
}
