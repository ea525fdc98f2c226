//! HLS and DASH from the plan and the reports of its chunks.

mod check;
mod dash;
mod hls;

use cattube_contract::plan::{AUDIO_RENDITION, ChunkId, Plan, Track};
use cattube_contract::report::{ChunkReport, RenditionReport, SegmentReport};

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

    /// The peak of bits a second over segments that are not the short rest of a chunk, as
    /// RFC 8216 §4.3.4.2 measures it; never under the average.
    fn peak_bps(&self) -> u64 {
        let longest = self.segments.iter().map(|segment| segment.duration_ticks);
        let half = longest.max().unwrap_or(0) / 2;
        self.segments
            .iter()
            .filter(|segment| segment.duration_ticks >= half)
            .map(|segment| {
                bits_per_second(segment.size_bytes, segment.duration_ticks, self.timescale)
            })
            .fold(self.average_bps(), u64::max)
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
    let (track, timescale) = if name == AUDIO_RENDITION {
        (Track::Audio, sound::RATE_HZ)
    } else {
        (Track::Video, plan.video.encoding.timescale)
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
