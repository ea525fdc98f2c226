//! The inputs that mutations begin with: every sample in `events/`, and small files that
//! ffmpeg makes.

use std::path::{Path, PathBuf};

use cattube_core::container::{SparseBytes, probe_text};
use cattube_core::slice::{slice_audio, slice_video};
use cattube_core::{chunking, container};
use cattube_tests::masters::{ffmpeg, make};
use serde_json::Value;

use crate::tree::Kind;

/// A payload of the API, and the function that it is for.
#[derive(Debug, Clone)]
pub struct Request {
    pub function: String,
    pub payload: String,
}

/// Everything to begin with.
#[derive(Debug, Default)]
pub struct Seeds {
    /// Bodies of queue messages.
    pub messages: Vec<String>,
    /// HTTP requests.
    pub requests: Vec<Request>,
    /// Films that are boxes or elements.
    pub masters: Vec<(Kind, Vec<u8>)>,
    /// Files of any kind.
    pub files: Vec<Vec<u8>>,
    /// What ffmpeg says of films that only it can read.
    pub probes: Vec<String>,
    /// What the encoder writes.
    pub encoded: Vec<Vec<u8>>,
    /// Frame lists of the encoder.
    pub frames: Vec<String>,
    /// Stored slices.
    pub slices: Vec<Vec<u8>>,
}

const PICTURES: &str = "-f lavfi -i testsrc2=s=96x64:r=10";
const SOUND: &str = "-f lavfi -i sine -t 1";
const H264: &str = "-c:v libx264 -preset ultrafast -x264-params keyint=5:bframes=1";

impl Seeds {
    /// Reads the samples and makes the films.
    pub fn collect() -> Self {
        let mut seeds = Self::default();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
        let mut paths = Vec::new();
        files_below(&root, &mut paths);
        for path in paths {
            seeds.sample(&root, &path);
        }
        assert!(seeds.messages.len() > 50 && seeds.requests.len() > 10);
        let dir = tempfile::tempdir().unwrap();
        seeds.films(dir.path());
        seeds.encodings(dir.path());
        seeds.cut();
        seeds
    }

    /// The first message that has an event of this name in it.
    pub fn message(&self, event: &str) -> String {
        let says = |body: &&String| {
            let body: Result<Value, _> = serde_json::from_str(body);
            body.is_ok_and(|body| {
                body["detail-type"] == event && body["detail"]["data"].is_object()
            })
        };
        self.messages
            .iter()
            .find(says)
            .expect("there is a sample")
            .clone()
    }

    fn sample(&mut self, root: &Path, path: &Path) {
        let text = std::fs::read_to_string(path).unwrap();
        let payload: Value = serde_json::from_str(&text).unwrap();
        let bodies = payload["Records"].as_array().into_iter().flatten();
        let bodies = bodies.filter_map(|record| record["body"].as_str());
        self.messages.extend(bodies.map(str::to_owned));
        if payload.get("routeKey").is_some() {
            let function = path.strip_prefix(root).unwrap().iter().next().unwrap();
            self.requests.push(Request {
                function: function.to_str().unwrap().to_owned(),
                payload: text,
            });
        }
    }

    fn films(&mut self, dir: &Path) {
        let read = |step: &str| std::fs::read(make(dir, &[step])).unwrap();
        let boxes = [
            format!("{PICTURES} {SOUND} {H264} -c:a aac -movflags +faststart a.mp4"),
            format!("{PICTURES} {SOUND} {H264} -c:a aac -movflags +frag_keyframe+empty_moov b.mp4"),
            format!("{PICTURES} {SOUND} {H264} -c:a aac -movflags +dash+global_sidx c.mp4"),
            "-ss 0.3 -i a.mp4 -c copy d.mp4".to_owned(),
            format!(
                "{PICTURES} {SOUND} -c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1 -c:a pcm_s16le e.mov"
            ),
        ];
        let boxes = boxes.iter().map(|step| (Kind::Mp4, read(step)));
        self.masters.extend(boxes);
        let elements = [
            format!(
                "{PICTURES} {SOUND} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 5 -c:a libopus f.webm"
            ),
            format!("{PICTURES} {SOUND} {H264} -c:a aac g.mkv"),
        ];
        let elements = elements.iter().map(|step| (Kind::Matroska, read(step)));
        self.masters.extend(elements);
        let mut others = Vec::new();
        for (format, step) in [
            ("mpegts", format!("{PICTURES} {SOUND} {H264} -c:a aac h.ts")),
            (
                "avi",
                format!("{PICTURES} {SOUND} -c:v mpeg4 -c:a mp3 i.avi"),
            ),
            ("flv", format!("{PICTURES} -t 1 {H264} j.flv")),
        ] {
            others.push(read(&step));
            let path = make(dir, &[&step]);
            let args = probe_text::args(format, path.to_str().unwrap());
            let said = std::process::Command::new("ffmpeg")
                .args(args)
                .output()
                .unwrap();
            let text = [said.stdout, said.stderr].concat();
            self.probes.push(String::from_utf8(text).unwrap());
        }
        self.files = self.masters.iter().map(|(_, file)| file.clone()).collect();
        self.files.extend(others);
        self.files.extend([
            b"#EXTM3U\n#EXTINF:4,\nhttp://169.254.169.254/\n".to_vec(),
            b"ffconcat version 1.0\nfile /etc/passwd\n".to_vec(),
            b"RIFF\x00\x00\x01\x00AVI LIST".to_vec(),
        ]);
    }

    fn encodings(&mut self, dir: &Path) {
        let flags = "-movflags +frag_keyframe+empty_moov+default_base_moof -use_editlist 0 -f mp4";
        for step in [
            format!("{PICTURES} -t 1 {H264} -video_track_timescale 10240 {flags} k.mp4"),
            format!("-f lavfi -i sine -t 1 -ar 48000 -ac 2 -c:a aac {flags} l.mp4"),
        ] {
            let path = make(dir, &[&step]);
            self.encoded.push(std::fs::read(path).unwrap());
        }
        let frames = ffmpeg(dir, "-i k.mp4 -vf scale=16:16 -f framecrc -");
        self.frames.push(String::from_utf8(frames).unwrap());
    }

    /// Every slice of every film.
    fn cut(&mut self) {
        for (_, file) in &self.masters {
            let mut bytes = SparseBytes::new(u64::try_from(file.len()).unwrap());
            bytes.insert(0, file.clone());
            let index = container::index(&bytes).unwrap();
            let pictures = chunking::cut_video(&index.video, 400).into_iter();
            let slices = pictures.map(|range| slice_video(&index, range).to_bytes());
            self.slices.extend(slices);
            if let Some(track) = &index.audio {
                let sound = chunking::cut_audio(track).into_iter();
                let slices = sound.map(|range| slice_audio(&index, track, range).to_bytes());
                self.slices.extend(slices);
            }
        }
    }
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "json") {
            found.push(path);
        }
    }
}
