use std::collections::BTreeMap;

use cattube_contract::media::{DynamicRange, Rational, Rotation, TickRange};
use cattube_contract::plan::{
    AudioEncoding, ChunkId, Plan, PlannedAudio, PlannedVideo, Quality, Rendition, Track,
    VideoEncoding,
};
use cattube_contract::report::{ChunkReport, FrameMark, RenditionReport, Seam, SegmentReport};
use cattube_contract::{OwnerId, VideoId};
use m3u8_rs::{MediaPlaylistType, Playlist};
use proptest::prelude::*;

use super::*;

const SHIFT: i64 = 300_000;

fn rendition(name: &str, width_px: u32, height_px: u32) -> Rendition {
    Rendition {
        name: name.to_owned(),
        width_px,
        height_px,
        max_bitrate_bps: 1_000_000,
        level_times_ten: 31,
        quality: Quality::Crf(23),
    }
}

/// 29.97 frames a second; three chunks of 4.004 s, the last open.
fn plan() -> Plan {
    let range = |start, end| TickRange { start, end };
    Plan {
        video_id: VideoId::new(jiff::Timestamp::UNIX_EPOCH, 7),
        owner_id: OwnerId::of_subject("someone"),
        generation: 1,
        duration_ms: None,
        source_width_px: 1_280,
        source_height_px: 720,
        video: PlannedVideo {
            encoding: VideoEncoding {
                timescale: 30_000,
                shift_ticks: SHIFT,
                frame_rate: Rational {
                    num: 30_000,
                    den: 1_001,
                },
                segment_ticks: 120_000,
                rotation: Rotation::None,
                dynamic_range: DynamicRange::Sdr,
                renditions: vec![rendition("720p", 1_280, 720), rendition("360p", 640, 360)],
                thumbnail_ticks: 60_000,
                thumbnail_width_px: 160,
                thumbnail_height_px: 90,
            },
            chunks: vec![
                range(0, 120_120),
                range(120_120, 240_240),
                range(240_240, i64::MAX),
            ],
        },
        audio: Some(PlannedAudio {
            encoding: AudioEncoding {
                source_rate_hz: 48_000,
                shift_samples: 480_000,
                bitrate_bps: 128_000,
            },
            chunks: vec![range(0, 409_600), range(409_600, i64::MAX)],
        }),
        skipped_sizes: Vec::new(),
        job: None,
        slices: Vec::new(),
    }
}

fn part(name: &str, segments: Vec<SegmentReport>) -> (String, RenditionReport) {
    let codecs = if name == AUDIO_RENDITION {
        "mp4a.40.2"
    } else {
        "avc1.64001f"
    };
    let report = RenditionReport {
        init_sha256: format!("init of {name}"),
        codecs: codecs.to_owned(),
        segments,
    };
    (name.to_owned(), report)
}

fn segment(start_pts: i64, duration_ticks: i64, size_bytes: u64) -> SegmentReport {
    SegmentReport {
        start_pts,
        duration_ticks,
        size_bytes,
        frame_count: 120,
    }
}

fn video(index: u32) -> ChunkReport {
    let mark = |at: i64| FrameMark {
        pts: at,
        checksum: u32::try_from(at).unwrap(),
    };
    let start = i64::from(index) * 120_120;
    let segments = |size| vec![segment(start + SHIFT, 120_120, size)];
    ChunkReport {
        chunk: ChunkId {
            track: Track::Video,
            index,
        },
        renditions: BTreeMap::from([
            part("720p", segments(1_000_000 + u64::from(index) * 1_000)),
            part("360p", segments(200_000)),
        ]),
        seam: Some(Seam {
            first: mark(start),
            last: mark(start + 120_120 - 1_001),
            next: (index < 2).then(|| mark(start + 120_120)),
            frame_count: 120,
        }),
        thumbnail_pts: vec![start + SHIFT],
        read_bytes: 1,
    }
}

fn audio(index: u32) -> ChunkReport {
    let segments = if index == 0 {
        vec![
            segment(480_000 - 1_024, 205_824, 69_000),
            segment(684_800, 204_800, 68_000),
        ]
    } else {
        vec![segment(889_600, 150_000, 50_000)]
    };
    ChunkReport {
        chunk: ChunkId {
            track: Track::Audio,
            index,
        },
        renditions: BTreeMap::from([part(AUDIO_RENDITION, segments)]),
        seam: None,
        thumbnail_pts: Vec::new(),
        read_bytes: 1,
    }
}

fn reports() -> Vec<ChunkReport> {
    vec![video(0), video(1), video(2), audio(0), audio(1)]
}

