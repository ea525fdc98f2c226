//! A new making: what is encoded, what is copied, what players get meanwhile.

use cattube_contract::event::{Answer, RetryRequested};
use cattube_contract::{CommandMessage, Event};
use cattube_ports::fakes::FaultPlan;
use cattube_ports::outcome::MessageHandler;
use cattube_tests::rules::bus_body;
use cattube_tests::world::{Message, World};

use super::stage::{
    SIZES, WHOLE, answer, ask_redo, facts, has_ending, keys, of_generation, playing, ready, redo,
    sorted, state, the_day_after, view, world,
};

const ALL: [&str; 3] = ["audio", "240p", "144p"];

/// Delivers all that waits, one by one; players can play the whole film all the time.
async fn pump_and_play(world: &mut World) {
    loop {
        world.route();
        if world.waiting.is_empty() {
            return;
        }
        let message = world.waiting.remove(0);
        world.deliver(&message).await.unwrap();
        assert_eq!(playing(world).await, ALL);
    }
}

/// A redo of a ready video, from the asking to the day after.
async fn redo_once(body: &str, runs: &[usize]) -> World {
    let (mut world, encoder) = ready(&FaultPlan::none()).await;
    let first = of_generation(&world, 1);
    redo(&world, body, 2).await;
    let asked = view(&world).await;
    assert_eq!(asked["redo"]["generation"], 2);
    assert_eq!(asked["generation_served"], 1);
    pump_and_play(&mut world).await;
    assert_eq!(sorted(encoder.take_runs()), runs, "{body}");
    let after = view(&world).await;
    assert_eq!(
        (&after["redo"], after["generation_served"].as_u64()),
        (&serde_json::Value::Null, Some(2))
    );
    assert!(after["playback"]["hls"].as_str().unwrap().contains("/g2/"));
    assert_eq!(after["needs_attention"], serde_json::Value::Null);
    // The old is there until its deadline, and no longer.
    assert_eq!(of_generation(&world, 1), first);
    the_day_after(&mut world).await;
    assert_eq!(of_generation(&world, 1), [""; 0]);
    assert_eq!(playing(&world).await, ALL);
    assert!(world.masters.keys().contains(&"drop/film.mp4".to_owned()));
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    assert_eq!(facts(&world, "VideoReady").len(), 2);
    world
}

#[tokio::test]
async fn a_whole_redo_encodes_all() {
    redo_once("{}", &WHOLE).await;
}

#[tokio::test]
async fn a_redo_of_a_size_encodes_that_size() {
    redo_once("{\"size\":\"144p\"}", &[1, 1, 1]).await;
    redo_once("{\"size\":\"audio\"}", &[1]).await;
}

#[tokio::test]
async fn a_redo_of_a_chunk_encodes_that_chunk() {
    redo_once("{\"chunk\":\"v00001\"}", &[2]).await;
    redo_once("{\"chunk\":\"a00000\"}", &[1]).await;
}

#[tokio::test]
async fn what_is_copied_is_the_same_to_the_byte() {
    let (mut world, _) = ready(&FaultPlan::none()).await;
    redo(&world, "{\"size\":\"144p\"}", 2).await;
    world.pump().await;
    let (old, new) = (
        keys(&world, 1).media_prefix(),
        keys(&world, 2).media_prefix(),
    );
    let is_copied = |key: &String| {
        let file = key.strip_prefix(&old).unwrap_or("144p/");
        !file.starts_with("144p/") && !has_ending(key, "m3u8") && !has_ending(key, "mpd")
    };
    let copied: Vec<_> = world.media.keys().into_iter().filter(is_copied).collect();
    assert!(copied.len() > 8, "{copied:?}");
    for key in copied {
        let twin = key.replace(&old, &new);
        assert_eq!(
            world.media.bytes_of(&key),
            world.media.bytes_of(&twin),
            "{key}"
        );
        assert_eq!(
            world.media.headers_of(&key),
            world.media.headers_of(&twin),
            "{key}"
        );
    }
}

