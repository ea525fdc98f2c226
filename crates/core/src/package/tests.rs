use cattube_contract::media::{DynamicRange, Rational, Rotation, TickRange};
use cattube_contract::plan::{AudioEncoding, VideoEncoding};
use cattube_contract::report::FrameMark;
use proptest::prelude::*;

use super::made_up::{Made, avc1, file, mp4a};
use super::*;

const SHIFT: i64 = 300;

fn encoding() -> VideoEncoding {
    VideoEncoding {
        timescale: 1_000,
        shift_ticks: SHIFT,
        frame_rate: Rational { num: 25, den: 1 },
        segment_ticks: 400,
        rotation: Rotation::None,
        dynamic_range: DynamicRange::Sdr,
        renditions: Vec::new(),
        thumbnail_ticks: 1_000,
        thumbnail_width_px: 2,
        thumbnail_height_px: 2,
    }
}

/// Film times to decode order as x264 would: inside each GOP every B waits for the next P,
/// at most two deep. GOPs begin where `starts` says.
fn decode_order(film: &[i64], starts: &[usize], depths: &[usize]) -> Vec<(i64, bool)> {
    let mut order = Vec::new();
    for (place, &start) in starts.iter().enumerate() {
        let end = starts.get(place + 1).copied().unwrap_or(film.len());
        order.push((film[start], true));
        let mut at = start + 1;
        while at < end {
            let depth = depths[at % depths.len()].min(end - 1 - at);
            // depth 0: P. depth 1: P B. depth 2: P, then the later B, then the earlier one.
            order.extend((at..=at + depth).rev().map(|frame| (film[frame], false)));
            at += depth + 1;
        }
    }
    order
}

fn video_file(order: &[(i64, bool)], duration: u32) -> Vec<u8> {
    let samples: Vec<Made> = order
        .iter()
        .map(|&(film, is_sync)| (film + SHIFT, duration, is_sync))
        .collect();
    file(avc1(), 1_000, &samples)
}

fn shifted(film: &[i64]) -> Vec<i64> {
    film.iter().map(|time| time + SHIFT).collect()
}

/// The places in `film` where segments of 400 ticks begin, by the rule in words.
fn cuts(film: &[i64], range: TickRange) -> Vec<usize> {
    let mut starts = vec![0];
    let mut point = 400;
    while range.end - range.start - point >= 200 {
        let at = film.partition_point(|time| *time < film[0] + point);
        if at < film.len() && !starts.contains(&at) && film[at] - film[0] < point + 400 {
            starts.push(at);
        }
        point += 400;
    }
    starts
}

#[test]
fn a_chunk_is_cut_on_the_grid_and_its_files_read_back() {
    let film: Vec<i64> = (0..30).map(|frame| 1_000 + frame * 40).collect();
    let range = TickRange {
        start: 1_000,
        end: 2_200,
    };
    let order = decode_order(&film, &[0, 10, 20], &[2, 0, 1]);
    let bytes = video_file(&order, 40);
    let encoded = read_encoded(&bytes).unwrap();
    let segments = cut_video_segments(&encoded, &shifted(&film), range, &encoding()).unwrap();
    let shape: Vec<_> = segments
        .iter()
        .map(|made| (made.start_pts, made.duration_ticks, made.frame_count))
        .collect();
    assert_eq!(
        shape,
        [(1_300, 400, 10), (1_700, 400, 10), (2_100, 400, 10)]
    );

    let init = init_segment(&encoded).unwrap();
    assert_eq!(init.codecs, "avc1.640028");
    let mut joined = init.bytes;
    for segment in &segments {
        joined.extend(&segment.bytes);
    }
    let read = read_encoded(&joined).unwrap();
    assert_eq!(read.samples.len(), 30);
    for (place, sample) in read.samples.iter().enumerate() {
        assert_eq!(sample.pts, order[place].0 + SHIFT);
        assert_eq!(sample.dts, 1_000 + i64::try_from(place).unwrap() * 40);
        assert_eq!(sample.is_sync, order[place].1);
        assert_eq!(joined[sample.bytes.clone()], [u8::try_from(place).unwrap()]);
    }
}

#[test]
fn a_short_rest_joins_the_segment_before_it() {
    let film: Vec<i64> = (0..14).map(|frame| frame * 40).collect();
    let range = TickRange { start: 0, end: 560 };
    // A key frame at 400 that is not a cut, since only 160 ticks would follow.
    let bytes = video_file(&decode_order(&film, &[0, 10], &[0]), 40);
    let encoded = read_encoded(&bytes).unwrap();
    for end in [560, i64::MAX] {
        let range = TickRange { end, ..range };
        let segments = cut_video_segments(&encoded, &shifted(&film), range, &encoding()).unwrap();
        assert_eq!(segments.len(), 1);
        assert_eq!(segments[0].duration_ticks, 560);
    }
}

