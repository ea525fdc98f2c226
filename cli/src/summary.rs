//! What came of a video, in lines. Pure.

use std::collections::BTreeSet;

use indicatif::HumanBytes;
use jiff::Timestamp;

use crate::api::{TimelineEvent, Video, VideoState};

/// The steps of a video and the event that ends each, in their order.
const STEPS: [(&str, &str); 6] = [
    ("upload began", "UploadRequested"),
    ("uploaded", "VideoUploaded"),
    ("planned", "VideoPlanned"),
    ("first chunk", "ChunkTranscoded"),
    ("playable", "VideoPlayable"),
    ("ready", "VideoReady"),
];

/// When a step was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub name: &'static str,
    /// When.
    pub at: Timestamp,
    /// How long after the video's first event.
    pub since_start_ms: i64,
}

/// The steps of a generation, as far as they came. Events may be in any order and repeated.
#[must_use]
pub fn steps(timeline: &[TimelineEvent], generation: u32) -> Vec<Step> {
    let concerns = |event: &&TimelineEvent| {
        let of = event.data.get("generation");
        of.is_none_or(|of| of.as_u64() == Some(u64::from(generation)))
    };
    let first_of = |name: &str| {
        let named = timeline.iter().filter(|event| event.name == name);
        named.filter(concerns).map(|event| event.occurred_at).min()
    };
    let Some(start) = start_of(timeline) else {
        return Vec::new();
    };
    let step = |(name, event): (&'static str, &str)| {
        first_of(event).map(|at| Step {
            name,
            at,
            since_start_ms: since(start, at),
        })
    };
    STEPS.into_iter().filter_map(step).collect()
}

/// When the upload began; for a video that was dropped into the bucket, its first event.
fn start_of(timeline: &[TimelineEvent]) -> Option<Timestamp> {
    let requested = timeline
        .iter()
        .filter(|event| event.name == "UploadRequested");
    let first = requested.map(|event| event.occurred_at).min();
    first.or_else(|| timeline.iter().map(|event| event.occurred_at).min())
}

/// How many workers did chunks of a video.
#[must_use]
pub fn worker_count(video: &Video) -> usize {
    let workers: BTreeSet<&str> = video
        .waterfall
        .iter()
        .map(|work| work.worker.as_str())
        .collect();
    workers.len()
}

/// State and progress, in a few words.
#[must_use]
pub fn status(video: &Video) -> String {
    let progress = video.progress.unwrap_or_default();
    match (progress.chunks_done, progress.chunks_total) {
        (Some(done), Some(total)) if total > 0 => {
            format!("{} {done}/{total} chunks", video.state)
        }
        _ => video.state.to_string(),
    }
}

/// Everything about a video that a person wants to see when it has ended.
#[must_use]
pub fn lines(video: &Video, timeline: &[TimelineEvent]) -> Vec<String> {
    let mut lines = vec![
        row("video", &video.video_id),
        row("title", &video.title),
        row("state", &status(video)),
    ];
    lines.extend(reason_lines(video));
    let playback = video.playback.clone().unwrap_or_default();
    let places = [
        ("playlist", playback.hls),
        ("DASH", playback.dash),
        ("poster", playback.poster),
        ("storyboard", playback.storyboard),
    ];
    for (name, url) in places {
        lines.extend(url.map(|url| row(name, &url)));
    }
    lines.extend(media_lines(video));
    if !video.waterfall.is_empty() {
        let (chunks, workers) = (video.waterfall.len(), worker_count(video));
        let workers = format!("{workers} ran {chunks} chunks");
        lines.push(row("workers", &workers));
    }
    for step in steps(timeline, video.generation) {
        let after = seconds(step.since_start_ms);
        lines.push(row(step.name, &format!("{}  +{after} s", step.at)));
    }
    lines
}

fn reason_lines(video: &Video) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(rejection) = &video.rejection {
        let why = format!("{}: {}", rejection.code, rejection.reason);
        lines.push(row("because", &why));
    }
    if video.state != VideoState::Ready {
        lines.extend(failure(video).map(|failure| row("failure", &failure)));
        if video.needs_attention.is_some() {
            lines.push(row(
                "attention",
                "all attempts failed; a person must look at it",
            ));
        }
    }
    lines
}

/// What failed last, in a line.
#[must_use]
pub fn failure(video: &Video) -> Option<String> {
    video.last_failure.as_ref().map(|failure| {
        let (event, fault, reason) = (&failure.event, &failure.fault, &failure.reason);
        clean(&format!("{event} ({fault}): {reason}"))
    })
}

fn media_lines(video: &Video) -> Vec<String> {
    let mut lines = Vec::new();
    let sizes = video.renditions.iter().map(|size| {
        let (name, width, height) = (&size.name, size.width_px, size.height_px);
        format!("{name} ({width}x{height})")
    });
    let sizes: Vec<_> = sizes.collect();
    if !sizes.is_empty() {
        lines.push(row("sizes", &sizes.join(", ")));
    }
    if !video.skipped_sizes.is_empty() {
        let skipped = video.skipped_sizes.iter().map(u32::to_string);
        let skipped = skipped.collect::<Vec<_>>().join(", ");
        let why = format!("{skipped} (larger than the master)");
        lines.push(row("skipped", &why));
    }
    let facts = [
        video.duration_ms.map(length),
        video.frame_count.map(|count| format!("{count} frames")),
        video.size_bytes.map(|bytes| HumanBytes(bytes).to_string()),
    ];
    let facts: Vec<_> = facts.into_iter().flatten().collect();
    if !facts.is_empty() {
        lines.push(row("length", &facts.join(", ")));
    }
    lines
}

