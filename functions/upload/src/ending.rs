//! How an upload ends by its client's word: completed or cancelled.

use std::collections::BTreeMap;

use cattube_contract::event::UploadFailed;
use cattube_contract::{Event, Fault, OwnerId, read_json};
use cattube_core::upload::{Found, Part, Upload, UploadState, cancellation};
use cattube_ports::PortError;
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::objects::ArrivedPart;
use serde::Deserialize;
use serde_json::json;

use crate::view::{closed, describe, with};
use crate::{Stored, UploadError, Uploads, master_key};

/// Hex digits of an MD5.
const MD5_DIGITS: usize = 32;

/// How often a completion makes way for another writer.
const MAX_CONFLICTS: usize = 3;

/// What a completion may state.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Completion {
    #[serde(default)]
    parts: Vec<StatedPart>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatedPart {
    number: u32,
    md5: String,
}

/// The MD5s that the client states for its parts, if any.
fn stated(upload: &Upload, body: &[u8]) -> Result<BTreeMap<u32, String>, ApiResponse> {
    let fail = |reason: &str| ApiResponse::problem(400, "Bad request", reason);
    if body.is_empty() {
        return Ok(BTreeMap::new());
    }
    let completion: Completion = read_json(body).map_err(|reason| fail(&reason))?;
    let mut stated = BTreeMap::new();
    for part in completion.parts {
        if upload.part_bytes(part.number).is_none() {
            let reason = format!("parts.number: expected 1 to {}", upload.part_count());
            return Err(fail(&reason));
        }
        if part.md5.len() != MD5_DIGITS || !part.md5.bytes().all(|b| b.is_ascii_hexdigit()) {
            let reason = format!("parts.md5: expected {MD5_DIGITS} hex digits");
            return Err(fail(&reason));
        }
        stated.insert(part.number, part.md5);
    }
    Ok(stated)
}

fn as_store_takes(parts: Vec<Part>) -> Vec<ArrivedPart> {
    let parts = parts.into_iter();
    parts
        .map(|part| ArrivedPart {
            number: part.number,
            size_bytes: part.size_bytes,
            etag: part.md5,
        })
        .collect()
}

impl Uploads {
    pub(crate) async fn complete(
        &self,
        owner: OwnerId,
        stored: Stored,
        request: &ApiRequest,
    ) -> Result<ApiResponse, UploadError> {
        let upload = &stored.upload;
        match upload.state {
            UploadState::Completed => return Ok(describe(202, upload)),
            UploadState::Cancelled | UploadState::Abandoned => return Ok(closed(upload)),
            UploadState::Open => {}
        }
        let stated = match stated(upload, &request.body) {
            Ok(stated) => stated,
            Err(problem) => return Ok(problem),
        };
        match self.find(owner, upload).await? {
            Found::Parts(parts) => {
                let missing = upload.missing_parts(&parts, &stated);
                if !missing.is_empty() {
                    let detail = format!("{} parts have not arrived in full", missing.len());
                    return self.incomplete(owner, upload, missing, &detail).await;
                }
                let key = master_key(owner, upload.video_id);
                let parts = as_store_takes(parts);
                self.store
                    .complete(&key, &upload.store_upload, &parts)
                    .await?;
            }
            // An earlier try completed it and ended before it could write that down.
            Found::Object { size_bytes, .. } if size_bytes == upload.request.size_bytes => {}
            Found::Object { .. } | Found::Nothing => {
                let all = (1..=upload.part_count()).collect();
                let detail = "the store dropped the parts; all are to be sent again";
                return self.incomplete(owner, upload, all, detail).await;
            }
        }
        self.note_completion(owner, stored).await
    }

    async fn incomplete(
        &self,
        owner: OwnerId,
        upload: &Upload,
        missing: Vec<u32>,
        detail: &str,
    ) -> Result<ApiResponse, UploadError> {
        let event = Event::UploadFailed(UploadFailed {
            fault: Fault::Transient,
            reason: detail.to_owned(),
            missing_part_count: u32::try_from(missing.len()).ok(),
        });
        self.publish_request(owner, upload, event, self.clock.now())
            .await?;
        let problem = ApiResponse::problem(409, "Parts missing", detail);
        let problem = with(problem, "attempt", json!(upload.attempt));
        Ok(with(problem, "missing", json!(missing)))
    }

    /// The object is made; if another writer was first, what it wrote is changed.
    async fn note_completion(
        &self,
        owner: OwnerId,
        mut stored: Stored,
    ) -> Result<ApiResponse, UploadError> {
        let video = stored.upload.video_id;
        for _ in 0..MAX_CONFLICTS {
            match stored.upload.state {
                UploadState::Completed => return Ok(describe(202, &stored.upload)),
                UploadState::Cancelled | UploadState::Abandoned => {
                    return Ok(closed(&stored.upload));
                }
                UploadState::Open => stored.upload.state = UploadState::Completed,
            }
            match self.save(owner, &stored.upload, Some(stored.version)).await {
                Ok(()) => return Ok(describe(202, &stored.upload)),
                Err(UploadError::Port(PortError::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
            if let Some(newer) = self.load(owner, video).await? {
                stored = newer;
            }
        }
        let key = video.to_string();
        Err(PortError::Conflict { key }.into())
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
        match upload.state {
            UploadState::Completed => return Ok(closed(&upload)),
            UploadState::Abandoned => return Ok(ApiResponse::empty(204)),
            UploadState::Open | UploadState::Cancelled => {}
        }
        let key = master_key(owner, upload.video_id);
        self.store.abort(&key, &upload.store_upload).await?;
        if upload.state == UploadState::Open {
            // From here on nobody can complete it; an earlier try may have.
            let head = self.objects.head(&key).await?;
            let is_whole = head.is_some_and(|head| head.size_bytes == upload.request.size_bytes);
            if is_whole {
                upload.state = UploadState::Completed;
                self.save(owner, &upload, Some(version)).await?;
                return Ok(closed(&upload));
            }
            upload.state = UploadState::Cancelled;
            self.save(owner, &upload, Some(version)).await?;
        }
        // Its deadline stays until this is heard: what is lost is said again.
        self.publish_request(owner, &upload, cancellation(), self.clock.now())
            .await?;
        Ok(ApiResponse::empty(204))
    }
}
