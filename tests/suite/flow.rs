//! The whole way in one process: duplicates, wrong order, crashes at every step, deletion in
//! mid-flight. The encoder is the real one; everything else is in memory.

use std::sync::{Arc, OnceLock};

use cattube_adapters::ffmpeg::Ffmpeg;
use cattube_contract::plan::Quality;
use cattube_contract::{Event, VideoId};
use cattube_ports::fakes::FaultPlan;
use cattube_tests::masters::make;
use cattube_tests::world::{DROP_OWNER, Message, World};

/// A master of three chunks with sound, made once.
pub fn master() -> Vec<u8> {
    static MASTER: OnceLock<Vec<u8>> = OnceLock::new();
    MASTER
        .get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            let step = "-f lavfi -i testsrc2=s=160x90:r=10 -f lavfi -i sine -t 12 -c:v libx264 -preset ultrafast -g 20 -c:a aac m.mp4";
            std::fs::read(make(dir.path(), &[step])).unwrap()
        })
        .clone()
}

pub fn world(faults: &FaultPlan) -> World {
    let world = World::new(Arc::new(Ffmpeg), Quality::Crf(30), faults);
    world.masters.put_master("drop/film.mp4", master(), &[]);
    world
}

pub fn video(world: &World) -> VideoId {
    world.history.first().unwrap().metadata.video_id
}

pub async fn state(world: &World) -> String {
    let answer = world
        .ask(DROP_OWNER, "GET /v1/videos/{id}", Some(video(world)))
        .await
        .unwrap();
    answer.body["state"]
        .as_str()
        .unwrap_or("not found")
        .to_owned()
}

pub fn count(world: &World, name: &str) -> usize {
    let ids: std::collections::BTreeSet<_> = world
        .history
        .iter()
        .filter(|envelope| envelope.event.name() == name)
        .map(|envelope| envelope.metadata.event_id)
        .collect();
    ids.len()
}

/// Every file that a playlist names is there; returns how many.
fn named_files(world: &World) -> usize {
    let keys = world.media.keys();
    let mut named = 0;
    for key in keys
        .iter()
        .filter(|key| key.rsplit_once('.').is_some_and(|(_, end)| end == "m3u8"))
    {
        let text = String::from_utf8(world.media.bytes_of(key).unwrap().to_vec()).unwrap();
        let folder = key.rsplit_once('/').unwrap().0;
        for line in text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
        {
            let file = format!("{folder}/{line}");
            assert!(
                keys.contains(&file),
                "{key} names {file}, which is not there"
            );
            named += 1;
        }
    }
    named
}

#[tokio::test]
async fn an_upload_becomes_a_stream_by_events_alone() {
    let mut world = world(&FaultPlan::none());
    world.pump().await;
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    assert_eq!(state(&world).await, "ready");
    assert!(named_files(&world) > 4);
    for name in ["VideoUploaded", "VideoPlanned", "VideoReady"] {
        assert_eq!(count(&world, name), 1, "{name}");
    }
}

#[tokio::test]
async fn every_message_three_times_changes_nothing() {
    let mut world = world(&FaultPlan::none());
    let mut seen = Vec::new();
    loop {
        world.route();
        if world.waiting.is_empty() {
            break;
        }
        let message = world.waiting.remove(0);
        for _ in 0..3 {
            world.deliver(&message).await.unwrap();
        }
        // What the repeats published again is dropped if it was delivered already.
        let fresh = format!("{message:?}");
        seen.push(fresh);
        world.route();
        let known: std::collections::BTreeSet<_> = seen.iter().cloned().collect();
        world
            .waiting
            .retain(|message| !known.contains(&format!("{message:?}")));
        let mut once = std::collections::BTreeSet::new();
        world
            .waiting
            .retain(|message| once.insert(format!("{message:?}")));
    }
    assert_eq!(state(&world).await, "ready");
    for name in ["VideoUploaded", "VideoPlanned", "VideoReady"] {
        assert_eq!(count(&world, name), 1, "{name}");
    }
    let before = world.media.keys();
    let late: Vec<_> = world.history.clone();
    for envelope in late {
        let body = cattube_tests::rules::bus_body(&envelope);
        world.deliver(&Message::Catalogue(body)).await.unwrap();
    }
    assert_eq!(state(&world).await, "ready");
    assert_eq!(world.media.keys(), before);
}

#[tokio::test]
async fn events_in_reverse_order_end_the_same() {
    let mut world = world(&FaultPlan::none());
    loop {
        world.route();
        // The newest first: chunks are joined before their plan is known.
        let Some(message) = world.waiting.pop() else {
            break;
        };
        world.deliver(&message).await.unwrap();
    }
    assert_eq!(state(&world).await, "ready");
    assert!(named_files(&world) > 4);
}

/// Delivers a message until it succeeds, as SQS does after a crash: a failed delivery heals
/// the ports, since the next process is a new one.
async fn deliver_again(world: &World, message: &Message, faults: &FaultPlan) {
    for _ in 0..3 {
        if world.deliver(message).await.is_ok() {
            return;
        }
        faults.heal();
    }
    panic!("{message:?} was not handled after a crash");
}

