//! Uploads that break off: they say so, go on with their missing parts, and end ready or
//! given up, whatever is lost, doubled or crashes on the way.

mod client;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cattube_adapters::ffmpeg::Ffmpeg;
use cattube_contract::plan::Quality;
use cattube_contract::{CommandMessage, Envelope, Event, EventId, Fault};
use cattube_core::retry::POLICY;
use cattube_core::upload::MAX_ROUNDS;
use cattube_ports::fakes::FaultPlan;
use cattube_ports::outcome::MessageHandler;
use cattube_tests::masters::make;
use cattube_tests::rules::{bus_body, s3_body};
use cattube_tests::world::{Message, UPLOAD_DEADLINE, World};
use serde_json::json;

use client::{Client, OWNER, bytes};

/// A short film, made once.
fn film() -> Vec<u8> {
    static FILM: OnceLock<Vec<u8>> = OnceLock::new();
    FILM.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let step =
            "-f lavfi -i testsrc2=s=160x90:r=10 -t 4 -c:v libx264 -preset ultrafast -g 20 m.mp4";
        std::fs::read(make(dir.path(), &[step])).unwrap()
    })
    .clone()
}

fn world(faults: &FaultPlan) -> World {
    World::new(Arc::new(Ffmpeg), Quality::Crf(30), faults)
}

/// Delivers a message until it is handled, as SQS does: a failed delivery heals the ports,
/// since the next process is a new one.
async fn deliver(world: &World, message: &Message, faults: &FaultPlan) {
    for _ in 0..3 {
        match world.deliver(message).await {
            Ok(_) => return,
            Err(_) => faults.heal(),
        }
    }
    panic!("{message:?} was not handled after a crash");
}

/// Delivers what waits, `times` times each, until nothing does. Jobs are left alone: no
/// film is made.
async fn settle(world: &mut World, faults: &FaultPlan, times: usize) {
    let mut seen = BTreeSet::new();
    let mut queue = VecDeque::new();
    loop {
        world.route();
        for message in std::mem::take(&mut world.waiting) {
            // What a repeat published again is delivered often enough already.
            if seen.insert(format!("{message:?}")) || times == 1 {
                queue.push_back(message);
            }
        }
        let Some(message) = queue.pop_front() else {
            return;
        };
        if matches!(message, Message::Job(_)) {
            continue;
        }
        for _ in 0..times {
            deliver(world, &message, faults).await;
        }
    }
}

/// Time goes by up to the next deadline of an upload.
fn next_deadline(world: &mut World) -> bool {
    let now = cattube_ports::Clock::now(&world.clock);
    let pending = world.upload_deadlines.pending();
    let Some(at) = pending.iter().map(|deadline| deadline.at).min() else {
        return false;
    };
    let span = at.duration_since(now).unsigned_abs();
    world.elapse(span);
    true
}

fn of<'a>(world: &'a World, name: &'a str) -> impl Iterator<Item = &'a Envelope> {
    let history = world.history.iter();
    history.filter(move |envelope| envelope.event.name() == name)
}

/// The ids of the facts of this name: a fact that is said again is one.
fn ids(world: &World, name: &str) -> BTreeSet<EventId> {
    of(world, name)
        .map(|envelope| envelope.metadata.event_id)
        .collect()
}

async fn catalogue_state(world: &World, client: &Client) -> String {
    let route = "GET /v1/videos/{id}";
    let answer = world.ask(OWNER, route, Some(client.video)).await.unwrap();
    answer.body["state"].as_str().unwrap_or("none").to_owned()
}

