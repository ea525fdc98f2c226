//! Events put on the bus by hand: doubled, in the wrong order, long after. They change
//! nothing.

use std::collections::BTreeMap;
use std::fs;

use cattube::Client;
use cattube::api::VideoState;
use cattube_tests::engine::{Object, awaited};
use serde_json::{Value, json};

use super::play::check;
use super::stage::{PATIENCE, Stage, await_ready, chunk_count, send};

const OWNER: &str = "yara";

/// Every event of a video, as it came.
fn events_of(stage: &Stage, video_id: &str) -> Vec<Value> {
    stage.engine.heard(&stage.bus, |event| {
        event["detail"]["metadata"]["video_id"] == video_id
    })
}

/// Puts events on the bus, as `aws events put-events` does, ten at a time.
pub fn put(stage: &Stage, events: &[Value]) {
    let entry = |event: &Value| {
        json!({
            "EventBusName": stage.engine.output("BusName"),
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": event["detail"].to_string(),
        })
    };
    let file = stage.dir.path().join("entries.json");
    for some in events.chunks(10) {
        let entries: Vec<_> = some.iter().map(entry).collect();
        fs::write(&file, Value::from(entries).to_string()).unwrap();
        let entries = format!("file://{}", file.display());
        let answer = stage
            .engine
            .aws(&["events", "put-events", "--entries", &entries]);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["FailedEntryCount"], 0, "{answer}");
    }
}

/// Each twice, the last one first.
fn doubled_and_reversed(events: &[Value]) -> Vec<Value> {
    let events = events.iter().rev();
    events
        .flat_map(|event| [event.clone(), event.clone()])
        .collect()
}

/// How often each event is in the timeline.
fn counts(client: &Client, video_id: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in client.timeline(video_id).unwrap() {
        *counts.entry(event.name).or_default() += 1;
    }
    counts
}

fn objects(stage: &Stage, video_id: &str) -> BTreeMap<String, Object> {
    let keys = stage.objects_of(OWNER, video_id);
    let all = |bucket: &str| stage.engine.objects(bucket, "");
    let all: BTreeMap<_, _> = [all("MastersBucket"), all("MediaBucket")]
        .into_iter()
        .flatten()
        .collect();
    keys.into_iter()
        .map(|key| {
            let object = all[&key].clone();
            (key, object)
        })
        .collect()
}

pub fn doubled(stage: &Stage) {
    let client = stage.client(OWNER);
    // Who joins and who keeps the record hear all of it at once, in the wrong order.
    let deaf = stage.engine.paused(&["assemble", "manage"]);
    let video_id = send(&client, &stage.clips.small, &[180, 144]);
    let is_chunk = |event: &&Value| event["detail-type"] == "ChunkTranscoded";
    let planned = awaited("it is planned", PATIENCE, || {
        let events = events_of(stage, &video_id);
        let planned = events
            .iter()
            .find(|event| event["detail-type"] == "VideoPlanned");
        planned.cloned().ok_or(format!("{} events", events.len()))
    });
    let data = &planned["detail"]["data"];
    let total = ["video_chunk_count", "audio_chunk_count"]
        .map(|name| data[name].as_u64().unwrap())
        .iter()
        .sum::<u64>();
    let events = awaited("all chunks are made", PATIENCE, || {
        let events = events_of(stage, &video_id);
        let done = events.iter().filter(is_chunk).count();
        (u64::try_from(done).unwrap() == total)
            .then_some(events)
            .ok_or(format!("{done} of {total}"))
    });
    put(stage, &doubled_and_reversed(&events));
    drop(deaf);
    let video = await_ready(&client, &video_id);
    check(&video, &stage.clips.small, &["320x180", "256x144"]);
    stage.engine.await_quiet(PATIENCE);
    let story = counts(&client, &video_id);
    let made = objects(stage, &video_id);
    for name in [
        "UploadRequested",
        "VideoUploaded",
        "VideoPlanned",
        "VideoReady",
    ] {
        assert_eq!(story.get(name), Some(&1), "{name}: {story:?}");
    }
    assert_eq!(story["ChunkTranscoded"], chunk_count(&client, &video_id));
    // And when all is over.
    put(stage, &doubled_and_reversed(&events_of(stage, &video_id)));
    stage.engine.await_quiet(PATIENCE);
    assert_eq!(counts(&client, &video_id), story);
    assert_eq!(
        client.video(&video_id).unwrap().unwrap().state,
        VideoState::Ready
    );
    let after = objects(stage, &video_id);
    let etags = |objects: BTreeMap<String, Object>| -> BTreeMap<String, String> {
        let etag = |(key, object): (String, Object)| (key, object.etag);
        objects.into_iter().map(etag).collect()
    };
    assert_eq!(etags(after), etags(made));
    assert_eq!(client.videos(10).unwrap().len(), 1);
}
