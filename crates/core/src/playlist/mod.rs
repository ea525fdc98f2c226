//! HLS and DASH from the plan and the reports of its chunks.

mod check;
mod dash;
mod hls;

use cattube_contract::plan::{AUDIO_RENDITION, ChunkId, Plan, Track};
use cattube_contract::report::{ChunkReport, RenditionReport, SegmentReport};

use crate::package::AUDIO_SEGMENT_SAMPLES;
use crate::sound;

pub use check::check_reports;
pub use dash::dash_manifest;
pub use hls::{hls_master, hls_media};

/// Why reports do not join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// A chunk that the plan does not have, or one that is reported twice.
    #[error("{chunk} is not in the plan or is reported twice")]
    UnknownChunk {
        /// Which.
        chunk: ChunkId,
    },
    /// A chunk before others is not there.
    #[error("{chunk} is missing before others")]
    MissingChunk {
        /// Which.
        chunk: ChunkId,
    },
    /// A rendition of the plan has no segment, or the plan does not have it.
    #[error("rendition {rendition:?} has no segments, or is not in the plan")]
    Rendition {
        /// Which.
        rendition: String,
    },
    /// A chunk's init segment is not that of the first chunk.
    #[error("{chunk}: the init segment of {rendition} differs from the first chunk's")]
    Init {
        /// Which chunk.
        chunk: ChunkId,
        /// Which rendition.
        rendition: String,
    },
    /// A segment does not begin where the one before ends, or where its chunk does.
    #[error("{chunk}: {rendition} has a gap or an overlap at {at_pts}")]
    Gap {
        /// Which chunk.
        chunk: ChunkId,
        /// Which rendition.
        rendition: String,
        /// In shifted ticks.
        at_pts: i64,
    },
    /// The renditions of a chunk do not hold the same frames.
    #[error("{chunk}: {rendition} holds other frames than the chunk's edges say")]
    FrameCount {
        /// Which chunk.
        chunk: ChunkId,
        /// Which rendition.
        rendition: String,
    },
    /// The frame after a chunk's end is not the first of the next: one of them was decoded
    /// from too late a start.
    #[error("{chunk} and the next do not meet")]
    Seam {
        /// The earlier chunk.
        chunk: ChunkId,
    },
    /// A playlist cannot be written.
    #[error("writing a playlist: {reason}")]
    Write {
        /// Why not.
        reason: String,
    },
}

/// Whether a media playlist still grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// The film's head; more will follow.
    Growing,
    /// All of the film.
    Final,
}

/// One rendition over all chunks reported.
struct Stream<'a> {
    name: &'a str,
    /// Ticks a second.
    timescale: u32,
    /// How long a segment is planned to be.
    segment_ticks: i64,
    codecs: &'a str,
    segments: Vec<SegmentReport>,
}

impl Stream<'_> {
    /// From the first segment's start to the last one's end, in ticks; the segments are
    /// contiguous ([`check_reports`]).
    fn length_ticks(&self) -> i64 {
        self.segments
            .iter()
            .fold(0, |sum, segment| sum.saturating_add(segment.duration_ticks))
    }

    fn size_bytes(&self) -> u64 {
        self.segments
            .iter()
            .fold(0, |sum, segment| sum.saturating_add(segment.size_bytes))
    }

    /// Average bits a second, rounded up.
    fn average_bps(&self) -> u64 {
        bits_per_second(self.size_bytes(), self.length_ticks(), self.timescale)
    }

    /// The peak of bits a second, never under the average: the most of any segments in a row
    /// that last together from a half of the planned length (of the longest, if all are
    /// shorter) to three times that length, and of each one that alone is longer.
    ///
    /// RFC 8216 §4.1 takes rows of a half to one and a half of the target duration, which is
    /// one to two planned lengths. A long still picture raises it further; a burst of less
    /// than half of that counts here all the same.
    fn peak_bps(&self) -> u64 {
        let longest = self.segments.iter().map(|segment| segment.duration_ticks);
        let least_ticks = longest.max().unwrap_or(0).min(self.segment_ticks) / 2;
        let mut peak = self.average_bps();
        let mut rest = self.segments.as_slice();
        while let Some((_, after)) = rest.split_first() {
            peak = peak.max(self.peak_from_first(rest, least_ticks));
            rest = after;
        }
        peak
    }

    /// The same of those rows alone that begin with the first of `segments`.
    fn peak_from_first(&self, segments: &[SegmentReport], least_ticks: i64) -> u64 {
        let most_ticks = self.segment_ticks.saturating_mul(3);
        let (mut size_bytes, mut ticks, mut peak) = (0_u64, 0_i64, 0);
        for (place, segment) in segments.iter().enumerate() {
            size_bytes = size_bytes.saturating_add(segment.size_bytes);
            ticks = ticks.saturating_add(segment.duration_ticks);
            if place > 0 && ticks > most_ticks {
                break;
            }
            if ticks >= least_ticks {
                peak = peak.max(bits_per_second(size_bytes, ticks, self.timescale));
            }
        }
        peak
    }
}

/// Rounded up; 0 for no time.
fn bits_per_second(size_bytes: u64, ticks: i64, timescale: u32) -> u64 {
    let Some(ticks) = u128::try_from(ticks).ok().filter(|ticks| *ticks > 0) else {
        return 0;
    };
    let bits = u128::from(size_bytes) * 8 * u128::from(timescale);
    u64::try_from(bits.div_ceil(ticks)).unwrap_or(u64::MAX)
}

/// The reports of one track in film order.
fn ordered(reports: &[ChunkReport], track: Track) -> Vec<&ChunkReport> {
    let mut chunks: Vec<&ChunkReport> = reports
        .iter()
        .filter(|report| report.chunk.track == track)
        .collect();
    chunks.sort_by_key(|report| report.chunk.index);
    chunks
}

/// The stream of a rendition's name (`audio` for the sound).
fn stream<'a>(
    plan: &Plan,
    reports: &'a [ChunkReport],
    name: &'a str,
) -> Result<Stream<'a>, JoinError> {
    let encoding = &plan.video.encoding;
    let (track, timescale, segment_ticks) = if name == AUDIO_RENDITION {
        (Track::Audio, sound::RATE_HZ, AUDIO_SEGMENT_SAMPLES)
    } else {
        (Track::Video, encoding.timescale, encoding.segment_ticks)
    };
    let parts: Vec<&RenditionReport> = ordered(reports, track)
        .into_iter()
        .filter_map(|report| report.renditions.get(name))
        .collect();
    let segments: Vec<SegmentReport> = parts
        .iter()
        .flat_map(|part| part.segments.iter().copied())
        .collect();
    match parts.first() {
        Some(first) if !segments.is_empty() => Ok(Stream {
            name,
            timescale,
            segment_ticks,
            codecs: &first.codecs,
            segments,
        }),
        Some(_) | None => Err(JoinError::Rendition {
            rendition: name.to_owned(),
        }),
    }
}

/// The stream of the sound, if the plan has one.
fn audio_stream<'a>(
    plan: &Plan,
    reports: &'a [ChunkReport],
) -> Result<Option<Stream<'a>>, JoinError> {
    plan.audio
        .as_ref()
        .map(|_| stream(plan, reports, AUDIO_RENDITION))
        .transpose()
}

/// Ticks in millionths of a second, rounded down.
fn micros(ticks: i64, timescale: u32) -> i128 {
    (i128::from(ticks) * 1_000_000).div_euclid(i128::from(timescale.max(1)))
}

/// Millionths of a second as decimal seconds.
fn seconds(micros: i128) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests;