#[tokio::test]
async fn what_is_gone_from_the_old_making_is_made_anew() {
    for part in ["report", "segment", "plan"] {
        let (mut world, encoder) = ready(&FaultPlan::none()).await;
        let old = keys(&world, 1);
        let (bucket, key, runs) = match part {
            "report" => (
                &world.masters,
                old.report("v00001".parse().unwrap()),
                &[1, 1, 2][..],
            ),
            "segment" => {
                let prefix = old.media_prefix() + "240p/";
                let mut keys = world.media.keys();
                keys.retain(|key| key.starts_with(&prefix) && has_ending(key, "m4s"));
                (&world.media, keys.remove(0), &[1, 1, 2][..])
            }
            _ => (&world.masters, old.plan(), &WHOLE[..]),
        };
        cattube_ports::Objects::delete(bucket, &[key])
            .await
            .unwrap();
        redo(&world, "{\"size\":\"144p\"}", 2).await;
        world.pump().await;
        assert_eq!(sorted(encoder.take_runs()), runs, "{part}");
        assert_eq!(playing(&world).await, ALL, "{part}");
        assert_eq!(view(&world).await["generation_served"], 2, "{part}");
    }
}

#[tokio::test]
async fn a_size_that_fails_is_skipped_when_a_person_says_so() {
    let (mut world, encoder) = world(&FaultPlan::none());
    encoder.break_on(Some("scale=192:144"));
    world.pump().await;
    assert_eq!(state(&world).await, "planned");
    assert_ne!(
        view(&world).await["needs_attention"],
        serde_json::Value::Null
    );
    encoder.take_runs();
    // However often the answer comes, it is one new making.
    for message in answer(&world, 1, Answer::SkipSize("144p".to_owned())) {
        for _ in 0..3 {
            world.deliver(&message).await.unwrap();
        }
    }
    world.pump().await;
    let requested = facts(&world, "RetryRequested");
    assert!(
        matches!(
            requested[..],
            [Event::RetryRequested(RetryRequested { generation: 2, .. })]
        ),
        "{requested:?}"
    );
    assert_eq!(state(&world).await, "ready");
    assert_eq!(playing(&world).await, ["audio", "240p"]);
    // The sound was finished before, and is copied.
    assert_eq!(sorted(encoder.take_runs()), [1, 1, 1]);
    assert_eq!(
        view(&world).await["needs_attention"],
        serde_json::Value::Null
    );
    the_day_after(&mut world).await;
    assert_eq!(of_generation(&world, 1), [""; 0]);
    // It does not come back with the redo of another size, but with one of all.
    encoder.break_on(None);
    redo(&world, "{\"size\":\"240p\"}", 3).await;
    world.pump().await;
    assert_eq!(playing(&world).await, ["audio", "240p"]);
    redo(&world, "{}", 4).await;
    world.pump().await;
    assert_eq!(playing(&world).await, ALL);
}

#[tokio::test]
async fn the_last_size_is_not_skipped() {
    let (mut world, encoder) = world(&FaultPlan::none());
    encoder.break_on(Some("libx264"));
    world.pump().await;
    for message in answer(&world, 1, Answer::SkipSize("144p".to_owned())) {
        world.deliver(&message).await.unwrap();
    }
    world.pump().await;
    let mut second = answer(&world, 2, Answer::SkipSize("240p".to_owned()));
    let Message::Catalogue(body) = second.remove(0) else {
        panic!("the catalogue's comes first");
    };
    let ticket = cattube_contract::TicketId::derive("test", 1).to_string();
    let other = cattube_contract::TicketId::derive("test", 2).to_string();
    let message = Message::Catalogue(body.replace(&ticket, &other));
    world.deliver(&message).await.unwrap();
    world.pump().await;
    let attention = view(&world).await["needs_attention"].clone();
    assert!(
        attention.as_str().unwrap().contains("without 240p"),
        "{attention}"
    );
    assert_eq!(facts(&world, "PlanFailed").len(), 1);
}

