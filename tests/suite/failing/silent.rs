//! Messages that are lost for good: the deadline alone leads to the truth.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use cattube_contract::command::PlanVideo;
use cattube_contract::event::{Answer, FailedWork, RetryRequested, Stage};
use cattube_contract::{Command, CommandMessage, Event, EventId, Metadata};
use cattube_core::retry::{POLICY, job_deadline_name};
use cattube_ports::Clock;
use cattube_ports::fakes::FaultPlan;
use cattube_ports::http::ApiRequest;
use cattube_ports::outcome::{ApiHandler, MessageHandler};
use cattube_ports::queue::OutgoingMessage;
use cattube_tests::rules::bus_body;
use cattube_tests::world::{DROP_OWNER, JOB_DEADLINE, Message, World};

use super::{answer, broken_world, exhausted, question, set, told};
use crate::flow::{count, state, video, world};

/// The job of the film.
pub fn job(world: &World) -> PlanVideo {
    let uploaded = world.history.iter().find_map(|envelope| {
        if let Event::VideoUploaded(uploaded) = &envelope.event {
            Some(uploaded.clone())
        } else {
            None
        }
    });
    let uploaded = uploaded.expect("it was uploaded");
    PlanVideo {
        generation: uploaded.generation,
        master: uploaded.master,
        sizes: uploaded.sizes,
        base: None,
        requeue: false,
    }
}

/// Delivers all messages but those that are lost; workers are slower than all else.
async fn pump_but(world: &mut World, lost: impl Fn(&Message) -> bool) {
    loop {
        world.route();
        world.waiting.retain(|message| !lost(message));
        let is_chunk = |message: &Message| matches!(message, Message::Chunk(_));
        world.waiting.sort_by_key(is_chunk);
        if world.waiting.is_empty() {
            return;
        }
        let message = world.waiting.remove(0);
        world.deliver(&message).await.unwrap();
    }
}

fn is_job(message: &Message) -> bool {
    matches!(message, Message::Job(_))
}

/// An event about one chunk, or its command.
fn says(body: &str, what: &str, chunk: &str) -> bool {
    body.contains(&format!("\"{what}\"")) && body.contains(&format!("\"chunk\":\"{chunk}\""))
}

#[tokio::test]
async fn a_job_whose_command_is_lost_is_queued_again() {
    let mut world = world(&FaultPlan::none());
    pump_but(&mut world, is_job).await;
    assert_eq!(state(&world).await, "uploaded");
    let deadline = world.job_deadlines.pending().remove(0);
    assert_eq!(deadline.name, job_deadline_name(video(&world), 1));
    assert!(matches!(
        CommandMessage::parse(&deadline.body).unwrap().command,
        Command::CheckJob(check) if check.job == job(&world) && check.reports_seen.is_none()
    ));

    world.elapse(JOB_DEADLINE);
    world.pump().await;
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    assert_eq!(state(&world).await, "ready");
    assert_eq!(world.job_deadlines.pending(), []);
}

#[tokio::test]
async fn a_chunk_whose_command_is_lost_is_queued_again() {
    let mut world = world(&FaultPlan::none());
    pump_but(
        &mut world,
        |message| matches!(message, Message::Chunk(body) if says(body, "TranscodeChunk", "v00001")),
    )
    .await;
    assert_ne!(state(&world).await, "ready");
    // It got on since it was begun, and then no more.
    world.elapse(JOB_DEADLINE);
    world.pump().await;
    assert_ne!(state(&world).await, "ready");
    let before = count(&world, "ChunkTranscoded");
    world.elapse(JOB_DEADLINE);
    world.pump().await;
    assert_eq!(state(&world).await, "ready");
    // The others were left alone.
    assert_eq!(count(&world, "ChunkTranscoded"), before + 1);
    assert_eq!(world.job_deadlines.pending(), []);
}

