//! What files are made of.

mod damage;
mod matroska;

use cattube_contract::media::{DynamicRange, Rational, Rotation};

use super::fixture::{
    TrackSpec, atom, audio_entry, audio_track, drive, element, full, mp4, video_entry, video_track,
    webm, webm_after_sound, words,
};
use super::*;

fn indexed(file: &[u8]) -> MasterIndex {
    drive(file).0.unwrap()
}

fn refused(file: &[u8]) -> (RejectionCode, String) {
    let error = drive(file).0.unwrap_err();
    let IndexError::Rejected { code, reason } = error else {
        panic!("{error}");
    };
    (code, reason)
}

fn samples(access: &Access) -> &[Sample] {
    let Access::Samples(table) = access else {
        panic!("{access:?}");
    };
    &table.samples
}

fn pts(access: &Access) -> Vec<i64> {
    let shown = samples(access).iter().filter(|sample| sample.is_presented);
    shown.map(|sample| sample.pts).collect()
}

#[test]
fn an_mp4_with_its_index_at_the_end() {
    let file = mp4(&[video_track(50, 12_800, 512, 10), audio_track(90, 48_000)]);
    let index = indexed(&file);
    assert_eq!(index.container, Container::Mp4);
    assert_eq!(index.duration_ms, Some(2_000));
    let video = &index.video;
    assert_eq!(
        (video.codec, video.width_px, video.height_px),
        ("vp9", 640, 360)
    );
    assert_eq!(video.frame_rate, Rational { num: 25, den: 1 });
    assert_eq!(video.dynamic_range, DynamicRange::Sdr);
    let table = samples(&video.access);
    assert_eq!(table.len(), 50);
    assert_eq!(table.iter().filter(|sample| sample.is_sync).count(), 5);
    assert_eq!(
        (table[3].pts, table[3].dts, table[3].size_bytes),
        (1_536, 1_536, 13)
    );
    let start = usize::try_from(table[3].offset).unwrap();
    assert_eq!(file[start..start + 13], [3; 13]);
    let audio = index.audio.unwrap();
    assert_eq!((audio.codec, audio.sample_rate_hz), ("aac", 48_000));
    assert_eq!(samples(&audio.access).len(), 90);
}

#[test]
fn a_large_mp4_takes_few_reads() {
    let mut track = video_track(30, 12_800, 512, 10);
    for sample in &mut track.samples {
        sample.bytes = vec![1; 100_000];
    }
    let file = mp4(&[track]);
    let (index, reads) = drive(&file);
    assert!(index.is_ok());
    assert!(reads <= 3, "{reads}");
}

#[test]
fn edit_lists_trim_and_delay() {
    let mut video = video_track(10, 1_000, 40, 5);
    // From 80 ms on, for 200 ms, but a second late.
    video.edits = vec![(1_000, -1), (200, 80)];
    let index = indexed(&mp4(&[video.clone(), audio_track(100, 48_000)]));
    assert_eq!(
        pts(&index.video.access),
        [1_000, 1_040, 1_080, 1_120, 1_160]
    );
    assert_eq!(samples(&index.video.access)[0].pts, 920);
    assert!(!samples(&index.video.access)[0].is_presented);
    // Alone it begins at once.
    let index = indexed(&mp4(&[video.clone()]));
    assert_eq!(pts(&index.video.access), [0, 40, 80, 120, 160]);
    assert_eq!(index.video.origin_ticks, 1_000);
    // Two pieces are ffmpeg's work.
    video.edits = vec![(100, 0), (100, 200)];
    let index = indexed(&mp4(&[video]));
    assert_eq!(index.video.access, Access::Whole);
}

#[test]
fn sound_before_the_first_edit_is_not_the_film() {
    let mut audio = audio_track(100, 48_000);
    audio.edits = vec![(2_000, 1_024)];
    let index = indexed(&mp4(&[video_track(50, 1_000, 40, 5), audio]));
    let audio = index.audio.unwrap();
    let first = samples(&audio.access)[0];
    assert_eq!((first.pts, first.is_presented), (-1_024, false));
    assert_eq!(pts(&audio.access)[0], 0);
    assert_eq!(pts(&index.video.access)[0], 0);
}

