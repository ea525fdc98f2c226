//! Workers that are killed, and functions that cannot run at all.

use cattube::Client;
use cattube::api::VideoState;
use cattube_tests::engine::awaited;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::play::check;
use super::processes::{encoder_of, is_running};
use super::stage::{PATIENCE, Stage, await_events, await_ready, await_state, chunk_count, send};
use super::twice::waiting;

/// A video one of whose chunks was lost.
pub struct Wounded {
    client: Client,
    video_id: String,
}

const OWNER: &str = "gwen";

pub fn kill(stage: &Stage) -> Wounded {
    let client = stage.client(OWNER);
    let video_id = send(&client, &stage.clips.slow, &[720, 480, 360]);
    let (worker, encoder) = awaited("a worker encodes", PATIENCE, || {
        let workers = stage.engine.workers();
        let mut workers = workers
            .iter()
            .filter(|worker| worker.function == "transcode");
        let busy = workers.find_map(|worker| Some((worker.pid, encoder_of(worker.pid)?)));
        busy.ok_or_else(|| "none does".to_owned())
    });
    kill_process(Pid::from_raw(worker).unwrap(), Signal::KILL).unwrap();
    let total = chunk_count(&client, &video_id);
    let done = stage.report_count(OWNER, &video_id);
    assert!(done < total, "{done} of {total} chunks were done");
    // The encoder dies with its worker.
    for pid in [worker, encoder] {
        awaited(format!("process {pid} is gone"), PATIENCE, || {
            (!is_running(pid))
                .then_some(())
                .ok_or_else(|| "it runs".to_owned())
        });
    }
    Wounded { client, video_id }
}

pub fn heal(stage: &Stage, wounded: &Wounded) {
    let Wounded { client, video_id } = wounded;
    let video = await_ready(client, video_id);
    check(
        &video,
        &stage.clips.slow,
        &["1280x720", "852x480", "640x360"],
    );
    // The chunk was begun anew, by the same message.
    let receptions = receptions(stage, video_id);
    let again = |(action, receives): &(String, u32)| action == "transcoded" && *receives > 1;
    assert!(receptions.iter().any(again), "{receptions:?}");
    let total = chunk_count(client, video_id);
    await_events(
        client,
        video_id,
        &[("ChunkTranscoded", total), ("VideoReady", 1)],
    );
}

/// What the workers logged of a video: what they did, and at which reception.
fn receptions(stage: &Stage, video_id: &str) -> Vec<(String, u32)> {
    let log = stage.engine.script("logs.py", &["--function", "transcode"]);
    let lines = log
        .lines()
        .filter_map(|line| line.find('{').map(|at| &line[at..]));
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_video = lines.filter(|line| line["fields"]["video_id"] == video_id);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    of_video
        .map(|line| {
            let receives = text(&line["fields"]["receives"]);
            (
                text(&line["fields"]["action"]),
                receives.parse().unwrap_or(0),
            )
        })
        .collect()
}

pub fn nobody_works(stage: &Stage) {
    let client = stage.client("hope");
    let paused = stage.engine.paused(&["plan", "transcode"]);
    // The client sends all and is told that it is accepted.
    let video_id = send(&client, &stage.clips.small, &[180, 144]);
    let path = format!("/v1/uploads/{video_id}/complete");
    let token = stage.engine.token("hope", &[]);
    assert_eq!(stage.request("POST", &path, Some(&token)).status, 202);
    await_state(&client, &video_id, VideoState::Uploaded);
    // Maybe among others, whose deadlines have come.
    waiting(stage, "JobsQueueUrl", &video_id, 1);
    drop(paused);
    let video = await_ready(&client, &video_id);
    check(&video, &stage.clips.small, &["320x180", "256x144"]);
}