/// The seeds' story up to the accepted master: the client sends one part of three and dies;
/// the upload fails, may go on, and another client sends what is missing.
async fn story(faults: &FaultPlan, times: usize) -> (World, Client) {
    let mut world = world(faults);
    let client = Client::create(&world, faults, &bytes(300), 100).await;
    client.send(&world, faults, &[2]).await;
    settle(&mut world, faults, times).await;
    // At the first deadline a part has come, at the second no more has.
    for _ in 0..2 {
        assert!(next_deadline(&mut world));
        settle(&mut world, faults, times).await;
    }
    let shown = client.show(&world, faults).await;
    assert_eq!(shown["attempt"], 2);
    assert_eq!(shown["missing_part_count"], 2);
    let missing = client.missing(&world, faults).await;
    assert_eq!(missing, [1, 3]);
    client.send(&world, faults, &missing).await;
    client.complete(&world, faults).await;
    settle(&mut world, faults, times).await;
    (world, client)
}

/// What must hold at the end of the story, whatever went wrong.
async fn check_story(world: &World, client: &Client) {
    for (name, attempt) in [
        ("UploadRequested", 1),
        ("UploadFailed", 1),
        ("RetryScheduled", 1),
        ("UploadResumed", 2),
        ("VideoUploaded", 1),
    ] {
        assert_eq!(ids(world, name).len(), 1, "{name}: {:?}", world.names());
        let attempts: BTreeSet<_> = of(world, name)
            .map(|envelope| envelope.metadata.attempt)
            .collect();
        assert_eq!(attempts, [attempt].into(), "{name}");
    }
    assert_eq!(ids(world, "UploadAbandoned").len(), 0);
    assert_eq!(catalogue_state(world, client).await, "uploaded");
    let stored = client.stored(world).await;
    assert_eq!(stored["state"], "completed");
    assert_eq!(stored["accepted"], true);
    assert_eq!(world.upload_deadlines.pending(), []);
    let key = client.key();
    assert_eq!(world.masters.bytes_of(&key).unwrap(), bytes(300));
}

#[tokio::test]
async fn an_upload_that_breaks_off_goes_on_with_its_missing_parts_and_is_ready() {
    let faults = FaultPlan::none();
    let mut world = world(&faults);
    let film = film();
    let part_bytes = film.len().div_ceil(4);
    let client = Client::create(&world, &faults, &film, part_bytes).await;
    client.send(&world, &faults, &[1, 3]).await;
    world.pump().await;
    for _ in 0..2 {
        assert!(next_deadline(&mut world));
        world.pump().await;
    }
    let resumed: Vec<_> = of(&world, "UploadResumed").collect();
    let Event::UploadResumed(data) = &resumed[0].event else {
        panic!("{resumed:?}");
    };
    assert_eq!(
        (data.missing_part_count, data.first_missing_part),
        (2, Some(2))
    );
    let missing = client.missing(&world, &faults).await;
    assert_eq!(missing, [2, 4]);
    client.send(&world, &faults, &missing).await;
    client.complete(&world, &faults).await;
    world.pump().await;
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    assert_eq!(catalogue_state(&world, &client).await, "ready");
    let names = world.names();
    let place = |name| names.iter().position(|other| *other == name).unwrap();
    let told = [
        "UploadRequested",
        "UploadFailed",
        "RetryScheduled",
        "UploadResumed",
        "VideoUploaded",
        "VideoReady",
    ]
    .map(place);
    assert!(told.is_sorted(), "{names:?}");
    assert_eq!(world.upload_deadlines.pending(), []);
    assert!(world.masters.open_uploads().is_empty());
}

