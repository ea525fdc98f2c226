//! The renditions hold precisely the master's frames: none lost, none doubled, at their
//! times, with the same pictures. Everything is encoded losslessly here, so that a picture
//! can be compared with the master's own by its hash; the way is the real one: the real
//! handlers, the real ffmpeg in its sandbox, in-memory storage.

use std::path::Path;
use std::sync::Arc;

use cattube_adapters::ffmpeg::Ffmpeg;
use cattube_contract::Event;
use cattube_contract::event::VideoReady;
use cattube_contract::plan::Quality;
use cattube_ports::fakes::FaultPlan;
use cattube_tests::frames::{Frames, dump_media, join_rendition};
use cattube_tests::masters::{ffmpeg, make};
use cattube_tests::world::World;

/// Drops a master into a new world and lets everything happen.
async fn process(master: &Path, sizes: &str, quality: Quality) -> World {
    let mut world = World::new(Arc::new(Ffmpeg), quality, &FaultPlan::none());
    let bytes = std::fs::read(master).unwrap();
    let name = master.file_name().unwrap().to_str().unwrap();
    world
        .masters
        .put_master(&format!("drop/{name}"), bytes, &[("cattube-sizes", sizes)]);
    world.pump().await;
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    world
}

fn ready(world: &World) -> VideoReady {
    let readies: Vec<_> = world
        .history
        .iter()
        .filter_map(|envelope| {
            if let Event::VideoReady(ready) = &envelope.event {
                Some(ready.clone())
            } else {
                None
            }
        })
        .collect();
    let last = world.history.last().map(|envelope| envelope.event.clone());
    assert_eq!(readies.len(), 1, "{:?}, last {last:?}", world.names());
    readies[0].clone()
}

/// Whether pictures can be compared: tone mapping makes them others on purpose.
#[derive(PartialEq)]
enum Compare {
    Pictures,
    TimesOnly,
    /// Encoded as films are, with reordered pictures, which lossless encoding never has.
    TimesOfBFrames,
}

/// Makes the master by `steps`, processes it and compares every rendition with it.
async fn check(steps: &[&str], renditions: &[(&str, u32, u32)], chunks: usize, compare: Compare) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let master = make(dir, steps);
    let sizes: Vec<_> = renditions
        .iter()
        .map(|(name, _, _)| name.trim_end_matches('p'))
        .collect();
    let quality = match compare {
        Compare::Pictures | Compare::TimesOnly => Quality::Lossless,
        Compare::TimesOfBFrames => Quality::Crf(30),
    };
    let world = process(&master, &sizes.join(","), quality).await;
    let ready = ready(&world);
    let video_chunks = world.history.iter().filter(|envelope| {
        matches!(&envelope.event, Event::ChunkTranscoded(done) if done.chunk.to_string().starts_with('v'))
    });
    assert!(
        video_chunks.count() >= chunks,
        "cut into fewer than {chunks} chunks"
    );
    dump_media(&world, dir);
    let prefix = ready.hls_key.strip_suffix("/master.m3u8").unwrap();
    let master_name = master.file_name().unwrap().to_str().unwrap();
    for (name, width_px, height_px) in renditions {
        let joined = join_rendition(dir, prefix, name);
        let expected = Frames::of_file(dir, master_name, *width_px, *height_px);
        let made = Frames::of_file(dir, &joined, *width_px, *height_px);
        assert_eq!(made.pts.len(), expected.pts.len(), "{name}: frames");
        assert!(
            made.same_times(&expected),
            "{name}: times {:?} {:?} for {:?} {:?}",
            made.timebase,
            made.pts,
            expected.timebase,
            expected.pts
        );
        if compare == Compare::Pictures {
            let differs = made
                .pictures
                .iter()
                .zip(&expected.pictures)
                .position(|(a, b)| a != b);
            assert_eq!(differs, None, "{name}: the first frame that differs");
        }
        assert_eq!(
            u64::try_from(expected.pts.len()).unwrap(),
            ready.frame_count
        );
    }
    plays_silently(dir, &ready);
}