#[test]
fn a_hole_over_grid_points_makes_one_long_segment() {
    let film = [0, 40, 80, 1_500, 1_540];
    let range = TickRange {
        start: 0,
        end: 1_960,
    };
    let bytes = video_file(&decode_order(&film, &[0, 3], &[0]), 40);
    let encoded = read_encoded(&bytes).unwrap();
    let segments = cut_video_segments(&encoded, &shifted(&film), range, &encoding()).unwrap();
    let shape: Vec<_> = segments
        .iter()
        .map(|made| (made.start_pts - SHIFT, made.duration_ticks))
        .collect();
    assert_eq!(shape, [(0, 1_500), (1_500, 460)]);
}

#[test]
fn frames_that_are_not_the_planned_ones_are_refused() {
    let film: Vec<i64> = (0..10).map(|frame| frame * 40).collect();
    let range = TickRange { start: 0, end: 400 };
    let cut = |order: &[(i64, bool)]| {
        let bytes = video_file(order, 40);
        let encoded = read_encoded(&bytes).unwrap();
        cut_video_segments(&encoded, &shifted(&film), range, &encoding()).unwrap_err()
    };
    let good = decode_order(&film, &[0], &[2]);
    let missing: Vec<_> = good
        .iter()
        .copied()
        .filter(|frame| frame.0 != 120)
        .collect();
    let expected = |found, at: i64| PackageError::WrongFrames {
        expected: 10,
        found,
        at_pts: Some(at + SHIFT),
    };
    assert_eq!(cut(&missing), expected(9, 120));
    let mut doubled = good.clone();
    doubled.push((120, false));
    assert_eq!(cut(&doubled), expected(11, 160));
    let moved: Vec<_> = good
        .iter()
        .map(|&(time, sync)| (if time == 360 { 361 } else { time }, sync))
        .collect();
    assert_eq!(cut(&moved), expected(10, 360));
    let no_key: Vec<_> = good.iter().map(|&(time, _)| (time, false)).collect();
    assert_eq!(cut(&no_key), PackageError::NoKeyFrame { at_pts: SHIFT });
    let bytes = video_file(&[], 40);
    let encoded = read_encoded(&bytes).unwrap();
    let nothing = cut_video_segments(&encoded, &[], range, &encoding()).unwrap_err();
    assert_eq!(nothing, PackageError::Empty);
}

#[test]
fn a_segment_that_leans_on_the_next_is_refused() {
    // Open GOP: the frame at 360 is decoded after the key frame at 400.
    let mut order: Vec<(i64, bool)> = (0..20).map(|frame| (frame * 40, frame % 10 == 0)).collect();
    order.swap(9, 10);
    let film: Vec<i64> = (0..20).map(|frame| frame * 40).collect();
    let bytes = video_file(&order, 40);
    let encoded = read_encoded(&bytes).unwrap();
    let range = TickRange { start: 0, end: 800 };
    let error = cut_video_segments(&encoded, &shifted(&film), range, &encoding()).unwrap_err();
    assert!(matches!(error, PackageError::NoKeyFrame { .. }), "{error}");
}

#[test]
fn init_segments_do_not_depend_on_what_the_encoder_measured() {
    let made = |codec| {
        let bytes = file(codec, 48_000, &[(0, 1_024, true)]);
        init_segment(&read_encoded(&bytes).unwrap()).unwrap()
    };
    assert_eq!(made(mp4a(127_000)), made(mp4a(129_000)));
    assert_eq!(made(mp4a(1)).codecs, "mp4a.40.2");
    assert_eq!(made(mp4a(1)).sha256.len(), 64);
    let Codec::Mp4a(mut mp3) = mp4a(1) else {
        panic!("not mp4a");
    };
    // MP3 in an mp4a entry.
    mp3.esds.es_desc.dec_config.object_type_indication = 0x6b;
    let bytes = file(mp3.into(), 48_000, &[]);
    let encoded = read_encoded(&bytes).unwrap();
    assert!(matches!(
        init_segment(&encoded),
        Err(PackageError::Track(_))
    ));
}

fn sound() -> AudioEncoding {
    AudioEncoding {
        source_rate_hz: 48_000,
        shift_samples: 4_800,
        bitrate_bps: 128_000,
    }
}

