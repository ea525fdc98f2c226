//! Every frame is in one chunk, and chunks are of a sensible length.

use cattube_contract::media::{DynamicRange, Rational, Rotation};
use proptest::prelude::*;

use super::*;
use crate::container::{Cue, SampleTable};

/// A picture track of 1,000 ticks a second.
pub(crate) fn video_track(access: Access) -> VideoTrack {
    VideoTrack {
        codec: "vp9",
        stream: 0,
        timescale: 1_000,
        width_px: 640,
        height_px: 360,
        pixel_aspect: Rational { num: 1, den: 1 },
        rotation: Rotation::None,
        frame_rate: Rational { num: 25, den: 1 },
        dynamic_range: DynamicRange::Sdr,
        origin_ticks: 0,
        access,
    }
}

pub(crate) fn audio_track(access: Access, rate: u32) -> AudioTrack {
    AudioTrack {
        codec: "aac",
        stream: 0,
        timescale: rate,
        sample_rate_hz: rate,
        origin_ticks: 0,
        access,
    }
}

pub(crate) fn table(samples: Vec<Sample>) -> SampleTable {
    use crate::container::fixture::{atom, full, video_entry, words};
    let entry = video_entry(*b"vp09", 640, 360, &[]);
    let stsd = full(*b"stsd", 0, &[words(&[1]), entry].concat());
    SampleTable::new(samples, stsd, atom(*b"ftyp", b"isom"))
}

/// Groups of pictures that are shown before the last of them, which is decoded first;
/// some of those are sync samples (an open GOP), some spans between packets are wide.
pub(crate) fn pictures() -> impl Strategy<Value = Vec<Sample>> {
    let picture = (
        prop_oneof![30 => 20..60_i64, 1 => 500..30_000_i64],
        1..40_u32,
        0..60_u32,
    );
    let group = (
        prop::collection::vec(picture, 1..5),
        prop::bool::weighted(0.2),
    );
    (prop::collection::vec(group, 1..60), 0..3_usize, 0..3_usize).prop_map(
        |(groups, head, tail)| {
            let (mut samples, mut shown, mut offset) = (Vec::new(), 0, 1_000);
            for (place, (mut group, is_sync)) in groups.into_iter().enumerate() {
                if place == 0 {
                    group.truncate(1);
                }
                let times: Vec<i64> = group
                    .iter()
                    .map(|(gap, ..)| {
                        shown += gap;
                        shown
                    })
                    .collect();
                let (last, earlier) = times.split_last().unwrap();
                let order = std::iter::once(last).chain(earlier);
                for (decoded, (pts, (_, size, gap))) in order.zip(&group).enumerate() {
                    // One in sixty gaps is too wide to be fetched too.
                    offset += if *gap == 59 {
                        300 << 10
                    } else {
                        u64::from(*gap % 3)
                    };
                    samples.push(Sample {
                        offset,
                        size_bytes: *size,
                        duration_ticks: 40,
                        dts: 0,
                        pts: *pts,
                        is_sync: decoded == 0 && (is_sync || place == 0),
                        is_presented: true,
                    });
                    offset += u64::from(*size);
                }
            }
            let times = presented_times(&samples);
            for (sample, time) in samples.iter_mut().zip(&times) {
                sample.dts = time - 700;
            }
            // An edit list hides some at both ends.
            let first = times[head.min(times.len() - 1)];
            let last = times[times.len() - 1 - tail.min(times.len() - 1)].max(first);
            for sample in &mut samples {
                sample.is_presented = (first..=last).contains(&sample.pts);
                sample.dts -= first;
                sample.pts -= first;
            }
            samples
        },
    )
}

fn assert_contiguous(ranges: &[TickRange]) {
    assert!(!ranges.is_empty());
    assert!(ranges.iter().all(|range| range.start < range.end));
    assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
}