async fn run_with(faults: &FaultPlan) -> World {
    let mut world = world(faults);
    loop {
        world.route();
        if world.waiting.is_empty() {
            return world;
        }
        let message = world.waiting.remove(0);
        deliver_again(&world, &message, faults).await;
    }
}

/// Runs the whole way with one fault at a call, for every third call from `offset` on. Between
/// them the three kinds of faults meet every call; the simulator has each kind at each.
async fn with_a_fault_at_every_third_call(fault: fn(usize) -> FaultPlan, offset: usize) {
    let calls = {
        let faults = FaultPlan::none();
        run_with(&faults).await;
        faults.calls()
    };
    assert!(calls > 50, "{calls} calls");
    for call in (1 + offset..=calls).step_by(3) {
        let faults = fault(call);
        let world = run_with(&faults).await;
        let trace = faults.trace();
        assert_eq!(
            state(&world).await,
            "ready",
            "at call {call}: {:?}",
            trace.get(call - 1)
        );
        named_files(&world);
    }
}

#[tokio::test]
async fn a_crash_before_a_port_call_loses_nothing() {
    with_a_fault_at_every_third_call(FaultPlan::crash_at, 0).await;
}

#[tokio::test]
async fn a_call_that_fails_once_delays_and_loses_nothing() {
    with_a_fault_at_every_third_call(FaultPlan::fail_call, 1).await;
}

#[tokio::test]
async fn a_reply_that_is_lost_delays_and_loses_nothing() {
    with_a_fault_at_every_third_call(FaultPlan::lose_reply, 2).await;
}

#[tokio::test]
async fn a_deleted_video_leaves_nothing_behind() {
    // Deleted after so many deliveries, whatever they were; the last one, when all is done.
    for after in [2, 4, 6, 9, 12, usize::MAX] {
        let mut world = world(&FaultPlan::none());
        let mut delivered = 0;
        let mut deleted = false;
        loop {
            world.route();
            if !deleted && (delivered >= after || world.waiting.is_empty()) {
                let route = "DELETE /v1/videos/{id}";
                let answer = world
                    .ask(DROP_OWNER, route, Some(video(&world)))
                    .await
                    .unwrap();
                // Not found: the catalogue has not heard of it yet. Later, then.
                assert!(matches!(answer.status, 202 | 404), "{answer:?}");
                deleted = answer.status == 202;
                world.route();
            }
            if world.waiting.is_empty() {
                break;
            }
            let message = world.waiting.remove(0);
            // Work on what is gone fails, and says so.
            let _ = world.deliver(&message).await;
            delivered += 1;
        }
        assert!(deleted);
        assert_eq!(state(&world).await, "not found", "deleted after {after}");
        assert_eq!(
            world.media.keys(),
            Vec::<String>::new(),
            "deleted after {after}"
        );
        assert_eq!(
            world.masters.keys(),
            Vec::<String>::new(),
            "deleted after {after}"
        );
    }
}

#[tokio::test]
async fn another_owner_sees_nothing() {
    let mut world = world(&FaultPlan::none());
    world.pump().await;
    let video = video(&world);
    for route in [
        "GET /v1/videos/{id}",
        "GET /v1/videos/{id}/timeline",
        "DELETE /v1/videos/{id}",
    ] {
        let answer = world.ask("stranger", route, Some(video)).await.unwrap();
        assert_eq!(answer.status, 404, "{route}");
    }
    let list = world.ask("stranger", "GET /v1/videos", None).await.unwrap();
    assert_eq!(list.body["videos"].as_array().unwrap().len(), 0);
    let list = world.ask(DROP_OWNER, "GET /v1/videos", None).await.unwrap();
    assert_eq!(list.body["videos"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn no_job_is_lost_while_nobody_plans() {
    let mut world = world(&FaultPlan::none());
    world.route();
    let message = world.waiting.remove(0);
    world.deliver(&message).await.unwrap();
    world.route();
    // `plan` and `transcode` cannot run: their messages wait.
    let jobs: Vec<_> = world
        .waiting
        .iter()
        .filter(|message| matches!(message, Message::Job(_)))
        .cloned()
        .collect();
    assert_eq!(jobs.len(), 1);
    world
        .waiting
        .retain(|message| !matches!(message, Message::Job(_)));
    world.pump().await;
    assert_eq!(state(&world).await, "uploaded");
    world.waiting = jobs;
    world.pump().await;
    assert_eq!(state(&world).await, "ready");
    assert!(
        world
            .history
            .iter()
            .any(|envelope| matches!(envelope.event, Event::VideoReady(_)))
    );
}

#[tokio::test]
async fn an_event_said_again_later_stands_once_in_the_timeline() {
    let mut world = world(&FaultPlan::none());
    world.pump().await;
    let video = video(&world);
    let route = "GET /v1/videos/{id}/timeline";
    let before = world.ask(DROP_OWNER, route, Some(video)).await.unwrap();
    for mut envelope in world.history.clone() {
        let later = std::time::Duration::from_secs(7);
        envelope.metadata.occurred_at += later;
        let message = Message::Catalogue(cattube_tests::rules::bus_body(&envelope));
        world.deliver(&message).await.unwrap();
    }
    let after = world.ask(DROP_OWNER, route, Some(video)).await.unwrap();
    assert_eq!(after.body, before.body);
}
