//! Dead letters: each becomes an event that names the video and the cause.

use cattube_contract::event::{Answer, FailedWork, MessageBuried, Stage};
use cattube_contract::{Envelope, Event, Metadata, VideoId};
use cattube_core::burial::MAX_TOLD_BYTES;
use cattube_ports::fakes::FaultPlan;
use cattube_tests::rules::bus_body;
use cattube_tests::world::{DEAD_LETTERS, Message, World};
use serde_json::Value;

use super::{answer, exhausted, question, set};
use crate::flow::{count, state, video, world};

fn buried(world: &World) -> Vec<(Metadata, MessageBuried)> {
    let events = world.history.iter();
    events
        .filter_map(|envelope| {
            if let Event::MessageBuried(buried) = &envelope.event {
                Some((envelope.metadata.clone(), buried.clone()))
            } else {
                None
            }
        })
        .collect()
}

/// What was put aside, as JSON.
fn parked(world: &World) -> Vec<Value> {
    let messages = world.parked.drain().into_iter();
    messages
        .map(|message| serde_json::from_str(&message.body).unwrap())
        .collect()
}

#[tokio::test]
async fn garbage_in_any_queue_is_told_of_and_put_aside() {
    let huge = format!("[\"{}\"", "x".repeat(MAX_TOLD_BYTES));
    let mut world = world(&FaultPlan::none());
    world.waiting.clear();
    for (queue, _) in DEAD_LETTERS {
        for body in [
            "",
            "null",
            "[]",
            "\0",
            "{\"command\":7}",
            "{\"detail\":{}}",
            &huge,
        ] {
            let message = Message::Buried(queue, body.to_owned());
            let before = buried(&world).len();
            for _ in 0..2 {
                world.deliver(&message).await.unwrap();
            }
            world.route();
            let told = buried(&world).split_off(before);
            let [(metadata, first), (again, _)] = told.as_slice() else {
                panic!("{queue} {body:.40}: {told:?}");
            };
            assert_eq!(metadata.event_id, again.event_id);
            assert_eq!(metadata.video_id, VideoId::NONE);
            assert_eq!(first.queue, queue);
            assert!(!first.reason.is_empty());
            assert_eq!(first.body.as_deref(), (body != huge).then_some(body));
            let kept = parked(&world);
            assert_eq!(kept.len(), 2);
            assert_eq!(
                (&kept[0]["queue"], &kept[0]["body"]),
                (&queue.into(), &body.into())
            );
        }
    }
}

#[tokio::test]
async fn the_event_of_a_dead_letter_is_not_told_of_again() {
    let mut world = world(&FaultPlan::none());
    world.waiting.clear();
    let garbage = Message::Buried("assemble", "garbage".to_owned());
    world.deliver(&garbage).await.unwrap();
    world.route();
    let (metadata, event) = buried(&world).remove(0);
    let event = Event::MessageBuried(event);
    let body = bus_body(&Envelope { metadata, event });
    let message = Message::Buried("manage", body);
    let done = world.deliver(&message).await.unwrap();
    assert_eq!(done, "dead letter parked");
    world.route();
    assert_eq!(buried(&world).len(), 1);
    assert_eq!(parked(&world).len(), 2);
}

#[tokio::test]
async fn work_that_no_worker_ended_is_named_and_can_be_tried_again() {
    let mut world = world(&FaultPlan::none());
    loop {
        world.route();
        if world.waiting.is_empty() {
            break;
        }
        // The workers of one chunk never come back: SQS buries its message.
        let mut message = world.waiting.remove(0);
        if let Message::Chunk(body) = &message
            && body.contains("\"chunk\":\"v00001\"")
        {
            message = Message::Buried("chunks", body.clone());
        }
        world.deliver(&message).await.unwrap();
    }
    assert_ne!(state(&world).await, "ready");
    assert_eq!(count(&world, "MessageBuried"), 0);
    let (cause, enough) = exhausted(&world).remove(0);
    assert_eq!(enough.stage, Stage::Work);
    assert_eq!(enough.chunk.unwrap().to_string(), "v00001");
    assert!(
        enough.reason.contains("ran out of memory"),
        "{}",
        enough.reason
    );
    let message = answer(&cause, 1, Answer::Retry, enough.work);
    world.waiting.push(message);
    world.pump().await;
    assert_eq!(state(&world).await, "ready");
}

#[tokio::test]
async fn a_job_that_no_worker_ended_is_named_and_can_be_tried_again() {
    let mut world = world(&FaultPlan::none());
    world.route();
    let arrival = world.waiting.remove(0);
    world.deliver(&arrival).await.unwrap();
    world.route();
    for message in &mut world.waiting {
        if let Message::Job(body) = message {
            *message = Message::Buried("jobs", body.clone());
        }
    }
    world.pump().await;
    let (cause, enough) = exhausted(&world).remove(0);
    assert_eq!((enough.stage, enough.chunk), (Stage::Work, None));
    assert_eq!(set(&world), question(&world));
    let message = answer(&cause, 1, Answer::Retry, enough.work);
    world.waiting.push(message);
    world.pump().await;
    assert_eq!(state(&world).await, "ready");
    assert_eq!(world.job_deadlines.pending(), []);
}

#[tokio::test]
async fn a_buried_event_names_its_video_and_goes_back_when_a_person_says_so() {
    let mut world = world(&FaultPlan::none());
    loop {
        world.route();
        if world.waiting.is_empty() {
            break;
        }
        let mut message = world.waiting.remove(0);
        if let Message::Join(body) = &message
            && body.contains("\"VideoPlanned\"")
        {
            message = Message::Buried("assemble", body.clone());
        }
        world.deliver(&message).await.unwrap();
    }
    assert_ne!(state(&world).await, "ready");
    let (cause, told) = buried(&world).remove(0);
    assert_eq!(cause.video_id, video(&world));
    assert!(told.reason.contains("never handled"), "{}", told.reason);
    assert!(told.body.as_ref().unwrap().contains("VideoPlanned"));
    let body = told.body.unwrap();
    let work = FailedWork::Message {
        queue: told.queue,
        body: body.clone(),
    };
    let message = answer(&cause, 0, Answer::Retry, Some(work));
    assert_eq!(world.deliver(&message).await.unwrap(), "sent back");
    world.pump().await;
    assert_eq!(state(&world).await, "ready");

    let work = FailedWork::Message {
        queue: "kitchen".to_owned(),
        body,
    };
    let nowhere = answer(&cause, 0, Answer::Retry, Some(work));
    let refused = world.deliver(&nowhere).await.unwrap_err();
    assert!(refused.contains("kitchen"), "{refused}");
}