#[test]
fn chunks_begin_at_the_nearest_key_frames() {
    let steady = |count: i64, group: i64| -> Vec<TickRange> {
        let samples = (0..count)
            .map(|place| Sample {
                offset: 0,
                size_bytes: 1,
                duration_ticks: 40,
                dts: place * 40,
                pts: place * 40,
                is_sync: place % group == 0,
                is_presented: true,
            })
            .collect();
        cut_video(
            &video_track(Access::Samples(table(samples))),
            TARGET_CHUNK_MS,
        )
    };
    let starts = |ranges: &[TickRange]| ranges.iter().map(|range| range.start).collect::<Vec<_>>();
    // 20 s with a key frame every 2 s.
    assert_eq!(starts(&steady(500, 50)), [0, 4_000, 8_000, 12_000, 16_000]);
    // Every 3 s: the nearest to 4 s.
    assert_eq!(
        starts(&steady(500, 75)),
        [0, 3_000, 6_000, 9_000, 12_000, 15_000]
    );
    // Every 10 s: cuts between, none for a rest near the next.
    assert_eq!(
        starts(&steady(500, 250)),
        [0, 4_000, 10_000, 14_000, 18_000]
    );
    // One for ten minutes: sixteen pieces.
    assert_eq!(steady(15_000, 100_000).len(), 16);
    // The rest of a second is joined to the chunk before.
    let ranges = steady(525, 50);
    assert_eq!(
        ranges.last(),
        Some(&TickRange {
            start: 16_000,
            end: 21_000
        })
    );
}

#[test]
fn sound_is_cut_every_64_seconds() {
    let seconds = |count: i64, rate: u32| {
        let samples = (0..count)
            .map(|place| Sample {
                offset: 0,
                size_bytes: 1,
                duration_ticks: rate,
                dts: place * i64::from(rate),
                pts: place * i64::from(rate),
                is_sync: true,
                is_presented: true,
            })
            .collect();
        Access::Samples(table(samples))
    };
    let starts = |track: &AudioTrack| {
        let ranges = cut_audio(track);
        assert_contiguous(&ranges);
        assert_eq!(ranges.last().map(|range| range.end), Some(i64::MAX));
        ranges.iter().map(|range| range.start).collect::<Vec<_>>()
    };
    assert_eq!(starts(&audio_track(seconds(63, 44_100), 44_100)), [0]);
    assert_eq!(starts(&audio_track(seconds(79, 44_100), 44_100)), [0]);
    assert_eq!(
        starts(&audio_track(seconds(80, 44_100), 44_100)),
        [0, 3_072_000]
    );
    assert_eq!(
        starts(&audio_track(seconds(200, 48_000), 48_000)),
        [0, 3_072_000, 6_144_000]
    );
    let mut other_clock = audio_track(seconds(200, 48_000), 48_000);
    other_clock.sample_rate_hz = 44_100;
    assert_eq!(starts(&other_clock), [0]);
    assert_eq!(starts(&audio_track(Access::Whole, 48_000)), [0]);
}

#[test]
fn decode_times_run_ahead_by_two_frames() {
    let with_times = |times: &[i64]| {
        let samples = times.iter().map(|pts| Sample {
            offset: 0,
            size_bytes: 1,
            duration_ticks: 40,
            dts: *pts,
            pts: *pts,
            is_sync: true,
            is_presented: true,
        });
        shift_ticks(&video_track(Access::Samples(table(samples.collect()))))
    };
    assert_eq!(with_times(&[0, 40, 80, 120]), 80);
    assert_eq!(with_times(&[0, 40, 140, 180]), 140);
    assert_eq!(with_times(&[0, 40, 9_000, 9_040]), 1_000);
    assert_eq!(with_times(&[0]), 80);
    assert_eq!(shift_ticks(&video_track(Access::Whole)), 251);
}

proptest! {
    #[test]
    fn every_frame_is_in_one_chunk(samples in pictures(), target in 50..6_000_u32) {
        let times = presented_times(&samples);
        let ranges = cut_video(&video_track(Access::Samples(table(samples))), target);
        assert_contiguous(&ranges);
        let (first, last) = (times[0], times[times.len() - 1]);
        prop_assert_eq!(ranges[0].start, first);
        prop_assert!(ranges[ranges.len() - 1].end > last);
        prop_assert!(ranges.len() <= usize::try_from(MAX_CHUNKS).unwrap());
        let target = i64::from(target);
        let film = ranges[ranges.len() - 1].end - first;
        for range in &ranges {
            prop_assert!(times.binary_search(&range.start).is_ok());
            // Long chunks are long groups or holes: behind the longest there are no frames
            // but those of a joined rest.
            let longest = (target * 2).max(film / MAX_CHUNKS_PER_GROUP + 1);
            let late = times.iter().filter(|time| (range.start + longest + target / 2..range.end).contains(time));
            for time in late {
                prop_assert!(range.end - time <= target / 2, "{:?} {}", range, time);
            }
        }
        for range in ranges.iter().take(ranges.len() - 1) {
            prop_assert!(range.end - range.start >= target / 2);
        }
    }

    #[test]
    fn clusters_are_cut_at_cues(gaps in prop::collection::vec(1..9_000_i64, 0..60), first in 0..50_i64) {
        let mut time = first;
        let cues: Vec<Cue> = std::iter::once(&0).chain(&gaps).zip(0..).map(|(gap, cluster)| {
            time += gap;
            Cue { pts: time, cluster, block: None }
        }).collect();
        let map = ClusterMap {
            cues: cues.clone(),
            head: vec![],
            start: 0,
            end: 1_000,
            first_pts: first,
            duration_ticks: None,
        };
        let ranges = cut_video(&video_track(Access::Clusters(map)), TARGET_CHUNK_MS);
        assert_contiguous(&ranges);
        prop_assert_eq!(ranges[0].start, first);
        prop_assert_eq!(ranges[ranges.len() - 1].end, i64::MAX);
        for range in &ranges {
            prop_assert!(cues.iter().any(|cue| cue.pts == range.start));
        }
    }
}

