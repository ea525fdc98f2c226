//! Cuts a rendition's chunk at the segment grid and gives every frame its final decode time.

use cattube_contract::media::TickRange;
use cattube_contract::plan::VideoEncoding;

use super::segment::{Segment, TimedSample, write_segment};
use super::{Encoded, PackageError, Sample};

/// Cuts a rendition's chunk into final segments. `expected_pts`: shifted times of the frames
/// that must be there, one for one, in presentation order ([`super::expected_pts`]). A
/// segment begins at the first frame at or after each multiple of `segment_ticks`, counted
/// from the chunk's first frame; a last remainder shorter than half of it is not cut off.
///
/// # Errors
/// [`PackageError`] when a frame is missing, doubled or elsewhere, when a segment would not
/// begin with a key frame, or when frames are reordered deeper than the shift.
pub fn cut_video_segments(
    encoded: &Encoded<'_>,
    expected_pts: &[i64],
    range: TickRange,
    encoding: &VideoEncoding,
) -> Result<Vec<Segment>, PackageError> {
    if encoded.timescale != encoding.timescale {
        let reason = format!(
            "timescale {}, not {}",
            encoded.timescale, encoding.timescale
        );
        return Err(PackageError::Track(reason));
    }
    check_frames(&encoded.samples, expected_pts)?;
    let (Some(&first_pts), Some(&last_pts)) = (expected_pts.first(), expected_pts.last()) else {
        return Err(PackageError::Empty);
    };
    let end_pts = end_of(&encoded.samples, last_pts, range, encoding.shift_ticks)?;
    let timed = timed_samples(
        &encoded.samples,
        expected_pts,
        end_pts,
        encoding.shift_ticks,
    )?;

    let grid_range = if range.end == i64::MAX {
        TickRange {
            start: first_pts,
            end: end_pts,
        }
    } else {
        range
    };
    let limit = grid_limit(grid_range, encoding.segment_ticks).unwrap_or(i64::MAX);
    let starts = segment_starts(expected_pts, encoding.segment_ticks, limit);
    let mut segments = Vec::with_capacity(starts.len());
    for (place, &start) in starts.iter().enumerate() {
        let end = starts.get(place + 1).copied().unwrap_or(expected_pts.len());
        let samples = timed.get(start..end).unwrap_or_default();
        let start_pts = expected_pts.get(start).copied().unwrap_or(first_pts);
        let next_pts = expected_pts.get(end).copied().unwrap_or(end_pts);
        check_closed(samples, start_pts, next_pts)?;
        let duration_ticks = next_pts - start_pts;
        segments.push(write_segment(encoded, samples, start_pts, duration_ticks)?);
    }
    Ok(segments)
}

/// The number of the last grid point at which a closed range is cut; `None` for an open end.
/// The encoder's forced key frames and the cuts use this same rule.
pub(crate) fn grid_limit(range: TickRange, segment_ticks: i64) -> Option<i64> {
    if range.end == i64::MAX {
        return None;
    }
    let segment = i128::from(segment_ticks.max(1));
    let length = i128::from(range.end) - i128::from(range.start);
    let last = (2 * length - segment).div_euclid(2 * segment).max(0);
    Some(i64::try_from(last).unwrap_or(i64::MAX))
}

/// Every planned frame is there, once, and no other.
fn check_frames(samples: &[Sample], expected_pts: &[i64]) -> Result<(), PackageError> {
    let mut found: Vec<i64> = samples.iter().map(|sample| sample.pts).collect();
    found.sort_unstable();
    if found == expected_pts {
        return Ok(());
    }
    let different = expected_pts
        .iter()
        .enumerate()
        .find(|(place, pts)| found.get(*place) != Some(pts));
    Err(PackageError::WrongFrames {
        expected: expected_pts.len(),
        found: found.len(),
        at_pts: different.map(|(_, pts)| *pts),
    })
}