#[tokio::test]
async fn an_upload_that_always_stalls_is_given_up_after_five_attempts() {
    let faults = FaultPlan::none();
    let mut world = world(&faults);
    let client = Client::create(&world, &faults, &bytes(300), 100).await;
    client.send(&world, &faults, &[1]).await;
    settle(&mut world, &faults, 1).await;
    let mut deadlines = 0;
    while next_deadline(&mut world) {
        deadlines += 1;
        settle(&mut world, &faults, 1).await;
    }
    // One at which the part had come, and one an attempt.
    assert_eq!(deadlines, 1 + POLICY.max_attempts);
    let failed: Vec<_> = of(&world, "UploadFailed")
        .map(|e| e.metadata.attempt)
        .collect();
    assert_eq!(failed, [1, 2, 3, 4, 5]);
    let delays: Vec<_> = world
        .history
        .iter()
        .filter_map(|envelope| {
            if let Event::RetryScheduled(scheduled) = &envelope.event {
                return Some(scheduled.delay_ms);
            }
            None
        })
        .collect();
    assert_eq!(delays.len(), 4);
    assert!(
        delays.is_sorted_by(|left, right| left < right),
        "{delays:?}"
    );
    let abandoned: Vec<_> = of(&world, "UploadAbandoned").collect();
    assert_eq!(abandoned.len(), 1);
    let Event::UploadAbandoned(data) = &abandoned[0].event else {
        panic!("{abandoned:?}");
    };
    assert_eq!(data.attempts, POLICY.max_attempts);
    assert!(data.reason.contains("2 of 3"), "{}", data.reason);

    assert!(world.masters.open_uploads().is_empty());
    assert_eq!(world.masters.keys(), [""; 0]);
    assert_eq!(catalogue_state(&world, &client).await, "abandoned");
    let shown = client.show(&world, &faults).await;
    assert_eq!(shown["state"], "abandoned");
    assert_eq!(shown["reason"], data.reason.as_str());
    let answer = client.try_complete(&world, &json!({})).await;
    assert_eq!(answer.status, 409);
    let answer = client.report(&world, 1, json!({"reason": "late"})).await;
    assert_eq!(answer.status, 409);
}

#[tokio::test]
async fn bytes_that_keep_coming_are_no_failure() {
    let faults = FaultPlan::none();
    let mut world = world(&faults);
    let client = Client::create(&world, &faults, &bytes(5000), 100).await;
    for number in 1..=50 {
        client.send(&world, &faults, &[number]).await;
        assert!(next_deadline(&mut world));
        settle(&mut world, &faults, 1).await;
    }
    client.complete(&world, &faults).await;
    settle(&mut world, &faults, 1).await;
    assert_eq!(ids(&world, "UploadFailed").len(), 0);
    assert_eq!(catalogue_state(&world, &client).await, "uploaded");
    assert_eq!(world.upload_deadlines.pending(), []);
}

#[tokio::test]
async fn a_report_of_a_failed_part_is_one_failure_an_attempt() {
    let faults = FaultPlan::none();
    let mut world = world(&faults);
    let client = Client::create(&world, &faults, &bytes(300), 100).await;
    let report = json!({"reason": "connection\nreset", "attempt": 1});
    for number in [2, 3, 2] {
        let answer = client.report(&world, number, report.clone()).await;
        assert_eq!((answer.status, &answer.body["attempt"]), (202, &json!(1)));
    }
    settle(&mut world, &faults, 1).await;
    assert_eq!(ids(&world, "UploadFailed").len(), 1);
    assert_eq!(ids(&world, "UploadResumed").len(), 1);
    let failed = of(&world, "UploadFailed").next().unwrap();
    let Event::UploadFailed(data) = &failed.event else {
        panic!("{failed:?}");
    };
    assert_eq!(data.fault, Fault::Transient);
    assert_eq!(data.reason, "part 2: connection reset");
    // The answer to the report was lost, and it comes once more: the upload has gone on.
    let answer = client.report(&world, 2, report).await;
    assert_eq!((answer.status, &answer.body["attempt"]), (202, &json!(2)));
    settle(&mut world, &faults, 1).await;
    assert_eq!(ids(&world, "UploadFailed").len(), 1);
}

