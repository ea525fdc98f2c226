//! What makes the join good: events that were lost, chunks that do not fit, playlists that an
//! older head was written over.

use cattube_contract::Event;
use cattube_contract::event::JoinFailed;
use cattube_ports::fakes::FaultPlan;
use cattube_tests::rules::bus_body;
use cattube_tests::world::{JOB_DEADLINE, Message, World};

use super::stage::{facts, has_ending, keys, playing, ready, redo, state, view, world};

/// Delivers all that waits but what `is_lost`, which it gives. The join is told of
/// everything at once, so of the plan before anything of it is done.
async fn pump_but(world: &mut World, is_lost: impl Fn(&Message) -> bool) -> Vec<Message> {
    let mut lost = Vec::new();
    loop {
        world.route();
        if world.waiting.is_empty() {
            return lost;
        }
        let is_join = |message: &Message| matches!(message, Message::Join(_));
        let next = world.waiting.iter().position(is_join).unwrap_or(0);
        let message = world.waiting.remove(next);
        if is_lost(&message) {
            lost.push(message);
        } else {
            world.deliver(&message).await.unwrap();
        }
    }
}

fn joins(message: &Message, part: &str) -> bool {
    matches!(message, Message::Join(body) if body.contains(part))
}

#[tokio::test]
async fn a_head_plays_before_the_rest_is_made() {
    let (mut world, _) = world(&FaultPlan::none());
    let lost = pump_but(
        &mut world,
        |message| matches!(message, Message::Chunk(body) if body.contains("v00002")),
    )
    .await;
    assert_eq!(lost.len(), 1);
    assert_eq!(state(&world).await, "playable");
    let playable = facts(&world, "VideoPlayable");
    assert!(
        matches!(playable[..], [Event::VideoPlayable(said)] if said.generation == 1),
        "{playable:?}"
    );
    assert_eq!(view(&world).await["generation_served"], 1);
}

#[tokio::test]
async fn what_the_join_was_not_told_of_it_finds_by_the_deadline() {
    for part in [
        "v00001",
        "a00000",
        "ChunkTranscoded",
        "VideoPlanned",
        "\"detail\"",
    ] {
        let (mut world, encoder) = world(&FaultPlan::none());
        let lost = pump_but(&mut world, |message| joins(message, part)).await;
        assert!(!lost.is_empty(), "{part}");
        assert_ne!(state(&world).await, "ready", "{part}");
        encoder.take_runs();
        // Once to see that nothing moves, once more at most.
        for _ in 0..2 {
            world.elapse(JOB_DEADLINE);
            world.pump().await;
        }
        assert_eq!(state(&world).await, "ready", "{part}");
        assert_eq!(playing(&world).await.len(), 3, "{part}");
        assert_eq!(encoder.take_runs(), [0; 0], "{part}: nothing is made twice");
        assert_eq!(facts(&world, "VideoReady").len(), 1, "{part}");
    }
}

#[tokio::test]
async fn chunks_that_do_not_fit_are_said_once_and_a_redo_mends_them() {
    let (mut world, _) = world(&FaultPlan::none());
    // One chunk's first frame is not the one that the chunk before saw behind its end.
    let kept = pump_but(&mut world, |message| matches!(message, Message::Join(_))).await;
    let key = keys(&world, 1).report("v00001".parse().unwrap());
    let report = world.masters.bytes_of(&key).unwrap();
    let mut report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    report["report"]["seam"]["first"]["checksum"] = 7.into();
    world.masters.put_master(&key, report.to_string(), &[]);
    for message in kept.iter().chain(&kept) {
        world.deliver(message).await.unwrap();
    }
    world.pump().await;
    let failed = facts(&world, "JoinFailed");
    let [
        Event::JoinFailed(JoinFailed {
            generation: 1,
            reason,
            command: Some(job),
            ..
        }),
    ] = &failed[..]
    else {
        panic!("{failed:?}");
    };
    assert_eq!(reason, "v00000 and the next do not meet");
    assert_eq!((job.generation, job.requeue), (1, true));
    assert_eq!(facts(&world, "RetriesExhausted").len(), 1);
    assert_eq!(facts(&world, "VideoReady").len(), 0);
    let attention = view(&world).await["needs_attention"].clone();
    assert!(
        attention.as_str().unwrap().contains("do not meet"),
        "{attention}"
    );
    redo(&world, "{\"chunk\":\"v00001\"}", 2).await;
    world.pump().await;
    assert_eq!(state(&world).await, "ready");
    assert_eq!(playing(&world).await.len(), 3);
}

#[tokio::test]
async fn a_ready_video_is_said_again_without_a_writing_and_mended_where_it_is_overwritten() {
    let (mut world, _) = ready(&FaultPlan::none()).await;
    let events: Vec<_> = world
        .history
        .iter()
        .filter(|envelope| cattube_tests::rules::joins(&envelope.event))
        .map(bus_body)
        .collect();
    let playlists = |world: &World| -> Vec<_> {
        let keys = world.media.keys().into_iter();
        let keys = keys.filter(|key| has_ending(key, "m3u8"));
        keys.map(|key| (world.media.bytes_of(&key), key)).collect()
    };
    let good = playlists(&world);
    let _ = world.media.drain_created();
    for body in &events {
        world.deliver(&Message::Join(body.clone())).await.unwrap();
    }
    assert_eq!(world.media.drain_created(), []);
    world.route();
    assert!(
        world
            .names()
            .iter()
            .filter(|name| **name == "VideoReady")
            .count()
            > 1
    );
    assert_eq!(facts(&world, "VideoReady").len(), 1);
    // Any of them, by any message that comes again.
    for (place, (_, key)) in good.iter().enumerate() {
        world.media.put_master(key, "an older head", &[]);
        let body = events[place % events.len()].clone();
        world.deliver(&Message::Join(body)).await.unwrap();
        assert_eq!(playlists(&world), good, "{key}");
    }
    // What was removed does not come back.
    let all = world.media.keys();
    cattube_ports::Objects::delete(&world.media, &all)
        .await
        .unwrap();
    world
        .deliver(&Message::Join(events[0].clone()))
        .await
        .unwrap();
    assert_eq!(world.media.keys(), [""; 0]);
}

#[tokio::test]
async fn events_of_an_older_making_publish_nothing_after_a_newer_began() {
    let (mut world, _) = world(&FaultPlan::none());
    // The last event of the first making stays behind.
    let kept = pump_but(&mut world, |message| joins(message, "v00002")).await;
    redo(&world, "{}", 2).await;
    world.pump().await;
    world.deliver(&kept[0]).await.unwrap();
    world.pump().await;
    let ready = facts(&world, "VideoReady");
    let [Event::VideoReady(ready)] = &ready[..] else {
        panic!("{ready:?}");
    };
    assert_eq!(ready.generation, 2);
}
