//! A slice holds what its chunk needs, and nothing is lost on the way.

use proptest::prelude::*;

use super::*;
use crate::chunking::tests::{audio_track, pictures, table, video_track};
use crate::chunking::{cut_audio, cut_video};
use crate::container::fixture::{drive, webm};
use crate::container::{Sample, SampleTable};

/// The master's byte at a place.
fn byte(place: u64) -> u8 {
    (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56).to_le_bytes()[0]
}

fn bytes(range: Range<u64>) -> Vec<u8> {
    range.map(byte).collect()
}

/// The local file that a worker makes.
fn assembled(slice: &Slice, master: impl Fn(Range<u64>) -> Vec<u8>) -> Vec<u8> {
    let parts = slice.parts.iter().map(|part| match part {
        Part::Inline(bytes) => bytes.clone(),
        Part::Master(span) => master(span.clone()),
    });
    parts.collect::<Vec<_>>().concat()
}

fn index(video: Access, audio: Option<AudioTrack>) -> MasterIndex {
    MasterIndex {
        container: Container::Mp4,
        size_bytes: 1 << 40,
        duration_ms: None,
        video: video_track(video),
        audio,
    }
}

fn samples(access: &Access) -> &[Sample] {
    let Access::Samples(table) = access else {
        panic!("{access:?}");
    };
    &table.samples
}

/// Reads a slice as a master, and compares its packets with the master's that have the same
/// film time. Returns their places in the master's table.
fn check(slice: &Slice, table: &SampleTable) -> Vec<usize> {
    let file = assembled(slice, bytes);
    let read = drive(&file).0.unwrap();
    assert_eq!(read.video.timescale, slice.timescale);
    let places: Vec<usize> = samples(&read.video.access)
        .iter()
        .map(|packet| {
            let time = packet.pts + read.video.origin_ticks - slice.origin_ticks;
            let place = table
                .samples
                .iter()
                .position(|sample| sample.pts == time)
                .unwrap();
            let sample = table.samples[place];
            let at = usize::try_from(packet.offset).unwrap();
            let length = usize::try_from(packet.size_bytes).unwrap();
            let end = sample.offset + u64::from(sample.size_bytes);
            assert_eq!(file[at..at + length], bytes(sample.offset..end));
            assert_eq!(packet.is_sync, sample.is_sync);
            place
        })
        .collect();
    assert!(
        places.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{places:?}"
    );
    places
}

