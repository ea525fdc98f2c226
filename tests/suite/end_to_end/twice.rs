//! Queues deliver at least once: what comes again must change nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cattube::Client;
use cattube::api::VideoState;
use cattube_contract::key::media_prefix;
use cattube_contract::{OwnerId, VideoId};
use cattube_tests::engine::{Object, Received, awaited};

use super::play::check;
use super::stage::{
    PATIENCE, Stage, await_events, await_ready, await_state, await_title, chunk_count,
};

const INGEST: &str = "IngestQueueUrl";
const CHUNKS: &str = "ChunksQueueUrl";
const TITLE: &str = "twice.mp4";

/// Waits until `count` messages that speak of `word` can be seen; they stay in the queue.
pub fn waiting(stage: &Stage, queue: &str, word: &str, count: usize) -> Vec<Received> {
    let mut seen = BTreeMap::new();
    let what = format!("{count} messages of {word} in {queue}");
    awaited(what, PATIENCE, || {
        for message in stage.engine.receive(queue, 60) {
            seen.insert(message.body.clone(), message);
        }
        let found = seen
            .values()
            .filter(|message| message.body.contains(word))
            .count();
        (found == count)
            .then_some(())
            .ok_or(format!("{found} are seen"))
    });
    stage.engine.release(queue, seen.values());
    seen.into_values()
        .filter(|message| message.body.contains(word))
        .collect()
}

fn media(stage: &Stage, video_id: &str) -> BTreeMap<String, Object> {
    let owner = OwnerId::of_subject(stage.engine.fact("/subject"));
    let video: VideoId = video_id.parse().unwrap();
    stage
        .engine
        .objects("MediaBucket", &media_prefix(owner, video))
}

/// Sends everything again, and again.
fn repeat(stage: &Stage, arrival: &Received, chunks: &[Received]) {
    for _ in 0..3 {
        stage.engine.send(INGEST, &arrival.body, None);
    }
    for chunk in chunks {
        for _ in 0..2 {
            stage
                .engine
                .send(CHUNKS, &chunk.body, chunk.group.as_deref());
        }
    }
}

pub fn delivered(stage: &Stage) {
    let client = stage.drop_client();
    let others = client.videos(1000).unwrap().len();
    // Held up where the messages are, to take copies of them.
    let deaf = stage.engine.paused(&["ingest"]);
    let idle = stage.engine.paused(&["transcode"]);
    stage.drop_small(TITLE);
    let arrival = waiting(stage, INGEST, TITLE, 1).remove(0);
    drop(deaf);
    let video_id = await_title(&client, TITLE);
    await_state(&client, &video_id, VideoState::Planned);
    let total = chunk_count(&client, &video_id);
    let chunks = waiting(stage, CHUNKS, &video_id, total);
    repeat(stage, &arrival, &chunks);
    drop(idle);
    let video = await_ready(&client, &video_id);
    stage.engine.await_quiet(PATIENCE);
    check(&video, &stage.clips.small, &["320x180"]);
    once(stage, &client, &video_id, total);
    // And when all is done long since.
    let before = media(stage, &video_id);
    repeat(stage, &arrival, &chunks);
    stage.engine.await_quiet(PATIENCE);
    let after = media(stage, &video_id);
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
    for (key, object) in &before {
        assert_eq!(after[key].etag, object.etag, "{key}");
        // A playlist may be written again, the same; a segment is not.
        let is_segment = key.rsplit('.').next() == Some("m4s");
        assert!(
            !is_segment || after[key] == *object,
            "{key} was written again"
        );
    }
    once(stage, &client, &video_id, total);
    assert_eq!(client.videos(1000).unwrap().len(), others + 1);
}

/// One job, one stream: every object is one that a playlist or the catalogue names.
fn once(stage: &Stage, client: &Client, video_id: &str, chunk_total: usize) {
    let once = ["VideoUploaded", "VideoPlanned", "VideoReady"];
    await_events(client, video_id, &once.map(|name| (name, 1)));
    await_events(client, video_id, &[("ChunkTranscoded", chunk_total)]);
    let keys: BTreeSet<_> = media(stage, video_id).into_keys().collect();
    let folder = stage.dir.path().join(video_id);
    let bucket = stage.engine.output("MediaBucket");
    let prefix = keys
        .first()
        .unwrap()
        .split_inclusive('/')
        .take(4)
        .collect::<String>();
    assert!(prefix.ends_with("/g1/"), "{prefix}");
    let to = folder.to_str().unwrap();
    stage.engine.aws(&[
        "s3",
        "cp",
        "--quiet",
        "--recursive",
        &format!("s3://{bucket}/{prefix}"),
        to,
    ]);
    let mut named: BTreeSet<_> = [
        "master.m3u8",
        "manifest.mpd",
        "poster.jpg",
        "storyboard.jpg",
        "storyboard.vtt",
    ]
    .map(|name| format!("{prefix}{name}"))
    .into();
    for rendition in ["180p", "audio"] {
        let playlist = fs::read_to_string(folder.join(rendition).join("playlist.m3u8")).unwrap();
        let files = playlist
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let files = files.chain(["playlist.m3u8", "init.mp4"]);
        named.extend(files.map(|file| format!("{prefix}{rendition}/{file}")));
    }
    assert_eq!(keys, named);
    fs::remove_dir_all(folder).unwrap();
}
