#![allow(warnings, clippy::all, clippy::pedantic)]
use cattube_contract::media::*;
use cattube_contract::plan::*;
use cattube_contract::size::Sizes;
use cattube_core::encode::*;
use cattube_core::ladder::*;
use cattube_core::package::*;
use std::path::Path;
fn env(k: &str, d: &str) -> String {
    std::env::var(k).unwrap_or(d.into())
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let ff = &a[1];
    let input = &a[2];
    let out = &a[3];
    let ts: u32 = env("TS", "15360").parse().unwrap();
    let origin: i64 = env("ORIGIN", "0").parse().unwrap();
    let w: u32 = env("W", "640").parse().unwrap();
    let h: u32 = env("H", "360").parse().unwrap();
    let fps = Rational {
        num: env("FPSN", "30").parse().unwrap(),
        den: env("FPSD", "1").parse().unwrap(),
    };
    let mut lad = choose_renditions(w, h, fps, &Sizes::parse(&env("SIZES", "auto")).unwrap());
    if env("LOSSLESS", "1") == "1" {
        for r in &mut lad.renditions {
            r.quality = Quality::Lossless;
        }
    }
    println!("{lad:?}");
    let (tw, th) = thumbnail_box(w, h);
    let enc = VideoEncoding {
        timescale: ts,
        shift_ticks: env("SHIFT", &(ts as i64 * 10).to_string()).parse().unwrap(),
        frame_rate: fps,
        segment_ticks: env("SEG", &(ts as i64 * 4).to_string()).parse().unwrap(),
        rotation: match env("ROT", "0").as_str() {
            "90" => Rotation::Clockwise90,
            "180" => Rotation::Half,
            "270" => Rotation::Clockwise270,
            _ => Rotation::None,
        },
        dynamic_range: match env("HDR", "").as_str() {
            "pq" => DynamicRange::Pq,
            "hlg" => DynamicRange::Hlg,
            _ => DynamicRange::Sdr,
        },
        renditions: lad.renditions,
        thumbnail_ticks: ts as i64,
        thumbnail_width_px: tw,
        thumbnail_height_px: th,
    };
    let audio = env("AUDIO", "") == "1";
    let aenc = AudioEncoding {
        source_rate_hz: env("RATE", "48000").parse().unwrap(),
        shift_samples: 480000,
        bitrate_bps: AUDIO_BITRATE_BPS,
    };
    let _ = std::fs::remove_dir_all(out);
    let mut inits: Vec<String> = vec![];
    let mut prev_seam = None;
    for (k, r) in a[4..].iter().enumerate() {
        let (s, e) = r.split_once(':').unwrap();
        let range = TickRange {
            start: s.parse().unwrap(),
            end: if e.is_empty() {
                i64::MAX
            } else {
                e.parse().unwrap()
            },
        };
        let dir = format!("{out}/work{k}");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::copy(input, format!("{dir}/slice")).unwrap();
        let si = SliceInput {
            path: "slice".into(),
            format: env("FORMAT", "mov,mp4"),
            origin_ticks: origin,
        };
        let args = if audio {
            audio_args(&si, range, &aenc)
        } else {
            video_args(&si, range, &enc, k == 0, 2)
        };
        if env("V", "") != "" {
            println!("{}", args.join(" "));
        }
        let o = std::process::Command::new(std::fs::canonicalize(ff).unwrap())
            .args(&args)
            .current_dir(&dir)
            .env_clear()
            .output()
            .unwrap();
        println!(
            "chunk {k}: {:?} {}",
            o.status.code(),
            String::from_utf8_lossy(&o.stderr)
        );
        let write = |name: &str, init: &InitSegment, segs: &[Segment]| {
            let d = format!("{out}/{name}");
            std::fs::create_dir_all(&d).unwrap();
            std::fs::write(format!("{d}/init.mp4"), &init.bytes).unwrap();
            for g in segs {
                std::fs::write(format!("{d}/{:020}.m4s", g.start_pts), &g.bytes).unwrap();
            }
        };
        if audio {
            let b = std::fs::read(format!("{dir}/{AUDIO_FILE}")).unwrap();
            let en = read_encoded(&b).unwrap();
            println!(
                "packets {} first {:?} last {:?}",
                en.samples.len(),
                en.samples[0],
                en.samples.last()
            );
            let init = init_segment(&en).unwrap();
            let segs = cut_audio_segments(&en, range, &aenc).unwrap();
            println!(
                "audio {} {} {:?}",
                init.sha256,
                init.codecs,
                segs.iter()
                    .map(|s| (s.start_pts - 480000, s.duration_ticks, s.frame_count))
                    .collect::<Vec<_>>()
            );
            write("audio", &init, &segs);
            continue;
        }
        let frames =
            parse_frames(&std::fs::read_to_string(format!("{dir}/{FRAMES_FILE}")).unwrap())
                .unwrap();
        let seam_ = seam(&frames, range).unwrap();
        println!("seam {seam_:?}");
        if let Some(p) = &prev_seam {
            assert!(seams_agree(p, &seam_), "SEAM");
        }
        prev_seam = Some(seam_);
        let want = expected_pts(&frames, range, &enc);
        for (i, r) in enc.renditions.iter().enumerate() {
            let b = std::fs::read(format!("{dir}/{}", rendition_file(i))).unwrap();
            let en = read_encoded(&b).unwrap();
            let init = init_segment(&en).unwrap();
            if k == 0 {
                inits.push(init.sha256.clone());
            } else {
                assert_eq!(inits[i], init.sha256, "INIT");
            }
            let segs = cut_video_segments(&en, &want, range, &enc).unwrap();
            println!(
                "{} {} {} syncs {} reordered {} {:?}",
                r.name,
                &init.sha256[..8],
                init.codecs,
                en.samples.iter().filter(|s| s.is_sync).count(),
                en.samples.iter().filter(|s| s.pts != s.dts).count(),
                segs.iter()
                    .map(|s| (s.start_pts, s.duration_ticks, s.frame_count, s.bytes.len()))
                    .collect::<Vec<_>>()
            );
            write(&r.name, &init, &segs);
        }
        let mut t: Vec<_> = std::fs::read_dir(&dir)
            .unwrap()
            .filter_map(|e| thumbnail_pts(e.unwrap().file_name().to_str().unwrap()))
            .collect();
        t.sort();
        println!("thumbs {t:?}");
    }
}