/// A player has nothing to complain about: every stream of both playlists is read to its
/// end and ffmpeg says nothing. (All of them: where it drops one that it has begun to read,
/// it calls the rest of the segment corrupt.)
fn plays_silently(dir: &Path, ready: &VideoReady) {
    for playlist in [&ready.hls_key, &ready.dash_key] {
        let output = std::process::Command::new("ffmpeg")
            .args(["-nostdin", "-hide_banner", "-loglevel", "warning", "-i"])
            .arg(dir.join(playlist))
            .args([
                "-map",
                "0",
                "-fps_mode",
                "passthrough",
                "-enc_time_base:v",
                "demux",
            ])
            .args(["-f", "null", "-"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.trim().is_empty(),
            "{playlist}: {said}"
        );
    }
}

const SOURCE: &str = "-f lavfi -i testsrc2=s=320x180";
const BOTH: &[(&str, u32, u32)] = &[("180p", 320, 180), ("144p", 256, 144)];
const NATIVE: &[(&str, u32, u32)] = &[("180p", 320, 180)];
const X264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";

/// Frames at `rate` for `seconds`, encoded quickly with these options into `m.mp4`.
fn x264(rate: &str, seconds: u32, options: &str) -> String {
    format!("{SOURCE}:r={rate} -t {seconds} {X264} {options} m.mp4")
}

#[tokio::test]
async fn closed_gop_with_b_frames_at_25_fps() {
    let master = x264("25", 13, "-g 50 -bf 3");
    check(&[&master], BOTH, 3, Compare::Pictures).await;
}

#[tokio::test]
async fn open_gop_with_a_b_pyramid() {
    let options = "-preset fast -x264-params open-gop=1:keyint=60:min-keyint=60:scenecut=0:bframes=5:b-pyramid=normal";
    check(&[&x264("30", 13, options)], BOTH, 3, Compare::Pictures).await;
}

#[tokio::test]
async fn reordered_pictures_keep_their_times() {
    let master = "-f lavfi -i mandelbrot=s=320x180:r=30 -t 9 -c:v libx264 -preset fast -pix_fmt yuv420p -g 60 -bf 3 m.mp4";
    check(&[master], BOTH, 2, Compare::TimesOfBFrames).await;
}

#[tokio::test]
async fn sound_at_a_hundred_frames_a_second() {
    let master = format!("{SOURCE}:r=100 {CHIRP} -t 5 {X264} -g 100 -c:a aac -b:a 256k m.mp4");
    // The sound begins 3 samples after the file's zero, which the reader of this test does
    // not pad (ffmpeg's resampler ignores less than a millisecond): 3 samples off are 9 dB.
    check_sound(&[&master], 1, 9).await;
}

#[tokio::test]
async fn sound_and_pictures_that_begin_late_in_matroska() {
    let master = format!(
        "{SOURCE}:r=25 {CHIRP} -t 9 {X264} -g 50 -c:a aac -b:a 256k -output_ts_offset 7.3 m.mkv"
    );
    check_sound(&[&master], 1, 15).await;
}

#[tokio::test]
async fn long_open_gop_over_30_seconds() {
    let options =
        "-preset fast -x264-params open-gop=1:keyint=600:min-keyint=600:scenecut=0:bframes=3";
    check(&[&x264("25", 33, options)], NATIVE, 5, Compare::Pictures).await;
}

#[tokio::test]
async fn film_rate_23_976() {
    check(
        &[&x264("24000/1001", 12, "-g 48 -bf 2")],
        NATIVE,
        3,
        Compare::Pictures,
    )
    .await;
}

#[tokio::test]
async fn ntsc_rate_29_97() {
    check(
        &[&x264("30000/1001", 12, "-g 60")],
        NATIVE,
        3,
        Compare::Pictures,
    )
    .await;
}

#[tokio::test]
async fn high_rate_59_94() {
    check(
        &[&x264("60000/1001", 9, "-g 120")],
        NATIVE,
        2,
        Compare::Pictures,
    )
    .await;
}

#[tokio::test]
async fn variable_rate_by_dropped_frames() {
    let master = format!(
        "{SOURCE}:r=30 -t 12 -vf select='gt(mod(n,7),2)' -fps_mode vfr {X264} -g 40 -bf 3 m.mp4"
    );
    check(&[&master], NATIVE, 2, Compare::Pictures).await;
}

#[tokio::test]
async fn variable_rate_with_jitter_and_a_hole() {
    let master = format!(
        "{SOURCE}:r=30 -t 12 -vf settb=1/90000,setpts='PTS+random(1)*1200+gt(N\\,100)*180000' -fps_mode passthrough -enc_time_base filter -video_track_timescale 90000 {X264} -g 60 -bf 3 m.mp4"
    );
    check(&[&master], NATIVE, 2, Compare::Pictures).await;
}

#[tokio::test]
async fn late_start_without_an_edit_list() {
    let master = x264("25", 9, "-g 50 -bf 3 -output_ts_offset 2.5 -use_editlist 0");
    check(&[&master], NATIVE, 2, Compare::Pictures).await;
}

#[tokio::test]
async fn edit_list_that_begins_inside_a_gop() {
    let whole = format!("{SOURCE}:r=25 -t 14 {X264} -g 50 -bf 3 whole.mp4");
    let cut = "-ss 1.3 -i whole.mp4 -c copy m.mp4";
    check(&[&whole, cut], NATIVE, 2, Compare::Pictures).await;
}

#[tokio::test]
async fn rotated_by_a_phone() {
    let flat = format!("{SOURCE}:r=30 -t 9 {X264} -g 60 flat.mp4");
    let turned = "-display_rotation 90 -i flat.mp4 -c copy m.mp4";
    let renditions = &[("180p", 180, 320), ("144p", 144, 256)];
    check(&[&flat, turned], renditions, 2, Compare::Pictures).await;
}

#[tokio::test]
async fn upside_down() {
    let flat = format!("{SOURCE}:r=30 -t 5 {X264} -g 60 flat.mp4");
    let turned = "-display_rotation 180 -i flat.mp4 -c copy m.mp4";
    check(&[&flat, turned], NATIVE, 1, Compare::Pictures).await;
}

#[tokio::test]
async fn hevc_in_10_bits_with_open_gops() {
    let master = format!(
        "{SOURCE}:r=25 -t 11 -c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params log-level=none:keyint=50:open-gop=1:bframes=4 -tag:v hvc1 m.mp4"
    );
    check(&[&master], NATIVE, 2, Compare::Pictures).await;
}

#[tokio::test]
async fn hdr10_keeps_its_times() {
    let master = format!(
        "{SOURCE}:r=25 -t 6 -c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -x265-params log-level=none:keyint=50 -tag:v hvc1 m.mp4"
    );
    check(&[&master], NATIVE, 1, Compare::TimesOnly).await;
}

#[tokio::test]
async fn vp9_in_webm() {
    let master =
        format!("{SOURCE}:r=30 -t 9 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 60 m.webm");
    check(&[&master], NATIVE, 2, Compare::Pictures).await;
}

#[tokio::test]
async fn h264_in_matroska_with_b_frames() {
    let master = format!("{SOURCE}:r=25 -t 13 {X264} -g 50 -bf 3 m.mkv");
    check(&[&master], NATIVE, 3, Compare::Pictures).await;
}

#[tokio::test]
async fn index_at_the_front() {
    check(
        &[&x264("25", 9, "-g 50 -movflags +faststart")],
        NATIVE,
        2,
        Compare::Pictures,
    )
    .await;
}

#[tokio::test]
async fn fragmented_mp4() {
    let options = "-g 50 -bf 3 -movflags +frag_keyframe+empty_moov";
    check(&[&x264("25", 9, options)], NATIVE, 2, Compare::Pictures).await;
}

#[tokio::test]
async fn odd_sides_in_4_4_4() {
    let master = "-f lavfi -i testsrc2=s=321x181:r=25 -t 5 -c:v libx264 -preset ultrafast -pix_fmt yuv444p -g 50 m.mp4";
    check(&[master], &[("180p", 320, 180)], 1, Compare::Pictures).await;
}

#[tokio::test]
async fn one_frame() {
    let master = format!("{SOURCE}:r=25 -frames:v 1 {X264} m.mp4");
    check(&[&master], NATIVE, 1, Compare::Pictures).await;
}

#[tokio::test]
async fn prores_in_quicktime() {
    let master = format!("{SOURCE}:r=25 -t 6 -c:v prores_ks -profile:v 2 m.mov");
    check(&[&master], NATIVE, 1, Compare::Pictures).await;
}

#[tokio::test]
async fn transport_stream_as_one_piece() {
    let master = format!("{SOURCE}:r=25 -t 6 {X264} -g 50 -bf 3 m.ts");
    check(&[&master], NATIVE, 1, Compare::Pictures).await;
}

#[tokio::test]
async fn old_avi_as_one_piece() {
    let master = format!("{SOURCE}:r=25 -t 6 -c:v mpeg4 -q:v 5 m.avi");
    check(&[&master], NATIVE, 1, Compare::Pictures).await;
}

#[tokio::test]
async fn decoders_that_have_other_names_than_their_codecs() {
    for film in [
        "-t 2 -c:v msmpeg4 -q:v 3 m.avi",
        "-t 2 -c:v flv1 -q:v 3 m.flv",
        "-f lavfi -i sine=r=44100 -t 2 -c:v wmv2 -q:v 3 -c:a wmav2 m.wmv",
    ] {
        let master = format!("{SOURCE}:r=25 {film}");
        check(&[&master], NATIVE, 1, Compare::Pictures).await;
    }
}

/// The sound of a file as 48 kHz mono samples, from the film's zero on.
fn sound(dir: &Path, file: &str) -> Vec<i32> {
    let args = format!(
        "-copyts -i {file} -map 0:a:0 -af aresample=48000:async=1:first_pts=0 -ac 1 -f s16le -"
    );
    ffmpeg(dir, &args)
        .chunks_exact(2)
        .map(|pair| i32::from(i16::from_le_bytes([pair[0], pair[1]])))
        .collect()
}

/// Signal to noise in each 100 ms, in whole decibels of power, the worst one.
fn worst_snr_db(expected: &[i32], made: &[i32]) -> i64 {
    let windows = expected.chunks(4800).zip(made.chunks(4800));
    windows
        .map(|(expected, made)| {
            let power = |value: i64| value * value;
            let signal: i64 = expected
                .iter()
                .map(|sample| power(i64::from(*sample)))
                .sum();
            let noise: i64 = expected
                .iter()
                .zip(made)
                .map(|(a, b)| power(i64::from(a - b)))
                .sum();
            // 20 counts of rms noise are silence for a 16-bit ear.
            let (signal, noise) = (signal.max(1), noise.max(1) - 4800 * 400);
            if noise <= 0 {
                99
            } else {
                i64::from((signal / noise).max(1).ilog2()) * 3
            }
        })
        .min()
        .unwrap_or(0)
}

/// Makes a master with sound and compares the sound: as long, in sync and without a gap.
async fn check_sound(steps: &[&str], audio_chunks: usize, least_snr_db: i64) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let master = make(dir, steps);
    let world = process(&master, "144", Quality::Crf(30)).await;
    let ready = ready(&world);
    let chunks = world.history.iter().filter(|envelope| {
        matches!(&envelope.event, Event::ChunkTranscoded(done) if done.chunk.to_string().starts_with('a'))
    });
    assert_eq!(chunks.count(), audio_chunks);
    dump_media(&world, dir);
    let prefix = ready.hls_key.strip_suffix("/master.m3u8").unwrap();
    let joined = join_rendition(dir, prefix, "audio");
    let expected = sound(dir, master.file_name().unwrap().to_str().unwrap());
    // The renditions are shifted by one constant, which the pictures tell.
    let video = Frames::of_file(dir, &join_rendition(dir, prefix, "144p"), 256, 144);
    let source = Frames::of_file(dir, master.file_name().unwrap().to_str().unwrap(), 256, 144);
    let samples = |frames: &Frames| frames.pts[0] * frames.timebase.0 * 48_000 / frames.timebase.1;
    let shift = samples(&video) - samples(&source);
    // A film that starts late is brought to its start, so the shift can go either way.
    let skip = |by: i128| usize::try_from(by.max(0)).unwrap();
    let expected = &expected[skip(-shift).min(expected.len())..];
    let made = sound(dir, &joined);
    let made = &made[skip(shift).min(made.len())..];
    let difference = made.len().abs_diff(expected.len());
    assert!(
        difference <= 2048,
        "{} samples for {}",
        made.len(),
        expected.len()
    );
    plays_silently(dir, &ready);
    let snr_db = worst_snr_db(expected, made);
    assert!(
        snr_db >= least_snr_db,
        "the worst 100 ms have a signal to noise of {snr_db} dB"
    );
}

