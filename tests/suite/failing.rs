//! What follows when work fails, falls silent or cannot be handled: again, and again, and then
//! a person. In one process; the encoder is the real one, unless it is broken.

mod buried;
mod silent;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use cattube_adapters::ffmpeg::Ffmpeg;
use cattube_contract::event::{
    Answer, FailedWork, HumanAnswered, JoinFailed, RetriesExhausted, RetryScheduled, Stage,
    UploadFailed,
};
use cattube_contract::id::TicketId;
use cattube_contract::plan::Quality;
use cattube_contract::{
    Command, CommandMessage, Envelope, Event, EventId, Fault, Metadata, OwnerId,
};
use cattube_core::retry::asked_deadline_name;
use cattube_ports::fakes::FaultPlan;
use cattube_ports::{Clock, Encoder, PortError};
use cattube_tests::rules::bus_body;
use cattube_tests::world::{DROP_OWNER, Message, World};
use jiff::Timestamp;

use crate::flow::{count, master, state, video};

/// An encoder on a machine whose disk is full until somebody makes room.
struct Disk {
    full: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl Encoder for Disk {
    async fn open(&self) -> Result<Box<dyn cattube_ports::Workspace>, PortError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(PortError::Encoder {
                operation: "open",
                fault: Fault::Transient,
                reason: "the worker's disk is full".to_owned(),
            });
        }
        Ffmpeg.open().await
    }
}

/// A clock on which half a minute goes by between two looks.
#[derive(Default)]
struct Hasty(AtomicI64);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        let seconds = self.0.fetch_add(30, Ordering::Relaxed);
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }
}

/// The index of a film lies at its end, three reads away.
#[tokio::test]
async fn an_index_that_is_not_found_in_time_fails_the_job_and_not_the_function() {
    let mut world = World::new(Arc::new(Ffmpeg), Quality::Crf(30), &FaultPlan::none());
    world.masters.put_master("drop/film.mp4", master(), &[]);
    world.plan.clock = Arc::new(Hasty::default());
    world.pump().await;
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    let failed: Vec<_> = world
        .history
        .iter()
        .filter_map(|envelope| {
            if let Event::PlanFailed(failed) = &envelope.event {
                Some((failed.fault, failed.reason.as_str()))
            } else {
                None
            }
        })
        .collect();
    assert_eq!(failed.len(), 5, "{failed:?}");
    for (fault, reason) in failed {
        assert_eq!(fault, Fault::Transient);
        assert!(reason.contains("not found in time"), "{reason}");
    }
}

/// A world whose workers' disks are full, with a film in it, and the switch that mends them.
fn broken_world() -> (World, Arc<AtomicBool>) {
    let full = Arc::new(AtomicBool::new(true));
    let disk = Disk {
        full: Arc::clone(&full),
    };
    let world = World::new(Arc::new(disk), Quality::Crf(30), &FaultPlan::none());
    world.masters.put_master("drop/film.mp4", master(), &[]);
    (world, full)
}

/// What is said when retries are exhausted, with its metadata.
fn exhausted(world: &World) -> Vec<(Metadata, RetriesExhausted)> {
    let events = world.history.iter();
    events
        .filter_map(|envelope| {
            if let Event::RetriesExhausted(exhausted) = &envelope.event {
                Some((envelope.metadata.clone(), exhausted.clone()))
            } else {
                None
            }
        })
        .collect()
}

fn scheduled(world: &World, chunk: Option<&str>) -> Vec<RetryScheduled> {
    let chunk = chunk.map(|chunk| chunk.parse().unwrap());
    let events = world.history.iter();
    events
        .filter_map(|envelope| {
            if let Event::RetryScheduled(scheduled) = &envelope.event
                && scheduled.chunk == chunk
            {
                Some(scheduled.clone())
            } else {
                None
            }
        })
        .collect()
}

/// The names of the deadlines that are set.
fn set(world: &World) -> Vec<String> {
    let pending = world.job_deadlines.pending().into_iter();
    pending.map(|deadline| deadline.name).collect()
}

/// The deadline of a question about the film, alone.
fn question(world: &World) -> Vec<String> {
    vec![asked_deadline_name(video(world), 1)]
}

/// A person answers.
fn answer(cause: &Metadata, generation: u32, answer: Answer, work: Option<FailedWork>) -> Message {
    let event = Event::HumanAnswered(HumanAnswered {
        ticket_id: TicketId::derive("test", 1),
        generation,
        answer,
        work,
    });
    let subject = cause.event_id.to_string();
    let envelope = Envelope::follow(cause, &[&subject], event, cause.occurred_at);
    Message::Retry(bus_body(&envelope))
}

