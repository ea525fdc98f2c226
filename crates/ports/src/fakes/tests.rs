use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cattube_contract::Fault;
use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::encoder::EncoderExit;
use crate::objects::NewObject;
use crate::queue::OutgoingMessage;
use crate::table::Query;
use crate::{Clock, Encoder, Entropy, MultipartUploads, Objects, PortError, Queue, Table};

fn object(key: &str, bytes: &'static [u8]) -> NewObject {
    NewObject {
        key: key.to_owned(),
        bytes: Bytes::from_static(bytes),
        content_type: "video/mp4",
        cache_control: "no-store",
    }
}

fn message(body: &str) -> OutgoingMessage {
    OutgoingMessage::new(body.to_owned(), "own".to_owned())
}

#[tokio::test]
async fn a_save_needs_the_version_that_was_loaded() {
    let table = MemoryTable::default();
    let conflict = PortError::Conflict {
        key: "p/s".to_owned(),
    };
    assert_eq!(table.load("p", "s").await, Ok(None));
    assert_eq!(
        table.save("p", "s", Some(1), &json!(0)).await,
        Err(conflict.clone())
    );
    table.save("p", "s", None, &json!(1)).await.unwrap();
    assert_eq!(
        table.save("p", "s", None, &json!(2)).await,
        Err(conflict.clone())
    );
    table.save("p", "s", Some(1), &json!(3)).await.unwrap();
    assert_eq!(
        table.save("p", "s", Some(1), &json!(4)).await,
        Err(conflict)
    );
    let item = table.load("p", "s").await.unwrap().unwrap();
    assert_eq!((item.version, item.body), (2, json!(3)));
    assert_eq!(table.items().len(), 1);
}

#[tokio::test]
async fn a_query_pages_through_a_prefix_in_both_directions() {
    let table = MemoryTable::default();
    for (partition, sort) in [
        ("p", "a1"),
        ("p", "b3"),
        ("p", "b1"),
        ("p", "b2"),
        ("q", "b0"),
    ] {
        table.save(partition, sort, None, &json!({})).await.unwrap();
    }
    let keys = async |after, limit, descending| {
        let query = Query {
            partition_key: "p",
            sort_prefix: "b",
            after,
            limit,
            descending,
        };
        let items = table.query(query).await.unwrap();
        let keys = items.into_iter().map(|item| item.sort_key);
        keys.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(None, 9, false).await, "b1 b2 b3");
    assert_eq!(keys(None, 2, false).await, "b1 b2");
    assert_eq!(keys(Some("b1"), 9, false).await, "b2 b3");
    assert_eq!(keys(None, 9, true).await, "b3 b2 b1");
    assert_eq!(keys(Some("b3"), 1, true).await, "b2");
    assert_eq!(keys(Some("b1"), 1, true).await, "");
}

#[tokio::test]
async fn ranges_are_conditional_whole_and_counted() {
    let objects = MemoryObjects::default();
    objects.put_master("k", "0123456789", &[("Title", "Cats")]);
    let head = objects.head("k").await.unwrap().unwrap();
    assert_eq!(head.metadata.get("title").unwrap(), "Cats");
    let etag = Some(head.etag.as_str());
    assert_eq!(objects.get_range("k", 2..5, etag).await.unwrap(), "234");
    assert_eq!(objects.get_range("k", 9..10, None).await.unwrap(), "9");
    assert_eq!(objects.range_bytes_read("k"), 4);
    let beyond = objects.get_range("k", 9..11, None).await.unwrap_err();
    assert_eq!(beyond.fault(), Fault::Permanent);
    objects.put_master("k", "9876543210", &[]);
    let changed = objects.get_range("k", 2..5, etag).await.unwrap_err();
    assert!(matches!(changed, PortError::ObjectChanged { .. }));
    let missing = objects.get_range("x", 0..1, None).await.unwrap_err();
    assert!(matches!(missing, PortError::ObjectMissing { .. }));
    let created = objects.drain_created();
    assert!(created[0].sequencer < created[1].sequencer);
    assert!(objects.drain_created().is_empty());
}

#[tokio::test]
async fn a_multipart_upload_ends_as_an_object_with_a_tag_of_its_own() {
    let objects = MemoryObjects::default();
    let notes = BTreeMap::from([("video-id".to_owned(), "vid".to_owned())]);
    let upload = objects.begin("k", "video/mp4", &notes).await.unwrap();
    assert_eq!(objects.open_uploads().len(), 1);
    let minute = Duration::from_mins(1);
    for (number, bytes) in [(2, "two"), (1, "one ")] {
        let url = objects.part_url("k", &upload, number, minute).await;
        objects.put_part(&url.unwrap(), bytes).unwrap();
    }
    let parts = objects.parts("k", &upload, 0).await.unwrap();
    assert_eq!(objects.parts("k", &upload, 1).await.unwrap(), parts[1..]);
    let reversed: Vec<_> = parts.iter().rev().cloned().collect();
    let refused = objects.complete("k", &upload, &reversed).await;
    assert_eq!(refused.unwrap_err().fault(), Fault::Permanent);
    objects.complete("k", &upload, &parts).await.unwrap();
    assert_eq!(objects.bytes_of("k").unwrap(), "one two");
    let head = objects.head("k").await.unwrap().unwrap();
    assert!(head.etag.ends_with("-2"), "{}", head.etag);
    assert_eq!(head.metadata, notes);
    let created = objects.drain_created();
    assert_eq!(created[0].reason, "CompleteMultipartUpload");
    assert_eq!((created[0].size_bytes, &created[0].etag), (7, &head.etag));
    let ended = objects.complete("k", &upload, &parts).await;
    assert!(matches!(ended, Err(PortError::ObjectMissing { .. })));
    objects.abort("k", &upload).await.unwrap();
    assert_eq!(objects.keys(), ["k"]);
}

