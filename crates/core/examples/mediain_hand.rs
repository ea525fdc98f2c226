//! By hand: index, cut, write slices. Removed before the end.
use cattube_core::{
    chunking,
    container::{self, *},
    slice::{self, Part},
};
use std::io::{Read, Seek, SeekFrom, Write};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (path, out) = (&args[1], &args[2]);
    let mut file = std::fs::File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    let mut bytes = SparseBytes::new(size);
    let (mut needs, mut read) = (0, 0u64);
    let t = std::time::Instant::now();
    let index = loop {
        match container::index(&bytes) {
            Ok(index) => break index,
            Err(IndexError::Need(range)) => {
                needs += 1;
                read += range.end - range.start;
                let mut buffer = vec![0; (range.end - range.start) as usize];
                file.seek(SeekFrom::Start(range.start)).unwrap();
                let mut n = 0;
                while n < buffer.len() {
                    let k = file.read(&mut buffer[n..]).unwrap();
                    if k == 0 {
                        break;
                    }
                    n += k;
                }
                buffer.truncate(n);
                if n == 0 {
                    println!("{{\"error\":\"need {range:?} beyond\"}}");
                    return;
                }
                bytes.insert(range.start, buffer);
            }
            Err(IndexError::NeedProbe { format }) => {
                let args = probe_text::args(format, path);
                let o = std::process::Command::new(std::env::var("FFMPEG").unwrap())
                    .args(args)
                    .output()
                    .unwrap();
                let text = format!(
                    "{}\n{}",
                    String::from_utf8_lossy(&o.stdout),
                    String::from_utf8_lossy(&o.stderr)
                );
                match probe_text::parse(format, size, &text) {
                    Ok(i) => break i,
                    Err(e) => {
                        println!("{{\"error\":{:?}}}", e.to_string());
                        return;
                    }
                }
            }
            Err(e) => {
                println!("{{\"error\":{:?}}}", format!("{e:?}"));
                return;
            }
        }
    };
    let took = t.elapsed();
    let access = |a: &Access| match a {
        Access::Samples(t) => format!("samples {}", t.samples.len()),
        Access::Clusters(c) => format!("cues {}", c.cues.len()),
        Access::Whole => "whole".into(),
    };
    let v = &index.video;
    eprintln!(
        "{path}: needs {needs} read {read} of {size} in {took:?}; {:?} dur {:?} {} s{} ts {} {}x{} par {:?} rot {:?} fps {:?} {:?} origin {} {} shift {}",
        index.container,
        index.duration_ms,
        v.codec,
        v.stream,
        v.timescale,
        v.width_px,
        v.height_px,
        v.pixel_aspect,
        v.rotation,
        v.frame_rate,
        v.dynamic_range,
        v.origin_ticks,
        access(&v.access),
        chunking::shift_ticks(v)
    );
    if let Some(a) = &index.audio {
        eprintln!(
            "   audio {} s{} ts {} rate {} origin {} {}",
            a.codec,
            a.stream,
            a.timescale,
            a.sample_rate_hz,
            a.origin_ticks,
            access(&a.access)
        );
    }
    let target: u32 = std::env::var("TARGET")
        .ok()
        .and_then(|t| t.parse().ok())
        .unwrap_or(chunking::TARGET_CHUNK_MS);
    let mut lines = vec![];
    let emit = |name: String,
                kind: &str,
                range: cattube_contract::media::TickRange,
                s: slice::Slice| {
        let stored = s.to_bytes();
        assert_eq!(slice::Slice::parse(&stored).unwrap(), s);
        let mut f = std::fs::File::create(format!("{out}/{name}")).unwrap();
        let mut src = std::fs::File::open(path).unwrap();
        for part in &s.parts {
            match part {
                Part::Inline(b) => f.write_all(b).unwrap(),
                Part::Master(r) => {
                    src.seek(SeekFrom::Start(r.start)).unwrap();
                    std::io::copy(&mut (&mut src).take(r.end - r.start), &mut f).unwrap();
                }
            }
        }
        format!(
            "{{\"name\":\"{name}\",\"kind\":\"{kind}\",\"start\":{},\"end\":{},\"origin\":{},\"ts\":{},\"stream\":{},\"format\":\"{}\",\"parts\":{},\"bytes\":{},\"stored\":{},\"expected\":{}}}",
            range.start,
            range.end,
            s.origin_ticks,
            s.timescale,
            s.stream,
            s.format,
            s.parts.len(),
            s.master_bytes(),
            stored.len(),
            s.expected_pts.map_or("null".into(), |e| format!("{e:?}"))
        )
    };
    for (i, r) in chunking::cut_video(v, target).into_iter().enumerate() {
        lines.push(emit(
            format!("v{i:05}"),
            "v",
            r,
            slice::slice_video_from(
                &index,
                r,
                std::env::var("PREROLL").map_or(0, |p| p.parse().unwrap()),
            ),
        ));
    }
    if let Some(a) = &index.audio {
        for (i, r) in chunking::cut_audio(a).into_iter().enumerate() {
            lines.push(emit(
                format!("a{i:05}"),
                "a",
                r,
                slice::slice_audio(&index, a, r),
            ));
        }
    }
    println!(
        "{{\"size\":{size},\"v_origin\":{},\"v_ts\":{},\"v_stream\":{},\"a_origin\":{},\"a_stream\":{},\"a_rate\":{},\"slices\":[{}]}}",
        v.origin_ticks,
        v.timescale,
        v.stream,
        index.audio.as_ref().map_or(0, |a| a.origin_ticks),
        index.audio.as_ref().map_or(0, |a| a.stream),
        index.audio.as_ref().map_or(0, |a| a.sample_rate_hz),
        lines.join(",")
    );
}