fn shown(times: &[i64], sync: &[i64]) -> Vec<Sample> {
    let sample = |pts: &i64| Sample {
        offset: 0,
        size_bytes: 1,
        duration_ticks: 40,
        dts: *pts,
        pts: *pts,
        is_sync: sync.contains(pts),
        is_presented: true,
    };
    times.iter().map(sample).collect()
}

#[test]
fn the_film_ends_when_its_last_picture_does() {
    let mut samples = shown(&[0, 40, 80], &[0]);
    samples[1].duration_ticks = 500;
    assert_eq!(film_end(&samples, 80), 120);
    samples[2].duration_ticks = 0;
    assert_eq!(film_end(&samples, 80), 81);
    // A hidden picture ends it, whichever comes first.
    samples[2].duration_ticks = 90;
    let mut hidden = samples[2];
    (hidden.pts, hidden.is_presented) = (130, false);
    samples.push(hidden);
    assert_eq!(film_end(&samples, 80), 130);
    samples[3].pts = 300;
    assert_eq!(film_end(&samples, 80), 170);
    // Of two at the same time the longer one counts, and a hidden one does not.
    let mut twin = samples[2];
    twin.duration_ticks = 120;
    samples.push(twin);
    assert_eq!(film_end(&samples, 80), 200);
    samples[4].is_presented = false;
    assert_eq!(film_end(&samples, 80), 170);
}

#[test]
fn chunks_begin_at_the_best_key_frame() {
    let at = |times: Vec<i64>, sync: &[i64], end: i64| {
        let found = cuts(0, end, sync, Some(&times), 1_000);
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]));
        found
    };
    let every = |end: i64| (0..end).step_by(40).collect::<Vec<i64>>();
    // The nearest to the target, from half of it to twice.
    assert_eq!(at(every(2_400), &[0, 480, 1_280, 1_720], 2_400), [0, 1_280]);
    assert_eq!(at(every(2_400), &[0, 520, 2_000], 2_400), [0, 520]);
    assert_eq!(at(every(2_600), &[0, 500, 2_000], 2_600), [0, 500, 2_000]);
    assert_eq!(at(every(2_600), &[0, 499, 2_000], 2_600), [0, 2_000]);
    // None there: at the first frame behind the target.
    assert_eq!(at(every(2_600), &[0, 2_040], 2_600), [0, 1_000, 2_040]);
    // A rest of less than half the target is not cut off.
    assert_eq!(at(every(1_500), &[0, 1_000], 1_500), [0, 1_000]);
    assert_eq!(at(every(1_480), &[0, 1_000], 1_499), [0]);
    assert_eq!(at(every(1_600), &[0, 1_120], 1_600), [0]);
    // Where frames are not known, at the next key frame however late.
    assert_eq!(cuts(0, 9_000, &[0, 5_000], None, 1_000), [0, 5_000]);
    assert_eq!(cuts(0, 9_000, &[0], None, 1_000), [0]);
}

#[test]
fn a_group_lasts_from_key_frame_to_key_frame() {
    assert_eq!(group_length(&[0, 300, 1_000], 0, 2_000), 300);
    assert_eq!(group_length(&[0, 300, 1_000], 299, 2_000), 300);
    assert_eq!(group_length(&[0, 300, 1_000], 300, 2_000), 700);
    assert_eq!(group_length(&[0, 300, 1_000], 1_500, 2_000), 1_000);
    assert_eq!(group_length(&[], 500, 2_000), 1_500);
    assert_eq!(group_length(&[900], 500, 2_000), 400);
}