/// Three calls on two ports.
async fn work(objects: &MemoryObjects, queue: &MemoryQueue) -> Result<(), PortError> {
    objects.put(object("a", b"1")).await?;
    queue.send(&[message("m")]).await?;
    objects.put(object("b", b"2")).await
}

/// Runs [`work`] under a plan: how it ended, and what is left of it.
async fn left(plan: &FaultPlan) -> (bool, Vec<String>, usize) {
    let objects = MemoryObjects::new(plan.clone());
    let queue = MemoryQueue::new(plan.clone());
    let result = work(&objects, &queue).await;
    if let Err(error) = &result {
        assert_eq!(error.fault(), Fault::Transient);
    }
    (result.is_ok(), objects.keys(), queue.drain().len())
}

#[tokio::test]
async fn without_faults_calls_are_counted_over_all_ports() {
    let plan = FaultPlan::none();
    assert!(left(&plan).await.0);
    assert_eq!(plan.calls(), 3);
    assert_eq!(plan.trace(), ["put a", "send 1 messages", "put b"]);
}

#[tokio::test]
async fn a_failed_call_has_no_effect_and_a_lost_reply_has_one() {
    let a = || vec!["a".to_owned()];
    assert_eq!(left(&FaultPlan::fail_call(1)).await, (false, vec![], 0));
    assert_eq!(left(&FaultPlan::fail_call(2)).await, (false, a(), 0));
    assert_eq!(left(&FaultPlan::fail_call(3)).await, (false, a(), 1));
    assert_eq!(left(&FaultPlan::lose_reply(1)).await, (false, a(), 0));
    assert_eq!(left(&FaultPlan::lose_reply(2)).await, (false, a(), 1));
    assert!(left(&FaultPlan::lose_reply(4)).await.0);
}

#[tokio::test]
async fn a_single_fault_passes_and_a_crash_stays_until_healed() {
    let plan = FaultPlan::fail_call(1);
    assert!(!left(&plan).await.0);
    assert!(left(&plan).await.0);
    let plan = FaultPlan::crash_at(2);
    assert!(!left(&plan).await.0);
    assert_eq!(left(&plan).await, (false, vec![], 0));
    plan.heal();
    assert!(left(&plan).await.0);
}

#[tokio::test]
async fn seeded_faults_repeat_and_are_of_both_kinds() {
    let run = async |seed| {
        let objects = MemoryObjects::new(FaultPlan::seeded(seed, 300));
        let mut story = String::new();
        for number in 0..200 {
            let key = format!("{number:03}");
            let replied = objects.put(object(&key, b"")).await.is_ok();
            let written = objects.bytes_of(&key).is_some();
            story.push(match (replied, written) {
                (true, _) => '.',
                (false, true) => 'L',
                (false, false) => 'F',
            });
        }
        story
    };
    let story = run(7).await;
    assert_eq!(story, run(7).await);
    assert_ne!(story, run(8).await);
    let faults = story.matches(['F', 'L']).count();
    assert!((40..80).contains(&faults), "{story}");
    assert!(story.contains('F') && story.contains('L'), "{story}");
}

#[tokio::test]
async fn the_encoder_is_a_function_of_the_files() {
    let encoder = MemoryEncoder::new(FaultPlan::none(), |files, args| {
        let text = format!("{}{}", files["in"].len(), args[0]);
        let exit = EncoderExit {
            success: true,
            stderr: String::new(),
            stdout: Vec::new(),
        };
        (exit, RunFiles::from([("out".to_owned(), text.into())]))
    });
    let mut workspace = encoder.open().await.unwrap();
    workspace.append("in", Bytes::from("ab")).await.unwrap();
    workspace.append("in", Bytes::from("c")).await.unwrap();
    let args = ["x".to_owned()];
    let exit = workspace.run(&args, Duration::from_secs(1)).await.unwrap();
    assert!(exit.success);
    assert_eq!(workspace.list().await.unwrap(), ["in", "out"]);
    assert_eq!(workspace.read("out").await.unwrap(), "3x");
    assert!(workspace.read("other").await.is_err());
    assert_eq!(encoder.runs(), [args]);
}

#[test]
fn time_and_bits_are_the_tests_own() {
    let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
    clock.clone().advance(Duration::from_millis(1500));
    assert_eq!(clock.now().as_millisecond(), 1500);
    clock.set(Timestamp::UNIX_EPOCH);
    assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
    let (a, b) = (SeededEntropy::new(1), SeededEntropy::new(1));
    assert_eq!((a.random(), a.random()), (b.random(), b.random()));
    assert_ne!(a.random(), SeededEntropy::new(2).random());
}
