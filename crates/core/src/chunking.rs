//! Where the film is cut.
//!
//! A chunk of video begins at a sync sample where there is one near, so that almost nothing
//! is decoded twice. Ranges are half-open and contiguous: each frame is in one chunk.

use cattube_contract::media::TickRange;

use crate::container::{Access, AudioTrack, ClusterMap, Sample, VideoTrack, rescale};
use crate::sound;

/// How long a chunk of video should be, in milliseconds: the balance of cost and speed.
/// Measured, 4 s cost 1.6 % more CPU than one piece (`bench/README.md`).
pub const TARGET_CHUNK_MS: u32 = 4_000;

/// At most so many chunks; a longer film has longer chunks (from 5.5 hours on).
pub const MAX_CHUNKS: u32 = 10_000;

/// At most so many chunks between two sync samples: each of them must be decoded from the
/// first on, so that their number is what the group's decoding is multiplied by (halved).
pub const MAX_CHUNKS_PER_GROUP: i64 = 16;

/// How long a chunk of sound is, in samples of 48 kHz: 64 s. Any whole source rate has a
/// whole number of samples in it, so that the resampler begins each chunk in the same
/// phase, and so has AAC of packets (1,024).
pub const AUDIO_CHUNK_SAMPLES: i64 = 64 * 48_000;

/// A last chunk of sound shorter than this is joined to the one before.
const MIN_AUDIO_CHUNK_SAMPLES: i64 = AUDIO_CHUNK_SAMPLES / 4;

/// Cuts the pictures: film ticks of the track, contiguous, half-open, in order, never empty.
/// The end is `i64::MAX` where the film's is not known.
#[must_use]
pub fn cut_video(track: &VideoTrack, target_ms: u32) -> Vec<TickRange> {
    let target = rescale(i64::from(target_ms.max(1)), track.timescale, 1_000).max(1);
    match &track.access {
        Access::Samples(table) => cut_samples(&table.samples, target),
        Access::Clusters(map) => cut_clusters(map, target),
        Access::Whole => vec![TickRange {
            start: 0,
            end: i64::MAX,
        }],
    }
}

/// Cuts the sound: film time in samples of 48 kHz, contiguous, from 0; the last ends at
/// `i64::MAX`.
#[must_use]
pub fn cut_audio(track: &AudioTrack) -> Vec<TickRange> {
    let end = match &track.access {
        Access::Samples(table) if track.timescale == track.sample_rate_hz => {
            let shown = table.samples.iter().filter(|sample| sample.is_presented);
            let end = shown.map(Sample::end).max().unwrap_or(0);
            rescale(end, sound::RATE_HZ, track.timescale)
        }
        Access::Samples(_) | Access::Clusters(_) | Access::Whole => 0,
    };
    let step = AUDIO_CHUNK_SAMPLES.max(end.div_euclid(i64::from(MAX_CHUNKS)));
    // Still a multiple of 64 s.
    let step = step
        .saturating_add(AUDIO_CHUNK_SAMPLES - 1)
        .div_euclid(AUDIO_CHUNK_SAMPLES)
        * AUDIO_CHUNK_SAMPLES;
    let mut cuts = vec![0];
    let mut at = step;
    while end.saturating_sub(at) >= MIN_AUDIO_CHUNK_SAMPLES {
        cuts.push(at);
        at = at.saturating_add(step);
    }
    ranges(&cuts, i64::MAX)
}

/// How far decode times run ahead of presentation, in ticks of the track: the longest time
/// between a frame and the second after it (x264's pictures wait for two others at most),
/// at least two frames of the nominal rate, at most a second.
#[must_use]
pub fn shift_ticks(track: &VideoTrack) -> i64 {
    let second = i64::from(track.timescale);
    let nominal = rescale(
        second.saturating_mul(2),
        track.frame_rate.den,
        track.frame_rate.num,
    );
    let least = match &track.access {
        Access::Samples(table) => {
            let times = presented_times(&table.samples);
            let gaps = times.windows(3).filter_map(|three| match three {
                [first, _, third] => Some(third.saturating_sub(*first)),
                _ => None,
            });
            gaps.max().unwrap_or(0)
        }
        // Frame times are not known: a quarter of a second is seven frames at 30 a second.
        Access::Clusters(_) | Access::Whole => second.div_euclid(4).saturating_add(1),
    };
    nominal.max(least).clamp(1, second.max(1))
}