/// A rising tone under a steady one, the same on both sides.
const CHIRP: &str = "-f lavfi -i aevalsrc=0.3*sin(2*PI*(200+20*mod(t\\,20))*t)+0.2*sin(2*PI*1000*t):s=48000:c=mono -af pan=stereo|c0=c0|c1=c0";

#[tokio::test]
async fn sound_in_several_chunks_is_gapless() {
    let master = format!("{SOURCE}:r=10 {CHIRP} -t 200 {X264} -g 20 -c:a aac -b:a 256k m.mp4");
    check_sound(&[&master], 3, 15).await;
}

#[tokio::test]
async fn sound_at_44100_hz_in_several_chunks() {
    let master =
        format!("{SOURCE}:r=10 {CHIRP} -t 140 {X264} -g 20 -ar 44100 -c:a aac -b:a 256k m.mp4");
    check_sound(&[&master], 2, 15).await;
}

#[tokio::test]
async fn sound_that_begins_later() {
    let master =
        format!("{SOURCE}:r=10 -itsoffset 1.5 {CHIRP} -t 9 {X264} -g 20 -c:a aac -b:a 256k m.mp4");
    check_sound(&[&master], 1, 15).await;
}

#[tokio::test]
async fn sound_that_is_longer() {
    let picture = format!("{SOURCE}:r=10 -t 6 {X264} -g 20 picture.mp4");
    let master =
        format!("-i picture.mp4 {CHIRP} -map 0:v -map 1:a -c:v copy -t 9 -c:a aac -b:a 256k m.mp4");
    check_sound(&[&picture, &master], 1, 15).await;
}

#[tokio::test]
async fn sound_that_is_shorter() {
    let sound = format!("{CHIRP} -t 4 -c:a pcm_s16le sound.wav");
    let master = format!(
        "{SOURCE}:r=10 -i sound.wav -map 0:v -map 1:a -t 9 {X264} -g 20 -c:a aac -b:a 256k m.mp4"
    );
    check_sound(&[&sound, &master], 1, 15).await;
}

#[tokio::test]
async fn opus_in_webm() {
    let master = format!(
        "{SOURCE}:r=10 {CHIRP} -t 6 -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 20 -c:a libopus -b:a 192k m.webm"
    );
    check_sound(&[&master], 1, 15).await;
}
