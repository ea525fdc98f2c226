//! The plan of a video: what `plan` decided, `transcode` obeys and `assemble` joins. Stored
//! as one JSON object beside the slices; commands carry the part that a worker needs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::command::PlanVideo;
use crate::media::{DynamicRange, Rational, Rotation, TickRange};
use crate::{ContractError, OwnerId, VideoId, excerpt};

/// The name of the sound among the renditions; pictures are called by their height.
pub const AUDIO_RENDITION: &str = "audio";

/// Video or audio: they are cut, encoded and joined apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Track {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// One chunk of one track, `v00012` or `a00000`. The index counts from 0 in film order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChunkId {
    /// Which track.
    pub track: Track,
    /// Its place in the track.
    pub index: u32,
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.track {
            Track::Video => 'v',
            Track::Audio => 'a',
        };
        write!(f, "{letter}{:05}", self.index)
    }
}

impl FromStr for ChunkId {
    type Err = ContractError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |reason| ContractError::Key {
            key: excerpt(text, 80),
            reason,
        };
        let track = match text.as_bytes().first() {
            Some(b'v') => Track::Video,
            Some(b'a') => Track::Audio,
            _ => return Err(fail("a chunk begins with `v` or `a`")),
        };
        let index = text
            .get(1..)
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| fail("a chunk ends with its number"))?;
        let id = Self { track, index };
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(fail("not the canonical form"))
        }
    }
}

impl TryFrom<String> for ChunkId {
    type Error = ContractError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ChunkId> for String {
    fn from(id: ChunkId) -> Self {
        id.to_string()
    }
}

/// How x264 is told what quality to aim at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Constant rate factor, 0-51, under the rendition's cap.
    Crf(u8),
    /// Bit-exact pictures; used to prove that chunks are exact.
    Lossless,
}

/// One size of the video.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendition {
    /// `1080p`: the short side; the folder of its segments.
    pub name: String,
    /// Upright width in pixels, even.
    pub width_px: u32,
    /// Upright height in pixels, even.
    pub height_px: u32,
    /// The peak that the encoder may reach, in bits a second.
    pub max_bitrate_bps: u64,
    /// H.264 level times ten (40 is 4.0), the same for every chunk.
    pub level_times_ten: u32,
    /// What quality is aimed at.
    pub quality: Quality,
}

/// How the video track is encoded, the same for every chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoEncoding {
    /// Ticks a second, of the source and of every rendition.
    pub timescale: u32,
    /// Added to every film time so that no decode time is negative, in video ticks. It is
    /// also how far decode times run ahead.
    pub shift_ticks: i64,
    /// The nominal frame rate: it sets the encoder's timing fields, never the times.
    pub frame_rate: Rational,
    /// Segments begin at the first frame at or after each multiple of this, from the
    /// chunk's start, in ticks.
    pub segment_ticks: i64,
    /// How the stored picture is turned upright.
    pub rotation: Rotation,
    /// What the master's samples mean in light; HDR is mapped to SDR for H.264.
    pub dynamic_range: DynamicRange,
    /// The sizes, tallest first.
    pub renditions: Vec<Rendition>,
    /// At least this far apart in ticks are a chunk's thumbnails; its first frame is one.
    pub thumbnail_ticks: i64,
    /// The box of a thumbnail, even.
    pub thumbnail_width_px: u32,
    /// The box of a thumbnail, even.
    pub thumbnail_height_px: u32,
}

/// How the audio track is encoded, the same for every chunk. 48 kHz stereo AAC-LC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioEncoding {
    /// The source's samples a second.
    pub source_rate_hz: u32,
    /// Added to every film time, in samples of 48 kHz: the same span as the video's shift.
    pub shift_samples: i64,
    /// Bits a second.
    pub bitrate_bps: u64,
}

/// What a worker must do with a slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkWork {
    /// Decode once, encode every rendition.
    Video {
        /// The frames to deliver: film time in video ticks. `end` is `i64::MAX` where the
        /// film's end is not known beforehand.
        range: TickRange,
        /// How to encode.
        encoding: VideoEncoding,
        /// Whether this chunk also makes the poster, from its first frame.
        makes_poster: bool,
    },
    /// Encode with some packets of overlap on both sides, keep the packets of the range.
    Audio {
        /// The samples to deliver: film time in samples of 48 kHz, multiples of 1,024.
        /// `end` is `i64::MAX` for the last chunk: until the sound ends.
        range: TickRange,
        /// How to encode.
        encoding: AudioEncoding,
    },
}

/// Where a worker finds its slice: a recipe of inline bytes and spans of the master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceRef {
    /// First byte in the slices object.
    pub offset_bytes: u64,
    /// How many bytes.
    pub length_bytes: u64,
}

/// The plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Which video.
    pub video_id: VideoId,
    /// Whose.
    pub owner_id: OwnerId,
    /// Which making of it; a redo counts up.
    pub generation: u32,
    /// The film's length in milliseconds, where the container tells it.
    pub duration_ms: Option<u64>,
    /// The upright source in pixels.
    pub source_width_px: u32,
    /// The upright source in pixels.
    pub source_height_px: u32,
    /// The video track and its chunks' ranges in film ticks; contiguous.
    pub video: PlannedVideo,
    /// The audio track, if there is one.
    pub audio: Option<PlannedAudio>,
    /// Sizes asked for that the master cannot fill.
    pub skipped_sizes: Vec<u32>,
    /// The job that asked for it, so that whoever finds it broken can have it done again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<PlanVideo>,
    /// Where each chunk's slice is, in the order of [`Plan::chunk_ids`], so that a chunk can be
    /// queued again. Empty in plans of old.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<SliceRef>,
}

/// The video part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedVideo {
    /// How to encode.
    pub encoding: VideoEncoding,
    /// What each chunk delivers.
    pub chunks: Vec<TickRange>,
}

/// The audio part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedAudio {
    /// How to encode.
    pub encoding: AudioEncoding,
    /// What each chunk delivers, in samples of 48 kHz.
    pub chunks: Vec<TickRange>,
}

impl Plan {
    /// Every chunk of the plan, video first.
    pub fn chunk_ids(&self) -> impl Iterator<Item = ChunkId> + '_ {
        let ids = |track, count: usize| {
            (0..u32::try_from(count).unwrap_or(u32::MAX)).map(move |index| ChunkId { track, index })
        };
        ids(Track::Video, self.video.chunks.len()).chain(ids(
            Track::Audio,
            self.audio.as_ref().map_or(0, |audio| audio.chunks.len()),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_ids_round_trip_and_refuse_the_rest() {
        for text in ["v00000", "a00007", "v123456"] {
            assert_eq!(text.parse::<ChunkId>().unwrap().to_string(), text);
        }
        for text in [
            "", "v", "v7", "x00001", "v0000 ", "v+0001", "v-0001", "é00000",
        ] {
            assert!(text.parse::<ChunkId>().is_err(), "{text}");
        }
    }
}
