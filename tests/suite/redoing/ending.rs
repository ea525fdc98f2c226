//! How makings and videos end: given up, deleted; and that nothing of them is left.

use cattube_contract::event::{Answer, MessageBuried, VideoAbandoned};
use cattube_contract::{Envelope, Event, OwnerId, VideoId};
use cattube_ports::fakes::FaultPlan;
use cattube_tests::rules::bus_body;
use cattube_tests::world::{DROP_OWNER, Message, World};

use super::stage::{
    DROPPED, answer, ask_redo, assert_gone, delete, facts, master, of_generation, playing, ready,
    redo, state, the_day_after, video, view, world,
};

/// Delivers so many messages; what fails stays failed.
async fn deliver_some(world: &mut World, count: usize) {
    for _ in 0..count {
        world.route();
        if world.waiting.is_empty() {
            return;
        }
        let message = world.waiting.remove(0);
        let _ = world.deliver(&message).await;
    }
}

#[tokio::test]
async fn a_video_that_is_given_up_leaves_nothing() {
    let (mut world, encoder) = world(&FaultPlan::none());
    encoder.break_on(Some("scale=192:144"));
    world.pump().await;
    assert!(world.media.keys().iter().any(|key| key.contains("/audio/")));
    for message in answer(&world, 1, Answer::GiveUp) {
        world.deliver(&message).await.unwrap();
    }
    world.pump().await;
    assert_eq!(state(&world).await, "abandoned");
    assert_gone(&world, "given up");
    assert_eq!(ask_redo(&world, "{}").await.unwrap().status, 409);
    // A worker that was late writes once more; nobody says so, and the deadline comes.
    world.media.put_master(
        &super::stage::keys(&world, 1).segment("240p", 0),
        "late",
        &[],
    );
    the_day_after(&mut world).await;
    assert_gone(&world, "the day after");
    assert_eq!(facts(&world, "VideoReady").len(), 0);
}

#[tokio::test]
async fn nothing_is_published_of_what_was_given_up() {
    let (mut world, _) = world(&FaultPlan::none());
    // All is done but joined; then it is given up, and then the events come.
    let mut joins = Vec::new();
    loop {
        world.route();
        if world.waiting.is_empty() {
            break;
        }
        let message = world.waiting.remove(0);
        if matches!(message, Message::Join(_)) {
            joins.push(message);
        } else {
            world.deliver(&message).await.unwrap();
        }
    }
    let mut metadata = world.history[0].metadata.clone();
    metadata.event_id = cattube_contract::EventId::derive("test", &["abandoned"]);
    let event = Event::VideoAbandoned(VideoAbandoned {
        generation: 1,
        reason: "enough".to_owned(),
    });
    let body = bus_body(&Envelope { metadata, event });
    for message in [Message::Join(body.clone()), Message::Catalogue(body)] {
        world.deliver(&message).await.unwrap();
    }
    for message in joins {
        world.deliver(&message).await.unwrap();
    }
    world.pump().await;
    assert_gone(&world, "given up before it was joined");
    for name in ["VideoPlayable", "VideoReady"] {
        assert_eq!(facts(&world, name).len(), 0, "{name}");
    }
}

#[tokio::test]
async fn a_redo_that_is_given_up_leaves_the_old_as_it_was() {
    let (mut world, encoder) = ready(&FaultPlan::none()).await;
    let first = of_generation(&world, 1);
    encoder.break_on(Some("scale=192:144"));
    redo(&world, "{}", 2).await;
    world.pump().await;
    assert!(!of_generation(&world, 2).is_empty());
    assert_ne!(
        view(&world).await["needs_attention"],
        serde_json::Value::Null
    );
    for message in answer(&world, 2, Answer::GiveUp) {
        world.deliver(&message).await.unwrap();
    }
    world.pump().await;
    for _ in 0..2 {
        let view = view(&world).await;
        assert_eq!(
            (view["state"].as_str(), &view["redo"]),
            (Some("ready"), &serde_json::Value::Null)
        );
        assert_eq!(view["needs_attention"], serde_json::Value::Null);
        assert_eq!(of_generation(&world, 2), [""; 0]);
        assert_eq!(view["waterfall"].as_array().unwrap().len(), 4);
        assert_eq!(of_generation(&world, 1), first);
        assert_eq!(playing(&world).await.len(), 3);
        the_day_after(&mut world).await;
    }
    // And it can be tried again.
    encoder.break_on(None);
    redo(&world, "{}", 3).await;
    world.pump().await;
    assert_eq!(view(&world).await["generation_served"], 3);
}

#[tokio::test]
async fn a_video_that_is_deleted_amid_a_redo_leaves_nothing() {
    for after in (0..40).step_by(3) {
        let (mut world, _) = ready(&FaultPlan::none()).await;
        redo(&world, "{}", 2).await;
        deliver_some(&mut world, after).await;
        delete(&world).await;
        deliver_some(&mut world, usize::MAX).await;
        assert_eq!(ask_redo(&world, "{}").await.unwrap().status, 409);
        the_day_after(&mut world).await;
        assert_gone(&world, &format!("deleted after {after}"));
        assert_eq!(state(&world).await, "not found");
    }
}

