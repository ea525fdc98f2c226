//! From ffmpeg's fragmented mp4 to final CMAF segments, checked frame by frame.
//!
//! The file comes from a child that decoded hostile bytes, so it is read as hostile: nothing
//! in it is believed unless the plan says the same.

mod audio;
mod frames;
mod init;
mod read;
mod segment;
mod video;

use mp4_atom::Codec;

pub(crate) use audio::AUDIO_SEGMENT_SAMPLES;
pub use audio::cut_audio_segments;
pub use frames::{expected_pts, parse_frames, seam, seams_agree};
pub use init::{InitSegment, init_segment};
pub use read::read_encoded;
pub use segment::Segment;
pub use video::cut_video_segments;
pub(crate) use video::grid_limit;

/// Why an encoder's output is no chunk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// Not the mp4 that was asked for.
    #[error("the encoder's file, byte {offset_bytes}: {reason}")]
    File {
        /// Where.
        offset_bytes: usize,
        /// What is wrong.
        reason: String,
    },
    /// A segment or init segment cannot be written.
    #[error("writing an mp4 box: {0}")]
    Write(String),
    /// Not a track of ours: one H.264 or AAC track of the plan's timescale.
    #[error("the encoder's track: {0}")]
    Track(String),
    /// Other frames than planned.
    #[error("{found} frames where {expected} were planned, first different at {at_pts:?}")]
    WrongFrames {
        /// How many were planned.
        expected: usize,
        /// How many were delivered.
        found: usize,
        /// The first planned time, in shifted ticks, that was not delivered.
        at_pts: Option<i64>,
    },
    /// A segment does not start with a key frame of its own.
    #[error("no key frame at {at_pts}")]
    NoKeyFrame {
        /// In shifted ticks.
        at_pts: i64,
    },
    /// Times that cannot be: outside 64 bits, or reordered deeper than the shift allows.
    #[error("impossible time at {at_pts}: {reason}")]
    Time {
        /// In shifted ticks.
        at_pts: i64,
        /// Why not.
        reason: &'static str,
    },
    /// Packets of sound do not follow each other.
    #[error("the sound has a gap at {at_pts}")]
    Gap {
        /// In shifted samples.
        at_pts: i64,
    },
    /// The list of frames is not what ffmpeg's `framecrc` writes.
    #[error("line {line} of the frame list: {reason}")]
    FrameList {
        /// Counting from 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// Nothing was delivered.
    #[error("no frame in the chunk")]
    Empty,
}

/// One sample of an encoder's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Presentation time, in shifted ticks.
    pub pts: i64,
    /// The encoder's own decode time, in ticks.
    pub dts: i64,
    /// In ticks, as the encoder says.
    pub duration_ticks: u32,
    /// Whether decoding can begin here.
    pub is_sync: bool,
    /// Where its bytes are in the file.
    pub bytes: std::ops::Range<usize>,
}

/// An encoder's output, parsed.
#[derive(Debug, Clone)]
pub struct Encoded<'a> {
    file: &'a [u8],
    timescale: u32,
    codec: Codec,
    /// In decode order.
    pub samples: Vec<Sample>,
}

#[cfg(test)]
mod made_up;
#[cfg(test)]
mod tests;