#[tokio::test]
async fn a_damaged_part_is_found_and_sent_again() {
    let faults = FaultPlan::none();
    let mut world = world(&faults);
    let client = Client::create(&world, &faults, &bytes(300), 100).await;
    client.send(&world, &faults, &[1, 2, 3]).await;
    let whole = client.tags(&world, &faults).await;
    client.put(&world, &faults, 2, vec![0; 100]).await;
    let answer = client.try_complete(&world, &whole).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.body["missing"], json!([2]));
    settle(&mut world, &faults, 1).await;
    assert_eq!(ids(&world, "UploadFailed").len(), 1);
    assert_eq!(catalogue_state(&world, &client).await, "uploading");
    client.send(&world, &faults, &[2]).await;
    let answer = client.try_complete(&world, &whole).await;
    assert_eq!(answer.status, 202);
    settle(&mut world, &faults, 1).await;
    assert_eq!(catalogue_state(&world, &client).await, "uploaded");
    assert_eq!(world.masters.bytes_of(&client.key()).unwrap(), bytes(300));
}

#[tokio::test]
async fn a_lost_event_of_the_bucket_is_healed_by_the_deadline() {
    let faults = FaultPlan::none();
    let mut world = world(&faults);
    let client = Client::create(&world, &faults, &bytes(300), 100).await;
    client.send(&world, &faults, &[1, 2, 3]).await;
    client.complete(&world, &faults).await;
    let lost = world.masters.drain_created();
    settle(&mut world, &faults, 1).await;
    assert_eq!(catalogue_state(&world, &client).await, "uploading");
    assert!(next_deadline(&mut world));
    settle(&mut world, &faults, 1).await;
    assert_eq!(ids(&world, "UploadCompleted").len(), 1);
    assert_eq!(catalogue_state(&world, &client).await, "uploaded");
    assert_eq!(world.upload_deadlines.pending(), []);
    // The bucket's event comes after all: it says the same, and asks for the same job.
    let first = ids(&world, "VideoUploaded");
    let now = cattube_ports::Clock::now(&world.clock);
    let message = Message::ObjectCreated(s3_body(&lost[0], now));
    world.deliver(&message).await.unwrap();
    world.route();
    assert_eq!(ids(&world, "VideoUploaded"), first);
}

#[tokio::test]
async fn an_object_that_nobody_takes_up_is_kept_and_asked_about_until_somebody_does() {
    let faults = FaultPlan::none();
    let mut world = world(&faults);
    let client = Client::create(&world, &faults, &bytes(300), 100).await;
    client.send(&world, &faults, &[1, 2, 3]).await;
    client.complete(&world, &faults).await;
    let rounds = 2 * MAX_ROUNDS;
    for _ in 0..=rounds {
        loop {
            world.route();
            // `ingest` cannot run.
            world
                .waiting
                .retain(|message| !matches!(message, Message::ObjectCreated(_)));
            if world.waiting.is_empty() {
                break;
            }
            let message = world.waiting.remove(0);
            deliver(&world, &message, &faults).await;
        }
        assert!(next_deadline(&mut world), "nobody looks at it any more");
    }
    // Once it is called a failure, so that a person is asked; and then it is said again.
    let said = of(&world, "UploadCompleted").count();
    assert_eq!(u32::try_from(said).unwrap(), rounds - 1);
    assert_eq!(ids(&world, "UploadCompleted").len(), 1);
    let failed: Vec<_> = of(&world, "UploadFailed").collect();
    let Event::UploadFailed(data) = &failed[0].event else {
        panic!("{failed:?}");
    };
    assert!(data.is_whole() && failed.len() == 1, "{failed:?}");
    assert_eq!(ids(&world, "HumanRequested").len(), 1);
    assert_eq!(ids(&world, "UploadAbandoned").len(), 0);
    assert!(world.masters.bytes_of(&client.key()).is_some());

    // It runs again: the next word brings the upload on its way, and there is nothing to ask.
    settle(&mut world, &faults, 1).await;
    assert_eq!(ids(&world, "VideoUploaded").len(), 1);
    assert_eq!(client.show(&world, &faults).await["state"], "completed");
    assert_eq!(world.upload_deadlines.pending(), []);
}