#[tokio::test]
async fn the_same_request_twice_is_one_redo_and_others_are_refused_by_name() {
    let (mut world, _) = ready(&FaultPlan::none()).await;
    for (body, status, part) in [
        ("", 400, "EOF"),
        ("[]", 400, "sequence"),
        ("{\"speed\":2}", 400, "speed"),
        ("{\"size\":null}", 400, "size"),
        ("{\"chunk\":\"w00001\"}", 400, "chunk"),
        ("{\"size\":\"720p\"}", 422, "size"),
        ("{\"chunk\":\"v00003\"}", 422, "chunk"),
        ("{\"size\":\"240p\",\"chunk\":\"v00000\"}", 422, "chunk"),
    ] {
        let refused = ask_redo(&world, body).await.unwrap();
        assert_eq!(refused.status, status, "{body}: {refused:?}");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{body}: {detail}");
    }
    redo(&world, "{}", 2).await;
    redo(&world, "{}", 2).await;
    world.pump().await;
    assert_eq!(facts(&world, "RetryRequested").len(), 1);
    assert_eq!(playing(&world).await, ALL);
    redo(&world, "{}", 3).await;
}

#[tokio::test]
async fn a_redo_that_is_overtaken_by_another_leaves_nothing() {
    let (mut world, _) = ready(&FaultPlan::none()).await;
    redo(&world, "{}", 2).await;
    world.route();
    // The first is planned when the second is asked for.
    for _ in 0..6 {
        let message = world.waiting.remove(0);
        world.deliver(&message).await.unwrap();
        world.route();
    }
    redo(&world, "{\"size\":\"240p\"}", 3).await;
    pump_and_play(&mut world).await;
    assert_eq!(view(&world).await["generation_served"], 3);
    the_day_after(&mut world).await;
    for generation in [1, 2] {
        assert_eq!(of_generation(&world, generation), [""; 0]);
    }
    assert_eq!(playing(&world).await, ALL);
}

#[tokio::test]
async fn every_message_of_a_redo_three_times_is_one_redo() {
    let (mut world, encoder) = ready(&FaultPlan::none()).await;
    redo(&world, "{\"size\":\"144p\"}", 2).await;
    let mut seen = std::collections::BTreeSet::new();
    loop {
        world.route();
        if world.waiting.is_empty() {
            break;
        }
        let message = world.waiting.remove(0);
        if !seen.insert(format!("{message:?}")) {
            continue;
        }
        for _ in 0..3 {
            world.deliver(&message).await.unwrap();
        }
    }
    assert_eq!(sorted(encoder.take_runs()), [1, 1, 1]);
    for (name, count) in [
        ("RetryRequested", 1),
        ("VideoPlanned", 2),
        ("VideoReady", 2),
    ] {
        assert_eq!(facts(&world, name).len(), count, "{name}");
    }
    // The whole story once more, long after.
    the_day_after(&mut world).await;
    let left = world.media.keys();
    for envelope in world.history.clone() {
        let body = bus_body(&envelope);
        world
            .deliver(&Message::Catalogue(body.clone()))
            .await
            .unwrap();
        if cattube_tests::rules::joins(&envelope.event) {
            world.deliver(&Message::Join(body)).await.unwrap();
        }
    }
    assert_eq!(world.media.keys(), left);
    assert_eq!(playing(&world).await, ALL);
    assert_eq!(view(&world).await["generation"], 2);
}

/// What a fault at a call is.
type Kind = fn(usize) -> FaultPlan;

