//! What a worker says about a finished chunk. Stored as one JSON object a chunk; the event
//! only names it, since a long chunk's list would outgrow an event.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::ChunkTranscoded;
use crate::plan::ChunkId;

/// A finished chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkReport {
    /// Which chunk.
    pub chunk: ChunkId,
    /// By rendition name (`audio` for the sound): what was written.
    pub renditions: BTreeMap<String, RenditionReport>,
    /// For video: the frames at the chunk's edges.
    pub seam: Option<Seam>,
    /// Film times, in shifted ticks, of the thumbnails written.
    pub thumbnail_pts: Vec<i64>,
    /// Bytes fetched of the master.
    pub read_bytes: u64,
}

/// What was written of one rendition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenditionReport {
    /// SHA-256 of the init segment in hex; equal over all chunks of a plan.
    pub init_sha256: String,
    /// RFC 6381, such as `avc1.640028`.
    pub codecs: String,
    /// The segments in film order.
    pub segments: Vec<SegmentReport>,
}

/// One finished segment. Its file is named by its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentReport {
    /// Presentation time of its first frame, in shifted ticks.
    pub start_pts: i64,
    /// Its length in ticks.
    pub duration_ticks: i64,
    /// Its size.
    pub size_bytes: u64,
    /// Frames of video, packets of audio.
    pub frame_count: u32,
}

/// The frames at a chunk's edges, by which neighbours prove that they fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seam {
    /// The first frame delivered.
    pub first: FrameMark,
    /// The last frame delivered.
    pub last: FrameMark,
    /// The first frame after the end, if the slice held one.
    pub next: Option<FrameMark>,
    /// How many frames were delivered.
    pub frame_count: u32,
}

/// A frame, recognisably.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameMark {
    /// Film time in ticks (not shifted).
    pub pts: i64,
    /// Checksum of a small copy of the picture.
    pub checksum: u32,
}

/// A chunk's report as it is stored: with the event that announces it, so that a redelivered
/// command publishes the very same event again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReport {
    /// What was, or will be, published.
    pub event: ChunkTranscoded,
    /// What was written.
    pub report: ChunkReport,
}
