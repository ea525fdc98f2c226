//! The commands of the README, as they stand there.

use std::fs;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cattube::api::VideoState;
use cattube_tests::engine::{awaited, said, tool};
use serde_json::Value;

use super::NAME;
use super::stage::{PATIENCE, Stage, await_state};
use crate::tree;

/// Whose the samples in `events/` are, and which video most speak of.
const SUBJECT: &str = "b4e8f4a8-60f1-70b2-9d35-2c7d3f0a9e11";
const VIDEO: &str = "vid_019aa07df28078d5968148de146a31ee";

fn await_event(stage: &Stage, video_id: &str, name: &str) {
    let client = stage.client(SUBJECT);
    awaited(format!("{name} is in the timeline"), PATIENCE, || {
        let timeline = client
            .timeline(video_id)
            .map_err(|error| error.to_string())?;
        let names: Vec<_> = timeline.iter().map(|event| event.name.as_str()).collect();
        names
            .contains(&name)
            .then_some(())
            .ok_or(format!("{names:?}"))
    });
}

pub fn replay(stage: &Stage) {
    let make = |sample: &str| {
        let mut make = tool("make");
        make.args([
            "--silent",
            "replay",
            &format!("E={sample}"),
            &format!("ENGINE={NAME}"),
        ]);
        said(&mut make, PATIENCE)
    };
    let answer = make("events/bus/video-uploaded.json");
    assert!(answer.starts_with("VideoUploaded -> bus"), "{answer}");
    await_event(stage, VIDEO, "VideoUploaded");
    let video = await_state(&stage.client(SUBJECT), VIDEO, VideoState::Uploaded);
    assert_eq!(video.title, "Maunzi am Fenster");
    // A batch as a function gets it, back into where it came from.
    let answer = make("events/manage/upload-requested.json");
    assert!(answer.starts_with("UploadRequested -> bus"), "{answer}");
    await_event(stage, VIDEO, "UploadRequested");
}

pub fn put_events(stage: &Stage) {
    let file = "events/bus/upload-failed.json";
    let entries: Value = serde_json::from_str(&tree::read(file)).unwrap();
    let detail: Value = serde_json::from_str(entries[0]["Detail"].as_str().unwrap()).unwrap();
    let video_id = detail["metadata"]["video_id"].as_str().unwrap();
    let entries = format!("file://{file}");
    let answer = stage
        .engine
        .aws(&["events", "put-events", "--entries", &entries]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["FailedEntryCount"], 0);
    await_event(stage, video_id, "UploadFailed");
}

/// `cargo lambda watch`, which ends when this is dropped, with all that it started.
struct Watch {
    child: Child,
    port: u16,
}

impl Watch {
    fn start() -> Self {
        // One that nobody has: of an interrupted run, another may be up still.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        // It ends with its standard input, so also when this test is killed.
        let command = format!(
            "trap '' INT; \
             eval \"$(.local/venv/bin/python local/engine.py env --name {NAME} --export)\"; \
             cargo lambda watch --ignore-changes -A 127.0.0.1 -P {port} & watch=$!; \
             cat; kill $watch; wait $watch"
        );
        let mut shell = clean("sh");
        shell.args(["-c", &command]).stdin(Stdio::piped());
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        let child = shell.spawn().unwrap();
        Self { child, port }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Processes that a watch on this port started.
fn watched(port: u16) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let of_port = |process: &PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&format!("127.0.0.1:{port}/"))
    };
    let paths = processes.map(|process| process.path());
    paths.filter(of_port).collect()
}

/// A command that does not know that it runs within `cargo test`.
fn clean(program: &str) -> Command {
    let mut command = tool(program);
    for (name, _) in std::env::vars() {
        let kept = ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE"];
        if name.starts_with("CARGO") && !kept.contains(&name.as_str()) || name == "LD_LIBRARY_PATH"
        {
            command.env_remove(name);
        }
    }
    command
}

/// Nobody will go on with this upload: its failures would keep the queues busy for minutes.
fn cancel(stage: &Stage, granted: &Value) {
    let body: Value = serde_json::from_str(granted["body"].as_str().unwrap()).unwrap();
    let video_id = body["video_id"].as_str().unwrap();
    stage.client(SUBJECT).cancel_upload(video_id).unwrap();
}

pub fn cargo_lambda(stage: &Stage) {
    let watch = Watch::start();
    let port = watch.port;
    awaited("cargo lambda watch listens", PATIENCE, || {
        let stream = TcpStream::connect(("127.0.0.1", port));
        let stream = stream.map_err(|error| error.to_string())?;
        stream
            .shutdown(Shutdown::Both)
            .map_err(|error| error.to_string())
    });
    for (function, sample) in [
        ("upload", "create-upload"),
        ("ingest", "put-object"),
        ("plan", "plan-video"),
        ("transcode", "video-chunk"),
        ("assemble", "video-planned"),
        ("retry", "retries-exhausted-by-a-permanent-fault"),
        ("manage", "http-list-videos"),
    ] {
        let file = format!("events/{function}/{sample}.json");
        assert!(tree::files("events", ".json").contains(&file), "{file}");
        let mut invoke = clean("cargo");
        invoke.args([
            "lambda",
            "invoke",
            "-A",
            "127.0.0.1",
            "-P",
            &port.to_string(),
        ]);
        // The first one compiles what is not compiled.
        let answer = said(
            invoke.args([function, "--data-file", &file]),
            Duration::from_mins(4),
        );
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let status = answer["statusCode"].as_u64().unwrap_or(0);
        let is_fine = answer["batchItemFailures"]
            .as_array()
            .is_some_and(Vec::is_empty);
        assert!(
            is_fine || (200..300).contains(&status),
            "{function}: {answer}"
        );
        if function == "upload" {
            cancel(stage, &answer);
        }
    }
    assert!(!watched(port).is_empty());
    drop(watch);
    assert_eq!(watched(port), [""; 0].map(PathBuf::from));
    assert!(
        TcpStream::connect(("127.0.0.1", port)).is_err(),
        "it listens still"
    );
    // What the functions did there, they did in the engine.
    await_event(stage, VIDEO, "PlanFailed");
    await_event(stage, VIDEO, "ChunkFailed");
}
