//! Events: facts in the past tense, on the bus, for any number of consumers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::ChunkId;
use crate::read_value;

pub use crate::failure::{
    ChunkFailed, FailedWork, JoinFailed, MessageBuried, PlanFailed, RetriesExhausted,
    RetryScheduled, Stage, VideoAbandoned,
};
pub use crate::human::{Answer, HumanAnswered, HumanRequested, RetryRequested};
use crate::size::Sizes;
pub use crate::uploading::{
    UploadAbandoned, UploadCompleted, UploadFailed, UploadRequested, UploadResumed,
};

/// Everything that can have happened. The variant's name is the envelope's `detail-type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// A client was granted an upload.
    UploadRequested(UploadRequested),
    /// An upload cannot go on as it is.
    UploadFailed(UploadFailed),
    /// A failed upload may go on: its missing parts are granted afresh.
    UploadResumed(UploadResumed),
    /// A failed upload will not be tried again; its parts are freed.
    UploadAbandoned(UploadAbandoned),
    /// The parts of an upload are one object, said again by its deadline when nobody took
    /// the object up.
    UploadCompleted(UploadCompleted),
    /// A master is in the bucket and accepted.
    VideoUploaded(VideoUploaded),
    /// The master is cut and its commands are queued.
    VideoPlanned(VideoPlanned),
    /// The master is no video that can be made into a stream.
    VideoRejected(VideoRejected),
    /// Planning failed for a reason that is not the master's.
    PlanFailed(PlanFailed),
    /// A chunk's segments are written.
    ChunkTranscoded(ChunkTranscoded),
    /// A chunk's work failed.
    ChunkFailed(ChunkFailed),
    /// Finished chunks could not be joined.
    JoinFailed(JoinFailed),
    /// The film's head can be played.
    VideoPlayable(VideoPlayable),
    /// All of the film can be played, in every size.
    VideoReady(VideoReady),
    /// The owner deleted the video.
    VideoDeleted(VideoDeleted),
    /// Failed work will be tried again.
    RetryScheduled(RetryScheduled),
    /// Failed work will not be tried again by itself.
    RetriesExhausted(RetriesExhausted),
    /// A person asked for a new making of a video, or of a part of it.
    RetryRequested(RetryRequested),
    /// A person gave the making of a video up.
    VideoAbandoned(VideoAbandoned),
    /// A message could not be handled and was taken from a dead-letter queue.
    MessageBuried(MessageBuried),
    /// A person was asked what to do.
    HumanRequested(HumanRequested),
    /// A person said what to do.
    HumanAnswered(HumanAnswered),
}

impl Event {
    /// The `detail-type`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::UploadRequested(_) => "UploadRequested",
            Self::UploadFailed(_) => "UploadFailed",
            Self::UploadResumed(_) => "UploadResumed",
            Self::UploadAbandoned(_) => "UploadAbandoned",
            Self::UploadCompleted(_) => "UploadCompleted",
            Self::VideoUploaded(_) => "VideoUploaded",
            Self::VideoPlanned(_) => "VideoPlanned",
            Self::VideoRejected(_) => "VideoRejected",
            Self::PlanFailed(_) => "PlanFailed",
            Self::ChunkTranscoded(_) => "ChunkTranscoded",
            Self::ChunkFailed(_) => "ChunkFailed",
            Self::JoinFailed(_) => "JoinFailed",
            Self::VideoPlayable(_) => "VideoPlayable",
            Self::VideoReady(_) => "VideoReady",
            Self::VideoDeleted(_) => "VideoDeleted",
            Self::RetryScheduled(_) => "RetryScheduled",
            Self::RetriesExhausted(_) => "RetriesExhausted",
            Self::RetryRequested(_) => "RetryRequested",
            Self::VideoAbandoned(_) => "VideoAbandoned",
            Self::MessageBuried(_) => "MessageBuried",
            Self::HumanRequested(_) => "HumanRequested",
            Self::HumanAnswered(_) => "HumanAnswered",
        }
    }

    /// Reads the data of the event that `name` says. Not left to serde's tagged form, which
    /// would lose the path of a wrong field.
    ///
    /// # Errors
    /// The path of the field and the reason.
    pub(crate) fn read(name: &str, data: &Value) -> Result<Self, String> {
        match name {
            "UploadRequested" => read_value("data", data).map(Self::UploadRequested),
            "UploadFailed" => read_value("data", data).map(Self::UploadFailed),
            "UploadResumed" => read_value("data", data).map(Self::UploadResumed),
            "UploadAbandoned" => read_value("data", data).map(Self::UploadAbandoned),
            "UploadCompleted" => read_value("data", data).map(Self::UploadCompleted),
            "VideoUploaded" => read_value("data", data).map(Self::VideoUploaded),
            "VideoPlanned" => read_value("data", data).map(Self::VideoPlanned),
            "VideoRejected" => read_value("data", data).map(Self::VideoRejected),
            "PlanFailed" => read_value("data", data).map(Self::PlanFailed),
            "ChunkTranscoded" => read_value("data", data).map(Self::ChunkTranscoded),
            "ChunkFailed" => read_value("data", data).map(Self::ChunkFailed),
            "JoinFailed" => read_value("data", data).map(Self::JoinFailed),
            "VideoPlayable" => read_value("data", data).map(Self::VideoPlayable),
            "VideoReady" => read_value("data", data).map(Self::VideoReady),
            "VideoDeleted" => read_value("data", data).map(Self::VideoDeleted),
            "RetryScheduled" => read_value("data", data).map(Self::RetryScheduled),
            "RetriesExhausted" => read_value("data", data).map(Self::RetriesExhausted),
            "RetryRequested" => read_value("data", data).map(Self::RetryRequested),
            "VideoAbandoned" => read_value("data", data).map(Self::VideoAbandoned),
            "MessageBuried" => read_value("data", data).map(Self::MessageBuried),
            "HumanRequested" => read_value("data", data).map(Self::HumanRequested),
            "HumanAnswered" => read_value("data", data).map(Self::HumanAnswered),
            unknown => Err(format!(
                "detail-type: `{}` is no event",
                crate::excerpt(unknown, 80)
            )),
        }
    }
}