#[test]
fn without_an_edit_list_the_film_begins_at_its_first_picture_or_sound() {
    let mut video = video_track(10, 1_000, 40, 5);
    for sample in &mut video.samples {
        sample.shift = 80;
    }
    let index = indexed(&mp4(&[video.clone()]));
    assert_eq!(
        (pts(&index.video.access)[0], index.video.origin_ticks),
        (0, 80)
    );
    let index = indexed(&mp4(&[video, audio_track(100, 48_000)]));
    assert_eq!(
        (pts(&index.video.access)[0], index.video.origin_ticks),
        (80, 0)
    );
}

#[test]
fn rotation_shape_and_light_are_read() {
    const ONE: i32 = 0x1_0000;
    for (turn, rotation) in [
        ([ONE, 0, 0, ONE], Rotation::None),
        ([0, ONE, -ONE, 0], Rotation::Clockwise90),
        ([-ONE, 0, 0, -ONE], Rotation::Half),
        ([0, -ONE, ONE, 0], Rotation::Clockwise270),
        ([-ONE, 0, 0, ONE], Rotation::None),
    ] {
        let mut video = video_track(2, 1_000, 40, 1);
        video.turn = turn;
        assert_eq!(indexed(&mp4(&[video])).video.rotation, rotation);
    }
    for (transfer, dynamic_range) in [
        (1, DynamicRange::Sdr),
        (16, DynamicRange::Pq),
        (18, DynamicRange::Hlg),
    ] {
        let colr = [&b"nclx\0\x09"[..], &[0, transfer, 0, 9, 0]].concat();
        let boxes = [atom(*b"colr", &colr), atom(*b"pasp", &words(&[4, 3]))].concat();
        let mut video = video_track(2, 1_000, 40, 1);
        video.entry = video_entry(*b"hvc1", 640, 360, &boxes);
        let index = indexed(&mp4(&[video]));
        assert_eq!(index.video.dynamic_range, dynamic_range);
        assert_eq!(index.video.pixel_aspect, Rational { num: 4, den: 3 });
    }
}

#[test]
fn damaged_times_are_repaired_or_left_to_ffmpeg() {
    let mut video = video_track(10, 12_800, 512, 5);
    video.samples[9].duration = 0;
    let index = indexed(&mp4(&[video.clone()]));
    assert_eq!(index.duration_ms, Some(400));
    video.samples[4].duration = 0;
    video.samples[6].duration = u32::MAX;
    assert_eq!(pts(&indexed(&mp4(&[video.clone()])).video.access).len(), 10);
    // Two pictures at the same time.
    video.samples[1].shift = 512;
    assert_eq!(indexed(&mp4(&[video])).video.access, Access::Whole);
}

#[test]
fn a_coarse_clock_is_made_finer() {
    let index = indexed(&mp4(&[video_track(4, 24, 1, 2)]));
    assert_eq!(index.video.timescale, 24_000);
    assert_eq!(pts(&index.video.access), [0, 1_000, 2_000, 3_000]);
    assert_eq!(index.video.frame_rate, Rational { num: 24, den: 1 });
}

#[test]
fn pcm_is_packed() {
    let mut audio = audio_track(10_000, 48_000);
    audio.entry = audio_entry(*b"sowt", 48_000);
    for sample in &mut audio.samples {
        sample.duration = 1;
        sample.bytes = vec![1; 4];
    }
    // One chunk for all: what the fixture does not write.
    let mut file = mp4(&[video_track(2, 1_000, 40, 1), audio]);
    let at = file.windows(4).rposition(|kind| kind == b"stsc").unwrap();
    file[at + 16..at + 20].copy_from_slice(&10_000_u32.to_be_bytes());
    let index = indexed(&file);
    let audio = index.audio.unwrap();
    let table = samples(&audio.access);
    let durations: Vec<u32> = table.iter().map(|sample| sample.duration_ticks).collect();
    assert_eq!(durations, [4_096, 4_096, 1_808]);
    assert_eq!(table[1].offset - table[0].offset, 4 * 4_096);
}