/// Packets from the film sample `first` on, `count` of them.
fn sound_file(first: i64, count: i64, last_duration: u32) -> Vec<u8> {
    let packets: Vec<Made> = (0..count)
        .map(|place| {
            let duration = if place + 1 == count {
                last_duration
            } else {
                1_024
            };
            (first + 4_800 + place * 1_024, duration, true)
        })
        .collect();
    file(mp4a(1), 48_000, &packets)
}

fn cut_sound(bytes: &[u8], start: i64, end: i64) -> Result<Vec<(i64, i64, u32)>, PackageError> {
    let encoded = read_encoded(bytes).unwrap();
    let segments = cut_audio_segments(&encoded, TickRange { start, end }, &sound())?;
    Ok(segments
        .iter()
        .map(|made| {
            (
                made.start_pts - 4_800,
                made.duration_ticks,
                made.frame_count,
            )
        })
        .collect())
}

#[test]
fn the_overlap_is_dropped_and_the_priming_kept_once() {
    let chunk = 512 * 1_024;
    let first = sound_file(-1_024, 1 + 512 + 16, 1_024);
    assert_eq!(
        cut_sound(&first, 0, chunk).unwrap(),
        [
            (-1_024, 201 * 1_024, 201),
            (200 * 1_024, 200 * 1_024, 200),
            (400 * 1_024, 112 * 1_024, 112)
        ]
    );
    let last = sound_file(chunk - 16 * 1_024, 16 + 290, 500);
    assert_eq!(
        cut_sound(&last, chunk, i64::MAX).unwrap(),
        [(chunk, 289 * 1_024 + 500, 290)]
    );
}

#[test]
fn sound_with_a_gap_is_refused() {
    let short = sound_file(-1_024, 100, 1_024);
    assert!(matches!(
        cut_sound(&short, 0, 512 * 1_024),
        Err(PackageError::Gap { .. })
    ));
    let late = sound_file(1_024, 100, 1_024);
    assert!(matches!(
        cut_sound(&late, 0, i64::MAX),
        Err(PackageError::Gap { .. })
    ));
    let mut packets: Vec<Made> = (0..50)
        .map(|at| (4_800 - 1_024 + at * 1_024, 1_024, true))
        .collect();
    packets.remove(20);
    let holed = file(mp4a(1), 48_000, &packets);
    assert!(matches!(
        cut_sound(&holed, 0, i64::MAX),
        Err(PackageError::Gap { .. })
    ));
    // Only a last chunk may turn out to be past the sound's end.
    let before = sound_file(0, 10, 1_024);
    assert_eq!(cut_sound(&before, 512 * 1_024, i64::MAX).unwrap(), []);
    assert_eq!(
        cut_sound(&before, 512 * 1_024, 600 * 1_024),
        Err(PackageError::Empty)
    );
}

#[test]
fn a_segment_of_sound_is_as_long_as_the_playlists_think() {
    let packets = sound_file(-1_024, 1 + 1_000, 1_024);
    let segments = cut_sound(&packets, 0, i64::MAX).unwrap();
    assert_eq!(segments[1].1, AUDIO_SEGMENT_SAMPLES);
}

const FRAMES: &str = "#software: Lavf63.1.102\n#tb 0: 1/15360\n\
    0,          0,          0,      512,     2304, 0x2e747657\n\
    0,        512,        512,      512,     2304, 0xda6d7743\n\
    0,       1024,       1024,      512,     2304, 0xfcf4780a\n";

#[test]
fn frame_lists_give_seams() {
    let frames = parse_frames(FRAMES).unwrap();
    assert_eq!(frames.len(), 3);
    assert_eq!(
        frames[1],
        FrameMark {
            pts: 512,
            checksum: 0xda6d_7743
        }
    );
    let left = seam(
        &frames,
        TickRange {
            start: 0,
            end: 1_024,
        },
    )
    .unwrap();
    assert_eq!(
        (left.first.pts, left.last.pts, left.frame_count),
        (0, 512, 2)
    );
    let right = seam(
        &frames,
        TickRange {
            start: 1_024,
            end: i64::MAX,
        },
    )
    .unwrap();
    assert_eq!(right.next, None);
    assert!(seams_agree(&left, &right) && !seams_agree(&right, &left));
    assert_eq!(
        seam(
            &frames,
            TickRange {
                start: 2_000,
                end: 3_000
            }
        ),
        Err(PackageError::Empty)
    );
    let range = TickRange {
        start: 512,
        end: 1_024,
    };
    assert_eq!(expected_pts(&frames, range, &encoding()), [512 + SHIFT]);
}