#[test]
fn the_master_names_every_size_and_the_sound() {
    let text = hls_master(&plan(), &reports()).unwrap();
    let (rest, playlist) = m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap();
    assert!(rest.is_empty());
    assert!(playlist.independent_segments);
    assert_eq!(playlist.version, Some(7));
    assert_eq!(playlist.alternatives.len(), 1);
    let sound = &playlist.alternatives[0];
    assert_eq!(sound.uri.as_deref(), Some("audio/playlist.m3u8"));
    assert!(sound.default && sound.autoselect);
    let tall = &playlist.variants[0];
    assert_eq!(tall.uri, "720p/playlist.m3u8");
    assert_eq!(tall.codecs.as_deref(), Some("avc1.64001f,mp4a.40.2"));
    assert_eq!(tall.audio.as_deref(), Some(sound.group_id.as_str()));
    assert_eq!(tall.resolution.unwrap().to_string(), "1280x720");
    assert!(text.contains("FRAME-RATE=29.97,"));
    // 1,002,000 bytes in 4.004 s and 69,000 bytes in 205,824 samples.
    assert_eq!(tall.bandwidth, 2_001_999 + 128_732);
    assert_eq!(tall.average_bandwidth, Some(2_000_000 + 128_086));
    assert!(playlist.variants[1].bandwidth < tall.bandwidth);
}

/// The bandwidth told of segments of so many milliseconds and bytes.
fn bandwidth(segments: &[(i64, u64)]) -> u64 {
    let mut plan = plan();
    plan.audio = None;
    plan.video.encoding.renditions.truncate(1);
    let mut report = video(0);
    let mut start = SHIFT;
    let made = segments.iter().map(|(ms, bytes)| {
        let made = segment(start, ms * 30, *bytes);
        start += ms * 30;
        made
    });
    report.renditions = BTreeMap::from([part("720p", made.collect())]);
    let text = hls_master(&plan, &[report]).unwrap();
    let (_, playlist) = m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap();
    playlist.variants[0].bandwidth
}

#[test]
fn a_long_still_does_not_hide_a_burst() {
    // 10 min at 1 Mb/s with 20 s at 3.5 Mb/s, and one still of 30 s.
    let (usual, burst, still) = ((4_000, 500_000), (4_000, 1_750_000), (30_000, 20_000));
    let mut film = [vec![usual; 80], vec![burst; 5], vec![usual; 65]].concat();
    assert_eq!(bandwidth(&film), 3_500_000);
    film.push(still);
    assert_eq!(bandwidth(&film), 3_500_000);
    // Nor is the still left out.
    film.push((30_000, 15_000_000));
    assert_eq!(bandwidth(&film), 4_000_000);
}

#[test]
fn a_short_rest_counts_with_its_neighbours() {
    // 1 Mb/s; of 1.9 s alone it would be 8 Mb/s.
    let rest = (1_900, 1_900_000);
    let usual = (4_000, 500_000);
    // With the usual one before or behind it: 2.4 MB in 5.9 s.
    let both: u64 = 2_400_000 * 80 / 59 + 1;
    assert_eq!(bandwidth(&[usual, rest]), both);
    assert_eq!(bandwidth(&[rest, usual, usual]), both);
    // Together longer than three of 4 s: not so.
    let longer = (10_200, 1_275_000);
    let average: u64 = (2 * 1_275_000 + 1_900_000) * 80 / (2 * 102 + 19) + 1;
    assert_eq!(bandwidth(&[longer, rest, longer]), average);
    // All are shorter than planned: the longest is the measure.
    assert_eq!(bandwidth(&[(1_000, 125_000), (400, 500_000)]), 3_571_429);
    assert_eq!(bandwidth(&[(1_000, 125_000), (500, 500_000)]), 8_000_000);
}

#[test]
fn a_silent_film_has_no_word_of_sound() {
    let mut plan = plan();
    plan.audio = None;
    let reports: Vec<_> = (0..3).map(video).collect();
    check_reports(&plan, &reports).unwrap();
    for text in [
        hls_master(&plan, &reports).unwrap(),
        dash_manifest(&plan, &reports).unwrap(),
    ] {
        assert!(
            !text.to_lowercase().contains("audio") && !text.contains("mp4a"),
            "{text}"
        );
    }
}

