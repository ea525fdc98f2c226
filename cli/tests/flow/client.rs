//! Uploads, watching, and the command itself.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use cattube::api::{Sizes, VideoState};
use cattube::progress::Silent;
use cattube::upload::{Job, Start, send};
use cattube::watch::{Watch, follow};
use cattube::{Client, Error, Retry};
use serde_json::{Value, json};

use crate::server::{Loss, Server};

fn client(server: &Server) -> Client {
    let retry = Retry {
        tries: 5,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(4),
    };
    Client::new(&format!("{}/", server.url), "secret\n", retry)
}

fn job(path: &Path, start: Start) -> Job<'_> {
    Job {
        path,
        title: None,
        sizes: Sizes::Auto,
        start,
        parallel: 3,
    }
}

/// A file of nine parts of 100 bytes and one of 7.
fn film() -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mp4");
    let bytes: Vec<u8> = (0_u16..907).map(|n| n.to_le_bytes()[0]).collect();
    fs::write(&path, &bytes).unwrap();
    (folder, path, bytes)
}

#[test]
fn parts_that_are_lost_are_sent_again() {
    let server = Server::start(100);
    server.state().losses.extend([
        (2, VecDeque::from([Loss::Hangup, Loss::Busy, Loss::Hangup])),
        (5, VecDeque::from([Loss::Expired])),
        (10, VecDeque::from([Loss::Busy, Loss::Expired])),
    ]);
    let (_folder, path, bytes) = film();
    let id = send(&client(&server), &job(&path, Start::Continue), &Silent).unwrap();
    assert_eq!(id, "vid_1");
    assert!(server.state().completed);
    assert_eq!(server.received(), bytes);
}

