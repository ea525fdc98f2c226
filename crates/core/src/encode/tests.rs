use cattube_contract::media::{DynamicRange, Rational, Rotation, TickRange};
use cattube_contract::plan::{AudioEncoding, Quality, VideoEncoding};
use cattube_contract::size::Sizes;
use proptest::prelude::*;

use super::*;
use crate::ladder;

fn input() -> SliceInput {
    SliceInput {
        path: "slice".to_owned(),
        format: "mov,mp4".to_owned(),
        stream: 0,
        origin_ticks: -512,
    }
}

fn encoding() -> VideoEncoding {
    let frame_rate = Rational {
        num: 30_000,
        den: 1_001,
    };
    VideoEncoding {
        timescale: 30_000,
        shift_ticks: 300_000,
        frame_rate,
        segment_ticks: 120_000,
        rotation: Rotation::None,
        dynamic_range: DynamicRange::Sdr,
        renditions: ladder::choose_renditions(1280, 720, frame_rate, &Sizes::Auto).renditions,
        thumbnail_ticks: 60_000,
        thumbnail_width_px: 160,
        thumbnail_height_px: 90,
    }
}

const CLOSED: TickRange = TickRange {
    start: 120_120,
    end: 300_300,
};
const OPEN: TickRange = TickRange {
    start: 120_120,
    end: i64::MAX,
};

/// The argument after each `name`.
fn values<'a>(args: &'a [String], name: &str) -> Vec<&'a str> {
    args.windows(2)
        .filter(|pair| pair[0] == name)
        .map(|pair| pair[1].as_str())
        .collect()
}

#[test]
fn the_child_may_read_one_file_only() {
    let audio = AudioEncoding {
        source_rate_hz: 44_100,
        shift_samples: 480_000,
        bitrate_bps: 128_000,
    };
    for args in [
        video_args(&input(), CLOSED, &encoding(), true, 2),
        audio_args(&input(), CLOSED, &audio),
    ] {
        assert_eq!(values(&args, "-i"), ["file:slice"]);
        assert_eq!(values(&args, "-protocol_whitelist"), ["file"]);
        assert_eq!(values(&args, "-format_whitelist"), ["mov,mp4"]);
        assert_eq!(values(&args, "-codec_whitelist").len(), 1);
        let at = |name: &str| args.iter().position(|arg| arg == name).unwrap();
        for option in ["-nostdin", "-max_alloc", "-max_pixels", "-copyts"] {
            assert!(at(option) < at("-i"), "{option}");
        }
        assert!(!args.iter().any(|arg| arg.is_empty() || arg.contains('\n')));
    }
}

#[test]
fn every_rendition_is_one_output_of_one_decode() {
    let args = video_args(&input(), CLOSED, &encoding(), true, 2);
    let maps = values(&args, "-map");
    assert_eq!(
        maps,
        [
            "[marks]",
            "[v0]",
            "[v1]",
            "[v2]",
            "[thumbnails]",
            "[poster]"
        ]
    );
    assert_eq!(values(&args, "-level"), ["3.1", "3.1", "3.0"]);
    assert_eq!(
        values(&args, "-x264-params"),
        ["fps=30000/1001", "fps=30000/1001", "fps=30000/1001"]
    );
    assert!(args.contains(&"r2.mp4".to_owned()));
    let without = video_args(&input(), CLOSED, &encoding(), false, 2);
    assert!(!without.iter().any(|arg| arg.contains("poster")));
}

#[test]
fn frames_are_chosen_by_film_time() {
    let graph = |range| {
        let args = video_args(&input(), range, &encoding(), false, 2);
        values(&args, "-filter_complex")[0].to_owned()
    };
    assert!(graph(CLOSED).contains("setpts=PTS-(-512),split"));
    assert!(graph(CLOSED).contains("trim=start_pts=120120:end_pts=300300,setpts=PTS+(300000)"));
    assert!(graph(OPEN).contains("trim=start_pts=120120,setpts"));
}