/// An event that somebody published, as `retry` gets it.
fn told(world: &World, metadata: Metadata, event: Event) -> Message {
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    Message::Retry(bus_body(&Envelope { metadata, event }))
}

#[tokio::test]
async fn a_chunk_that_always_fails_is_tried_five_times_and_then_a_person_is_needed() {
    let (mut world, _) = broken_world();
    world.pump().await;
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    let first = Some("v00000".parse().unwrap());
    let of_first_chunk = |event: &Event| {
        let failed = matches!(event, Event::ChunkFailed(failed) if Some(failed.chunk) == first);
        let again = matches!(event, Event::RetryScheduled(scheduled) if scheduled.chunk == first);
        let enough =
            matches!(event, Event::RetriesExhausted(exhausted) if exhausted.chunk == first);
        failed || again || enough
    };
    let story: Vec<_> = world
        .history
        .iter()
        .filter(|envelope| of_first_chunk(&envelope.event))
        .map(|envelope| (envelope.event.name(), envelope.metadata.attempt))
        .collect();
    let again = |attempt| [("ChunkFailed", attempt), ("RetryScheduled", attempt)];
    let mut expected: Vec<_> = (1..5).flat_map(again).collect();
    expected.extend([("ChunkFailed", 5), ("RetriesExhausted", 5)]);
    assert_eq!(story, expected);

    let delays: Vec<_> = scheduled(&world, Some("v00000"))
        .iter()
        .map(|scheduled| scheduled.delay_ms)
        .collect();
    assert!(
        delays.windows(2).all(|pair| pair[0] * 2 < pair[1]),
        "{delays:?}"
    );

    let (_, enough) = exhausted(&world)
        .into_iter()
        .find(|(_, exhausted)| exhausted.chunk == first)
        .unwrap();
    assert_eq!((enough.stage, enough.attempts), (Stage::Work, 5));
    assert!(matches!(enough.work, Some(FailedWork::Chunk(work)) if Some(work.chunk) == first));
    let answer = world
        .ask(DROP_OWNER, "GET /v1/videos/{id}", Some(video(&world)))
        .await
        .unwrap();
    let reason = answer.body["needs_attention"].as_str().unwrap();
    assert!(reason.contains("disk is full"), "{reason}");
    // A person was asked: the job is not watched meanwhile, the question is.
    assert_eq!(set(&world), question(&world));
}

#[tokio::test]
async fn when_the_cause_is_mended_an_answer_makes_the_video_ready() {
    let (mut world, full) = broken_world();
    world.pump().await;
    let failed = exhausted(&world);
    // Every chunk of pictures and of sound.
    assert!(failed.len() > 3, "{failed:?}");

    // Not mended yet: five more attempts, none of the numbers that were.
    let (cause, first) = failed.first().cloned().unwrap();
    world
        .waiting
        .push(answer(&cause, 1, Answer::Retry, first.work.clone()));
    world.pump().await;
    let again = exhausted(&world).split_off(failed.len());
    let attempts: Vec<_> = again.iter().map(|(_, again)| again.attempts).collect();
    assert_eq!(attempts, [10]);

    full.store(false, Ordering::Relaxed);
    for (cause, exhausted) in failed {
        let message = answer(&cause, 1, Answer::Retry, exhausted.work);
        world.waiting.push(message);
    }
    world.pump().await;
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    assert_eq!(state(&world).await, "ready");
    assert_eq!(world.job_deadlines.pending(), []);
}

#[tokio::test]
async fn a_person_may_give_up() {
    let (mut world, _) = broken_world();
    world.pump().await;
    let (cause, _) = exhausted(&world).remove(0);
    // About no making, such as a buried message: that is left where it is.
    world.waiting.push(answer(&cause, 0, Answer::GiveUp, None));
    world.pump().await;
    assert_eq!(count(&world, "VideoAbandoned"), 0);
    let size = Answer::SkipSize("360p".to_owned());
    let message = answer(&cause, 1, size, None);
    assert_eq!(world.deliver(&message).await.unwrap(), "not ours");

    for _ in 0..2 {
        world.waiting.push(answer(&cause, 1, Answer::GiveUp, None));
    }
    world.pump().await;
    assert_eq!(count(&world, "VideoAbandoned"), 1);
    assert_eq!(state(&world).await, "abandoned");
    assert_eq!(world.job_deadlines.pending(), []);
}