#[test]
fn a_media_playlist_grows_and_then_ends() {
    let growing = hls_media(
        &plan(),
        &[video(0), video(1)],
        "720p",
        Completeness::Growing,
    )
    .unwrap();
    assert!(growing.contains("#EXT-X-PLAYLIST-TYPE:EVENT\n") && !growing.contains("ENDLIST"));
    let done = hls_media(&plan(), &reports(), "720p", Completeness::Final).unwrap();
    let (_, playlist) = m3u8_rs::parse_media_playlist(done.as_bytes()).unwrap();
    assert!(playlist.end_list && playlist.independent_segments);
    assert_eq!(playlist.playlist_type, Some(MediaPlaylistType::Vod));
    assert_eq!(playlist.segments[0].map.as_ref().unwrap().uri, "init.mp4");
    let uris: Vec<_> = playlist
        .segments
        .iter()
        .map(|part| part.uri.as_str())
        .collect();
    assert_eq!(uris, ["300000.m4s", "420120.m4s", "540240.m4s"]);
    let target = |text: &str| match m3u8_rs::parse_playlist(text.as_bytes()).unwrap().1 {
        Playlist::MediaPlaylist(playlist) => playlist.target_duration,
        Playlist::MasterPlaylist(_) => panic!("a master playlist"),
    };
    let sound = hls_media(&plan(), &reports(), AUDIO_RENDITION, Completeness::Final).unwrap();
    assert_eq!(target(&growing), target(&done));
    assert_eq!(target(&sound), target(&done));
    assert!(sound.contains("#EXTINF:4.288000,\n478976.m4s\n"), "{sound}");
}

#[test]
fn playlists_of_nothing_are_refused() {
    let missing = |error| matches!(error, JoinError::Rendition { .. });
    assert!(missing(hls_master(&plan(), &[video(0)]).unwrap_err()));
    assert!(missing(dash_manifest(&plan(), &[]).unwrap_err()));
    let other = hls_media(&plan(), &reports(), "480p", Completeness::Final);
    assert!(missing(other.unwrap_err()));
}

