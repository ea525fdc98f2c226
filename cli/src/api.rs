//! The JSON that the API speaks. What a newer server adds is ignored; what it may leave out
//! is optional.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::Error;

/// The sizes to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sizes {
    /// Every standard size that the file can fill.
    Auto,
    /// These short sides in pixels.
    Listed(Vec<u32>),
}

impl FromStr for Sizes {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let sizes = text.split(',').map(|word| word.trim().parse());
        let sizes = sizes.collect::<Result<_, _>>();
        sizes.map(Self::Listed).map_err(|_| Error::Argument {
            got: text.to_owned(),
            expected: "\"auto\" or numbers such as 1080,480",
        })
    }
}

impl Serialize for Sizes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Listed(sizes) => sizes.serialize(serializer),
        }
    }
}

/// What an upload is asked for with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewUpload {
    /// What to call the video.
    pub title: String,
    /// How large the file is.
    pub size_bytes: u64,
    /// Its media type.
    pub content_type: String,
    /// The sizes to make.
    pub sizes: Sizes,
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadState {
    /// It takes parts.
    Open,
    /// All is there.
    Completed,
    /// Its client gave it up, or deleted its video.
    Cancelled,
    /// It failed too often, or for good.
    Abandoned,
}

/// An upload as granted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Upload {
    /// The video that it becomes.
    pub video_id: String,
    /// How far it is.
    pub state: UploadState,
    /// How large the file is.
    pub size_bytes: u64,
    /// How large each part but the last is.
    pub part_size_bytes: u64,
    /// How many parts.
    pub part_count: u32,
    /// Which attempt it is in, from 1: one more each time it may go on after a failure.
    #[serde(default = "first_attempt")]
    pub attempt: u32,
    /// Why it was given up.
    #[serde(default)]
    pub reason: Option<String>,
}

fn first_attempt() -> u32 {
    1
}

/// Where a part may be put.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PartUrl {
    /// Which part, from 1.
    pub number: u32,
    /// Takes a PUT for a while.
    pub url: String,
}

/// A part that has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ArrivedPart {
    /// Which part, from 1.
    pub number: u32,
    /// How large it is.
    pub size_bytes: u64,
}

/// Where a video is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoState {
    /// Parts are coming.
    Uploading,
    /// The file is there.
    Uploaded,
    /// It is cut and workers are at it.
    Planned,
    /// Its head can be played.
    Playable,
    /// All of it can be played.
    Ready,
    /// It is no video that can be made into a stream.
    Rejected,
    /// It was given up.
    Abandoned,
    /// Its owner deleted it.
    Deleted,
    /// One that this client does not know.
    #[default]
    #[serde(other)]
    Unknown,
}

impl VideoState {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(
            self,
            Self::Ready | Self::Rejected | Self::Abandoned | Self::Deleted
        )
    }
}

impl fmt::Display for VideoState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Uploading => "uploading",
            Self::Uploaded => "uploaded",
            Self::Planned => "planned",
            Self::Playable => "playable",
            Self::Ready => "ready",
            Self::Rejected => "rejected",
            Self::Abandoned => "abandoned",
            Self::Deleted => "deleted",
            Self::Unknown => "unknown",
        })
    }
}

/// A video.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Video {
    /// Its id.
    pub video_id: String,
    /// What its owner calls it.
    pub title: String,
    /// Where it is in its life.
    pub state: VideoState,
    /// Which making of it.
    pub generation: u32,
    /// When it was first heard of.
    pub created_at: Option<Timestamp>,
    /// How far the workers are.
    pub progress: Option<ChunkProgress>,
    /// The sizes made.
    pub renditions: Vec<Rendition>,
    /// The sizes asked for that the file cannot fill.
    pub skipped_sizes: Vec<u32>,
    /// How long it plays.
    pub duration_ms: Option<u64>,
    /// How many frames each size has.
    pub frame_count: Option<u64>,
    /// How large all its segments are.
    pub size_bytes: Option<u64>,
    /// Where it plays.
    pub playback: Option<Playback>,
    /// Why it was refused.
    pub rejection: Option<Rejection>,
    /// What failed last.
    pub last_failure: Option<Failure>,
    /// Why a person must look at it: nothing more happens by itself.
    pub needs_attention: Option<String>,
    /// Which worker did what when.
    pub waterfall: Vec<Work>,
}

/// How far the workers are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ChunkProgress {
    /// Chunks that are finished.
    pub chunks_done: Option<u64>,
    /// Chunks in all, once planned.
    pub chunks_total: Option<u64>,
}

/// A size made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Rendition {
    /// Such as `1080p`.
    pub name: String,
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
}

/// Where a video plays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Playback {
    /// URL of the HLS playlist.
    pub hls: Option<String>,
    /// URL of the DASH manifest.
    pub dash: Option<String>,
    /// URL of the poster.
    pub poster: Option<String>,
    /// URL of the storyboard.
    pub storyboard: Option<String>,
}

/// Why a video was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Rejection {
    /// For programs.
    pub code: String,
    /// For people.
    pub reason: String,
}

/// A failure on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// Such as `ChunkFailed`.
    pub event: String,
    /// For people.
    pub reason: String,
    /// `transient` or `permanent`.
    pub fault: String,
    /// When.
    pub occurred_at: Option<Timestamp>,
}

/// One chunk's work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Work {
    /// Which chunk.
    pub chunk: String,
    /// Who did it.
    pub worker: String,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// An event in a video's life.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TimelineEvent {
    /// Such as `VideoPlanned`.
    pub name: String,
    /// When.
    pub occurred_at: Timestamp,
    /// Which attempt, from 1.
    #[serde(default)]
    pub attempt: u32,
    /// What the event says.
    #[serde(default)]
    pub data: Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sizes_are_read_and_written() {
        let listed: Sizes = "1080, 480".parse().unwrap();
        assert_eq!(serde_json::to_value(listed).unwrap(), json!([1080, 480]));
        let auto: Sizes = "auto".parse().unwrap();
        assert_eq!(serde_json::to_value(auto).unwrap(), json!("auto"));
        for text in ["", "1080p", "1080,"] {
            assert!(text.parse::<Sizes>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_video_from_a_newer_or_a_sparse_server_is_read() {
        let video: Video = serde_json::from_value(json!({
            "state": "dreaming", "playback": null, "paws": 4,
            "progress": {"chunks_done": 0, "chunks_total": null},
        }))
        .unwrap();
        assert_eq!(video.state, VideoState::Unknown);
        assert!(!video.state.is_end());
    }
}