#[test]
fn what_cannot_be_a_stream_is_refused_with_a_reason() {
    let video = || video_track(10, 1_000, 40, 5);
    let with_entry = |entry: Vec<u8>| {
        let mut track = video();
        track.entry = entry;
        mp4(&[track])
    };
    let wide_pixels = atom(*b"pasp", &words(&[10, 1]));
    let whole = mp4(&[video()]);
    let moov_at = whole.windows(4).position(|kind| kind == b"moov").unwrap() - 4;
    let front_moov = {
        // The index in front, its offsets as they were: they point behind the end now.
        let (front, moov) = whole.split_at(moov_at);
        [&front[..20], moov].concat()
    };
    for (file, code, word) in [
        (vec![], RejectionCode::Empty, "empty"),
        (whole[..moov_at].to_vec(), RejectionCode::Malformed, "moov"),
        (
            whole[..moov_at - 9].to_vec(),
            RejectionCode::Truncated,
            "mdat",
        ),
        (
            whole[..whole.len() - 1].to_vec(),
            RejectionCode::Truncated,
            "moov",
        ),
        (front_moov[..600].to_vec(), RejectionCode::Truncated, "moov"),
        (
            mp4(&[audio_track(9, 48_000)]),
            RejectionCode::NoVideoTrack,
            "soun",
        ),
        (mp4(&[]), RejectionCode::NoVideoTrack, "no tracks"),
        (
            mp4(&[video_track(0, 1_000, 40, 5)]),
            RejectionCode::NoVideoTrack,
            "no pictures",
        ),
        (
            with_entry(video_entry(*b"encv", 640, 360, &[])),
            RejectionCode::UnsupportedCodec,
            "encrypted",
        ),
        (
            with_entry(video_entry(*b"xyz1", 640, 360, &[])),
            RejectionCode::UnsupportedCodec,
            "xyz1",
        ),
        (
            with_entry(video_entry(*b"avc1", 16_385, 360, &[])),
            RejectionCode::TooLarge,
            "16385×360",
        ),
        (
            with_entry(video_entry(*b"avc1", 7_680, 7_680, &[])),
            RejectionCode::TooLarge,
            "7680×7680",
        ),
        (
            with_entry(video_entry(*b"avc1", 1_920, 1_080, &wide_pixels)),
            RejectionCode::TooLarge,
            "19200×1080",
        ),
        (
            [
                atom(*b"ftyp", b"qt  "),
                atom(*b"moov", &atom(*b"cmov", &[0; 40])),
            ]
            .concat(),
            RejectionCode::Malformed,
            "compressed",
        ),
        (
            [&b"\0\0\0\x01moov\0\0\0\0\x20\0\0\0"[..], &[0; 60]].concat(),
            RejectionCode::Truncated,
            "cut off",
        ),
        (
            element(0x1a45_dfa3, &element(0x4282, b"other")),
            RejectionCode::NotAVideo,
            "other",
        ),
        (
            webm(50, 10)[..900].to_vec(),
            RejectionCode::Truncated,
            "cut off",
        ),
    ] {
        let (found, reason) = refused(&file);
        assert_eq!(found, code, "{reason}");
        assert!(reason.contains(word), "{reason}");
    }
}

#[test]
fn an_index_that_names_bytes_behind_the_end() {
    let mut file = mp4(&[video_track(10, 1_000, 40, 5)]);
    let at = file.windows(4).rposition(|kind| kind == b"stco").unwrap();
    file[at + 12..at + 16].copy_from_slice(&1_000_000_u32.to_be_bytes());
    let (code, reason) = refused(&file);
    assert_eq!(code, RejectionCode::Truncated);
    assert!(reason.contains("1000010"), "{reason}");
}

#[test]
fn chapter_pictures_are_not_the_film() {
    let mut chapters = video_track(1, 1_000, 40, 1);
    chapters.entry = video_entry(*b"jpeg", 100, 100, &[]);
    let mut file = mp4(&[chapters.clone(), video_track(5, 1_000, 40, 5)]);
    assert_eq!(indexed(&file).video.codec, "mjpeg");
    // The second track says that the first holds its chapters.
    let tref = atom(*b"tref", &atom(*b"chap", &words(&[1])));
    let moov = file.windows(4).position(|kind| kind == b"moov").unwrap() - 4;
    let trak = file.windows(4).rposition(|kind| kind == b"trak").unwrap() - 4;
    file.extend(&tref);
    for at in [moov, trak] {
        let size = u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
        let size = size + u32::try_from(tref.len()).unwrap();
        file[at..at + 4].copy_from_slice(&size.to_be_bytes());
    }
    let index = indexed(&file);
    assert_eq!((index.video.codec, index.video.stream), ("vp9", 1));
}

