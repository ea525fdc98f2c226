//! Videos and events as clients see them.

use cattube_contract::event::RetryRequested;
use cattube_core::video::{Video, VideoState};
use serde_json::{Value, json};

use crate::TimelineEntry;

/// Where the video plays, once it does.
fn playback(video: &Video, base: &str) -> Value {
    let url = |key: &str| Value::from(format!("{base}/{key}"));
    match (&video.ready, &video.hls_key) {
        (Some(ready), _) => json!({
            "hls": url(&ready.hls_key),
            "dash": url(&ready.dash_key),
            "poster": url(&ready.poster_key),
            "storyboard": url(&ready.storyboard_key),
        }),
        (None, Some(hls)) => {
            json!({ "hls": url(hls), "dash": null, "poster": null, "storyboard": null })
        }
        (None, None) => Value::Null,
    }
}

/// A new making in progress: what is made anew, or all of it.
fn redo(requested: &RetryRequested) -> Value {
    let base = requested.base.as_ref();
    json!({
        "generation": requested.generation,
        "from_generation": base.map(|base| base.generation),
        "of": base.map(|base| &base.redo),
    })
}

/// A video in a list.
pub(crate) fn summary(video: &Video, base: &str) -> Value {
    let plan = video.plan.as_ref();
    let ready = video.ready.as_ref();
    json!({
        "video_id": video.video_id,
        "title": video.title,
        "state": video.state,
        "generation": video.generation,
        "generation_served": video.served_generation(),
        "redo": video.redo_in_progress().map(redo),
        "sizes": video.sizes,
        "created_at": video.created_at,
        "updated_at": video.updated_at,
        "renditions": plan.map_or(&[][..], |plan| plan.renditions.as_slice()),
        "skipped_sizes": plan.map_or(&[][..], |plan| plan.skipped_sizes.as_slice()),
        "duration_ms": ready.map(|ready| ready.duration_ms).or(plan.and_then(|plan| plan.duration_ms)),
        "frame_count": ready.map(|ready| ready.frame_count),
        "size_bytes": ready.map(|ready| ready.size_bytes),
        "playback": playback(video, base),
        "rejection": video.rejection,
        "last_failure": video.last_failure,
        "needs_attention": video.needs_attention,
    })
}

/// A video with its progress and the waterfall of its chunks.
pub(crate) fn detail(video: &Video, base: &str, waterfall: Vec<Value>) -> Value {
    let mut body = summary(video, base);
    let total = video.plan.as_ref().map(|plan| plan.chunk_count);
    let finished = video.state == VideoState::Ready && !video.is_in_the_making();
    let done = if finished {
        total.unwrap_or(0)
    } else {
        u32::try_from(waterfall.len()).unwrap_or(u32::MAX)
    };
    if let Some(fields) = body.as_object_mut() {
        fields.insert(
            "progress".to_owned(),
            json!({ "chunks_done": done, "chunks_total": total }),
        );
        fields.insert("waterfall".to_owned(), Value::from(waterfall));
    }
    body
}

/// An event in a timeline.
pub(crate) fn event(entry: &TimelineEntry) -> Value {
    let metadata = &entry.metadata;
    json!({
        "name": entry.name,
        "event_id": metadata.event_id,
        "caused_by": metadata.caused_by,
        "occurred_at": metadata.occurred_at,
        "attempt": metadata.attempt,
        "data": entry.data,
    })
}
