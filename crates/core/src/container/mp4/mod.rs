//! MP4 and QuickTime, fragmented or not (ISO/IEC 14496-12).

mod boxes;
mod entry;
mod fragments;
mod layout;
mod load;
mod pick;
mod recovery;
mod tables;
mod timeline;
mod track;

use cattube_contract::event::RejectionCode;

use self::boxes::{child, children};
use self::fragments::Fragment;
use self::load::Loaded;
use self::track::Track;
use super::{
    Access, AudioTrack, Container, IndexError, MasterIndex, Sample, SampleTable, SparseBytes,
    VideoTrack, rate, rescale,
};

/// More pictures (18 hours at 30 a second) or packets than this are refused.
pub(super) const MAX_SAMPLES: u32 = 2_000_000;

/// Tracks behind this many are not looked at.
const MAX_TRACKS: usize = 256;

/// A sample with the times of its track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RawSample {
    offset: u64,
    size_bytes: u32,
    duration: u32,
    dts: i64,
    cts: i64,
    is_sync: bool,
}

impl RawSample {
    /// When the next one is due.
    fn end(&self) -> i64 {
        self.dts.saturating_add(i64::from(self.duration))
    }
}

/// Why a track's tables give no list of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unreadable {
    /// This box is missing or damaged.
    Damaged(&'static str),
    /// More samples than are accepted.
    TooMany(u64),
    /// Packets of different kinds in one track.
    ManyEntries,
}

/// The file as it is at hand.
struct Movie<'a> {
    size_bytes: u64,
    file_type: &'a [u8],
    moov: &'a [u8],
    timescale: u32,
    fragments: Vec<Fragment<'a>>,
    is_fragmented: bool,
    /// The fragments are too many to fetch their heads.
    is_too_scattered: bool,
    tracks: Vec<Track<'a>>,
}

/// Reads the index of an MP4 file.
pub(super) fn index(bytes: &SparseBytes) -> Result<MasterIndex, IndexError> {
    let layout = layout::find(bytes)?;
    let file_type = bytes.get(layout.file_type.clone())?;
    let moov_box = bytes.get(layout.moov.clone())?;
    let moofs = layout
        .fragments
        .iter()
        .map(|range| Ok((range.start, bytes.get(range.clone())?)))
        .collect::<Result<Vec<_>, IndexError>>()?;
    let moov = children(&moov_box)
        .next()
        .map(|moov| moov.body)
        .unwrap_or_default();
    let movie = Movie {
        size_bytes: bytes.size_bytes(),
        file_type: &file_type,
        moov,
        timescale: child(moov, *b"mvhd")
            .and_then(track::timescale)
            .unwrap_or(1_000),
        fragments: moofs
            .iter()
            .filter_map(|(offset, moof)| {
                let body = children(moof).next()?.body;
                Some(Fragment {
                    offset: *offset,
                    body,
                })
            })
            .collect(),
        is_fragmented: layout.is_fragmented,
        is_too_scattered: layout.is_too_scattered,
        tracks: children(moov)
            .filter(|child| child.kind == *b"trak")
            .take(MAX_TRACKS)
            .filter_map(|trak| track::parse(trak.body))
            .collect(),
    };
    if child(moov, *b"cmov").is_some() {
        return Err(IndexError::rejected(
            RejectionCode::Malformed,
            "The file's index is compressed (`cmov`), a QuickTime form that is not read.",
        ));
    }
    let mut index = assemble(&movie)?;
    if let ("h264", Access::Samples(table)) = (index.video.codec, &mut index.video.access) {
        let frames = i64::from(recovery::frames(bytes, table)?);
        let rate = index.video.frame_rate;
        let ticks = frames.saturating_mul(i64::from(index.video.timescale));
        table.settle_ticks = rescale(ticks, rate.den, rate.num);
    }
    Ok(index)
}

