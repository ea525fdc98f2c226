//! An HTTP request as the API gateway hands it over: already authorised and routed.

use std::collections::BTreeMap;

use cattube_contract::{OwnerId, VideoId};
use serde_json::{Value, json};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiRequest {
    /// The gateway's route key, such as `GET /v1/videos/{id}`.
    pub route: String,
    /// What the route's braces matched.
    pub path: BTreeMap<String, String>,
    /// The query.
    pub query: BTreeMap<String, String>,
    /// Header names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The `sub` of the token that the gateway's authorizer accepted.
    pub subject: Option<String>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl ApiRequest {
    /// Who asks.
    ///
    /// # Errors
    /// The answer to a token that names nobody.
    pub fn owner(&self) -> Result<OwnerId, ApiResponse> {
        match self.subject.as_deref() {
            None | Some("") => {
                let detail = "the token has no subject";
                Err(ApiResponse::problem(401, "Unauthorized", detail))
            }
            Some(subject) => Ok(OwnerId::of_subject(subject)),
        }
    }

    /// The video that the path names, if it is the id of one.
    #[must_use]
    pub fn video_id(&self) -> Option<VideoId> {
        self.path.get("id")?.parse().ok()
    }
}

/// The media type of a page for people.
pub const HTML: &str = "text/html; charset=utf-8";

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiResponse {
    /// The status code.
    pub status: u16,
    /// `application/json`, `application/problem+json` for errors, or [`HTML`].
    pub content_type: &'static str,
    /// The body; `Null` for none. A page is one text.
    pub body: Value,
}

impl ApiResponse {
    /// A JSON answer.
    #[must_use]
    pub fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            body,
        }
    }

    /// A page for people. It may load nothing and run nothing.
    #[must_use]
    pub fn html(status: u16, page: String) -> Self {
        Self {
            status,
            content_type: HTML,
            body: Value::String(page),
        }
    }

    /// An answer without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self::json(status, Value::Null)
    }

    /// The answer to a route that the gateway has and the function has not.
    #[must_use]
    pub fn no_such_route() -> Self {
        Self::problem(404, "No such route", "see the API's description")
    }

    /// An error as a problem document, RFC 9457. `detail` is for people and names the field.
    #[must_use]
    pub fn problem(status: u16, title: &str, detail: &str) -> Self {
        Self {
            status,
            content_type: "application/problem+json",
            body: json!({ "type": "about:blank", "title": title, "status": status, "detail": detail }),
        }
    }
}