#[tokio::test]
async fn a_job_that_waits_for_workers_is_watched_on() {
    let mut world = world(&FaultPlan::none());
    pump_but(&mut world, |message| matches!(message, Message::Chunk(_))).await;
    for (others_wait, done) in [
        // It was planned since.
        (true, "watched on"),
        (true, "waits its turn"),
        (true, "waits its turn"),
        (false, "queued again"),
    ] {
        world.elapse(JOB_DEADLINE);
        let deadline = world.waiting.remove(0);
        assert!(matches!(deadline, Message::Deadline(_)), "{deadline:?}");
        if others_wait {
            let other = OutgoingMessage::new("of another film".to_owned(), "own".to_owned());
            world.retry.chunks.send(&[other]).await.unwrap();
        }
        assert_eq!(world.deliver(&deadline).await.unwrap(), done);
        world.route();
        world.waiting.retain(is_job);
    }
    world.pump().await;
    assert_eq!(state(&world).await, "ready");
    assert_eq!(exhausted(&world), []);
}

#[tokio::test]
async fn a_job_that_waits_behind_others_is_watched_on_and_queues_no_chunk_twice() {
    let mut world = world(&FaultPlan::none());
    let mut jobs = Vec::new();
    pump_but(&mut world, is_job).await;
    for (others_wait, done) in [
        (true, "waits its turn"),
        (true, "waits its turn"),
        (false, "queued again"),
        (false, "queued again"),
    ] {
        world.elapse(JOB_DEADLINE);
        let deadline = world.waiting.remove(0);
        if others_wait {
            let other = OutgoingMessage::new("another film".to_owned(), "own".to_owned());
            world.retry.jobs.send(&[other]).await.unwrap();
        }
        assert_eq!(world.deliver(&deadline).await.unwrap(), done);
        world.route();
        if others_wait {
            world.waiting.retain(|message| !is_job(message));
        }
        jobs.append(&mut world.waiting);
    }
    // Its turn has come: the first one makes the plan, and the other finds it made.
    world.waiting = jobs;
    world.pump().await;
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    assert_eq!(state(&world).await, "ready");
    let planned = world.history.iter().filter_map(|envelope| {
        if let Event::VideoPlanned(planned) = &envelope.event {
            Some(planned.video_chunk_count + planned.audio_chunk_count)
        } else {
            None
        }
    });
    let planned: Vec<_> = planned.collect();
    assert_eq!(planned.len(), 2);
    let done = count(&world, "ChunkTranscoded");
    assert_eq!(u32::try_from(done).unwrap(), planned[0]);
}

#[tokio::test]
async fn a_new_making_whose_event_never_left_is_said_with_the_next_news() {
    let mut world = world(&FaultPlan::none());
    world.pump().await;
    let id = video(&world);
    let request = ApiRequest {
        route: "POST /v1/videos/{id}/retry".to_owned(),
        path: [("id".to_owned(), id.to_string())].into(),
        subject: Some(DROP_OWNER.to_owned()),
        body: b"{}".to_vec(),
        ..ApiRequest::default()
    };
    assert_eq!(world.manage.answer(request).await.unwrap().status, 202);
    world.route();
    world.waiting.clear();
    assert_eq!(count(&world, "RetryRequested"), 1);
    let asked = |world: &World| {
        let all = world.history.iter();
        all.filter(|envelope| envelope.event.name() == "RetryRequested")
            .count()
    };
    let mut ready = world
        .history
        .iter()
        .find(|envelope| envelope.event.name() == "VideoReady")
        .cloned()
        .unwrap();
    // What is told a second time is no news.
    world.waiting.push(Message::Catalogue(bus_body(&ready)));
    world.pump().await;
    assert_eq!(asked(&world), 1);
    // Another event is: the same request is said again.
    ready.metadata.event_id = EventId::derive("VideoReady", &["said by another"]);
    world.waiting.push(Message::Catalogue(bus_body(&ready)));
    world.pump().await;
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    assert_eq!((asked(&world), count(&world, "RetryRequested")), (2, 1));
    assert_eq!(count(&world, "VideoReady"), 2);
    // It was heard: no news brings it up again.
    ready.metadata.event_id = EventId::derive("VideoReady", &["said by a third"]);
    world.waiting.push(Message::Catalogue(bus_body(&ready)));
    world.pump().await;
    assert_eq!(asked(&world), 2);
}

