#![allow(warnings, clippy::all, clippy::pedantic)]
use cattube_contract::media::*;
use cattube_contract::plan::*;
use cattube_contract::report::*;
use cattube_contract::size::Sizes;
use cattube_core::{encode::*, ladder::*, package::*, playlist::*, storyboard::*};
use std::collections::BTreeMap;
fn env(k: &str, d: &str) -> String {
    std::env::var(k).unwrap_or(d.into())
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let ff = std::fs::canonicalize(&a[1]).unwrap();
    let input = &a[2];
    let out = a[3].clone();
    let ts: u32 = env("TS", "15360").parse().unwrap();
    let w: u32 = env("W", "640").parse().unwrap();
    let h: u32 = env("H", "360").parse().unwrap();
    let fps = Rational {
        num: env("FPSN", "30").parse().unwrap(),
        den: env("FPSD", "1").parse().unwrap(),
    };
    let lad = choose_renditions(w, h, fps, &Sizes::parse(&env("SIZES", "auto")).unwrap());
    let (tw, th) = thumbnail_box(w, h);
    let parse = |s: &str| -> Vec<TickRange> {
        s.split(' ')
            .filter(|s| !s.is_empty())
            .map(|r| {
                let (s, e) = r.split_once(':').unwrap();
                TickRange {
                    start: s.parse().unwrap(),
                    end: e.parse().unwrap_or(i64::MAX),
                }
            })
            .collect()
    };
    let plan = Plan {
        video_id: cattube_contract::VideoId::of_drop(
            "2026-01-01T00:00:00Z".parse().unwrap(),
            "b",
            "k",
            "s",
        ),
        owner_id: cattube_contract::OwnerId::of_subject("x"),
        generation: 1,
        duration_ms: None,
        source_width_px: w,
        source_height_px: h,
        video: PlannedVideo {
            encoding: VideoEncoding {
                timescale: ts,
                shift_ticks: ts as i64 * 10,
                frame_rate: fps,
                segment_ticks: env("SEG", &(ts as i64 * 4).to_string()).parse().unwrap(),
                rotation: Rotation::None,
                dynamic_range: DynamicRange::Sdr,
                renditions: lad.renditions,
                thumbnail_ticks: ts as i64,
                thumbnail_width_px: tw,
                thumbnail_height_px: th,
            },
            chunks: parse(&a[4]),
        },
        audio: if a[5] == "" {
            None
        } else {
            Some(PlannedAudio {
                encoding: AudioEncoding {
                    source_rate_hz: env("RATE", "48000").parse().unwrap(),
                    shift_samples: 480000,
                    bitrate_bps: AUDIO_BITRATE_BPS,
                },
                chunks: parse(&a[5]),
            })
        },
        skipped_sizes: vec![],
    };
    let _ = std::fs::remove_dir_all(&out);
    let enc = &plan.video.encoding;
    let mut reports = vec![];
    let mut thumbs = vec![];
    for chunk in plan.chunk_ids() {
        let dir = format!("{out}/work/{chunk}");
        std::fs::create_dir_all(&dir).unwrap();
        std::os::unix::fs::symlink(
            std::fs::canonicalize(input).unwrap(),
            format!("{dir}/slice"),
        )
        .unwrap();
        let si = SliceInput {
            path: "slice".into(),
            format: env("FORMAT", "mov,mp4"),
            origin_ticks: 0,
        };
        let k = chunk.index as usize;
        let (args, range) = match chunk.track {
            Track::Video => (
                video_args(&si, plan.video.chunks[k], enc, k == 0, 2),
                plan.video.chunks[k],
            ),
            Track::Audio => {
                let p = plan.audio.as_ref().unwrap();
                (audio_args(&si, p.chunks[k], &p.encoding), p.chunks[k])
            }
        };
        let t0 = std::time::Instant::now();
        let o = std::process::Command::new(&ff)
            .args(&args)
            .current_dir(&dir)
            .env_clear()
            .output()
            .unwrap();
        assert!(
            o.status.success() && o.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&o.stderr)
        );
        let t1 = t0.elapsed();
        let mut rep = ChunkReport {
            chunk,
            renditions: BTreeMap::new(),
            seam: None,
            thumbnail_pts: vec![],
            read_bytes: 0,
        };
        let mut put = |name: &str, file: String, want: Option<&[i64]>| {
            let b = std::fs::read(format!("{dir}/{file}")).unwrap();
            let en = read_encoded(&b).unwrap();
            let init = init_segment(&en).unwrap();
            let segs = match want {
                Some(wn) => cut_video_segments(&en, wn, range, enc),
                None => cut_audio_segments(&en, range, &plan.audio.as_ref().unwrap().encoding),
            }
            .unwrap();
            let d = format!("{out}/{name}");
            std::fs::create_dir_all(&d).unwrap();
            std::fs::write(format!("{d}/init.mp4"), &init.bytes).unwrap();
            for g in &segs {
                std::fs::write(format!("{d}/{}.m4s", g.start_pts), &g.bytes).unwrap();
            }
            rep.renditions.insert(
                name.into(),
                RenditionReport {
                    init_sha256: init.sha256,
                    codecs: init.codecs,
                    segments: segs
                        .iter()
                        .map(|s| SegmentReport {
                            start_pts: s.start_pts,
                            duration_ticks: s.duration_ticks,
                            size_bytes: s.bytes.len() as u64,
                            frame_count: s.frame_count,
                        })
                        .collect(),
                },
            );
        };
        match chunk.track {
            Track::Audio => put("audio", AUDIO_FILE.into(), None),
            Track::Video => {
                let frames =
                    parse_frames(&std::fs::read_to_string(format!("{dir}/{FRAMES_FILE}")).unwrap())
                        .unwrap();
                let want = expected_pts(&frames, range, enc);
                for (i, r) in enc.renditions.iter().enumerate() {
                    put(&r.name, rendition_file(i), Some(&want));
                }
                rep.seam = Some(seam(&frames, range).unwrap());
                for e in std::fs::read_dir(&dir).unwrap() {
                    let n = e.unwrap().file_name().into_string().unwrap();
                    if let Some(p) = thumbnail_pts(&n) {
                        rep.thumbnail_pts.push(p);
                        thumbs.push((p, std::fs::read(format!("{dir}/{n}")).unwrap()));
                    }
                }
            }
        }
        println!("{chunk} ffmpeg {:?} package {:?}", t1, t0.elapsed() - t1);
        reports.push(rep);
    }
    check_reports(&plan, &reports).unwrap();
    std::fs::write(
        format!("{out}/master.m3u8"),
        hls_master(&plan, &reports).unwrap(),
    )
    .unwrap();
    std::fs::write(
        format!("{out}/manifest.mpd"),
        dash_manifest(&plan, &reports).unwrap(),
    )
    .unwrap();
    let mut names: Vec<String> = enc.renditions.iter().map(|r| r.name.clone()).collect();
    if plan.audio.is_some() {
        names.push("audio".into());
    }
    for n in names {
        std::fs::write(
            format!("{out}/{n}/playlist.m3u8"),
            hls_media(&plan, &reports, &n, Completeness::Final).unwrap(),
        )
        .unwrap();
    }
    thumbs.sort();
    let chosen = choose(&thumbs.iter().map(|t| t.0).collect::<Vec<_>>(), MAX_TILES);
    let pick: Vec<_> = thumbs
        .into_iter()
        .filter(|t| chosen.contains(&t.0))
        .collect();
    std::fs::write(
        format!("{out}/storyboard.jpg"),
        compose(&pick, tw, th).unwrap(),
    )
    .unwrap();
    std::fs::write(
        format!("{out}/storyboard.vtt"),
        webvtt(&plan, &chosen, 8 * ts as i64),
    )
    .unwrap();
}
