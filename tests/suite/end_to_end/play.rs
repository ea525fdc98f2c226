//! Plays streams as a viewer does: ffmpeg, over HTTP, from the distribution.

use std::path::Path;
use std::time::Duration;

use cattube::api::Video;
use cattube_tests::engine::{run, tool};

/// How long playing a short clip may take, on a machine that does other things too.
const LIMIT: Duration = Duration::from_mins(2);

/// What came out of the decoders.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Of each picture stream: its size and how many frames.
    pub pictures: Vec<(String, usize)>,
    /// Of each sound stream: how many frames.
    pub sounds: Vec<usize>,
}

/// Decodes everything of a file or a URL.
pub fn play(input: &str) -> Played {
    let mut ffmpeg = tool("ffmpeg");
    ffmpeg.args([
        "-nostdin",
        "-hide_banner",
        "-loglevel",
        "warning",
        "-i",
        input,
    ]);
    ffmpeg.args(["-map", "0:v", "-map", "0:a?", "-fps_mode", "passthrough"]);
    let done = run(ffmpeg.args(["-f", "framecrc", "-"]), LIMIT);
    assert!(done.is_success(), "{input}: {done:?}");
    assert_eq!(done.stderr, "", "{input}");
    parse(&done.stdout)
}

/// Reads what ffmpeg's `framecrc` prints: headers of streams, then a line a frame.
fn parse(text: &str) -> Played {
    let mut played = Played::default();
    for line in text.lines() {
        if let Some(dimensions) = header(line, "#dimensions") {
            played.pictures.push((dimensions.to_owned(), 0));
        } else if header(line, "#sample_rate").is_some() {
            played.sounds.push(0);
        } else if let Some((stream, _)) = line.split_once(',').filter(|_| !line.starts_with('#')) {
            let stream: usize = stream.trim().parse().unwrap();
            // Pictures are mapped first.
            match stream.checked_sub(played.pictures.len()) {
                None => played.pictures[stream].1 += 1,
                Some(sound) => played.sounds[sound] += 1,
            }
        }
    }
    played
}

/// The value of a stream's header line such as `#dimensions 0: 640x360`.
fn header<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(name)?;
    rest.split_once(": ").map(|(_, value)| value)
}

/// How many frames of pictures a file has.
pub fn frame_count(file: &Path) -> usize {
    play(file.to_str().unwrap()).pictures[0].1
}

/// Plays both forms of a ready video; each must have every frame of the master in every size.
pub fn check(video: &Video, master: &Path, sizes: &[&str]) {
    let frames = frame_count(master);
    let expected: Vec<_> = sizes
        .iter()
        .map(|size| ((*size).to_owned(), frames))
        .collect();
    let playback = video.playback.as_ref().unwrap();
    for url in [&playback.hls, &playback.dash] {
        let mut played = play(url.as_ref().unwrap());
        // Tallest first, whichever order the demuxer gives.
        played.pictures.sort_by_key(|(size, _)| {
            let height = size
                .split_once('x')
                .map(|(_, height)| height.parse::<u32>().unwrap());
            std::cmp::Reverse(height)
        });
        assert_eq!(played.pictures, expected, "{url:?}");
        assert!(!played.sounds.is_empty(), "{url:?}: {played:?}");
        assert!(
            played.sounds.iter().all(|count| *count > 0),
            "{url:?}: {played:?}"
        );
    }
    assert_eq!(video.frame_count, Some(u64::try_from(frames).unwrap()));
}

/// A file that the distribution serves: its media type and its bytes.
pub fn fetch(url: &str) -> (String, Vec<u8>) {
    let mut answer = ureq::get(url)
        .call()
        .unwrap_or_else(|error| panic!("{url}: {error}"));
    let kind = answer.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    (kind, answer.body_mut().read_to_vec().unwrap())
}
