//! Messages that nobody can handle: their neighbours are handled, and each of them becomes an
//! event, a parked message and a question to a person.

use std::collections::BTreeMap;

use cattube_contract::envelope::SCHEMA;
use cattube_contract::{EventId, Metadata, OwnerId, VideoId};
use cattube_core::digest::sha256_hex;
use cattube_tests::engine::{awaited, said, tool};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::NAME;
use super::people::{await_count, notices};
use super::play::check;
use super::stage::{PATIENCE, Stage, await_ready, send};
use crate::template::{resources, template};

/// How long a poisoned message stays unseen the first time: long enough for its neighbours.
const NEIGHBOURS_SECONDS: &str = "15";

/// And then: it is to come five times soon.
const SOON_SECONDS: &str = "1";

/// The outputs that name every queue that a function reads, dead letters apart.
fn queues() -> Vec<String> {
    let template = template();
    let queues = resources(&template, "AWS::SQS::Queue");
    let names = queues
        .iter()
        .filter(|(_, queue)| queue.get("RedrivePolicy").is_some());
    names.map(|(name, _)| format!("{name}Url")).collect()
}

/// Queues with another visibility than theirs, until this is dropped.
struct Hurried<'a> {
    stage: &'a Stage,
    before: BTreeMap<String, String>,
}

impl<'a> Hurried<'a> {
    fn new(stage: &'a Stage, queues: &[String], seconds: &str) -> Self {
        let before = |queue: &String| (queue.clone(), stage.engine.visibility(queue));
        let hurried = Self {
            stage,
            before: queues.iter().map(before).collect(),
        };
        hurried.set(seconds);
        hurried
    }

    fn set(&self, seconds: &str) {
        for queue in self.before.keys() {
            self.stage.engine.set_visibility(queue, seconds);
        }
    }
}

impl Drop for Hurried<'_> {
    fn drop(&mut self) {
        for (queue, seconds) in &self.before {
            self.stage.engine.set_visibility(queue, seconds);
        }
    }
}

fn poison(queue: &str) -> String {
    format!("poison for {queue}, from {}", std::process::id())
}

fn digest(queue: &str) -> String {
    sha256_hex(poison(queue).as_bytes())
}

/// The events of messages that were buried, by the digests of their bodies.
fn buried(stage: &Stage) -> BTreeMap<String, Value> {
    let events = stage
        .engine
        .heard(&stage.bus, |event| event["detail-type"] == "MessageBuried");
    let by_digest = |event: Value| {
        let data = event["detail"]["data"].clone();
        (data["body_sha256"].as_str().unwrap().to_owned(), data)
    };
    events.into_iter().map(by_digest).collect()
}

fn redrive(args: &[&str]) -> String {
    let mut make = tool("make");
    let name = format!("ENGINE={NAME}");
    make.args(["--silent", "redrive", &name]).args(args);
    said(&mut make, PATIENCE)
}

pub fn everywhere(stage: &Stage) {
    let queues = queues();
    assert!(queues.len() >= 9, "{queues:?}");
    let hurried = Hurried::new(stage, &queues, NEIGHBOURS_SECONDS);
    for queue in &queues {
        stage.engine.send(queue, &poison(queue), Some("poison"));
    }
    // Its neighbours are handled meanwhile, in every queue of the way.
    let client = stage.client("zoe");
    let video_id = send(&client, &stage.clips.small, &[144]);
    check(
        &await_ready(&client, &video_id),
        &stage.clips.small,
        &["256x144"],
    );
    hurried.set(SOON_SECONDS);
    let buried = awaited("every poisoned message is buried", PATIENCE, || {
        let buried = buried(stage);
        let missing: Vec<_> = queues
            .iter()
            .filter(|queue| !buried.contains_key(&digest(queue)))
            .collect();
        missing
            .is_empty()
            .then_some(buried)
            .ok_or(format!("{missing:?} are missing"))
    });
    drop(hurried);
    stage.engine.await_quiet(PATIENCE);
    let parked = redrive(&[]);
    for queue in &queues {
        let data = &buried[&digest(queue)];
        let name = data["queue"].as_str().unwrap();
        assert!(
            queue.to_lowercase().starts_with(name),
            "{queue} is called {name}"
        );
        assert!(!data["reason"].as_str().unwrap().is_empty(), "{data}");
        let mut lines = parked.lines();
        assert!(
            lines.any(|line| line.starts_with(name)),
            "{queue}: {parked}"
        );
        let told = awaited(format!("a notice of {name}"), PATIENCE, || {
            let told = notices(stage, &format!("a message of `{name}`"));
            (!told.is_empty()).then_some(told).ok_or_else(String::new)
        });
        assert_eq!(told.len(), 1, "{told:?}");
    }
    assert_eq!(stage.engine.backlog("DeadLettersUrl"), []);
}

/// An event that the catalogue takes into a timeline, and that nobody else hears.
fn event(owner: OwnerId, video: VideoId, number: u32) -> String {
    let name = "UploadFailed";
    let metadata = Metadata {
        event_id: EventId::derive(name, &[&video.to_string(), &number.to_string()]),
        video_id: video,
        owner_id: owner,
        caused_by: None,
        attempt: number,
        hop: 0,
        schema: SCHEMA,
        occurred_at: Timestamp::now(),
    };
    let data = json!({"fault": "transient", "reason": "said by hand"});
    let detail = json!({"metadata": metadata, "data": data});
    json!({"source": "cattube.upload", "detail-type": name, "detail": detail}).to_string()
}

/// Nine and a bad one, in one batch.
pub fn one_of_ten(stage: &Stage) {
    let subject = "zack";
    let queue = "ManageQueueUrl";
    let video = VideoId::new(Timestamp::now(), 9);
    let client = stage.client(subject);
    let all = [queue.to_owned()];
    let hurried = Hurried::new(stage, &all, SOON_SECONDS);
    let deaf = stage.engine.paused(&["manage"]);
    let owner = OwnerId::of_subject(subject);
    let bad = "a batch";
    for number in 1..=9 {
        if number == 5 {
            stage.engine.send(queue, &poison(bad), None);
        }
        stage.engine.send(queue, &event(owner, video, number), None);
    }
    drop(deaf);
    await_count(&client, &video.to_string(), "UploadFailed", 9);
    awaited("the bad one is buried", PATIENCE, || {
        let buried = buried(stage);
        buried
            .contains_key(&digest(bad))
            .then_some(())
            .ok_or_else(|| format!("{buried:?}"))
    });
    drop(hurried);
    // The nine were handled at once, the tenth came again and again.
    let log = stage.engine.script("logs.py", &["--function", "manage"]);
    let lines = log
        .lines()
        .filter_map(|line| line.find('{').map(|at| &line[at..]));
    let lines: Vec<Value> = lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let receives = |of: &dyn Fn(&Value) -> bool| -> Vec<String> {
        let lines = lines.iter().filter(|line| of(line));
        lines
            .map(|line| {
                line["fields"]["receives"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect()
    };
    let of_video = |line: &Value| line["fields"]["video_id"] == video.to_string();
    assert_eq!(receives(&of_video), ["1"; 9].map(str::to_owned));
}
