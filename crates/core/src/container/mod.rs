//! What a master is made of, decided from a few ranged reads and without any I/O.
//!
//! [`index`] is called again and again: each time it either knows everything, or names the
//! next span of the master that it needs.

mod codec;
#[cfg(test)]
pub(crate) mod fixture;
mod matroska;
mod mp4;
pub mod probe_text;
mod rate;
pub(crate) mod reader;
mod size;
mod sniff;
pub mod sparse;
#[cfg(test)]
mod tests;
mod vui;

use std::ops::Range;

use cattube_contract::event::RejectionCode;
use cattube_contract::media::{DynamicRange, Rational, Rotation};

pub(crate) use codec::decoders;
pub(crate) use size::MAX_PIXELS;
pub use sparse::SparseBytes;

use size::{checked_size, square_width_px};

/// What kind of file the master is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// MP4, QuickTime, 3GP, fragmented or not.
    Mp4,
    /// Matroska or WebM.
    Matroska,
    /// Anything else that ffmpeg reads; the name is ffmpeg's demuxer, such as `mpegts`.
    Other(&'static str),
}

/// What the planner knows of a master.
#[derive(Debug, Clone, PartialEq)]
pub struct MasterIndex {
    /// What kind of file.
    pub container: Container,
    /// Its size.
    pub size_bytes: u64,
    /// The film's length in milliseconds, where the container tells it.
    pub duration_ms: Option<u64>,
    /// The pictures.
    pub video: VideoTrack,
    /// The sound, if there is any that can be decoded.
    pub audio: Option<AudioTrack>,
}

/// The picture track that is transcoded.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoTrack {
    /// ffmpeg's name of the codec: `h264`, `hevc`, `vp9`, `prores` …
    pub codec: &'static str,
    /// Its number among the file's video tracks: the N of `-map 0:v:N` for the whole file.
    pub stream: u32,
    /// Ticks a second.
    pub timescale: u32,
    /// Stored width in pixels, before rotation.
    pub width_px: u32,
    /// Stored height in pixels, before rotation.
    pub height_px: u32,
    /// The shape of a stored pixel, width to height.
    pub pixel_aspect: Rational,
    /// How the stored picture is turned upright.
    pub rotation: Rotation,
    /// The nominal frame rate, 1 to 240.
    pub frame_rate: Rational,
    /// What the samples mean in light.
    pub dynamic_range: DynamicRange,
    /// The file's time of film zero, in ticks of the track as ffmpeg reads the whole file.
    pub origin_ticks: i64,
    /// How its pictures are reached.
    pub access: Access,
}

impl VideoTrack {
    /// The width and height in square pixels of the picture turned upright.
    #[must_use]
    pub fn upright_px(&self) -> (u32, u32) {
        let width_px = square_width_px(self.width_px, self.pixel_aspect);
        if self.rotation.swaps_sides() {
            (self.height_px, width_px)
        } else {
            (width_px, self.height_px)
        }
    }
}

/// The sound track that is transcoded.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioTrack {
    /// ffmpeg's name of the codec: `aac`, `opus`, `pcm_s16le` …
    pub codec: &'static str,
    /// Its number among the file's audio tracks: the N of `-map 0:a:N` for the whole file.
    pub stream: u32,
    /// Ticks a second.
    pub timescale: u32,
    /// Samples a second, as the container states.
    pub sample_rate_hz: u32,
    /// The file's time of film zero, in ticks of the track as ffmpeg reads the whole file.
    pub origin_ticks: i64,
    /// How its packets are reached.
    pub access: Access,
}

/// How the packets of a track are reached.
#[derive(Debug, Clone, PartialEq)]
pub enum Access {
    /// Every packet's place and time is known.
    Samples(SampleTable),
    /// The places of key frames are known.
    Clusters(ClusterMap),
    /// Only the file as a whole can be read.
    Whole,
}

/// Every packet of an MP4 track.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleTable {
    /// In decode order; never empty.
    pub samples: Vec<Sample>,
    /// An `stsd` box with the one sample entry in use, verbatim.
    pub sample_description: Vec<u8>,
    /// The file's `ftyp` box, verbatim; empty if it has none.
    pub file_type: Vec<u8>,
    /// At most so far apart, in ticks, are a packet's decode and presentation times.
    pub reorder_ticks: i64,
    /// Decoding must begin at a sync sample so much earlier: 0 where sync samples are clean,
    /// the length of a refresh where H.264 says it needs one.
    pub settle_ticks: i64,
}