#[tokio::test]
async fn a_failure_puts_the_deadline_off_until_its_next_attempt_had_its_time() {
    let (mut world, _) = broken_world();
    let before = loop {
        world.route();
        let message = world.waiting.remove(0);
        let is_chunk = matches!(message, Message::Chunk(_));
        world.deliver(&message).await.unwrap();
        if is_chunk {
            break world.job_deadlines.pending().remove(0);
        }
    };
    world.route();
    let failed = world
        .waiting
        .iter()
        .find(|message| matches!(message, Message::Retry(_)));
    let failed = failed.cloned().unwrap();
    world.deliver(&failed).await.unwrap();
    let after = world.job_deadlines.pending().remove(0);
    assert_eq!(after.name, before.name);
    assert!(after.at > before.at);

    // When a person was asked it is not set again by a failure that comes late.
    world.pump().await;
    assert_eq!(set(&world), question(&world));
    world.deliver(&failed).await.unwrap();
    assert_eq!(set(&world), question(&world));
}

fn of_an_upload(world: &World, attempt: u32, reason: &str) -> Metadata {
    Metadata {
        event_id: EventId::derive("UploadFailed", &[reason, &attempt.to_string()]),
        video_id: cattube_contract::VideoId::new(world.clock.now(), 7),
        owner_id: OwnerId::of_subject("cat"),
        caused_by: None,
        attempt,
        hop: 1,
        schema: 1,
        occurred_at: world.clock.now(),
    }
}

#[tokio::test]
async fn a_failed_upload_is_resumed_and_in_the_end_abandoned() {
    let fails = |world: &World, attempt, fault| {
        let event = Event::UploadFailed(UploadFailed {
            fault,
            reason: "part 3 broke off".to_owned(),
            missing_part_count: Some(1),
        });
        told(world, of_an_upload(world, attempt, "broke"), event)
    };
    let (mut world, _) = broken_world();
    for attempt in 1..5 {
        let message = fails(&world, attempt, Fault::Transient);
        let done = world.deliver(&message).await.unwrap();
        assert_eq!(done, "retry scheduled");
        world.route();
        let resumed = world.waiting.iter().find_map(|message| {
            if let Message::Upload(body) = message {
                CommandMessage::parse(body).ok()
            } else {
                None
            }
        });
        let resumed = resumed.unwrap();
        assert!(matches!(resumed.command, Command::ResumeUpload(_)));
        assert_eq!(resumed.metadata.attempt, attempt + 1);
        world.waiting.clear();
    }
    let all = scheduled(&world, None);
    assert_eq!(all.len(), 4);
    let upload = (Stage::Upload, 0);
    assert!(all.iter().all(|one| (one.stage, one.generation) == upload));

    for (attempt, fault) in [(5, Fault::Transient), (2, Fault::Permanent)] {
        let before = count(&world, "UploadAbandoned");
        let message = fails(&world, attempt, fault);
        world.deliver(&message).await.unwrap();
        world.route();
        assert_eq!(count(&world, "UploadAbandoned"), before + 1);
        let abandoned = world.history.last().unwrap();
        assert!(
            matches!(&abandoned.event, Event::UploadAbandoned(it) if it.attempts == attempt),
            "{abandoned:?}"
        );
    }
    assert_eq!(exhausted(&world), []);
}

#[tokio::test]
async fn a_join_that_cannot_be_made_is_a_persons() {
    let mut world = crate::flow::world(&FaultPlan::none());
    world.pump().await;
    let planned = world.history.iter().find_map(|envelope| {
        let is_plan = matches!(envelope.event, Event::VideoPlanned(_));
        is_plan.then(|| envelope.metadata.clone())
    });
    let metadata = planned.unwrap();
    let job = silent::job(&world);
    let fails = |fault| {
        Event::JoinFailed(JoinFailed {
            generation: 1,
            fault,
            reason: "the chunks were encoded differently".to_owned(),
            command: Some(job.clone()),
        })
    };
    let message = told(&world, metadata.clone(), fails(Fault::Permanent));
    world.deliver(&message).await.unwrap();
    world.route();
    let (_, enough) = exhausted(&world).remove(0);
    assert_eq!(enough.stage, Stage::Join);
    assert_eq!(enough.work, Some(FailedWork::Plan(job.clone())));

    // A passing fault has the plan said again, which is what joins.
    world.waiting.clear();
    let message = told(&world, metadata, fails(Fault::Transient));
    world.waiting.push(message);
    world.pump().await;
    let again = scheduled(&world, None);
    assert!(
        matches!(again.as_slice(), [one] if one.stage == Stage::Join),
        "{again:?}"
    );
    assert_eq!(state(&world).await, "ready");
}
