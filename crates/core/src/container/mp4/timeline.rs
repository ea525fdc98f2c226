//! From a track's own times to the film's.

use super::RawSample;
use super::track::Edit;
use crate::container::{Sample, rescale};

/// How an edit list moves a track onto the movie's time, in ticks of the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timeline {
    /// One piece.
    Simple {
        /// Added to a time of the track.
        shift: i64,
        /// The first movie time that is shown.
        from: i64,
        /// The first movie time that is not shown any more.
        until: i64,
    },
    /// Several pieces, or not at normal speed: ffmpeg must make sense of it.
    Complex,
}

impl Timeline {
    /// Reads an edit list. In fragmented files its lengths are not to be trusted: they may
    /// speak of what was there before the first fragment.
    pub(super) fn new(
        edits: &[Edit],
        movie_timescale: u32,
        timescale: u32,
        is_fragmented: bool,
    ) -> Self {
        let ticks = |duration: u64| {
            let duration = i64::try_from(duration).unwrap_or(i64::MAX);
            rescale(duration, timescale, movie_timescale)
        };
        let mut from = 0_i64;
        let mut piece: Option<Edit> = None;
        for edit in edits {
            if edit.media_time >= 0 {
                if piece.is_some() || !edit.is_normal_rate {
                    return Self::Complex;
                }
                piece = Some(*edit);
            } else if piece.is_none() {
                from = from.saturating_add(ticks(edit.duration));
            }
        }
        let Some(piece) = piece else {
            return Self::Simple {
                shift: 0,
                from: i64::MIN,
                until: i64::MAX,
            };
        };
        let is_open = piece.duration == 0 || is_fragmented;
        Self::Simple {
            shift: from.saturating_sub(piece.media_time),
            from,
            until: if is_open {
                i64::MAX
            } else {
                from.saturating_add(ticks(piece.duration))
            },
        }
    }

    /// The track's samples on the movie's time. `None` if ffmpeg must do it: a complex
    /// timeline, decode times that do not rise, numbers out of all bounds, nothing shown.
    pub(super) fn apply(self, raw: &[RawSample]) -> Option<Vec<Sample>> {
        /// Times beyond this (a century at 2.9 GHz) would overflow further on.
        const MAX_TICKS: i64 = i64::MAX >> 2;
        let Self::Simple { shift, from, until } = self else {
            return None;
        };
        let mut last_dts = i64::MIN;
        let samples: Option<Vec<Sample>> = raw
            .iter()
            .map(|raw| {
                let dts = raw.dts.checked_add(shift)?;
                let pts = dts.checked_add(raw.cts)?;
                let gap = dts.saturating_sub(last_dts.max(dts.saturating_sub(1)));
                let is_sane = dts > last_dts
                    && u32::try_from(gap).is_ok()
                    && dts.abs() < MAX_TICKS
                    && pts.abs() < MAX_TICKS;
                last_dts = dts;
                is_sane.then_some(Sample {
                    offset: raw.offset,
                    size_bytes: raw.size_bytes,
                    duration_ticks: raw.duration,
                    dts,
                    pts,
                    is_sync: raw.is_sync,
                    is_presented: (from..until).contains(&pts),
                })
            })
            .collect();
        samples.filter(|samples| samples.iter().any(|sample| sample.is_presented))
    }

    /// When the track's first sample is shown, in movie time: for sound the edit's beginning
    /// if a packet lies across it.
    pub(super) fn first_shown(self, samples: &[Sample], is_sound: bool) -> Option<i64> {
        let across = match self {
            Self::Simple { from, .. } if is_sound => samples
                .iter()
                .take_while(|sample| sample.pts < from)
                .any(|sample| sample.end() > from)
                .then_some(from),
            Self::Simple { .. } | Self::Complex => None,
        };
        let first = samples
            .iter()
            .filter(|sample| sample.is_presented)
            .map(|sample| sample.pts)
            .min();
        across.or(first)
    }
}

/// No two pictures may be shown at the same time.
pub(super) fn has_distinct_times(samples: &[Sample]) -> bool {
    let mut times: Vec<i64> = samples
        .iter()
        .filter(|sample| sample.is_presented)
        .map(|sample| sample.pts)
        .collect();
    times.sort_unstable();
    times.is_sorted_by(|a, b| a < b)
}