#[tokio::test]
async fn what_is_dropped_in_the_place_of_a_deleted_film_stays() {
    for dropped_first in [true, false] {
        let (mut world, _) = ready(&FaultPlan::none()).await;
        let old = video(&world);
        // Another film for S3: a box of nothing is at its end.
        let other = [master(), b"\0\0\0\x08free".to_vec()].concat();
        let notes = [("cattube-sizes", "240,144")];
        let drop_other = |world: &World| world.masters.put_master(DROPPED, other.clone(), &notes);
        if dropped_first {
            drop_other(&world);
        }
        delete(&world).await;
        world.pump().await;
        if !dropped_first {
            assert_eq!(world.masters.keys(), [""; 0]);
            drop_other(&world);
            world.pump().await;
        }
        the_day_after(&mut world).await;
        assert_eq!(world.masters.bytes_of(DROPPED).unwrap(), other);
        let new = world
            .history
            .iter()
            .rev()
            .map(|said| said.metadata.video_id);
        let new = { new }.find(|video| *video != old).unwrap();
        let answer = world
            .ask(DROP_OWNER, "GET /v1/videos/{id}", Some(new))
            .await;
        assert_eq!(answer.unwrap().body["state"], "ready");
        assert!(world.failures.is_empty(), "{:?}", world.failures);
    }
}

#[tokio::test]
async fn a_deletion_that_nobody_hears_of_is_carried_out_by_its_deadline() {
    let (mut world, _) = ready(&FaultPlan::none()).await;
    delete(&world).await;
    world.route();
    // The event is lost, for all.
    world.waiting.clear();
    assert!(!world.media.keys().is_empty());
    the_day_after(&mut world).await;
    assert_gone(&world, "the day after");
    // The others are told at last, and once: it does not begin anew for ever.
    assert_eq!(facts(&world, "VideoDeleted").len(), 1);
    for _ in 0..3 {
        the_day_after(&mut world).await;
    }
    assert_eq!(world.removal_deadlines.pending(), []);
    let said = world
        .names()
        .into_iter()
        .filter(|name| *name == "VideoDeleted");
    assert_eq!(said.count(), 2);
}

#[tokio::test]
async fn a_crash_while_it_is_deleted_loses_nothing() {
    let faults = FaultPlan::none();
    let (world, _) = ready(&faults).await;
    let before = faults.calls();
    delete(&world).await;
    let calls = faults.calls() - before;
    for call in 1..=calls {
        let faults = FaultPlan::crash_at(before + call);
        let (mut world, _) = ready(&faults).await;
        let route = "DELETE /v1/videos/{id}";
        let video = super::stage::video(&world);
        let owner = cattube_tests::world::DROP_OWNER;
        assert!(world.ask(owner, route, Some(video)).await.is_err());
        faults.heal();
        world.pump().await;
        let heard_of = state(&world).await == "not found";
        // A client that was told of the failure may ask again or not: once it is marked as
        // deleted, it goes.
        if !heard_of {
            delete(&world).await;
        }
        the_day_after(&mut world).await;
        assert_gone(&world, &format!("crash at call {call} of {calls}"));
    }
}

#[tokio::test]
async fn a_deadline_that_is_not_true_any_more_removes_nothing() {
    let (mut world, _) = ready(&FaultPlan::none()).await;
    let metadata = world.history[0].metadata.clone();
    let all = [world.media.keys(), world.masters.keys()];
    for generation in [None, Some(1), Some(2)] {
        let body = serde_json::json!({ "metadata": metadata, "command": "PurgeVideo", "data": { "generation": generation } });
        let done = world.deliver(&Message::Catalogue(body.to_string())).await;
        assert_eq!(done.unwrap(), "still wanted");
    }
    world.pump().await;
    assert_eq!([world.media.keys(), world.masters.keys()], all);
}

#[tokio::test]
async fn a_message_of_no_video_makes_no_record() {
    let (world, _) = ready(&FaultPlan::none()).await;
    let mut metadata = world.history[0].metadata.clone();
    metadata.video_id = VideoId::NONE;
    metadata.owner_id = OwnerId::NONE;
    let event = Event::MessageBuried(MessageBuried {
        queue: "assemble".to_owned(),
        reason: "it does not parse".to_owned(),
        body_sha256: "0".repeat(64),
        body: None,
    });
    let body = bus_body(&Envelope { metadata, event });
    let done = world.deliver(&Message::Catalogue(body)).await.unwrap();
    assert_eq!(done, "of no video");
    let none = VideoId::NONE.to_string();
    let kept = world
        .manage
        .table
        .load(&OwnerId::NONE.to_string(), &none)
        .await;
    assert_eq!(kept.unwrap(), None);
}