/// When the pictures are shown, in film ticks, rising.
#[must_use]
pub fn presented_times(samples: &[Sample]) -> Vec<i64> {
    let mut times: Vec<i64> = samples
        .iter()
        .filter(|sample| sample.is_presented)
        .map(|sample| sample.pts)
        .collect();
    times.sort_unstable();
    times
}

fn cut_samples(samples: &[Sample], target: i64) -> Vec<TickRange> {
    let times = presented_times(samples);
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        return vec![TickRange { start: 0, end: 1 }];
    };
    let end = film_end(samples, *last);
    let mut sync: Vec<i64> = samples
        .iter()
        .filter(|sample| sample.is_sync && sample.is_presented)
        .map(|sample| sample.pts)
        .collect();
    sync.sort_unstable();
    let target = long_enough(target, end.saturating_sub(*first));
    ranges(&cuts(*first, end, &sync, Some(&times), target), end)
}

fn cut_clusters(map: &ClusterMap, target: i64) -> Vec<TickRange> {
    let sync: Vec<i64> = map.cues.iter().map(|cue| cue.pts).collect();
    let last = sync.last().copied().unwrap_or(0);
    let end = map.duration_ticks.unwrap_or(last).max(last);
    let target = long_enough(target, end.saturating_sub(map.first_pts));
    ranges(&cuts(map.first_pts, end, &sync, None, target), i64::MAX)
}

/// When the last picture is not shown any more. A picture behind it that an edit list hides
/// ends it.
fn film_end(samples: &[Sample], last: i64) -> i64 {
    let shown = samples
        .iter()
        .filter(|sample| sample.is_presented && sample.pts == last)
        .map(Sample::end)
        .max();
    let hidden = samples
        .iter()
        .map(|sample| sample.pts)
        .filter(|pts| *pts > last)
        .min();
    let end = shown.unwrap_or(last).min(hidden.unwrap_or(i64::MAX));
    end.max(last.saturating_add(1))
}

/// Chunks are at least half as long as the target.
fn long_enough(target: i64, length: i64) -> i64 {
    let least = length.saturating_mul(2).div_euclid(i64::from(MAX_CHUNKS));
    target.max(least.saturating_add(1)).max(2)
}

/// Where chunks begin: at the sync time that is nearest to the target, between half and
/// twice of it; else, where frames are known, at the first frame behind the target; else at
/// the next sync time. A rest of less than half the target is not cut off.
fn cuts(start: i64, end: i64, sync: &[i64], frames: Option<&[i64]>, target: i64) -> Vec<i64> {
    let shortest = target.div_euclid(2);
    let mut cuts = vec![start];
    let mut at = start;
    while end.saturating_sub(at) >= target.saturating_add(shortest) {
        let from = sync.partition_point(|pts| *pts < at.saturating_add(shortest));
        let later = sync.get(from..).unwrap_or_default();
        let ideal = at.saturating_add(target);
        let furthest = at.saturating_add(target.saturating_mul(2));
        let nearest = later
            .iter()
            .copied()
            .take_while(|pts| *pts <= furthest)
            .min_by_key(|pts| pts.abs_diff(ideal));
        let next = nearest.or_else(|| match frames {
            Some(frames) => {
                let length = group_length(sync, at, end);
                let piece = target.max(length.div_euclid(MAX_CHUNKS_PER_GROUP));
                let grid = at.saturating_add(piece);
                let sync_before = later.first().filter(|pts| **pts <= grid);
                let frame = frames.get(frames.partition_point(|pts| *pts < grid));
                sync_before.or(frame).copied()
            }
            None => later.first().copied(),
        });
        match next.filter(|next| *next > at && end.saturating_sub(*next) >= shortest) {
            Some(next) => cuts.push(next),
            None => break,
        }
        at = next.unwrap_or(end);
    }
    cuts
}

/// How long the group of pictures around `at` is.
fn group_length(sync: &[i64], at: i64, end: i64) -> i64 {
    let after = sync.partition_point(|pts| *pts <= at);
    let next = sync.get(after).copied().unwrap_or(end);
    let before = after.checked_sub(1).and_then(|before| sync.get(before));
    next.saturating_sub(before.copied().unwrap_or(at))
}

fn ranges(cuts: &[i64], end: i64) -> Vec<TickRange> {
    let ends = cuts.iter().copied().skip(1).chain([end]);
    cuts.iter()
        .zip(ends)
        .map(|(start, end)| TickRange { start: *start, end })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