#[test]
fn the_manifest_is_of_the_same_files() {
    let text = dash_manifest(&plan(), &reports()).unwrap();
    for part in [
        "mediaPresentationDuration=\"PT12.012000S\"",
        "<S t=\"300000\" d=\"120120\" r=\"2\"/>",
        "<S t=\"478976\" d=\"205824\"/>\n          <S t=\"684800\" d=\"204800\"/>",
        "timescale=\"30000\" presentationTimeOffset=\"300000\"",
        "timescale=\"48000\" presentationTimeOffset=\"480000\"",
        "media=\"$RepresentationID$/$Time$.m4s\"",
        "<Representation id=\"720p\" codecs=\"avc1.64001f\" bandwidth=\"2001999\" width=\"1280\" height=\"720\" frameRate=\"30000/1001\"",
        "profiles=\"urn:mpeg:dash:profile:isoff-live:2011\"",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn names_are_escaped() {
    let mut plan = plan();
    plan.audio = None;
    let hostile = "\"><a b='&'\u{1}";
    plan.video.encoding.renditions = vec![rendition(hostile, 2, 2)];
    let mut report = video(0);
    let part = report.renditions.remove("720p").unwrap();
    report.renditions = BTreeMap::from([(hostile.to_owned(), part)]);
    let text = dash_manifest(&plan, &[report]).unwrap();
    assert!(
        text.contains("id=\"&quot;&gt;&lt;a b=&apos;&amp;&apos;\u{fffd}\""),
        "{text}"
    );
}

#[test]
fn whole_and_partial_heads_pass_in_any_order() {
    let mut all = reports();
    check_reports(&plan(), &all).unwrap();
    all.reverse();
    check_reports(&plan(), &all).unwrap();
    check_reports(&plan(), &[video(0), audio(0)]).unwrap();
    check_reports(&plan(), &[]).unwrap();
    // The sound may end before its last chunk.
    let mut silent_end = audio(1);
    silent_end
        .renditions
        .get_mut(AUDIO_RENDITION)
        .unwrap()
        .segments
        .clear();
    check_reports(&plan(), &[audio(0), silent_end]).unwrap();
}

/// What one change to a report of the first two video chunks leads to.
fn changed(change: impl FnOnce(&mut ChunkReport, &mut ChunkReport)) -> JoinError {
    let (mut left, mut right) = (video(0), video(1));
    change(&mut left, &mut right);
    check_reports(&plan(), &[left, right]).unwrap_err()
}

#[test]
fn reports_that_do_not_join_are_refused() {
    fn tall(report: &mut ChunkReport) -> &mut RenditionReport {
        report.renditions.get_mut("720p").unwrap()
    }
    let error = changed(|_, right| tall(right).init_sha256.push('x'));
    assert!(matches!(error, JoinError::Init { .. }), "{error}");
    let error = changed(|left, _| tall(left).segments[0].duration_ticks += 1);
    assert!(matches!(error, JoinError::Gap { .. }), "{error}");
    let error = changed(|_, right| tall(right).segments[0].start_pts += 1);
    assert!(matches!(error, JoinError::Gap { .. }), "{error}");
    let error = changed(|_, right| tall(right).segments.clear());
    assert!(matches!(error, JoinError::Gap { .. }), "{error}");
    let error = changed(|_, right| tall(right).segments[0].frame_count -= 1);
    assert!(matches!(error, JoinError::FrameCount { .. }), "{error}");
    let error = changed(|left, _| left.seam = None);
    assert!(matches!(error, JoinError::FrameCount { .. }), "{error}");
    let error = changed(|left, _| left.seam.as_mut().unwrap().next = None);
    assert!(matches!(error, JoinError::Seam { chunk } if chunk.index == 0));
    let error = changed(|_, right| right.seam.as_mut().unwrap().first.checksum ^= 1);
    assert!(matches!(error, JoinError::Seam { chunk } if chunk.index == 0));
    let error = changed(|left, _| drop(left.renditions.remove("360p")));
    assert!(matches!(error, JoinError::Rendition { .. }), "{error}");
    let error = changed(|_, right| {
        let (name, part) = part("480p", Vec::new());
        right.renditions.insert(name, part);
    });
    assert!(matches!(error, JoinError::Rendition { .. }), "{error}");
    let error = changed(|_, right| right.chunk.index = 2);
    assert!(matches!(error, JoinError::MissingChunk { chunk } if chunk.index == 1));
    let error = changed(|_, right| right.chunk.index = 0);
    assert!(matches!(error, JoinError::UnknownChunk { .. }), "{error}");
    let error = check_reports(&plan(), &[video(3)]).unwrap_err();
    assert!(matches!(error, JoinError::UnknownChunk { .. }), "{error}");
}

proptest! {
    #[test]
    fn the_durations_of_a_playlist_sum_to_the_film(
        durations in proptest::collection::vec(1_i64..4_000_000, 1..200), timescale in 1_u32..10_000_000,
    ) {
        let mut plan = plan();
        plan.video.encoding.timescale = timescale;
        plan.audio = None;
        let mut start = SHIFT;
        let mut segments = Vec::new();
        for duration in &durations {
            segments.push(segment(start, *duration, 1));
            start += duration;
        }
        let mut report = video(0);
        report.renditions = BTreeMap::from([part("720p", segments)]);
        let text = hls_media(&plan, &[report], "720p", Completeness::Final).unwrap();
        // As text, so that no float rounds what is checked.
        let told: Vec<i128> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','))
            .map(|time| time.replace('.', "").parse().unwrap())
            .collect();
        let film = i128::from(start - SHIFT) * 1_000_000 / i128::from(timescale);
        prop_assert_eq!(told.iter().sum::<i128>(), film);
        let (_, playlist) = m3u8_rs::parse_media_playlist(text.as_bytes()).unwrap();
        prop_assert_eq!(playlist.segments.len(), durations.len());
        for time in told {
            prop_assert!((time + 500_000) / 1_000_000 <= i128::from(playlist.target_duration));
        }
    }

    #[test]
    fn no_report_makes_the_join_panic(
        start: i64, duration: i64, size: u64, index: u32, timescale: u32, shift: i64, segment_ticks: i64,
    ) {
        let mut plan = plan();
        plan.video.encoding.timescale = timescale;
        plan.video.encoding.shift_ticks = shift;
        plan.video.encoding.segment_ticks = segment_ticks;
        let mut report = video(0);
        report.chunk.index = index;
        for part in report.renditions.values_mut() {
            part.segments.push(segment(start, duration, size));
        }
        let reports = [report, audio(0), audio(1)];
        let _ = check_reports(&plan, &reports);
        let _ = hls_master(&plan, &reports);
        let _ = hls_media(&plan, &reports, "720p", Completeness::Growing);
        let _ = dash_manifest(&plan, &reports);
    }
}

#[test]
fn the_target_duration_follows_from_the_plan() {
    let told = |plan: &Plan| -> u64 {
        // What was made is short: the plan alone leads to it.
        let mut made = video(0);
        made.renditions = BTreeMap::from([part("720p", vec![segment(SHIFT, 300, 1)])]);
        let text = hls_media(plan, &[made], "720p", Completeness::Growing).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("#EXT-X-TARGETDURATION:"));
        line.unwrap().parse().unwrap()
    };
    let mut plan = plan();
    plan.audio = None;
    // An open end may be half a segment longer: 6 s, and a frame.
    assert_eq!(told(&plan), 6);
    plan.video.chunks.pop();
    // 4.004 s and a frame of 33 ms.
    assert_eq!(told(&plan), 4);
    plan.video.encoding.frame_rate = Rational { num: 1, den: 1 };
    assert_eq!(told(&plan), 5);
    plan.video.encoding.frame_rate = Rational { num: 2, den: 1 };
    // 4.504 s.
    assert_eq!(told(&plan), 5);
    plan.video.chunks = vec![TickRange { start: 0, end: 300 }];
    plan.video.encoding.frame_rate = Rational { num: 30, den: 1 };
    assert_eq!(told(&plan), 1);
}