/// Where the chunk ends, in shifted ticks: where its range does, else after its last frame.
fn end_of(
    samples: &[Sample],
    last_pts: i64,
    range: TickRange,
    shift_ticks: i64,
) -> Result<i64, PackageError> {
    let end = if range.end == i64::MAX {
        let last = samples.iter().find(|sample| sample.pts == last_pts);
        let duration = last.map_or(0, |sample| sample.duration_ticks).max(1);
        last_pts.checked_add(i64::from(duration))
    } else {
        range.end.checked_add(shift_ticks)
    };
    end.filter(|end| *end > last_pts).ok_or(PackageError::Time {
        at_pts: last_pts,
        reason: "the chunk ends before its last frame",
    })
}

/// Where segments start, as places in `pts`, which is not empty: wherever the number of the
/// grid point passed grows.
fn segment_starts(pts: &[i64], segment_ticks: i64, limit: i64) -> Vec<usize> {
    let first = pts.first().copied().unwrap_or(0);
    let mut starts = vec![0];
    let mut number = 0;
    for (place, &time) in pts.iter().enumerate() {
        let reached = time.saturating_sub(first) / segment_ticks.max(1);
        if reached > number && reached <= limit {
            number = reached;
            starts.push(place);
        }
    }
    starts
}

/// A segment begins with a key frame, and holds nothing that is shown outside it.
fn check_closed(
    samples: &[TimedSample<'_>],
    start_pts: i64,
    next_pts: i64,
) -> Result<(), PackageError> {
    let begins = samples
        .first()
        .is_some_and(|timed| timed.sample.is_sync && timed.sample.pts == start_pts);
    let inside = samples
        .iter()
        .all(|timed| (start_pts..next_pts).contains(&timed.sample.pts));
    if begins && inside {
        Ok(())
    } else {
        Err(PackageError::NoKeyFrame { at_pts: start_pts })
    }
}

fn timed_samples<'a>(
    samples: &'a [Sample],
    sorted_pts: &[i64],
    end_pts: i64,
    shift_ticks: i64,
) -> Result<Vec<TimedSample<'a>>, PackageError> {
    let pts: Vec<i64> = samples.iter().map(|sample| sample.pts).collect();
    let times = decode_times(&pts, sorted_pts, shift_ticks)?;
    let end = end_pts.saturating_sub(shift_ticks);
    samples
        .iter()
        .zip(&times)
        .enumerate()
        .map(|(place, (sample, &dts))| {
            let next = times.get(place + 1).copied().unwrap_or(end);
            let duration_ticks =
                u32::try_from(next.saturating_sub(dts)).map_err(|_| PackageError::Time {
                    at_pts: sample.pts,
                    reason: "a frame of over 32 bits of ticks",
                })?;
            Ok(TimedSample {
                sample,
                dts,
                duration_ticks,
            })
        })
        .collect()
}

/// The decode times of a chunk, a rule that needs no knowledge of its neighbours and still
/// continues over seams: the i-th frame in decode order is decoded at the i-th presentation
/// time minus the shift, or earlier where it would be shown before that; strictly rising.
/// The chunk's first is never moved, so no chunk reaches back into the one before.
///
/// `pts`: shifted times in decode order; `sorted_pts`: the same, sorted.
fn decode_times(
    pts: &[i64],
    sorted_pts: &[i64],
    shift_ticks: i64,
) -> Result<Vec<i64>, PackageError> {
    let mut times = Vec::with_capacity(pts.len());
    let mut bound = i64::MAX;
    for (&shown, &slot) in pts.iter().zip(sorted_pts).rev() {
        let time = slot.saturating_sub(shift_ticks).min(shown).min(bound);
        bound = time.saturating_sub(1);
        times.push(time);
    }
    times.reverse();
    let first_slot = sorted_pts
        .first()
        .map(|slot| slot.saturating_sub(shift_ticks));
    if times.first().copied() != first_slot {
        return Err(PackageError::Time {
            at_pts: sorted_pts.first().copied().unwrap_or(0),
            reason: "frames reordered deeper than the shift",
        });
    }
    Ok(times)
}
