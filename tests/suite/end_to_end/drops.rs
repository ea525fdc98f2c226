//! What any S3 client puts into the bucket: videos, and what is none.

use std::fs;
use std::path::Path;

use cattube::api::{Video, VideoState};
use cattube_tests::engine::awaited;
use cattube_tests::masters::make;

use super::play::check;
use super::stage::{PATIENCE, Stage, await_ready, await_title};

pub fn copied(stage: &Stage) {
    let bucket = stage.engine.output("MastersBucket");
    let client = stage.drop_client();
    stage.drop_small("tapes/Cat №1.mp4");
    // Whatever made the object: a copy within the bucket is an upload too.
    let source = format!("{bucket}/drop/tapes/Cat №1.mp4");
    stage.engine.aws(&[
        "s3api",
        "copy-object",
        "--bucket",
        bucket,
        "--copy-source",
        &source,
        "--key",
        "drop/copy.mp4",
    ]);
    for title in ["Cat №1.mp4", "copy.mp4"] {
        let video = await_ready(&client, &await_title(&client, title));
        check(&video, &stage.clips.small, &["320x180"]);
    }
}

/// Bad inputs: file name, what is in it, the code of its refusal.
fn bad_files(dir: &Path) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let step = "-f lavfi -i testsrc2=s=320x180:r=25 -t 2 -c:v libx264 -preset ultrafast whole.mp4";
    let whole = fs::read(make(dir, &[step])).unwrap();
    let mut oversized = whole.clone();
    // The sample entry's width and height: 28 bytes behind its name's four letters.
    let entry = whole
        .windows(4)
        .rposition(|letters| letters == b"avc1")
        .unwrap()
        + 28;
    oversized[entry..entry + 4].fill(0xff);
    let playlist = b"#EXTM3U\n#EXTINF:4,\nhttp://169.254.169.254/latest/meta-data/\n";
    let script = b"ffconcat version 1.0\nfile /etc/passwd\n";
    vec![
        (
            "letter.mp4",
            b"Dear cat,\nthis is no film.\n".repeat(40),
            "not_a_video",
        ),
        ("empty.mp4", Vec::new(), "empty"),
        ("half.mp4", whole[..whole.len() / 2].to_vec(), "truncated"),
        ("playlist.mp4", playlist.to_vec(), "playlist"),
        ("ffconcat.mp4", script.to_vec(), "playlist"),
        ("oversized.mp4", oversized, "too_large"),
    ]
}

pub fn rejected(stage: &Stage) {
    let bucket = stage.engine.output("MastersBucket");
    let client = stage.drop_client();
    let folder = stage.dir.path().join("bad");
    fs::create_dir(&folder).unwrap();
    let mut expect = Vec::new();
    for (name, bytes, code) in bad_files(stage.dir.path()) {
        fs::write(folder.join(name), bytes).unwrap();
        let title = if code == "empty" { "" } else { name };
        expect.push((code.to_owned(), title.to_owned()));
    }
    // What is refused before it is read has no title.
    expect.push(("bad_key".to_owned(), String::new()));
    expect.sort();
    let from = folder.to_str().unwrap();
    stage.engine.aws(&[
        "s3",
        "cp",
        "--quiet",
        "--recursive",
        from,
        &format!("s3://{bucket}/drop"),
    ]);
    let letter = folder.join("letter.mp4");
    stage.engine.aws(&[
        "s3api",
        "put-object",
        "--bucket",
        bucket,
        "--key",
        "drop/../climbs.mp4",
        "--body",
        letter.to_str().unwrap(),
    ]);
    let refused = awaited("every bad file is rejected", PATIENCE, || {
        let videos = client.videos(1000).unwrap().into_iter();
        let refused: Vec<_> = videos
            .filter(|video| video.state == VideoState::Rejected)
            .collect();
        let codes = codes(&refused);
        (codes == expect)
            .then_some(refused)
            .ok_or(format!("{codes:?}"))
    });
    let subject = stage.engine.fact("/subject");
    for video in refused {
        let rejection = video.rejection.unwrap();
        assert!(rejection.reason.len() > 10, "{rejection:?}");
        assert!(video.playback.is_none() && video.last_failure.is_none());
        assert_eq!(stage.objects_of(subject, &video.video_id), [""; 0]);
    }
}

/// Codes with titles, sorted.
fn codes(videos: &[Video]) -> Vec<(String, String)> {
    let code = |video: &Video| {
        let rejection = video.rejection.clone().unwrap_or_default();
        (rejection.code, video.title.clone())
    };
    let mut codes: Vec<_> = videos.iter().map(code).collect();
    codes.sort();
    codes
}