impl SampleTable {
    /// A table of packets in decode order.
    #[must_use]
    pub fn new(samples: Vec<Sample>, sample_description: Vec<u8>, file_type: Vec<u8>) -> Self {
        let reorder_ticks = samples
            .iter()
            .map(|sample| sample.pts.saturating_sub(sample.dts).saturating_abs())
            .max()
            .unwrap_or(0);
        Self {
            samples,
            sample_description,
            file_type,
            reorder_ticks,
            settle_ticks: 0,
        }
    }
}

/// One packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Where it lies in the master.
    pub offset: u64,
    /// How many bytes.
    pub size_bytes: u32,
    /// How long it is shown, in ticks.
    pub duration_ticks: u32,
    /// Decode time: film ticks.
    pub dts: i64,
    /// Presentation time: film ticks.
    pub pts: i64,
    /// Whether decoding can begin here.
    pub is_sync: bool,
    /// Whether it is part of the film; edit lists hide packets that are needed to decode.
    pub is_presented: bool,
}

impl Sample {
    /// When it is not shown any more, in film ticks.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.pts.saturating_add(i64::from(self.duration_ticks))
    }
}

/// The key frames of a Matroska video track.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterMap {
    /// By film time, strictly rising; never empty.
    pub cues: Vec<Cue>,
    /// Everything before the first cluster that a decoder needs: EBML header, segment
    /// header of unknown size, `Info` and `Tracks`, verbatim.
    pub head: Vec<u8>,
    /// The first byte of the first cluster.
    pub start: u64,
    /// The first byte after the last cluster.
    pub end: u64,
    /// Film time of the first picture.
    pub first_pts: i64,
    /// When the film ends, in film ticks, where the file tells.
    pub duration_ticks: Option<i64>,
}

/// A key frame of a Matroska video track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cue {
    /// Film time in ticks.
    pub pts: i64,
    /// Where its cluster begins in the master.
    pub cluster: u64,
    /// Where its block begins in the master, or up to 7 bytes behind that; where the file
    /// tells.
    pub block: Option<u64>,
}

/// Why there is no index (yet).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// These bytes must be inserted, and [`index`] called again.
    #[error("bytes {} to {} of the master are needed", .0.start, .0.end)]
    Need(Range<u64>),
    /// Only ffmpeg can tell: run it with [`probe_text::args`] on the whole file, and give its
    /// output to [`probe_text::parse`].
    #[error("ffmpeg must look at this {format} file")]
    NeedProbe {
        /// ffmpeg's demuxer, for `-f` and [`probe_text::parse`].
        format: &'static str,
    },
    /// No stream can be made of this master.
    #[error("{reason}")]
    Rejected {
        /// For programs.
        code: RejectionCode,
        /// For people.
        reason: String,
    },
}

impl IndexError {
    pub(crate) fn rejected(code: RejectionCode, reason: impl Into<String>) -> Self {
        Self::Rejected {
            code,
            reason: reason.into(),
        }
    }
}

/// Decides what a master is made of.
///
/// # Errors
/// [`IndexError`]: more bytes are needed, ffmpeg must be asked, or the master is refused.
pub fn index(bytes: &SparseBytes) -> Result<MasterIndex, IndexError> {
    match sniff::sniff(bytes)? {
        Container::Mp4 => mp4::index(bytes),
        Container::Matroska => matroska::index(bytes),
        Container::Other(format) => Err(IndexError::NeedProbe { format }),
    }
}

/// `value` × `num` / `den`, to the nearest integer; 0 if `den` is 0.
pub(crate) fn rescale(value: i64, num: u32, den: u32) -> i64 {
    let den = i128::from(den);
    let product = i128::from(value) * i128::from(num) * 2 + den;
    narrow(product.div_euclid((den * 2).max(1)))
}

/// `value` × `num` / `den`, rounded down; 0 if `den` is 0.
pub(crate) fn rescale_floor(value: i64, num: u32, den: u32) -> i64 {
    narrow((i128::from(value) * i128::from(num)).div_euclid(i128::from(den).max(1)))
}

fn narrow(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