#[test]
fn running_again_sends_only_what_is_missing_and_asks_for_the_same_upload() {
    let server = Server::start(100);
    let (_folder, path, bytes) = film();
    let hangups = || (0..5).map(|_| Loss::Hangup).collect();
    server.state().losses.insert(4, hangups());
    let once = Job {
        parallel: 1,
        ..job(&path, Start::Continue)
    };
    let error = send(&client(&server), &once, &Silent).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Part {
                number: 4,
                tries: 5,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(server.state().parts.len(), 3);
    assert!(!server.state().completed);

    let puts = server.count("PUT");
    send(&client(&server), &once, &Silent).unwrap();
    assert_eq!(server.count("PUT") - puts, 7);
    assert_eq!(server.received(), bytes);

    send(&client(&server), &once, &Silent).unwrap();
    assert_eq!(server.count("PUT") - puts, 7);
    send(&client(&server), &job(&path, Start::Again), &Silent).unwrap();
    let keys = server.state().keys.clone();
    assert!(
        keys[0] == keys[1] && keys[1] == keys[2] && keys[2] != keys[3],
        "{keys:?}"
    );
}

#[test]
fn a_completion_that_misses_parts_gets_them() {
    let server = Server::start(100);
    server.state().forgets = vec![1, 10];
    let (_folder, path, bytes) = film();
    send(&client(&server), &job(&path, Start::Continue), &Silent).unwrap();
    assert_eq!(server.received(), bytes);
    assert_eq!(server.count("PUT"), 12);
    assert_eq!(server.count("POST /v1/uploads/vid_1/complete"), 2);
}

#[test]
fn a_part_that_cannot_be_sent_is_reported_and_the_missing_parts_go_on() {
    let server = Server::start(100);
    server.state().looks_until_resumed = Some(3);
    let hangups = || (0..5).map(|_| Loss::Hangup);
    // Twice all quick tries fail; then the upload that the URLs were for has ended.
    let losses = hangups().chain(hangups()).chain([Loss::Gone]);
    server.state().losses.insert(4, losses.collect());
    let (_folder, path, bytes) = film();
    let once = Job {
        parallel: 1,
        ..job(&path, Start::Continue)
    };
    send(&client(&server), &once, &Silent).unwrap();
    assert_eq!(server.received(), bytes);
    let reports = server.state().reports.clone();
    let told: Vec<_> = reports
        .iter()
        .map(|(number, attempt, _)| (*number, *attempt))
        .collect();
    assert_eq!(told, [(4, 1), (4, 2), (4, 3)]);
    assert!(reports[2].2.contains("no more"), "{reports:?}");
    // Three parts before, eleven tries of the fourth that failed, and seven parts at last.
    assert_eq!(server.count("PUT"), 3 + 11 + 7);
}

#[test]
fn a_part_that_was_damaged_on_its_way_is_found_and_sent_again() {
    let server = Server::start(100);
    server.state().losses.insert(7, [Loss::Damage].into());
    let (_folder, path, bytes) = film();
    send(&client(&server), &job(&path, Start::Continue), &Silent).unwrap();
    assert_eq!(server.received(), bytes);
    assert_eq!(server.count("PUT"), 11);
    assert_eq!(server.count("POST /v1/uploads/vid_1/complete"), 2);
}

#[test]
fn a_part_that_was_damaged_before_is_found_too() {
    let server = Server::start(100);
    let (_folder, path, bytes) = film();
    server.state().size = bytes.len();
    server.state().parts.insert(1, vec![0xff; 100]);
    let resume = Start::Resume("vid_1".to_owned());
    send(&client(&server), &job(&path, resume), &Silent).unwrap();
    assert_eq!(server.received(), bytes);
    assert_eq!(server.count("PUT"), 10);
}

#[test]
fn an_upload_that_is_given_up_says_so_and_why() {
    let server = Server::start(100);
    server.state().looks_until_resumed = Some(1);
    let hangups = (0..5).map(|_| Loss::Hangup).collect();
    server.state().losses.insert(2, hangups);
    server.state().abandoned = Some("part 2: no way".to_owned());
    server.state().size = 907;
    let (_folder, path, _) = film();
    let once = |start| Job {
        parallel: 1,
        ..job(&path, start)
    };
    let expected = "upload vid_1 was given up (part 2: no way); --again begins a new one";
    let error = send(&client(&server), &once(Start::Continue), &Silent).unwrap_err();
    assert_eq!(error.to_string(), expected);

    // In mid-way, after its last report.
    server.state().abandoned = None;
    server.state().gives_up = Some("part 2: no way".to_owned());
    let error = send(&client(&server), &once(Start::Continue), &Silent).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn nobody_waits_for_ever_to_go_on() {
    let server = Server::start(100);
    server.state().looks_until_resumed = Some(usize::MAX);
    let hangups = (0..5).map(|_| Loss::Hangup).collect();
    server.state().losses.insert(2, hangups);
    let (_folder, path, _) = film();
    let error = send(&client(&server), &job(&path, Start::Continue), &Silent).unwrap_err();
    assert!(matches!(error, Error::Patience { .. }), "{error}");
}

#[test]
fn an_upload_is_resumed_by_its_id_but_not_with_another_file() {
    let server = Server::start(100);
    let (_folder, path, bytes) = film();
    server.state().size = bytes.len();
    server.state().parts.insert(1, bytes[..100].to_vec());
    let resume = Start::Resume("vid_1".to_owned());
    send(&client(&server), &job(&path, resume.clone()), &Silent).unwrap();
    assert_eq!(server.received(), bytes);
    assert_eq!(
        (server.count("PUT"), server.count("POST /v1/uploads")),
        (9, 1)
    );

    server.state().completed = false;
    fs::write(&path, "another").unwrap();
    let error = send(&client(&server), &job(&path, resume.clone()), &Silent).unwrap_err();
    assert!(matches!(error, Error::OtherFile { .. }), "{error}");
    server.state().cancelled = true;
    let error = send(&client(&server), &job(&path, resume), &Silent).unwrap_err();
    assert!(error.to_string().contains("cancelled"), "{error}");
}

#[test]
fn refusals_are_shown_as_they_are() {
    let server = Server::start(100);
    let (_folder, path, _) = film();
    fs::write(&path, "").unwrap();
    let error = send(&client(&server), &job(&path, Start::Continue), &Silent).unwrap_err();
    assert_eq!(error.to_string(), "Bad request: size_bytes: must not be 0");
    let stranger = Client::new(&server.url, "wrong", Retry::default());
    let error = stranger.videos(1).unwrap_err();
    assert_eq!(error.to_string(), "401 Unauthorized: Unauthorized");
}

#[test]
fn the_watcher_waits_for_a_video_to_appear_and_to_end() {
    let server = Server::start(100);
    let video = |state: &str| json!({"video_id": "vid_1", "state": state});
    server.state().videos = [
        Value::Null,
        Value::Null,
        video("planned"),
        video("abandoned"),
    ]
    .into();
    let watch = Watch {
        shortest_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
        unseen_for: Duration::from_secs(20),
        limit: None,
    };
    let client = client(&server);
    let end = follow(&client, "vid_1", watch, &Silent).unwrap();
    assert_eq!(end.state, VideoState::Abandoned);

    server.state().videos = [video("planned")].into();
    let hasty = Watch {
        limit: Some(Duration::from_millis(20)),
        ..watch
    };
    let error = follow(&client, "vid_1", hasty, &Silent).unwrap_err();
    assert!(matches!(error, Error::Patience { .. }), "{error}");
    server.state().videos.clear();
    let short = Watch {
        unseen_for: Duration::from_millis(20),
        ..watch
    };
    let error = follow(&client, "vid_1", short, &Silent).unwrap_err();
    assert!(error.to_string().contains("unknown"), "{error}");
}

fn cattube(server: &Server, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cattube"))
        .args(args)
        .env("CATTUBE_API", &server.url)
        .env("CATTUBE_TOKEN", "secret")
        .output()
        .unwrap()
}

#[test]
fn the_command_ends_well_only_if_the_video_is_ready() {
    let server = Server::start(100);
    let (_folder, path, bytes) = film();
    let path = path.to_str().unwrap();
    let ready = json!({
        "video_id": "vid_1", "state": "ready", "generation": 1,
        "progress": {"chunks_done": 2, "chunks_total": 2},
        "playback": {"hls": "https://media/master.m3u8"},
        "waterfall": [{"worker": "a"}, {"worker": "b"}],
    });
    let event = |name: &str, second: u32| json!({"name": name, "occurred_at": format!("2026-01-01T00:00:{second:02}Z"), "data": {}});
    server.state().videos = [ready].into();
    server.state().events = vec![event("UploadRequested", 1), event("VideoReady", 9)];
    let output = cattube(&server, &["upload", path, "--sizes", "1080,480", "--watch"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    assert_eq!(server.received(), bytes);
    for part in ["https://media/master.m3u8", "2 ran 2 chunks", "+8.000 s"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(told.contains("uploading 100%"), "{told}");

    let rejected = json!({"video_id": "vid_1", "state": "rejected", "rejection": {"code": "empty", "reason": "no bytes"}});
    server.state().videos = [rejected].into();
    let output = cattube(&server, &["upload", path, "--watch"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("empty: no bytes"), "{text}");
}

#[test]
fn the_other_commands_ask_and_tell() {
    let server = Server::start(100);
    let video = |id: &str| json!({"video_id": id, "title": "Cats", "state": "playable"});
    server.state().videos = [video("vid_1"), video("vid_2")].into();
    server.state().events =
        vec![json!({"name": "VideoPlanned", "occurred_at": "2026-01-01T00:00:00Z"})];
    for (args, part) in [
        (&["list"][..], "vid_2  playable"),
        (&["timeline", "vid_1"], "VideoPlanned"),
        (
            &["show", "vid_1"],
            "planned       2026-01-01T00:00:00Z  +0.000 s",
        ),
        (&["delete", "vid_1"], "vid_1"),
        (&["cancel", "vid_1"], "vid_1"),
    ] {
        let output = cattube(&server, args);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && text.contains(part),
            "{args:?}: {text}"
        );
    }
    assert_eq!(server.count("DELETE /v1/videos/vid_1"), 1);
    assert_eq!(server.count("DELETE /v1/uploads/vid_1"), 1);
    let output = cattube(&server, &["delete", "vid_9"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(told, "error: Not found: DELETE /v1/videos/vid_9\n");
}
