//! A track's packets on the movie's time.

use cattube_contract::event::RejectionCode;

use super::entry::{self, AudioEntry, VideoEntry};
use super::timeline::{self, Timeline};
use super::track::Track;
use super::{MAX_SAMPLES, Movie, RawSample, Unreadable, fragments, tables};
use crate::container::{IndexError, Sample, checked_size};

/// A track's packets.
pub(super) struct Loaded {
    pub(super) timeline: Timeline,
    /// On the movie's time; `None` if ffmpeg must read the whole file.
    pub(super) samples: Option<Vec<Sample>>,
    /// An `stsd` box with the sample entry in use.
    pub(super) sample_description: Vec<u8>,
}

/// Reads the picture track.
pub(super) fn video(
    movie: &Movie<'_>,
    track: &Track<'_>,
) -> Result<(VideoEntry, Loaded), IndexError> {
    let (raw, number) = match read_samples(movie, track, None) {
        Ok(read) => read,
        Err(Unreadable::ManyEntries) => (None, 1),
        Err(Unreadable::TooMany(count)) => {
            return Err(IndexError::rejected(
                RejectionCode::TooLarge,
                format!("The video has {count} pictures; at most {MAX_SAMPLES} are accepted."),
            ));
        }
        Err(Unreadable::Damaged(name)) => {
            return Err(IndexError::rejected(
                RejectionCode::Malformed,
                format!("The index of the video track is damaged (its `{name}` box)."),
            ));
        }
    };
    let entry = entry::find(track.tables, number)
        .or_else(|| entry::find(track.tables, 1))
        .ok_or_else(|| {
            IndexError::rejected(
                RejectionCode::Malformed,
                "The video track does not say what its codec is.",
            )
        })?;
    let mut video_entry = entry::video(entry)?;
    if video_entry.width_px == 0 || video_entry.height_px == 0 {
        (video_entry.width_px, video_entry.height_px) = track.display_px;
    }
    checked_size(
        video_entry.width_px,
        video_entry.height_px,
        video_entry.pixel_aspect,
    )?;
    if raw.as_ref().is_some_and(Vec::is_empty) {
        return Err(IndexError::rejected(
            RejectionCode::NoVideoTrack,
            "The video track holds no pictures.",
        ));
    }
    refuse_missing_bytes(movie, raw.as_deref().unwrap_or_default())?;
    let mut loaded = load(movie, track, raw, entry::description(track.tables, entry));
    loaded.samples = loaded
        .samples
        .filter(|samples| timeline::has_distinct_times(samples));
    Ok((video_entry, loaded))
}

/// Reads the sound track.
pub(super) fn audio(
    movie: &Movie<'_>,
    track: &Track<'_>,
    entry: AudioEntry,
) -> Result<Loaded, IndexError> {
    // The tables of QuickTime's ADPCM count in units that only its codec knows.
    let read = if entry.codec.starts_with("adpcm") {
        Err(Unreadable::ManyEntries)
    } else {
        read_samples(movie, track, entry.pcm_frame_bytes)
    };
    let (raw, number) = read.unwrap_or((None, 1));
    refuse_missing_bytes(movie, raw.as_deref().unwrap_or_default())?;
    let description = entry::find(track.tables, number)
        .map(|entry| entry::description(track.tables, entry))
        .unwrap_or_default();
    Ok(load(movie, track, raw, description))
}

/// A track's samples, `None` where the fragments cannot all be fetched, and the number of
/// its sample entry.
fn read_samples(
    movie: &Movie<'_>,
    track: &Track<'_>,
    pcm_frame_bytes: Option<u32>,
) -> Result<(Option<Vec<RawSample>>, u32), Unreadable> {
    if movie.is_too_scattered {
        return Ok((None, 1));
    }
    let (mut samples, mut number) =
        match tables::read(track.tables, pcm_frame_bytes, movie.size_bytes) {
            Ok(tables) => (tables.samples, tables.entry),
            Err(Unreadable::Damaged(_)) if movie.is_fragmented => (Vec::new(), 0),
            Err(error) => return Err(error),
        };
    if movie.is_fragmented {
        let used = fragments::read(movie, track.id, &mut samples)?;
        if number != 0 && used != 0 && number != used {
            return Err(Unreadable::ManyEntries);
        }
        number = number.max(used);
    }
    // The last length is often 0, which was read as 1.
    let usual = samples.iter().rev().nth(1).map(|sample| sample.duration);
    if let (Some(last), Some(usual)) = (samples.last_mut(), usual) {
        last.duration = if last.duration == 1 {
            usual
        } else {
            last.duration
        };
    }
    let refined = refine(&mut samples, track.refined_by).map(|()| samples);
    Ok((refined, number.max(1)))
}

/// Multiplies all times: a clock of few ticks a second is made finer.
fn refine(samples: &mut [RawSample], factor: u32) -> Option<()> {
    for sample in samples {
        sample.dts = sample.dts.checked_mul(i64::from(factor))?;
        sample.cts = sample.cts.checked_mul(i64::from(factor))?;
        sample.duration = sample.duration.checked_mul(factor)?;
    }
    Some(())
}

fn load(
    movie: &Movie<'_>,
    track: &Track<'_>,
    raw: Option<Vec<RawSample>>,
    sample_description: Vec<u8>,
) -> Loaded {
    let timeline = Timeline::new(
        &track.edits,
        movie.timescale,
        track.timescale,
        movie.is_fragmented,
    );
    let samples = match raw {
        Some(raw) if raw.is_empty() => Some(Vec::new()),
        Some(raw) => timeline.apply(&raw),
        None => None,
    };
    Loaded {
        timeline,
        samples,
        sample_description,
    }
}

/// The index may name bytes that never arrived.
fn refuse_missing_bytes(movie: &Movie<'_>, samples: &[RawSample]) -> Result<(), IndexError> {
    let end = samples
        .iter()
        .map(|sample| sample.offset.saturating_add(u64::from(sample.size_bytes)))
        .max()
        .unwrap_or(0);
    if end <= movie.size_bytes {
        return Ok(());
    }
    Err(IndexError::rejected(
        RejectionCode::Truncated,
        format!(
            "The file is cut off: its index names bytes up to {end}, but it ends at byte {}.",
            movie.size_bytes
        ),
    ))
}