/// One video in a list.
#[must_use]
pub fn list_line(video: &Video) -> String {
    let created = video
        .created_at
        .map_or_else(|| "-".to_owned(), |at| format!("{at:.0}"));
    let length = video.duration_ms.map_or_else(|| "-".to_owned(), length);
    let (id, status, title) = (&video.video_id, status(video), &video.title);
    clean(&format!(
        "{id}  {status:<24}  {length:>11}  {created:<20}  {title}"
    ))
}

/// A timeline in its order, a line an event.
#[must_use]
pub fn timeline_lines(timeline: &[TimelineEvent]) -> Vec<String> {
    let mut events: Vec<_> = timeline.iter().collect();
    events.sort_by_key(|event| event.occurred_at);
    let Some(start) = start_of(timeline) else {
        return Vec::new();
    };
    let line = |event: &TimelineEvent| {
        let after = seconds(since(start, event.occurred_at));
        let (at, name, attempt) = (event.occurred_at, &event.name, event.attempt);
        let attempt = match attempt {
            0 | 1 => String::new(),
            attempt => format!(" (attempt {attempt})"),
        };
        clean(&format!(
            "{at:.3}  +{after:>9} s  {name}{attempt}  {}",
            event.data
        ))
    };
    events.into_iter().map(line).collect()
}

fn since(start: Timestamp, at: Timestamp) -> i64 {
    at.as_millisecond().saturating_sub(start.as_millisecond())
}

fn row(name: &str, value: &str) -> String {
    format!("{name:<13} {}", clean(value))
}

/// Text from outside must not steer the terminal.
pub(crate) fn clean(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    format!("{sign}{}.{:03}", ms / 1000, ms % 1000)
}

fn length(ms: u64) -> String {
    let (minutes, rest) = (ms / 60_000, ms % 60_000);
    let (hours, minutes) = (minutes / 60, minutes % 60);
    format!("{hours}:{minutes:02}:{:02}.{:03}", rest / 1000, rest % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(name: &str, ms: i64, data: serde_json::Value) -> TimelineEvent {
        TimelineEvent {
            name: name.to_owned(),
            occurred_at: Timestamp::from_millisecond(ms).unwrap(),
            attempt: 1,
            data,
        }
    }

    fn timeline() -> Vec<TimelineEvent> {
        vec![
            event("ChunkTranscoded", 9_000, json!({"generation": 2})),
            event("ChunkTranscoded", 7_500, json!({"generation": 2})),
            event("ChunkTranscoded", 6_000, json!({"generation": 1})),
            event("UploadRequested", 1_000, json!({})),
            event("VideoUploaded", 3_000, json!({"generation": 2})),
        ]
    }

    #[test]
    fn steps_are_the_first_of_their_kind_in_this_generation() {
        let steps = steps(&timeline(), 2);
        let told: Vec<_> = steps
            .iter()
            .map(|step| (step.name, step.since_start_ms))
            .collect();
        assert_eq!(
            told,
            [
                ("upload began", 0),
                ("uploaded", 2_000),
                ("first chunk", 6_500)
            ]
        );
        assert!(super::steps(&[], 1).is_empty());
    }

    #[test]
    fn a_ready_video_tells_where_it_plays_and_who_did_it() {
        let video: Video = serde_json::from_value(json!({
            "video_id": "vid_1", "title": "Cats\u{1b}[2J", "state": "ready", "generation": 2,
            "progress": {"chunks_done": 3, "chunks_total": 3},
            "renditions": [{"name": "1080p", "width_px": 1920, "height_px": 1080}],
            "skipped_sizes": [2160], "duration_ms": 6_012_345, "frame_count": 7,
            "size_bytes": 2048, "playback": {"hls": "https://m/master.m3u8", "dash": null},
            "waterfall": [{"worker": "a"}, {"worker": "b"}, {"worker": "a"}],
            "last_failure": {"event": "ChunkFailed", "reason": "throttled"},
        }))
        .unwrap();
        let text = lines(&video, &timeline()).join("\n");
        for part in [
            "state         ready 3/3 chunks",
            "playlist      https://m/master.m3u8",
            "1080p (1920x1080)",
            "skipped       2160",
            "1:40:12.345, 7 frames, 2.00 KiB",
            "workers       2 ran 3 chunks",
            "first chunk   1970-01-01T00:00:07.5Z  +6.500 s",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        for part in ["DASH", "\u{1b}", "throttled"] {
            assert!(!text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn a_rejected_video_tells_why() {
        let video: Video = serde_json::from_value(json!({
            "state": "rejected", "rejection": {"code": "empty", "reason": "no bytes"},
        }))
        .unwrap();
        let text = lines(&video, &[]).join("\n");
        assert!(text.contains("because       empty: no bytes"), "{text}");
    }

    #[test]
    fn the_timeline_is_told_in_its_order() {
        let lines = timeline_lines(&timeline());
        assert!(lines[0].contains("UploadRequested"), "{lines:?}");
        assert!(lines[4].contains("+    8.000 s"), "{lines:?}");
        assert!(timeline_lines(&[]).is_empty());
    }
}