#[tokio::test]
async fn an_object_of_another_size_is_uploaded_afresh() {
    let faults = FaultPlan::none();
    let mut world = world(&faults);
    let client = Client::create(&world, &faults, &bytes(300), 100).await;
    client.send(&world, &faults, &[1, 2, 3]).await;
    client.complete(&world, &faults).await;
    // Somebody writes over the object before it is taken up.
    drop(world.masters.drain_created());
    let notes = [("cattube-size-bytes", "300"), ("cattube-sizes", "auto")];
    world.masters.put_master(&client.key(), bytes(299), &notes);
    settle(&mut world, &faults, 1).await;
    let failed = of(&world, "UploadFailed").next().unwrap();
    let Event::UploadFailed(data) = &failed.event else {
        panic!("{failed:?}");
    };
    assert_eq!(data.fault, Fault::Transient);
    let shown = client.show(&world, &faults).await;
    assert_eq!(
        (
            &shown["state"],
            &shown["attempt"],
            &shown["missing_part_count"]
        ),
        (&json!("open"), &json!(2), &json!(3))
    );
    let missing = client.missing(&world, &faults).await;
    client.send(&world, &faults, &missing).await;
    client.complete(&world, &faults).await;
    settle(&mut world, &faults, 1).await;
    assert_eq!(catalogue_state(&world, &client).await, "uploaded");
    assert_eq!(world.masters.bytes_of(&client.key()).unwrap(), bytes(300));
    assert_eq!(world.upload_deadlines.pending(), []);
}

#[tokio::test]
async fn parts_that_the_store_dropped_are_granted_afresh() {
    let faults = FaultPlan::none();
    let mut world = world(&faults);
    let client = Client::create(&world, &faults, &bytes(300), 100).await;
    client.send(&world, &faults, &[1, 2, 3]).await;
    client.drop_parts(&world).await;
    let answer = client.try_complete(&world, &json!({})).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.body["missing"], json!([1, 2, 3]));
    settle(&mut world, &faults, 1).await;
    let missing = client.missing(&world, &faults).await;
    assert_eq!(missing, [1, 2, 3]);
    client.send(&world, &faults, &missing).await;
    client.complete(&world, &faults).await;
    settle(&mut world, &faults, 1).await;
    assert_eq!(catalogue_state(&world, &client).await, "uploaded");
}

#[tokio::test]
async fn a_cancelled_upload_is_over_at_once_and_tried_no_more() {
    let faults = FaultPlan::none();
    let mut world = world(&faults);
    let client = Client::create(&world, &faults, &bytes(300), 100).await;
    client.send(&world, &faults, &[1]).await;
    for _ in 0..2 {
        assert_eq!(client.cancel(&world).await.status, 204);
    }
    settle(&mut world, &faults, 1).await;
    assert_eq!(ids(&world, "UploadFailed").len(), 0);
    let abandoned: Vec<_> = of(&world, "UploadAbandoned").collect();
    let Event::UploadAbandoned(data) = &abandoned[0].event else {
        panic!("{abandoned:?}");
    };
    // Nobody tried and failed: no person need look at it.
    assert_eq!(data.attempts, 0);
    assert_eq!(catalogue_state(&world, &client).await, "abandoned");
    assert_eq!(client.show(&world, &faults).await["state"], "cancelled");
    assert!(world.masters.open_uploads().is_empty());
    assert_eq!(world.upload_deadlines.pending(), []);
}

#[tokio::test]
async fn a_video_that_is_deleted_ends_its_upload() {
    let faults = FaultPlan::none();
    let mut world = world(&faults);
    let client = Client::create(&world, &faults, &bytes(300), 100).await;
    client.send(&world, &faults, &[1]).await;
    settle(&mut world, &faults, 1).await;
    let route = "DELETE /v1/videos/{id}";
    let answer = world.ask(OWNER, route, Some(client.video)).await.unwrap();
    assert_eq!(answer.status, 202);
    settle(&mut world, &faults, 1).await;
    assert!(world.masters.open_uploads().is_empty());
    assert_eq!(world.upload_deadlines.pending(), []);
    assert_eq!(client.show(&world, &faults).await["state"], "cancelled");
}