fn fragmented(first_dts: u32) -> Vec<u8> {
    let trex = full(*b"trex", 0, &words(&[1, 1, 40, 0, 0x0101_0000]));
    let moov = mp4(&[video_track(0, 1_000, 40, 5)]);
    let at = moov.windows(4).position(|kind| kind == b"moov").unwrap() - 4;
    let moov = [&moov[at + 8..], &atom(*b"mvex", &trex)].concat();
    let mut file = [atom(*b"ftyp", b"isom"), atom(*b"moov", &moov)].concat();
    for fragment in 0..3_u32 {
        let trun = |data_offset: u32| {
            let body = words(&[4, data_offset, 0x0200_0000, 11, 12, 13, 14]);
            let mut trun = full(*b"trun", 0, &body);
            // data offset, first sample's flags, sizes
            trun[10..12].copy_from_slice(&[0x02, 0x05]);
            trun
        };
        let head = |data_offset| {
            let mut header = full(*b"tfhd", 0, &words(&[1]));
            header[9] = 0x02;
            let tfdt = full(*b"tfdt", 0, &words(&[first_dts + fragment * 160]));
            atom(
                *b"moof",
                &atom(*b"traf", &[header, tfdt, trun(data_offset)].concat()),
            )
        };
        let size = u32::try_from(head(0).len()).unwrap();
        file.extend(head(size + 8));
        file.extend(atom(*b"mdat", &[9; 50]));
    }
    file
}

#[test]
fn fragments_are_read() {
    let file = fragmented(5_000);
    let index = indexed(&file);
    let table = samples(&index.video.access);
    assert_eq!(
        pts(&index.video.access),
        (0..12).map(|n| n * 40).collect::<Vec<_>>()
    );
    assert_eq!(index.video.origin_ticks, 5_000);
    let sync: Vec<bool> = table.iter().map(|sample| sample.is_sync).collect();
    assert_eq!(sync[..6], [true, false, false, false, true, false]);
    let offset = usize::try_from(table[0].offset).unwrap();
    assert_eq!(
        file[offset - 4..offset + 50],
        [&b"mdat"[..], &[9; 50]].concat()
    );
    assert_eq!(table[1].offset - table[0].offset, 11);
    assert_eq!(refused(&file[..file.len() - 1]).0, RejectionCode::Truncated);
}

#[test]
fn a_run_cannot_promise_millions_of_samples_out_of_nothing() {
    let promising = |size_each: u32| {
        let mut file = fragmented(0);
        let place = |file: &[u8], kind: &[u8]| {
            let found = file.windows(4).position(|window| window == kind);
            found.unwrap() + 8
        };
        let trex = place(&file, b"trex");
        file[trex + 12..trex + 16].copy_from_slice(&size_each.to_be_bytes());
        let trun = place(&file, b"trun");
        // No sizes of their own, and five million samples.
        file[trun - 2..trun + 4].copy_from_slice(&[0x00, 0x05, 0x00, 0x4c, 0x4b, 0x40]);
        file
    };
    assert_eq!(refused(&promising(0)).0, RejectionCode::Malformed);
    let (code, reason) = refused(&promising(1));
    assert_eq!(code, RejectionCode::Truncated, "{reason}");
}

const TS_PROBE: &str = "\
Input #0, mpegts, from 'start.ts':
  Duration: 00:00:20.02, start: 1.445333, bitrate: 615 kb/s
  Stream #0:0[0x100]: Video: hevc (Main 10) ([27][0][0][0] / 0x001B), yuv420p10le(tv, bt2020nc/bt2020/arib-std-b67), 320x180