#[test]
fn bad_frame_lists_say_where() {
    for (text, line) in [
        ("nonsense", 1),
        ("#x\n0, 0, a, 1, 1, 0x1", 2),
        ("0, 0, 1, 1, 1, 1", 1),
        ("0, 0, 1, 1, 1, 0x1\n0, 0, 1, 1, 1, 0x1", 2),
    ] {
        let error = parse_frames(text).unwrap_err();
        assert!(
            matches!(error, PackageError::FrameList { line: at, .. } if at == line),
            "{text}: {error}"
        );
    }
}

prop_compose! {
    /// Film times of up to 60 frames from 0 on: variable steps, holes among them.
    fn films()(steps in proptest::collection::vec(
        prop_oneof![9 => 1_i64..120, 1 => 300_i64..3_000], 1..60,
    )) -> Vec<i64> {
        let mut at = 0;
        let mut film = vec![0];
        for step in steps {
            at += step;
            film.push(at);
        }
        film
    }
}

proptest! {
    #[test]
    fn decode_times_rise_precede_display_and_continue_over_seams(
        film in films(), depths in proptest::collection::vec(0_usize..3, 1..9), cut in 0.1_f64..0.9, tail in 1_u32..90,
    ) {
        // Two chunks of the film, cut at a frame.
        let whole = i32::try_from(film.len()).unwrap();
        let place = (1..whole).find(|at| f64::from(*at) >= f64::from(whole) * cut).unwrap_or(1);
        let (left, right) = film.split_at(usize::try_from(place).unwrap());
        let seam_at = right[0];
        let mut all: Vec<Sample> = Vec::new();
        for (chunk, range) in [
            (left, TickRange { start: 0, end: seam_at }),
            (right, TickRange { start: seam_at, end: i64::MAX }),
        ] {
            let end = film.last().unwrap() + i64::from(tail);
            let known = TickRange { start: range.start, end: range.end.min(end) };
            let order = decode_order(chunk, &cuts(chunk, known), &depths);
            let bytes = video_file(&order, tail);
            let encoded = read_encoded(&bytes).unwrap();
            let segments =
                cut_video_segments(&encoded, &shifted(chunk), range, &encoding()).unwrap();
            let total: i64 = segments.iter().map(|made| made.duration_ticks).sum();
            prop_assert_eq!(total, known.end - known.start);
            let mut joined = init_segment(&encoded).unwrap().bytes;
            for segment in &segments {
                joined.extend(&segment.bytes);
            }
            let read = read_encoded(&joined).unwrap();
            prop_assert_eq!(read.samples[0].dts, range.start);
            all.extend(read.samples);
        }
        for sample in &all {
            prop_assert!(sample.dts <= sample.pts && sample.dts >= 0);
        }
        for pair in all.windows(2) {
            prop_assert!(pair[0].dts < pair[1].dts);
            // No gap and no overlap in decode time, over the seam too.
            prop_assert_eq!(pair[0].dts + i64::from(pair[0].duration_ticks), pair[1].dts);
        }
        let mut pts: Vec<i64> = all.iter().map(|sample| sample.pts).collect();
        pts.sort_unstable();
        prop_assert_eq!(pts, shifted(&film));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        keep in any::<prop::sample::Index>(), is_video: bool,
    ) {
        let mut bytes = if is_video {
            video_file(&[(0, true), (80, false), (40, false)], 40)
        } else {
            sound_file(-1_024, 5, 1_024)
        };
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(keep.index(bytes.len() * 4).max(40));
        if let Ok(encoded) = read_encoded(&bytes) {
            let range = TickRange { start: 0, end: i64::MAX };
            let _ = init_segment(&encoded);
            let _ = cut_audio_segments(&encoded, range, &sound());
            let mut pts: Vec<i64> = encoded.samples.iter().map(|sample| sample.pts).collect();
            pts.sort_unstable();
            let _ = cut_video_segments(&encoded, &pts, range, &encoding());
        }
    }

    #[test]
    fn no_random_bytes_make_the_reader_panic(bytes: Vec<u8>, text in ".{0,200}") {
        let _ = read_encoded(&bytes);
        let _ = parse_frames(&text);
    }

    #[test]
    fn the_grid_never_leaves_a_short_rest(length in 1_i64..100_000, segment in 1_i64..5_000) {
        let last = grid_limit(TickRange { start: 7, end: 7 + length }, segment).unwrap();
        let rest = length - last * segment;
        prop_assert!(last == 0 || rest * 2 >= segment);
        prop_assert!(rest * 2 < 3 * segment);
    }
}
