//! The routes, one function each.

use cattube_contract::envelope::SCHEMA;
use cattube_contract::event::VideoDeleted;
use cattube_contract::{Envelope, Event, EventId, Metadata, OwnerId, VideoId};
use cattube_core::video::{Video, VideoState};
use cattube_ports::PortError;
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::table::{Item, Query};
use serde_json::{Value, json};

use crate::{Catalogue, ManageError, Stored, TimelineEntry, document, view};

/// Videos or events on a page, unless a client asks for fewer.
const MAX_PAGE: usize = 100;

/// Chunks of a video that are read for its progress: more than any plan has.
const MAX_CHUNKS: usize = 20_000;

pub(crate) fn not_found() -> ApiResponse {
    ApiResponse::problem(404, "No such video", "you have no video of this id")
}

fn page_limit(request: &ApiRequest) -> Result<usize, ApiResponse> {
    let Some(text) = request.query.get("limit") else {
        return Ok(MAX_PAGE);
    };
    match text.parse() {
        Ok(limit) if (1..=MAX_PAGE).contains(&limit) => Ok(limit),
        _ => {
            let detail = format!("limit: expected 1 to {MAX_PAGE}");
            Err(ApiResponse::problem(400, "Bad query", &detail))
        }
    }
}

/// A full page may have a next one, from its last item on.
fn next_cursor(items: &[Item], limit: usize) -> Option<&str> {
    let full = items.len() >= limit;
    items
        .last()
        .filter(|_| full)
        .map(|item| item.sort_key.as_str())
}

impl Catalogue {
    pub(crate) async fn list(
        &self,
        owner: OwnerId,
        request: &ApiRequest,
    ) -> Result<ApiResponse, ManageError> {
        let limit = match page_limit(request) {
            Ok(limit) => limit,
            Err(problem) => return Ok(problem),
        };
        let cursor = request.query.get("cursor");
        if cursor.is_some_and(|cursor| cursor.parse::<VideoId>().is_err()) {
            let detail = "cursor: expected one that a page gave";
            return Ok(ApiResponse::problem(400, "Bad query", detail));
        }
        let query = Query {
            partition_key: &owner.to_string(),
            sort_prefix: "vid_",
            after: cursor.map(String::as_str),
            limit,
            descending: true,
        };
        let items = self.table.query(query).await?;
        let next = next_cursor(&items, limit).map(str::to_owned);
        let mut videos = Vec::new();
        for item in items {
            let video: Video =
                serde_json::from_value(item.body).map_err(document(item.sort_key))?;
            if video.state != VideoState::Deleted {
                videos.push(view::summary(&video, &self.media_base_url));
            }
        }
        Ok(ApiResponse::json(
            200,
            json!({ "videos": videos, "next_cursor": next }),
        ))
    }

    pub(crate) async fn get(&self, video: &Video) -> Result<ApiResponse, ManageError> {
        if video.state == VideoState::Deleted {
            return Ok(not_found());
        }
        let query = Query {
            partition_key: &video.video_id.to_string(),
            sort_prefix: &format!("chunk#{:08}#", video.generation),
            after: None,
            limit: MAX_CHUNKS,
            descending: false,
        };
        let mut waterfall = Vec::new();
        for item in self.table.query(query).await? {
            let entry: TimelineEntry =
                serde_json::from_value(item.body).map_err(document(item.sort_key))?;
            waterfall.push(entry.data);
        }
        let body = view::detail(video, &self.media_base_url, waterfall);
        Ok(ApiResponse::json(200, body))
    }

    /// Every event of a video: first all that are not of single chunks, by time, then the
    /// chunks in film order.
    pub(crate) async fn timeline(
        &self,
        video: VideoId,
        request: &ApiRequest,
    ) -> Result<ApiResponse, ManageError> {
        let limit = match page_limit(request) {
            Ok(limit) => limit,
            Err(problem) => return Ok(problem),
        };
        let cursor = request.query.get("cursor").map_or("", String::as_str);
        let ours =
            cursor.is_empty() || cursor.starts_with("event#") || cursor.starts_with("chunk#");
        if !ours {
            let detail = "cursor: expected one that a page gave";
            return Ok(ApiResponse::problem(400, "Bad query", detail));
        }
        let partition = video.to_string();
        let mut items = Vec::new();
        for prefix in ["event#", "chunk#"] {
            // The order of the two lists is not that of their keys.
            let after = cursor.starts_with(prefix).then_some(cursor);
            if prefix == "event#" && cursor.starts_with("chunk#") {
                continue;
            }
            let query = Query {
                partition_key: &partition,
                sort_prefix: prefix,
                after,
                limit: limit - items.len(),
                descending: false,
            };
            if query.limit > 0 {
                items.extend(self.table.query(query).await?);
            }
        }
        let next = next_cursor(&items, limit).map(str::to_owned);
        let mut events = Vec::new();
        for item in items {
            let entry: TimelineEntry =
                serde_json::from_value(item.body).map_err(document(item.sort_key))?;
            events.push(view::event(&entry));
        }
        Ok(ApiResponse::json(
            200,
            json!({ "events": events, "next_cursor": next }),
        ))
    }

    /// Marks the video as deleted and says so. Its objects go when the event comes back, and
    /// with every later event of work that was in flight.
    pub(crate) async fn delete(&self, stored: Stored) -> Result<ApiResponse, ManageError> {
        let Stored { mut video, version } = stored;
        let now = self.clock.now();
        if video.state != VideoState::Deleted {
            video.state = VideoState::Deleted;
            video.updated_at = now;
            match self.save(&video, Some(version)).await {
                Ok(()) => {}
                Err(PortError::Conflict { .. }) => {
                    let detail = "the video changed just now; try again";
                    return Ok(ApiResponse::problem(409, "Conflict", detail));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let id = video.video_id.to_string();
        let request = Metadata {
            event_id: EventId::derive("HTTP delete", &[&id]),
            video_id: video.video_id,
            owner_id: video.owner_id,
            caused_by: None,
            attempt: 1,
            hop: 0,
            schema: SCHEMA,
            occurred_at: now,
        };
        let event = Event::VideoDeleted(VideoDeleted {
            master_key: video.master_key,
        });
        let mut envelope = Envelope::follow(&request, &[], event, now);
        envelope.metadata.caused_by = None;
        self.bus.publish(&[envelope]).await?;
        Ok(ApiResponse::json(
            202,
            json!({ "video_id": id, "state": Value::from("deleted") }),
        ))
    }
}