#[tokio::test]
async fn a_last_attempt_that_dies_without_a_word_is_made_once_more() {
    let (mut world, full) = broken_world();
    let is_last = |body: &str| body.contains(r#""attempt":5"#);
    pump_but(
        &mut world,
        |message| matches!(message, Message::Chunk(body) if is_last(body)),
    )
    .await;
    full.store(false, Ordering::Relaxed);
    assert_ne!(state(&world).await, "ready");
    world.elapse(JOB_DEADLINE * 2);
    world.pump().await;
    assert_eq!(state(&world).await, "ready");
    assert_eq!(exhausted(&world), []);
    assert_eq!(world.job_deadlines.pending(), []);
}

#[tokio::test]
async fn a_chunk_whose_event_is_lost_is_found_in_the_store() {
    for lost in ["v00000", "v00002", "a00000"] {
        let mut world = world(&FaultPlan::none());
        pump_but(
            &mut world,
            |message| matches!(message, Message::Join(body) if says(body, "ChunkTranscoded", lost)),
        )
        .await;
        assert_ne!(state(&world).await, "ready", "{lost}");
        world.elapse(JOB_DEADLINE);
        world.pump().await;
        assert_eq!(state(&world).await, "ready", "{lost}");
        assert_eq!(world.job_deadlines.pending(), [], "{lost}");
    }
}

#[tokio::test]
async fn silence_without_end_is_told_to_a_person_whose_word_begins_anew() {
    let mut world = world(&FaultPlan::none());
    pump_but(&mut world, is_job).await;
    for round in 1..=POLICY.max_attempts {
        assert_eq!(exhausted(&world), [], "round {round}");
        world.elapse(JOB_DEADLINE);
        pump_but(&mut world, is_job).await;
    }
    let (cause, enough) = exhausted(&world).remove(0);
    assert_eq!((enough.stage, enough.attempts), (Stage::Deadline, 5));
    let Some(FailedWork::Plan(work)) = &enough.work else {
        panic!("{:?}", enough.work);
    };
    assert_eq!(work.master, job(&world).master);
    assert_eq!(set(&world), question(&world));
    world.elapse(JOB_DEADLINE);
    pump_but(&mut world, is_job).await;
    assert_eq!(exhausted(&world).len(), 1);
    assert_eq!(set(&world), question(&world));

    // Five rounds more, of other numbers.
    let retry = answer(&cause, 1, Answer::Retry, enough.work.clone());
    world.waiting.push(retry.clone());
    pump_but(&mut world, is_job).await;
    for _ in 1..=POLICY.max_attempts {
        assert_eq!(exhausted(&world).len(), 1);
        world.elapse(JOB_DEADLINE);
        pump_but(&mut world, is_job).await;
    }
    let (again, enough) = exhausted(&world).pop().unwrap();
    assert_eq!(enough.attempts, 10);
    assert_ne!(again.event_id, cause.event_id);

    world.waiting.push(retry);
    world.pump().await;
    assert_eq!(state(&world).await, "ready");
    assert_eq!(world.job_deadlines.pending(), []);
}

#[tokio::test]
async fn a_deadline_that_comes_when_all_is_over_does_nothing_lasting() {
    let mut world = world(&FaultPlan::none());
    pump_but(&mut world, is_job).await;
    let late = Message::Deadline(world.job_deadlines.pending().remove(0).body);
    world.elapse(JOB_DEADLINE);
    world.pump().await;
    assert_eq!(state(&world).await, "ready");
    let media = world.media.keys();

    // Delivered again days later: the video says once more that it is ready.
    world.waiting.push(late.clone());
    world.pump().await;
    assert_eq!(world.media.keys(), media);
    assert_eq!(count(&world, "VideoReady"), 1);
    assert_eq!(world.job_deadlines.pending(), []);

    let delete = "DELETE /v1/videos/{id}";
    let video = Some(video(&world));
    world.ask(DROP_OWNER, delete, video).await.unwrap();
    world.pump().await;
    assert_eq!(world.deliver(&late).await.unwrap(), "over");
    assert_eq!(world.job_deadlines.pending(), []);
    assert_eq!(exhausted(&world), []);
}

#[tokio::test]
async fn a_new_making_takes_the_watch_over() {
    let mut world = world(&FaultPlan::none());
    pump_but(&mut world, is_job).await;
    let old = world.job_deadlines.pending().remove(0);
    let asked = world.history.first().unwrap().metadata.clone();
    let request = RetryRequested {
        generation: 2,
        master: job(&world).master,
        sizes: job(&world).sizes,
        base: None,
    };
    let metadata = Metadata { hop: 30, ..asked };
    let message = told(&world, metadata, Event::RetryRequested(request));
    world.retry.handle(body(&message)).await.unwrap();
    let watched = world.job_deadlines.pending();
    let names: Vec<_> = watched.iter().map(|deadline| &deadline.name).collect();
    assert_eq!(names, [&job_deadline_name(video(&world), 2)]);
    // A person stands in between: it is no circle.
    let check = CommandMessage::parse(&watched[0].body).unwrap();
    assert_eq!((check.metadata.hop, check.metadata.attempt), (1, 1));

    world.route();
    let job = world
        .waiting
        .iter()
        .find(|message| is_job(message))
        .cloned();
    world.deliver(&job.unwrap()).await.unwrap();
    // The new one is planned: the old one's deadline, delivered late, is nobody's.
    let late = Message::Deadline(old.body);
    assert_eq!(world.deliver(&late).await.unwrap(), "over");
}

fn body(message: &Message) -> &str {
    let Message::Retry(body) = message else {
        panic!("{message:?}");
    };
    body
}

/// Lets the deadline of the question come; gives what it did.
async fn remind(world: &mut World) -> &'static str {
    let due = world.job_deadlines.pending().remove(0);
    let wait = due.at.duration_since(world.clock.now());
    world.elapse(wait.try_into().unwrap());
    let message = world.waiting.remove(0);
    assert!(matches!(message, Message::Deadline(_)), "{message:?}");
    let done = world.deliver(&message).await.unwrap();
    world.route();
    world.waiting.clear();
    done
}

