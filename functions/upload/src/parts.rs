//! The routes on parts: where to put them, which have arrived, which failed.

use std::collections::BTreeMap;
use std::time::Duration;

use cattube_contract::event::UploadFailed;
use cattube_contract::{Event, Fault, OwnerId, excerpt, read_json};
use cattube_core::upload::{Found, PAGE_PARTS, Part, Upload, UploadState};
use cattube_ports::PortError;
use cattube_ports::http::{ApiRequest, ApiResponse};
use serde::Deserialize;
use serde_json::json;

use crate::view::{closed, describe, interrupted, number, with};
use crate::{UploadError, Uploads, master_key};

/// How long a signed part URL holds: long enough for a large part on a slow line. It ends with the
/// credentials that signed it, if those end before: whoever gets a 403 asks for another.
const PART_URL_VALID_FOR: Duration = Duration::from_hours(1);

/// How much of a client's reason is kept.
const MAX_REASON_CHARS: usize = 300;

/// The parts that one listing of the store gives at most.
const LISTED_PARTS: usize = 1000;

/// Which URLs are asked for.
struct Page {
    first: u32,
    count: u32,
    missing_only: bool,
}

fn page(upload: &Upload, request: &ApiRequest) -> Result<Page, ApiResponse> {
    let first = number(request, "first", 1)?;
    let count = number(request, "count", 100)?;
    let missing_only = match request.query.get("missing").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            let detail = "missing: expected true or false";
            return Err(ApiResponse::problem(400, "Bad query", detail));
        }
    };
    if upload.part_bytes(first).is_none() || !PAGE_PARTS.contains(&count) {
        let detail = format!(
            "first: expected 1 to {}; count: expected {PAGE_PARTS:?}",
            upload.part_count()
        );
        return Err(ApiResponse::problem(400, "Bad query", &detail));
    }
    Ok(Page {
        first,
        count,
        missing_only,
    })
}

/// What a client says of a part that it cannot send.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FailedPart {
    reason: String,
    /// The attempt in which it failed, so that the same report twice is one failure.
    #[serde(default)]
    attempt: Option<u32>,
}

impl Uploads {
    pub(crate) async fn show(
        &self,
        owner: OwnerId,
        upload: &Upload,
    ) -> Result<ApiResponse, UploadError> {
        let described = describe(200, upload);
        if upload.state != UploadState::Open {
            return Ok(described);
        }
        let missing = match self.find(owner, upload).await? {
            Found::Parts(parts) => upload.missing_parts(&parts, &BTreeMap::new()).len(),
            Found::Object { .. } => 0,
            Found::Nothing => usize::try_from(upload.part_count()).unwrap_or(usize::MAX),
        };
        Ok(with(described, "missing_part_count", json!(missing)))
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
        let page = match page(upload, request) {
            Ok(page) => page,
            Err(problem) => return Ok(problem),
        };
        let count = usize::try_from(page.count).unwrap_or(usize::MAX);
        let wanted: Vec<u32> = if page.missing_only {
            let Found::Parts(parts) = self.find(owner, upload).await? else {
                return Ok(interrupted());
            };
            let missing = upload.missing_parts(&parts, &BTreeMap::new()).into_iter();
            let from_first = missing.filter(|part| *part >= page.first);
            from_first.take(count).collect()
        } else {
            (page.first..=upload.part_count()).take(count).collect()
        };
        let key = master_key(owner, upload.video_id);
        let mut parts = Vec::new();
        for part in wanted {
            let url = self
                .store
                .part_url(&key, &upload.store_upload, part, PART_URL_VALID_FOR)
                .await?;
            let size_bytes = upload.part_bytes(part);
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
        let parts = match self.store.parts(&key, &upload.store_upload, after).await {
            // The store dropped them: none has arrived.
            Err(PortError::ObjectMissing { .. }) => Vec::new(),
            parts => parts?,
        };
        let next_after =
            (parts.len() >= LISTED_PARTS).then(|| parts.last().map(|part| part.number));
        let parts: Vec<_> = parts
            .iter()
            .map(|part| json!({ "number": part.number, "size_bytes": part.size_bytes, "etag": part.etag }))
            .collect();
        Ok(ApiResponse::json(
            200,
            json!({ "parts": parts, "next_after": next_after.flatten() }),
        ))
    }

    /// A client cannot send a part. Whether and when the upload goes on is decided elsewhere;
    /// the client sees it by the attempt.
    pub(crate) async fn part_failed(
        &self,
        owner: OwnerId,
        upload: &Upload,
        request: &ApiRequest,
    ) -> Result<ApiResponse, UploadError> {
        let number = request.path.get("number").map(String::as_str);
        let number = number.and_then(|text| text.parse().ok());
        let Some(number) = number.filter(|number| upload.part_bytes(*number).is_some()) else {
            let detail = format!("number: expected 1 to {}", upload.part_count());
            return Ok(ApiResponse::problem(404, "No such part", &detail));
        };
        let failed: FailedPart = match read_json(&request.body) {
            Ok(failed) => failed,
            Err(reason) => return Ok(ApiResponse::problem(400, "Bad request", &reason)),
        };
        if upload.state != UploadState::Open {
            return Ok(closed(upload));
        }
        if failed.attempt.unwrap_or(upload.attempt) >= upload.attempt {
            let reason = excerpt(&failed.reason, MAX_REASON_CHARS).replace(char::is_control, " ");
            let event = Event::UploadFailed(UploadFailed {
                fault: Fault::Transient,
                reason: format!("part {number}: {reason}"),
                missing_part_count: None,
            });
            self.publish_request(owner, upload, event, self.clock.now())
                .await?;
        }
        Ok(describe(202, upload))
    }

    /// What the store has of an upload.
    pub(crate) async fn find(&self, owner: OwnerId, upload: &Upload) -> Result<Found, UploadError> {
        let key = master_key(owner, upload.video_id);
        if upload.state == UploadState::Open {
            match self.all_parts(&key, upload).await {
                Ok(parts) => return Ok(Found::Parts(parts)),
                Err(PortError::ObjectMissing { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(match self.objects.head(&key).await? {
            Some(head) => Found::Object {
                etag: head.etag,
                size_bytes: head.size_bytes,
            },
            None => Found::Nothing,
        })
    }

    async fn all_parts(&self, key: &str, upload: &Upload) -> Result<Vec<Part>, PortError> {
        let mut parts: Vec<Part> = Vec::new();
        loop {
            let after = parts.last().map_or(0, |part| part.number);
            let page = self.store.parts(key, &upload.store_upload, after).await?;
            let is_last = page.len() < LISTED_PARTS;
            // The tag of a part is the MD5 of its bytes, since the bucket encrypts by SSE-S3.
            parts.extend(page.into_iter().map(|part| Part {
                number: part.number,
                size_bytes: part.size_bytes,
                md5: part.etag,
            }));
            if is_last {
                return Ok(parts);
            }
        }
    }
}
