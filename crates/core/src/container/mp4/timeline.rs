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
        let mut last_dts: Option<i64> = None;
        let samples: Option<Vec<Sample>> = raw
            .iter()
            .map(|raw| {
                let dts = raw.dts.checked_add(shift)?;
                let pts = dts.checked_add(raw.cts)?;
                // A fragment's `trun` tells distances in 32 bits.
                let rises = last_dts.is_none_or(|last| {
                    dts > last && u32::try_from(dts.saturating_sub(last)).is_ok()
                });
                let is_sane = rises && dts.abs() < MAX_TICKS && pts.abs() < MAX_TICKS;
                last_dts = Some(dts);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(duration: u64, media_time: i64) -> Edit {
        Edit {
            duration,
            media_time,
            is_normal_rate: true,
        }
    }

    fn raw(dts: i64, cts: i64) -> RawSample {
        RawSample {
            offset: 9,
            size_bytes: 3,
            duration: 40,
            dts,
            cts,
            is_sync: true,
        }
    }

    #[test]
    fn an_edit_list_is_one_piece_or_ffmpegs_work() {
        let read = |edits: &[Edit]| Timeline::new(edits, 1_000, 48_000, false);
        let simple = |shift, from, until| Timeline::Simple { shift, from, until };
        assert_eq!(read(&[]), simple(0, i64::MIN, i64::MAX));
        assert_eq!(read(&[edit(10, 480)]), simple(-480, 0, 480));
        assert_eq!(read(&[edit(0, 480)]), simple(-480, 0, i64::MAX));
        // Two pauses in front add up; one behind is nothing.
        let late = [edit(5, -1), edit(5, -1), edit(10, 0), edit(7, -1)];
        assert_eq!(read(&late), simple(480, 480, 960));
        assert_eq!(read(&[edit(1, 0), edit(1, 0)]), Timeline::Complex);
        let mut slow = edit(1, 0);
        slow.is_normal_rate = false;
        assert_eq!(read(&[slow]), Timeline::Complex);
        let fragmented = Timeline::new(&[edit(10, 480)], 1_000, 48_000, true);
        assert_eq!(fragmented, simple(-480, 0, i64::MAX));
    }

    #[test]
    fn samples_move_onto_the_movies_time_if_they_rise() {
        let line = Timeline::Simple {
            shift: -80,
            from: 0,
            until: 40,
        };
        let samples = line.apply(&[raw(0, 40), raw(40, 40), raw(80, 40)]).unwrap();
        let told: Vec<_> = samples
            .iter()
            .map(|sample| (sample.dts, sample.pts, sample.is_presented))
            .collect();
        assert_eq!(told, [(-80, -40, false), (-40, 0, true), (0, 40, false)]);
        assert_eq!(
            (
                samples[0].offset,
                samples[0].size_bytes,
                samples[0].duration_ticks
            ),
            (9, 3, 40)
        );
        let open = Timeline::new(&[], 1, 1, false);
        let applied = |raw: &[RawSample]| open.apply(raw).is_some();
        assert!(applied(&[raw(0, 0), raw(1, 0)]));
        assert!(!applied(&[raw(1, 0), raw(1, 0)]));
        assert!(!applied(&[raw(1, 0), raw(0, 0)]));
        assert!(!applied(&[raw(0, 0), raw(i64::from(u32::MAX) + 1, 0)]));
        assert!(applied(&[raw(0, 0), raw(i64::from(u32::MAX), 0)]));
        assert!(!applied(&[raw(i64::MAX / 2, 0)]));
        assert!(!applied(&[raw(0, i64::MAX / 2)]));
        assert!(!applied(&[raw(i64::MAX, i64::MAX)]));
        // Nothing is shown.
        assert!(line.apply(&[raw(800, 0)]).is_none());
        assert!(Timeline::Complex.apply(&[raw(0, 0)]).is_none());
    }

    #[test]
    fn sound_across_the_beginning_begins_there() {
        let line = Timeline::Simple {
            shift: 0,
            from: 100,
            until: i64::MAX,
        };
        let samples = |times: &[i64]| {
            let raw: Vec<_> = times.iter().map(|time| raw(*time, 0)).collect();
            line.apply(&raw).unwrap()
        };
        let across = samples(&[50, 70, 110]);
        assert_eq!(line.first_shown(&across, true), Some(100));
        assert_eq!(line.first_shown(&across, false), Some(110));
        // It ends just where the edit begins; or it begins just there.
        assert_eq!(line.first_shown(&samples(&[20, 60, 110]), true), Some(110));
        assert_eq!(
            line.first_shown(&samples(&[50, 100, 140]), false),
            Some(100)
        );
        assert!(has_distinct_times(&across));
        let mut twins = across;
        twins[2].pts = 110;
        twins.push(twins[2]);
        assert!(!has_distinct_times(&twins));
        twins[3].is_presented = false;
        assert!(has_distinct_times(&twins));
    }
}
