//! What is lost on the way: events that never come, and an engine that is restarted in the
//! middle of everything. The deadline alone leads the video to its end.

use cattube::Client;
use cattube_tests::engine::{Received, awaited};

use super::people::await_count;
use super::play::check;
use super::processes::encoder_of;
use super::stage::{PATIENCE, Stage, await_events, await_ready, chunk_count, send};

const INGEST: &str = "IngestQueueUrl";
const ASSEMBLE: &str = "AssembleQueueUrl";

/// A video that nobody hears of any more.
pub struct Lost {
    client: Client,
    video_id: String,
}

/// Takes the messages that speak of a video out of a queue that nobody else reads, so many.
fn lose(stage: &Stage, queue: &str, video_id: &str, count: usize) {
    let mut seen: Vec<Received> = Vec::new();
    awaited(format!("{count} messages of {video_id}"), PATIENCE, || {
        seen.extend(stage.engine.receive(queue, 60));
        let found = seen
            .iter()
            .filter(|message| message.body.contains(video_id))
            .count();
        (found >= count).then_some(()).ok_or(format!("{found}"))
    });
    let (lost, others): (Vec<_>, Vec<_>) = seen
        .iter()
        .partition(|message| message.body.contains(video_id));
    stage.engine.delete(queue, lost);
    stage.engine.release(queue, others);
}

/// S3's event of an arrival is lost.
pub fn arrival(stage: &Stage) -> Lost {
    let client = stage.client("vera");
    let deaf = stage.engine.paused(&["ingest"]);
    let video_id = send(&client, &stage.clips.small, &[180]);
    lose(stage, INGEST, &video_id, 1);
    drop(deaf);
    Lost { client, video_id }
}

/// Every event that the join lives on is lost.
pub fn chunks(stage: &Stage) -> Lost {
    let client = stage.client("wilma");
    let deaf = stage.engine.paused(&["assemble"]);
    let video_id = send(&client, &stage.clips.small, &[180]);
    let total = chunk_count(&client, &video_id);
    lose(stage, ASSEMBLE, &video_id, total + 1);
    drop(deaf);
    Lost { client, video_id }
}

/// Said again by the upload's own deadline.
pub fn arrival_found(stage: &Stage, lost: &Lost) {
    let Lost { client, video_id } = lost;
    let video = await_ready(client, video_id);
    check(&video, &stage.clips.small, &["320x180"]);
    await_count(client, video_id, "UploadCompleted", 1);
    await_events(client, video_id, &[("VideoUploaded", 1), ("VideoReady", 1)]);
}

/// Found in S3 by the job's deadline.
pub fn chunks_found(stage: &Stage, lost: &Lost) {
    let Lost { client, video_id } = lost;
    let video = await_ready(client, video_id);
    check(&video, &stage.clips.small, &["320x180"]);
    let total = chunk_count(client, video_id);
    await_events(
        client,
        video_id,
        &[("ChunkTranscoded", total), ("VideoReady", 1)],
    );
}

/// The engine ends while chunks are in work, with all its workers.
pub fn restarted(stage: &Stage) -> Lost {
    let client = stage.client("xenia");
    let video_id = send(&client, &stage.clips.slow, &[720, 360]);
    let total = chunk_count(&client, &video_id);
    awaited("a chunk is in work", PATIENCE, || {
        let workers = stage.engine.workers();
        let busy = workers.iter().find_map(|worker| encoder_of(worker.pid));
        busy.ok_or_else(|| "none is".to_owned())
    });
    let before = stage.engine.workers();
    stage.engine.restart();
    let done = stage.report_count("xenia", &video_id);
    assert!(done < total, "{done} of {total} chunks were done");
    let after = stage.engine.workers();
    assert!(after.iter().all(|worker| !before.contains(worker)));
    Lost { client, video_id }
}

pub fn survived(stage: &Stage, lost: &Lost) {
    let Lost { client, video_id } = lost;
    let video = await_ready(client, video_id);
    check(&video, &stage.clips.slow, &["1280x720", "640x360"]);
    let total = chunk_count(client, video_id);
    await_events(
        client,
        video_id,
        &[("ChunkTranscoded", total), ("VideoReady", 1)],
    );
}