#extradata 0:       39, 0xa8af09e6
#software: Lavf63.1.102
#tb 0: 1/90000
#media_type 0: video
#codec_id 0: hevc
#dimensions 0: 320x180
#sar 0: 4/3
#tb 1: 1/90000
#media_type 1: audio
#codec_id 1: aac
#sample_rate 1: 48000
#channel_layout_name 1: mono
0,     126000,     132000,     3000,     6327, 0x9a0ce03d, S=1, MPEGTS Stream ID,        1, 0x00e000e0
0,     129000,     144000,     3000,     3073, 0x9b6812ec, F=0x0, S=1
1,     130080,     130080,     1920,      217, 0x25716a41, S=1
0,     132000,     138000,     3000,     1370, 0x0c9db582, F=0x0
0,     135000,     135000,     3000,     1231, 0x8d816d5d, F=0x0
0,     138000,     141000,     3000,     1298, 0x5cac8636, F=0x0
";

#[test]
fn ffmpegs_word_for_other_containers() {
    let index = probe_text::parse("mpegts", 1_000, TS_PROBE).unwrap();
    assert_eq!(index.container, Container::Other("mpegts"));
    let video = &index.video;
    assert_eq!(
        (video.codec, video.timescale, video.origin_ticks),
        ("hevc", 90_000, 130_080)
    );
    assert_eq!(video.frame_rate, Rational { num: 30, den: 1 });
    assert_eq!(video.pixel_aspect, Rational { num: 4, den: 3 });
    assert_eq!(video.dynamic_range, DynamicRange::Hlg);
    assert_eq!(video.access, Access::Whole);
    assert_eq!(index.duration_ms, None);
    assert_eq!(index.audio.unwrap().origin_ticks, 130_080);

    // AVI: a time base that is no unit fraction, and pictures without a presentation time.
    let avi = "  Duration: 00:01:20.06, start: 0\n#tb 0: 1001/30000\n#media_type 0: video\n\
               #codec_id 0: mpeg4\n#dimensions 0: 320x180\n#sar 0: 0/1\n\
               0, 2, -9223372036854775808, 1, 9, 0x0\n0, 3, 3, 1, 9, 0x0\n";
    let index = probe_text::parse("avi", 1_000, avi).unwrap();
    assert_eq!(
        (index.video.timescale, index.video.origin_ticks),
        (30_000, 2_002)
    );
    assert_eq!(
        index.video.frame_rate,
        Rational {
            num: 30_000,
            den: 1_001
        }
    );
    assert_eq!(index.duration_ms, Some(80_060));
    assert_eq!(index.audio, None);

    for (text, code) in [
        (
            "Input #0, avi\nStream map '0:v:0' matches no streams.",
            RejectionCode::NoVideoTrack,
        ),
        ("x.avi: Invalid data found", RejectionCode::Malformed),
        (
            "#tb 0: 1/25\n#media_type 0: video\n#codec_id 0: roq\n#dimensions 0: 8x8\n0,0,0,1,1,",
            RejectionCode::UnsupportedCodec,
        ),
        (
            "#tb 0: 1/25\n#media_type 0: video\n#codec_id 0: h264\n#dimensions 0: 8x8\n",
            RejectionCode::NoVideoTrack,
        ),
        (
            "#tb 0: 1/25\n#media_type 0: video\n#codec_id 0: h264\n#dimensions 0: 99999x8\n",
            RejectionCode::TooLarge,
        ),
    ] {
        match probe_text::parse("avi", 1_000, text) {
            Err(IndexError::Rejected { code: found, .. }) => assert_eq!(found, code, "{text}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn two_million_samples_are_read_and_no_more() {
    let promising = |count: u32| {
        let mut track = video_track(2, 1_000, 40, 1);
        track.samples[1].bytes = vec![1; 10];
        let mut file = mp4(&[track]);
        let place = |kind: &[u8]| file.windows(4).rposition(|window| window == kind).unwrap();
        let (sizes, chunks) = (place(b"stsz") + 8, place(b"stsc") + 16);
        file[sizes..sizes + 4].copy_from_slice(&1_u32.to_be_bytes());
        file[sizes + 4..sizes + 8].copy_from_slice(&count.to_be_bytes());
        file[chunks..chunks + 4].copy_from_slice(&count.to_be_bytes());
        refused(&file).0
    };
    assert_eq!(promising(2_000_000), RejectionCode::Truncated);
    assert_eq!(promising(2_000_001), RejectionCode::TooLarge);
}