#[tokio::test]
async fn another_owners_upload_is_not_there() {
    let faults = FaultPlan::none();
    let world = world(&faults);
    let mut client = Client::create(&world, &faults, &bytes(300), 100).await;
    client.subject = "stranger";
    let answer = client.report(&world, 1, json!({"reason": "x"})).await;
    assert_eq!(answer.status, 404);
    assert_eq!(client.try_complete(&world, &json!({})).await.status, 404);
    assert_eq!(client.cancel(&world).await.status, 404);
}

#[tokio::test]
async fn a_resumption_of_what_nobody_granted_ends_it() {
    let mut world = world(&FaultPlan::none());
    let body = crate::samples::bodies("upload")
        .into_iter()
        .find(|body| body["command"] == "ResumeUpload")
        .unwrap();
    world.upload.handle(&body.to_string()).await.unwrap();
    world.route();
    let failed = of(&world, "UploadFailed").next().unwrap();
    let Event::UploadFailed(data) = &failed.event else {
        panic!("{failed:?}");
    };
    assert_eq!(data.fault, Fault::Permanent);
    let attempt = CommandMessage::parse(&body.to_string()).unwrap();
    assert_eq!(failed.metadata.attempt, attempt.metadata.attempt);
}

#[tokio::test]
async fn a_deadline_of_an_earlier_attempt_says_nothing() {
    let faults = FaultPlan::none();
    let mut world = world(&faults);
    let client = Client::create(&world, &faults, &bytes(300), 100).await;
    let early = world.upload_deadlines.pending();
    let answer = client.report(&world, 1, json!({"reason": "x"})).await;
    assert_eq!(answer.status, 202);
    settle(&mut world, &faults, 1).await;
    world
        .clock
        .advance(UPLOAD_DEADLINE + Duration::from_secs(1));
    let said = world.history.len();
    let late = Message::Upload(early[0].body.clone());
    assert_eq!(world.deliver(&late).await, Ok("of an earlier attempt"));
    settle(&mut world, &faults, 1).await;
    assert_eq!(world.history.len(), said);
    // The deadline of this attempt stands.
    assert_eq!(world.upload_deadlines.pending().len(), 1);
}

#[tokio::test]
async fn the_story_ends_the_same_if_every_message_comes_three_times() {
    let (world, client) = story(&FaultPlan::none(), 3).await;
    check_story(&world, &client).await;
    assert!(world.masters.open_uploads().is_empty());
    // And all of them once more, much later.
    let before = client.stored(&world).await;
    for envelope in &world.history {
        let body = bus_body(envelope);
        world.deliver(&Message::Upload(body.clone())).await.unwrap();
        if matches!(envelope.event, Event::UploadFailed(_)) {
            world.deliver(&Message::Retry(body)).await.unwrap();
        }
    }
    assert_eq!(client.stored(&world).await, before);
    let mut world = world;
    settle(&mut world, &FaultPlan::none(), 1).await;
    check_story(&world, &client).await;
}

/// The story with one fault at every single call.
async fn with_a_fault_at_each(fault: fn(usize) -> FaultPlan) {
    let faults = FaultPlan::none();
    let (world, client) = story(&faults, 1).await;
    let calls = faults.calls();
    check_story(&world, &client).await;
    assert!(world.masters.open_uploads().is_empty());
    assert!(calls > 40, "{calls} calls");
    for call in 1..=calls {
        let faults = fault(call);
        let (world, client) = story(&faults, 1).await;
        check_story(&world, &client).await;
    }
}

#[tokio::test]
async fn a_crash_before_any_call_loses_no_upload() {
    with_a_fault_at_each(FaultPlan::crash_at).await;
}

#[tokio::test]
async fn a_call_that_fails_loses_no_upload() {
    with_a_fault_at_each(FaultPlan::fail_call).await;
}

#[tokio::test]
async fn a_reply_that_is_lost_loses_no_upload() {
    with_a_fault_at_each(FaultPlan::lose_reply).await;
}
