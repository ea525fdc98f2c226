//! The routes, one function each.

use cattube_contract::event::VideoDeleted;
use cattube_contract::{Envelope, Event, EventId, Metadata, OwnerId, VideoId};
use cattube_core::video::{Removal, Video, VideoState};
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::table::{Item, MAX_CURSOR_BYTES, Query};
use jiff::Timestamp;
use serde_json::json;

use crate::{Catalogue, ManageError, TimelineEntry, document, view};

/// Videos or events on a page, unless a client asks for fewer.
const MAX_PAGE: usize = 100;

/// Chunks of a video that are read for its progress: more than any plan has.
const MAX_CHUNKS: usize = 20_000;

pub(crate) fn not_found() -> ApiResponse {
    ApiResponse::problem(404, "No such video", "you have no video of this id")
}

/// The metadata of what a client asks of a video: a cause from outside.
pub(crate) fn request(owner: OwnerId, id: VideoId, name: &str, now: Timestamp) -> Metadata {
    Metadata::begin(EventId::derive(name, &[&id.to_string()]), owner, id, now)
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
        // Of a making that was given up nobody wants to know the chunks any more.
        let served = video
            .served_generation()
            .filter(|_| !video.is_in_the_making());
        let shown = served.unwrap_or(video.generation);
        let query = Query {
            partition_key: &video.video_id.to_string(),
            sort_prefix: &format!("chunk#{shown:08}#"),
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
        let is_ours = cursor.starts_with("event#") || cursor.starts_with("chunk#");
        if !cursor.is_empty() && (!is_ours || cursor.len() > MAX_CURSOR_BYTES) {
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

    /// Marks the video as deleted and says so. Its objects go when the event comes back, with
    /// every later event of work that was in flight, and by a deadline, which is set first: so
    /// they go even if the event is lost.
    pub(crate) async fn delete(
        &self,
        owner: OwnerId,
        id: VideoId,
    ) -> Result<ApiResponse, ManageError> {
        let now = self.clock.now();
        let cause = request(owner, id, "HTTP delete", now);
        self.remove_later(&cause, Removal::Video).await?;
        let delete = |video: Option<Video>| (video.map(|video| video.delete(now)), ());
        let (Some(video), ()) = self.change(owner, id, delete).await? else {
            return Ok(not_found());
        };
        self.say_deleted(&video).await?;
        Ok(ApiResponse::json(
            202,
            json!({ "video_id": id, "state": video.state }),
        ))
    }

    /// Says that a video is deleted: the same event, however often.
    pub(crate) async fn say_deleted(&self, video: &Video) -> Result<(), ManageError> {
        let now = self.clock.now();
        let cause = request(video.owner_id, video.video_id, "HTTP delete", now);
        let event = Event::VideoDeleted(VideoDeleted {
            master_key: video.master_key.clone(),
        });
        let mut envelope = Envelope::follow(&cause, &[], event, now);
        envelope.metadata.caused_by = None;
        Ok(self.bus.publish(&[envelope]).await?)
    }
}
