//! What a client sees.

use cattube_core::upload::{Upload, UploadState};
use cattube_ports::http::{ApiRequest, ApiResponse};
use serde_json::{Value, json};

/// An upload as a client sees it.
pub(crate) fn describe(status: u16, upload: &Upload) -> ApiResponse {
    ApiResponse::json(
        status,
        json!({
            "video_id": upload.video_id,
            "state": upload.state,
            "attempt": upload.attempt,
            "reason": upload.reason,
            "title": upload.request.title,
            "size_bytes": upload.request.size_bytes,
            "sizes": upload.request.sizes,
            "part_size_bytes": upload.part_size_bytes,
            "part_count": upload.part_count(),
            "created_at": upload.created_at,
        }),
    )
}

/// The same answer with one more field.
pub(crate) fn with(mut response: ApiResponse, name: &str, value: Value) -> ApiResponse {
    if let Some(body) = response.body.as_object_mut() {
        body.insert(name.to_owned(), value);
    }
    response
}

pub(crate) fn not_found() -> ApiResponse {
    ApiResponse::problem(404, "No such upload", "you have no upload of this id")
}

/// The upload takes no parts any more.
pub(crate) fn closed(upload: &Upload) -> ApiResponse {
    let detail = match upload.state {
        UploadState::Open => "the upload is open",
        UploadState::Completed => "the upload is complete",
        UploadState::Cancelled => "the upload was cancelled",
        UploadState::Abandoned => "the upload was given up",
    };
    let detail = match &upload.reason {
        Some(reason) => format!("{detail}: {reason}"),
        None => detail.to_owned(),
    };
    ApiResponse::problem(409, "Upload not open", &detail)
}

/// The store dropped the parts of an open upload.
pub(crate) fn interrupted() -> ApiResponse {
    let detail = "the store dropped its parts; report a failed part and wait for the next attempt";
    ApiResponse::problem(409, "Upload interrupted", detail)
}

/// A whole number of the query.
pub(crate) fn number(request: &ApiRequest, name: &str, default: u32) -> Result<u32, ApiResponse> {
    request.query.get(name).map_or(Ok(default), |text| {
        text.parse().map_err(|_| {
            let detail = format!("{name}: expected a whole number");
            ApiResponse::problem(400, "Bad query", &detail)
        })
    })
}