#[test]
fn key_frames_are_forced_on_the_grid() {
    let forced = |range| {
        let args = video_args(&input(), range, &encoding(), false, 2);
        values(&args, "-force_key_frames")[0].to_owned()
    };
    let open = "expr:isnan(prev_forced_t)+gt(floor((t*30000+0.5)/120000),\
                floor((prev_forced_t*30000+0.5)/120000))";
    assert_eq!(forced(OPEN), open);
    // 180,180 ticks: one cut, and the rest of 60,180 is over half a segment.
    assert_eq!(
        forced(CLOSED),
        format!("{open}*lte(floor((t*30000+0.5)/120000),1)")
    );
}

#[test]
fn quality_rotation_and_range_reach_the_encoder() {
    let mut encoding = encoding();
    encoding.rotation = Rotation::Clockwise90;
    encoding.dynamic_range = DynamicRange::Hlg;
    encoding.renditions[0].quality = Quality::Lossless;
    let args = video_args(&input(), CLOSED, &encoding, false, 2);
    let graph = values(&args, "-filter_complex")[0];
    // Scaled down before it is turned, so the sides are the stored ones.
    assert!(graph.contains("scale=720:1280:"), "{graph}");
    assert!(graph.contains("tin=arib-std-b67") && graph.contains("tonemap=hable"));
    assert!(graph.contains("transpose=clock,split=4"));
    assert_eq!(values(&args, "-qp"), ["0"]);
    assert_eq!(values(&args, "-profile:v"), ["high", "high"]);
    assert_eq!(values(&args, "-maxrate").len(), 2);
}

#[test]
fn sound_is_cut_on_whole_source_samples() {
    let encoding = AudioEncoding {
        source_rate_hz: 44_100,
        shift_samples: 480_000,
        bitrate_bps: 128_000,
    };
    let range = TickRange {
        start: 3_072_000,
        end: 6_144_000,
    };
    let args = audio_args(&input(), range, &encoding);
    let graph = values(&args, "-filter_complex")[0];
    // (3,072,000 - 15,360) x 147 / 160 and (6,144,000 + 15,360) x 147 / 160.
    assert!(
        graph.contains("atrim=start_pts=2808288:end_pts=5658912"),
        "{graph}"
    );
    assert!(graph.contains("first_pts=2808288"));
    assert!(graph.contains("apad=whole_len=3102720,atrim=end_sample=3102720"));
    assert!(graph.contains("asetpts=N+(3536640)"));

    let first = TickRange {
        start: 0,
        end: i64::MAX,
    };
    let args = audio_args(&input(), first, &encoding);
    let graph = values(&args, "-filter_complex")[0];
    assert!(graph.contains("atrim=start_pts=0,aresample"), "{graph}");
    assert!(!graph.contains("apad"));
}

#[test]
fn only_thumbnails_have_a_time_in_their_name() {
    assert_eq!(thumbnail_pts("t153600.jpg"), Some(153_600));
    assert_eq!(thumbnail_pts("t60110000000.jpg"), Some(60_110_000_000));
    for name in [
        "poster.jpg",
        "t.jpg",
        "t1.png",
        "1.jpg",
        "t1x.jpg",
        "r0.mp4",
    ] {
        assert_eq!(thumbnail_pts(name), None, "{name}");
    }
}

proptest! {
    #[test]
    fn any_numbers_make_arguments(
        start: i64, end: i64, shift in -1_000_000_i64..1_000_000_000_000, segment: i64,
        timescale: u32, rate: u32,
    ) {
        let range = TickRange { start, end };
        let encoding = VideoEncoding {
            timescale,
            shift_ticks: shift,
            segment_ticks: segment,
            ..encoding()
        };
        let _ = video_args(&input(), range, &encoding, true, 2);
        let audio = AudioEncoding {
            source_rate_hz: rate,
            shift_samples: shift,
            bitrate_bps: 128_000,
        };
        let _ = audio_args(&input(), range, &audio);
    }
}