fn slice() -> impl Strategy<Value = Slice> {
    let part = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Part::Inline),
        (any::<u64>(), any::<u64>()).prop_map(|(a, b)| Part::Master(a.min(b)..a.max(b))),
    ];
    (
        prop::collection::vec(part, 0..6),
        "[a-z,]{0,12}",
        any::<(u32, u32, i64)>(),
        prop::option::of(prop::collection::vec(any::<i64>(), 0..9)),
    )
        .prop_map(
            |(parts, format, (stream, timescale, origin_ticks), expected_pts)| Slice {
                parts,
                format,
                stream,
                timescale,
                origin_ticks,
                expected_pts,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn slices_of_video_hold_every_frame_and_the_next(samples in pictures(), target in 100..3_000_u32) {
        let table = table(samples);
        let settling = SampleTable { settle_ticks: 2_000, ..table.clone() };
        let settling = index(Access::Samples(settling), None);
        let index = index(Access::Samples(table.clone()), None);
        let ranges = cut_video(&index.video, target);
        let mut delivered = Vec::new();
        for range in &ranges {
            let slice = slice_video(&index, *range);
            let expected = slice.expected_pts.clone().unwrap();
            let places = check(&slice, &table);
            let times: Vec<i64> = places.iter().map(|place| table.samples[*place].pts).collect();
            prop_assert!(expected.iter().all(|pts| times.contains(pts)));
            let next = table.samples.iter().filter(|sample| sample.is_presented && sample.pts >= range.end);
            if let Some(next) = next.map(|sample| sample.pts).min() {
                prop_assert!(times.contains(&next));
            }
            let first = table.samples[places[0]];
            prop_assert!(first.is_sync && (first.pts <= expected[0] || places[0] == 0));
            prop_assert!(slice.parts.len() <= MAX_VIDEO_SPANS + 1);
            let earlier = slice_video(&settling, *range);
            let from = check(&earlier, &table)[0];
            prop_assert!(from <= places[0]);
            prop_assert!(from == 0 || table.samples[from].pts <= expected[0] - 2_000);
            delivered.extend(expected);
        }
        let shown = crate::chunking::presented_times(&table.samples);
        prop_assert_eq!(delivered, shown);
    }

    #[test]
    fn slices_of_sound_overlap(count in 1..400_i64, hidden in 0..4_i64, gap in prop_oneof![Just(0_u64), Just(300 << 10)]) {
        // Packets of a second, so that some chunks are made of few.
        let samples: Vec<Sample> = (0..count).map(|place| Sample {
            offset: u64::try_from(place).unwrap() * (5 + gap / 16),
            size_bytes: 5,
            duration_ticks: 8_000,
            dts: (place - hidden) * 8_000,
            pts: (place - hidden) * 8_000,
            is_sync: true,
            is_presented: place >= hidden.min(count - 1),
        }).collect();
        let table = table(samples);
        let track = audio_track(Access::Samples(table.clone()), 8_000);
        let index = index(Access::Whole, Some(track.clone()));
        for range in cut_audio(&track) {
            let slice = slice_audio(&index, &track, range);
            // The slice says `soun`; as pictures its packets can be compared.
            let Part::Inline(head) = &slice.parts[0] else { panic!() };
            let mut as_video = slice.clone();
            let mut head = head.clone();
            let at = head.windows(4).position(|kind| kind == b"soun").unwrap();
            head[at..at + 4].copy_from_slice(b"vide");
            as_video.parts[0] = Part::Inline(head);
            let places = check(&as_video, &table);
            for (place, sample) in table.samples.iter().enumerate() {
                let around = (range.start - sound::OVERLAP_SAMPLES) / 6
                    ..range.end.saturating_add(sound::OVERLAP_SAMPLES) / 6;
                let is_heard = sample.pts < around.end && sample.end() > around.start;
                if is_heard && sample.is_presented {
                    prop_assert!(places.contains(&place), "{} {:?}", place, places);
                }
            }
            let warm = table.samples.iter().filter(|sample| sample.end() <= (range.start - sound::OVERLAP_SAMPLES) / 6).count();
            if warm < table.samples.len() {
                prop_assert_eq!(places[0], warm.saturating_sub(AUDIO_WARM_UP_PACKETS));
            }
        }
    }

    #[test]
    fn the_stored_form_is_the_slice(slice in slice()) {
        prop_assert_eq!(Slice::parse(&slice.to_bytes()), Ok(slice));
    }

    #[test]
    fn no_bytes_upset_the_stored_form(
        slice in slice(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let _ = Slice::parse(&noise);
        let mut bytes = slice.to_bytes();
        let whole = bytes.len();
        prop_assert!(Slice::parse(&bytes[..cut.index(whole)]).is_err());
        for (place, byte) in damage {
            bytes[place.index(whole)] = byte;
        }
        let _ = Slice::parse(&bytes);
    }
}

#[test]
fn a_slice_of_matroska_is_its_head_and_its_clusters() {
    let file = webm(200, 10);
    let index = drive(&file).0.unwrap();
    let Access::Clusters(map) = &index.video.access else {
        panic!()
    };
    let ranges = cut_video(&index.video, 2_000);
    assert_eq!(ranges.len(), 4);
    for (place, range) in ranges.iter().enumerate() {
        let slice = slice_video(&index, *range);
        assert_eq!(slice.format, "matroska,webm");
        assert_eq!(slice.expected_pts, None);
        let [Part::Inline(head), Part::Master(span)] = &slice.parts[..] else {
            panic!("{:?}", slice.parts);
        };
        assert_eq!(head, &map.head);
        assert_eq!(span.start, map.cues[place * 5].cluster);
        // The cluster of the next chunk's first picture is in it.
        let next = map
            .cues
            .get(place * 5 + 6)
            .map_or(map.end, |cue| cue.cluster);
        assert!(span.end >= next && span.end <= next + 20, "{span:?} {next}");
        // It is a Matroska file with the same times.
        let from = |range: Range<u64>| {
            file[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
                .to_vec()
        };
        let read = drive(&assembled(&slice, from)).0.unwrap();
        assert_eq!(read.video.origin_ticks, range.start);
    }
}

#[test]
fn other_masters_are_taken_whole() {
    let mut index = index(Access::Whole, Some(audio_track(Access::Whole, 48_000)));
    index.container = Container::Other("mpegts");
    index.video.origin_ticks = 7;
    let everything = TickRange {
        start: 0,
        end: i64::MAX,
    };
    let slice = slice_video(&index, everything);
    assert_eq!(slice.parts, [Part::Master(0..1 << 40)]);
    assert_eq!((slice.format.as_str(), slice.origin_ticks), ("mpegts", 7));
    assert_eq!(slice.master_bytes(), 1 << 40);
    let audio = index.audio.clone().unwrap();
    assert_eq!(slice_audio(&index, &audio, everything).parts, slice.parts);
}

#[test]
fn offsets_beyond_two_gigabytes_have_a_base_of_their_own() {
    let sample = |place: i64| Sample {
        offset: 0,
        size_bytes: 1,
        duration_ticks: 1,
        dts: place,
        pts: place,
        is_sync: true,
        is_presented: true,
    };
    let samples: Vec<Sample> = (0..4).map(sample).collect();
    let positions = [100_u64, 3_000_000_000, 3_000_000_001, 9_000_000_000];
    let runs: Vec<fragment::Run<'_>> = positions
        .iter()
        .zip(samples.chunks(1))
        .map(|(position, samples)| fragment::Run {
            position: *position,
            samples,
        })
        .collect();
    let mut out = Vec::new();
    fragment::moof(&mut out, &runs, 50, 0);
    let bases: Vec<u64> = (0..out.len())
        .filter(|at| out[*at..].starts_with(b"tfhd"))
        .map(|at| u64::from_be_bytes(out[at + 12..at + 20].try_into().unwrap()))
        .collect();
    assert_eq!(bases, [100, 3_000_000_000, 9_000_000_000]);
    assert_eq!(out.windows(4).filter(|kind| *kind == b"trun").count(), 4);
}