fn assemble(movie: &Movie<'_>) -> Result<MasterIndex, IndexError> {
    let (video_stream, video_track) = pick::video(movie)?;
    let (video_entry, video) = load::video(movie, video_track)?;
    let audio = pick::audio(movie).map(|(stream, track, entry)| {
        let loaded = load::audio(movie, track, entry)?;
        Ok::<_, IndexError>((stream, track, entry, loaded))
    });
    let audio = audio.transpose()?.filter(|(.., loaded)| {
        // A track without a packet is no sound.
        loaded
            .samples
            .as_ref()
            .is_none_or(|samples| !samples.is_empty())
    });
    let zero = film_zero(
        (video_track, &video),
        audio.as_ref().map(|(_, track, _, loaded)| (*track, loaded)),
    );
    let origin = |track: &Track<'_>| rescale(zero.0, track.timescale, zero.1);
    let times = shown_times(video.samples.as_deref().unwrap_or_default());
    let duration_ms = duration_ms(movie, video_track, &video, origin(video_track));
    Ok(MasterIndex {
        container: Container::Mp4,
        size_bytes: movie.size_bytes,
        duration_ms,
        video: VideoTrack {
            codec: video_entry.codec,
            stream: video_stream,
            timescale: video_track.timescale,
            width_px: video_entry.width_px,
            height_px: video_entry.height_px,
            pixel_aspect: video_entry.pixel_aspect,
            rotation: video_track.rotation,
            frame_rate: rate::nominal(&times, video_track.timescale),
            dynamic_range: video_entry.dynamic_range,
            origin_ticks: origin(video_track),
            access: access(movie, video, origin(video_track)),
        },
        audio: audio.map(|(stream, track, entry, loaded)| AudioTrack {
            codec: entry.codec,
            stream,
            timescale: track.timescale,
            sample_rate_hz: match entry.sample_rate_hz {
                0 => track.timescale,
                rate => rate,
            },
            origin_ticks: origin(track),
            access: access(movie, loaded, origin(track)),
        }),
    })
}

/// Movie time of film zero, as ticks and ticks a second: when the first picture or sound is
/// shown. A track that is left to ffmpeg begins at 0.
fn film_zero(
    (video_track, video): (&Track<'_>, &Loaded),
    audio: Option<(&Track<'_>, &Loaded)>,
) -> (i64, u32) {
    let first = |track: &Track<'_>, loaded: &Loaded, is_sound| {
        let samples = loaded.samples.as_deref().unwrap_or_default();
        let first = loaded.timeline.first_shown(samples, is_sound);
        (first.unwrap_or(0), track.timescale)
    };
    let video = first(video_track, video, false);
    let Some((track, loaded)) = audio else {
        return video;
    };
    let audio = first(track, loaded, true);
    let scaled = |a: (i64, u32), b: (i64, u32)| i128::from(a.0) * i128::from(b.1);
    if scaled(audio, video) < scaled(video, audio) {
        audio
    } else {
        video
    }
}

/// When pictures are shown, rising.
fn shown_times(samples: &[Sample]) -> Vec<i64> {
    let mut times: Vec<i64> = samples
        .iter()
        .filter(|sample| sample.is_presented)
        .map(|sample| sample.pts)
        .collect();
    times.sort_unstable();
    times
}

/// The film's length: up to the end of the last picture, or as the file states it.
fn duration_ms(
    movie: &Movie<'_>,
    track: &Track<'_>,
    video: &Loaded,
    origin_ticks: i64,
) -> Option<u64> {
    let shown = video.samples.iter().flatten();
    let end = shown
        .filter(|sample| sample.is_presented)
        .map(Sample::end)
        .max();
    let ms = if let Some(end) = end {
        rescale(end.saturating_sub(origin_ticks), 1_000, track.timescale)
    } else {
        let ticks = child(movie.moov, *b"mvhd").and_then(track::duration)?;
        rescale(i64::try_from(ticks).ok()?, 1_000, movie.timescale)
    };
    u64::try_from(ms).ok().filter(|ms| *ms > 0)
}

/// How the packets are reached, on film time.
fn access(movie: &Movie<'_>, loaded: Loaded, origin_ticks: i64) -> Access {
    let Some(mut samples) = loaded.samples else {
        return Access::Whole;
    };
    for sample in &mut samples {
        sample.dts = sample.dts.saturating_sub(origin_ticks);
        sample.pts = sample.pts.saturating_sub(origin_ticks);
    }
    Access::Samples(SampleTable::new(
        samples,
        loaded.sample_description,
        movie.file_type.to_vec(),
    ))
}