/// Where a master lies, pinned to one writing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterLocation {
    /// Its key in the masters bucket.
    pub key: String,
    /// Its entity tag without quotes; reads are conditional on it.
    pub etag: String,
    /// Its size.
    pub size_bytes: u64,
}

/// See [`Event::VideoUploaded`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoUploaded {
    /// Where the master is.
    pub master: MasterLocation,
    /// What the client calls it.
    pub title: String,
    /// The sizes required.
    pub sizes: Sizes,
    /// Which making of the video follows: 1 at first.
    pub generation: u32,
}

/// A size of a stream, for people and players.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenditionSummary {
    /// `1080p`.
    pub name: String,
    /// Upright width in pixels.
    pub width_px: u32,
    /// Upright height in pixels.
    pub height_px: u32,
}

/// See [`Event::VideoPlanned`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoPlanned {
    /// Which making of the video.
    pub generation: u32,
    /// The film's length, where the container tells it.
    pub duration_ms: Option<u64>,
    /// The upright source in pixels.
    pub source_width_px: u32,
    /// The upright source in pixels.
    pub source_height_px: u32,
    /// The sizes that will be made, tallest first.
    pub renditions: Vec<RenditionSummary>,
    /// Sizes asked for that the master cannot fill.
    pub skipped_sizes: Vec<u32>,
    /// How many chunks of video.
    pub video_chunk_count: u32,
    /// How many chunks of audio; 0 if the master is silent.
    pub audio_chunk_count: u32,
    /// Where the master is, for whoever did not hear of it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<MasterLocation>,
}

/// Why a master is refused, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectionCode {
    /// The key is not one that may hold a master.
    BadKey,
    /// No bytes.
    Empty,
    /// Not a video file of a known kind.
    NotAVideo,
    /// A playlist or script that names other files.
    Playlist,
    /// Cut off: the container names bytes that are not there.
    Truncated,
    /// The container is damaged.
    Malformed,
    /// No picture track.
    NoVideoTrack,
    /// The picture's codec is not supported.
    UnsupportedCodec,
    /// Over a limit on pixels, length or size.
    TooLarge,
}

/// See [`Event::VideoRejected`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoRejected {
    /// Which making of the video; 0 where an older form of the event does not say it.
    #[serde(default)]
    pub generation: u32,
    /// For programs.
    pub code: RejectionCode,
    /// For people.
    pub reason: String,
}

/// See [`Event::ChunkTranscoded`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkTranscoded {
    /// Which making of the video.
    pub generation: u32,
    /// Which chunk.
    pub chunk: ChunkId,
    /// Which worker did it: a name that is unique for one execution environment.
    pub worker: String,
    /// When its work began.
    pub started_at: Timestamp,
    /// When its work ended.
    pub finished_at: Timestamp,
    /// Bytes fetched of the master.
    pub read_bytes: u64,
    /// Bytes of segments written.
    pub written_bytes: u64,
}

/// See [`Event::VideoPlayable`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoPlayable {
    /// Which making of the video.
    pub generation: u32,
    /// Key of the HLS multivariant playlist in the media bucket.
    pub hls_key: String,
    /// How much of the head can be played.
    pub head_ms: u64,
}

/// See [`Event::VideoReady`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoReady {
    /// Which making of the video.
    pub generation: u32,
    /// Key of the HLS multivariant playlist in the media bucket.
    pub hls_key: String,
    /// Key of the DASH manifest in the media bucket.
    pub dash_key: String,
    /// Key of the poster in the media bucket.
    pub poster_key: String,
    /// Key of the storyboard's WebVTT in the media bucket.
    pub storyboard_key: String,
    /// The film's length.
    pub duration_ms: u64,
    /// All segments together.
    pub size_bytes: u64,
    /// Frames in each rendition.
    pub frame_count: u64,
}

/// See [`Event::VideoDeleted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoDeleted {
    /// The master's key, if one was known.
    pub master_key: Option<String>,
}