/// A film whose job no worker ended, and about which a person was asked.
async fn asked() -> World {
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
    assert_eq!(exhausted(&world).len(), 1);
    world
}

#[tokio::test]
async fn a_question_that_is_lost_is_asked_again_but_not_for_ever() {
    let mut world = asked().await;
    for again in 1..POLICY.max_attempts {
        assert_eq!(set(&world), question(&world));
        assert_eq!(remind(&mut world).await, "asked again");
        let all = exhausted(&world);
        let ids: BTreeSet<_> = all.iter().map(|(metadata, _)| metadata.event_id).collect();
        assert_eq!(ids.len(), usize::try_from(again).unwrap() + 1);
        let (_, last) = all.last().unwrap();
        assert_eq!((last.stage, last.attempts), (Stage::Deadline, 1));
        assert!(matches!(&last.work, Some(FailedWork::Plan(_))));
    }
    assert_eq!(remind(&mut world).await, "asked often enough");
    assert_eq!(set(&world), [""; 0]);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again() {
    let mut world = asked().await;
    remind(&mut world).await;
    let (cause, again) = exhausted(&world).pop().unwrap();
    let retry = answer(&cause, 1, Answer::Retry, again.work);
    world.waiting.push(retry);
    world.pump().await;
    assert_eq!(state(&world).await, "ready");
    assert_eq!(set(&world), [""; 0]);
}

#[tokio::test]
async fn a_question_is_not_repeated_when_all_is_made() {
    let mut world = asked().await;
    let late = Message::Deadline(world.job_deadlines.pending().remove(0).body);
    let (cause, enough) = exhausted(&world).remove(0);
    let retry = answer(&cause, 1, Answer::Retry, enough.work);
    world.waiting.push(retry);
    world.pump().await;
    assert_eq!(world.deliver(&late).await.unwrap(), "queued again");
    world.pump().await;
    assert_eq!(exhausted(&world).len(), 1);
    assert_eq!(count(&world, "VideoReady"), 1);
    assert_eq!(set(&world), [""; 0]);
}
