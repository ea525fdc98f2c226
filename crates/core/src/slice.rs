//! What a worker fetches of the master and gives to ffmpeg as one local file.

mod boxes;
mod fragment;
mod matroska;
mod mp4;
mod stored;
#[cfg(test)]
mod tests;

use std::ops::Range;

use cattube_contract::media::TickRange;

use crate::container::{Access, AudioTrack, Container, MasterIndex, VideoTrack, rescale_floor};
use crate::sound;

pub use stored::SliceError;

/// Frames decoded behind a chunk's end: the first of the next chunk, which proves the seam.
/// More would spare the encoder a short look-ahead, but at 4 s each second more of it is a
/// quarter of the master read again.
pub const LOOK_AHEAD_FRAMES: u32 = 1;

/// Packets of the source decoded before the sound's overlap, for the decoder to settle.
pub const AUDIO_WARM_UP_PACKETS: usize = 10;

/// A gap between two spans of the master up to this size is fetched with them: a request
/// costs as much time as some hundred KiB.
pub const MERGE_GAP_BYTES: u64 = 256 << 10;

/// Spans of the master in one slice of video; wider gaps are fetched too if there are more.
pub const MAX_VIDEO_SPANS: usize = 64;

/// The same for sound, which lies between large pictures: fetching a gap there would soon
/// mean fetching all the pictures of a minute.
pub const MAX_AUDIO_SPANS: usize = 2_048;

/// A piece of the local file; the pieces follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Inline(Vec<u8>),
    /// This span of the master.
    Master(Range<u64>),
}

/// A recipe of a local file that holds all that one chunk needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The file's pieces.
    pub parts: Vec<Part>,
    /// ffmpeg's demuxer names, for `-format_whitelist`.
    pub format: String,
    /// Which of the file's picture (or sound) tracks: the N of ffmpeg's `0:V:N` or `0:a:N`.
    pub stream: u32,
    /// Ticks a second of the track's times in the file.
    pub timescale: u32,
    /// The file's time of film zero, in ticks: it is taken off to get film time.
    pub origin_ticks: i64,
    /// Film ticks of every frame to deliver, rising, where the index knows them.
    pub expected_pts: Option<Vec<i64>>,
}

impl Slice {
    /// How many bytes of the master it fetches.
    #[must_use]
    pub fn master_bytes(&self) -> u64 {
        let spans = self.parts.iter().map(|part| match part {
            Part::Inline(_) => 0,
            Part::Master(span) => span.end.saturating_sub(span.start),
        });
        spans.fold(0, u64::saturating_add)
    }
}

/// The slice of a chunk of video: film ticks, as [`crate::chunking::cut_video`] made them.
#[must_use]
pub fn slice_video(index: &MasterIndex, range: TickRange) -> Slice {
    let track = &index.video;
    let format = demuxer(index.container);
    let sliced = match &track.access {
        Access::Samples(table) => mp4::video(track, table, range),
        Access::Clusters(map) => Some(matroska::video(track, map, range)),
        Access::Whole => None,
    };
    sliced.unwrap_or_else(|| {
        let VideoTrack {
            stream,
            timescale,
            origin_ticks,
            ..
        } = *track;
        whole(index, format, stream, timescale, origin_ticks)
    })
}

/// The slice of a chunk of audio: film time in samples of 48 kHz, as
/// [`crate::chunking::cut_audio`] made it.
#[must_use]
pub fn slice_audio(index: &MasterIndex, audio: &AudioTrack, range_48k: TickRange) -> Slice {
    let ticks = |samples: i64| rescale_floor(samples, audio.timescale, sound::RATE_HZ);
    let around = TickRange {
        start: ticks(range_48k.start.saturating_sub(sound::OVERLAP_SAMPLES)),
        end: match range_48k.end {
            i64::MAX => i64::MAX,
            end => ticks(end.saturating_add(sound::OVERLAP_SAMPLES)).saturating_add(1),
        },
    };
    let sliced = match &audio.access {
        Access::Samples(table) => mp4::audio(audio, table, around),
        Access::Clusters(_) | Access::Whole => None,
    };
    sliced.unwrap_or_else(|| {
        let AudioTrack {
            stream,
            timescale,
            origin_ticks,
            ..
        } = *audio;
        whole(
            index,
            demuxer(index.container),
            stream,
            timescale,
            origin_ticks,
        )
    })
}

/// ffmpeg's names of the demuxer.
fn demuxer(container: Container) -> &'static str {
    match container {
        Container::Mp4 => "mov",
        Container::Matroska => "matroska,webm",
        Container::Other(name) => name,
    }
}

/// The master as it is.
fn whole(
    index: &MasterIndex,
    format: &str,
    stream: u32,
    timescale: u32,
    origin_ticks: i64,
) -> Slice {
    Slice {
        parts: vec![Part::Master(0..index.size_bytes)],
        format: format.to_owned(),
        stream,
        timescale,
        origin_ticks,
        expected_pts: None,
    }
}