/// Runs a redo of a ready video under a plan of faults that begins to count with it.
async fn redo_under(
    fault: impl Fn(usize) -> FaultPlan,
    call: usize,
    calls_before: usize,
) -> (World, FaultPlan) {
    let faults = fault(calls_before + call);
    let (mut world, _) = ready(&faults).await;
    let before = faults.calls();
    assert!(before >= calls_before, "{before} {calls_before}");
    for attempt in 0..3 {
        match ask_redo(&world, "{\"size\":\"144p\"}").await {
            Ok(answer) => {
                assert_eq!(
                    answer.body["generation"], 2,
                    "a client that asks again gets the same"
                );
                break;
            }
            Err(error) => {
                assert!(attempt < 2, "{error}");
                faults.heal();
            }
        }
    }
    loop {
        world.route();
        if world.waiting.is_empty() {
            break;
        }
        let message = world.waiting.remove(0);
        let mut tries = 0;
        while let Err(error) = world.deliver(&message).await {
            tries += 1;
            assert!(tries < 3, "{message:?}: {error}");
            faults.heal();
        }
    }
    // What is asked from here on is the test's own.
    faults.heal();
    (world, faults)
}

#[tokio::test]
async fn a_fault_at_any_port_call_of_a_redo_loses_nothing() {
    let faults = FaultPlan::none();
    let (_world, _) = ready(&faults).await;
    let before = faults.calls();
    let (_, faults) = redo_under(|_| FaultPlan::none(), 0, 0).await;
    let calls = faults.calls() - before;
    assert!(calls > 60, "{calls} calls");
    let kinds: [(usize, Kind); 3] = [
        (1, FaultPlan::crash_at),
        (2, FaultPlan::fail_call),
        (3, FaultPlan::lose_reply),
    ];
    for (offset, fault) in kinds {
        for call in (offset..=calls).step_by(3) {
            let (mut world, faults) = redo_under(fault, call, before).await;
            let trace = faults.trace();
            let place = trace.get(before + call - 1);
            assert_eq!(view(&world).await["generation_served"], 2, "at {place:?}");
            the_day_after(&mut world).await;
            assert_eq!(of_generation(&world, 1), [""; 0], "at {place:?}");
            assert_eq!(playing(&world).await, ALL, "at {place:?}");
        }
    }
}

#[tokio::test]
async fn lost_commands_are_queued_again_and_no_others() {
    let (mut world, encoder) = world(&FaultPlan::none());
    let mut lost = 0;
    loop {
        world.route();
        if world.waiting.is_empty() {
            break;
        }
        let message = world.waiting.remove(0);
        if let Message::Chunk(body) = &message
            && body.contains("\"chunk\":\"v00001\"")
        {
            lost += 1;
            continue;
        }
        world.deliver(&message).await.unwrap();
    }
    assert_eq!((lost, state(&world).await.as_str()), (1, "playable"));
    assert_eq!(sorted(encoder.take_runs()), [1, 2, 2]);
    // A plan of old does not say where its slices are.
    for strip in [false, true] {
        let key = keys(&world, 1).plan();
        let plan = world.masters.bytes_of(&key).unwrap();
        let mut plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
        let job = plan["job"].clone();
        if strip {
            plan.as_object_mut().unwrap().remove("slices").unwrap();
            world.masters.put_master(&key, plan.to_string(), &[]);
        }
        let mut metadata = world.history[0].metadata.clone();
        metadata.attempt = 2;
        let mut command =
            serde_json::json!({ "metadata": metadata, "command": "PlanVideo", "data": job });
        command["data"]["requeue"] = true.into();
        let outcome = world.plan.handle(&command.to_string()).await.unwrap();
        assert_eq!(outcome.action, "queued again");
        world.route();
        let queued: Vec<_> = world
            .waiting
            .iter()
            .filter_map(|message| {
                let Message::Chunk(body) = message else {
                    return None;
                };
                Some(CommandMessage::parse(body).unwrap().command)
            })
            .collect();
        let [cattube_contract::Command::TranscodeChunk(chunk)] = &queued[..] else {
            panic!("{queued:?}");
        };
        assert_eq!(chunk.chunk.to_string(), "v00001");
        if !strip {
            world
                .waiting
                .retain(|message| !matches!(message, Message::Chunk(_)));
        }
    }
    world.pump().await;
    assert_eq!(state(&world).await, "ready");
    assert_eq!(playing(&world).await, ALL);
    assert_eq!(encoder.take_runs(), [SIZES.len()]);
}
