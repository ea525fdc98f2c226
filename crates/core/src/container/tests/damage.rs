//! Whatever the bytes are, nothing panics and nothing is made up.

use proptest::prelude::*;

use super::*;

/// Valid files to damage.
fn seeds() -> Vec<Vec<u8>> {
    let mut edited = video_track(20, 600, 20, 5);
    edited.edits = vec![(100, -1), (500, 40)];
    let hevc = TrackSpec {
        entry: video_entry(*b"hvc1", 64, 64, &atom(*b"hvcC", HVCC)),
        ..video_track(5, 1_000, 40, 5)
    };
    let avc = TrackSpec {
        entry: video_entry(*b"avc1", 64, 64, &atom(*b"avcC", AVCC)),
        ..video_track(5, 1_000, 40, 2)
    };
    let mut pcm = audio_track(100, 48_000);
    pcm.entry = audio_entry(*b"sowt", 48_000);
    vec![
        mp4(&[edited, audio_track(30, 44_100)]),
        mp4(&[hevc, pcm]),
        mp4(&[avc]),
        fragmented(7),
        webm(40, 10),
    ]
}

/// x265: Main 10, BT.2020, SMPTE 2084; VPS and PPS left out.
const HVCC: &[u8] = &[
    1, 2, 0x20, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 0x3c, 0xf0, 0, 0xfc, 0xfd, 0xfa, 0xfa, 0, 0, 0x0f, 1,
    0x21, 0, 1, 0, 0x10, 0x42, 0x01, 0x01, 0x02, 0x20, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x3c,
];

const AVCC: &[u8] = &[
    1, 100, 0, 30, 0xff, 0xe1, 0, 12, 0x67, 100, 0, 30, 0xac, 0xd9, 0x40, 0xa0, 0x2f, 0xf9, 0x70,
    0x11,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_upset_it(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0..6_usize) {
        let front: [&[u8]; 6] = [
            b"",
            b"\0\0\0\x08ftyp",
            b"\0\0\0\x08free\0\0\0\0moov",
            b"\x1a\x45\xdf\xa3\x81\0\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff",
            b"\0\0\0\0moov\0\0\0\0trak",
            b"#EXTM3U",
        ];
        let _ = drive(&[front[kind], &bytes].concat());
    }

    #[test]
    fn no_damage_upsets_it(
        seed in 0..5_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let mut file = seeds().swap_remove(seed);
        for (place, byte) in damage {
            let place = place.index(file.len());
            file[place] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        if let Ok(index) = drive(&file).0 {
            // What was accepted can be cut and sliced.
            for range in crate::chunking::cut_video(&index.video, 400) {
                let slice = crate::slice::slice_video(&index, range);
                prop_assert!(!slice.parts.is_empty());
            }
            let _ = crate::chunking::shift_ticks(&index.video);
            if let Some(audio) = &index.audio {
                for range in crate::chunking::cut_audio(audio) {
                    let _ = crate::slice::slice_audio(&index, audio, range);
                }
            }
        }
    }

    #[test]
    fn no_words_of_ffmpeg_upset_it(
        lines in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        noise in "\\PC{0,200}",
    ) {
        let known: Vec<&str> = TS_PROBE.lines().chain([noise.as_str()]).collect();
        let text: Vec<&str> = lines.iter().map(|line| *line.get(&known)).collect();
        let _ = probe_text::parse("mpegts", 1, &text.join("\n"));
    }

    #[test]
    fn sparse_bytes_are_the_file(
        file in prop::collection::vec(any::<u8>(), 1..200),
        pieces in prop::collection::vec((0..200_u64, 1..60_usize), 0..12),
        start in 0..200_u64,
        length in 0..200_u64,
    ) {
        let size = u64::try_from(file.len()).unwrap();
        let mut bytes = SparseBytes::new(size);
        for (offset, length) in pieces {
            let from = usize::try_from(offset).unwrap().min(file.len());
            let until = (from + length).min(file.len());
            bytes.insert(offset.min(size), file[from..until].to_vec());
        }
        let from = start.min(size);
        let until = (start + length).min(size);
        match bytes.get(start..start + length) {
            Ok(found) => {
                let expected = &file[usize::try_from(from).unwrap()..usize::try_from(until).unwrap()];
                prop_assert_eq!(&*found, expected);
            }
            Err(IndexError::Need(missing)) => {
                prop_assert!(from <= missing.start && missing.start < missing.end);
                prop_assert_eq!(missing.end, until);
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
