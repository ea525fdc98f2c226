//! Asking people: one question per cause, whatever comes twice or crashes between; answers
//! that count once; and nothing of one owner's shown to another.

use std::collections::BTreeMap;

use cattube_contract::command::TranscodeChunk;
use cattube_contract::event::{
    FailedWork, MessageBuried, RetriesExhausted, Stage, UploadAbandoned, VideoDeleted, VideoReady,
};
use cattube_contract::human::{Answer, HumanAnswered};
use cattube_contract::plan::{ChunkWork, Quality};
use cattube_contract::{
    Command, CommandMessage, Envelope, Event, EventId, Fault, Metadata, OwnerId, VideoId,
};
use cattube_ports::encoder::EncoderExit;
use cattube_ports::fakes::{FaultPlan, MemoryEncoder, RunFiles};
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::notices::Notice;
use cattube_ports::outcome::ApiHandler;
use cattube_ports::{Clock, PortError};
use cattube_tests::rules::bus_body;
use cattube_tests::world::{LINKS_HOLD, Message, OPERATOR, World};
use serde_json::{Value, json};

use crate::samples;

const OWNER: &str = "ada";

fn world(faults: &FaultPlan) -> World {
    let encoder = MemoryEncoder::new(FaultPlan::none(), |_, _| {
        let exit = EncoderExit {
            success: false,
            stderr: String::new(),
            stdout: Vec::new(),
        };
        (exit, RunFiles::new())
    });
    World::new(std::sync::Arc::new(encoder), Quality::Crf(23), faults)
}

/// A chunk of pictures in several sizes.
fn chunk() -> TranscodeChunk {
    let bodies = samples::bodies("transcode").into_iter();
    let mut chunks = bodies.filter_map(|body| {
        let message = CommandMessage::parse(&body.to_string()).unwrap();
        if let Command::TranscodeChunk(chunk) = message.command {
            return Some(*chunk);
        }
        None
    });
    let several = |chunk: &TranscodeChunk| matches!(&chunk.work, ChunkWork::Video { encoding, .. } if encoding.renditions.len() > 1);
    chunks.find(several).unwrap()
}

fn sizes() -> Vec<String> {
    match chunk().work {
        ChunkWork::Video { encoding, .. } => encoding
            .renditions
            .into_iter()
            .map(|size| size.name)
            .collect(),
        ChunkWork::Audio { .. } => panic!("pictures"),
    }
}

fn envelope(world: &World, owner: &str, attempt: u32, subject: &str, event: Event) -> Envelope {
    let video_id = VideoId::new(jiff::Timestamp::UNIX_EPOCH, 7);
    let attempt_text = attempt.to_string();
    let metadata = Metadata {
        event_id: EventId::derive(event.name(), &[owner, subject, &attempt_text]),
        video_id,
        owner_id: OwnerId::of_subject(owner),
        caused_by: None,
        attempt,
        hop: 4,
        schema: 1,
        occurred_at: world.clock.now(),
    };
    Envelope { metadata, event }
}

/// A chunk of the owner's video that is not tried again.
fn exhausted(world: &World, place: u32, attempt: u32) -> Envelope {
    let mut work = chunk();
    work.generation = 1;
    work.chunk = format!("v{place:05}").parse().unwrap();
    let event = Event::RetriesExhausted(RetriesExhausted {
        generation: 1,
        chunk: Some(work.chunk),
        attempts: attempt,
        fault: Fault::Transient,
        reason: "the encoder <died>".to_owned(),
        stage: Stage::Work,
        work: Some(FailedWork::Chunk(Box::new(work))),
        rendition: None,
    });
    envelope(world, OWNER, attempt, &place.to_string(), event)
}

fn ready(world: &World, generation: u32) -> Envelope {
    let event = Event::VideoReady(VideoReady {
        generation,
        hls_key: "k".to_owned(),
        dash_key: "k".to_owned(),
        poster_key: "k".to_owned(),
        storyboard_key: "k".to_owned(),
        duration_ms: 1,
        size_bytes: 1,
        frame_count: 1,
    });
    envelope(world, OWNER, 1, &generation.to_string(), event)
}

async fn tell(world: &World, envelope: &Envelope) -> &'static str {
    let message = Message::Notify(bus_body(envelope));
    world.deliver(&message).await.unwrap()
}

async fn request(
    world: &World,
    route: &str,
    subject: Option<&str>,
    id: Option<&str>,
    query: BTreeMap<String, String>,
    body: Value,
) -> Result<ApiResponse, notify::NotifyError> {
    let path = id.map(|id| ("id".to_owned(), id.to_owned()));
    let request = ApiRequest {
        route: route.to_owned(),
        path: path.into_iter().collect(),
        query,
        subject: subject.map(str::to_owned),
        body: body.to_string().into_bytes(),
        ..ApiRequest::default()
    };
    world.notify.answer(request).await
}

async fn list(world: &World, subject: &str) -> Vec<Value> {
    let nothing = (BTreeMap::new(), Value::Null);
    let answer = request(
        world,
        "GET /v1/tickets",
        Some(subject),
        None,
        nothing.0,
        nothing.1,
    );
    let answer = answer.await.unwrap();
    assert_eq!(answer.status, 200);
    answer.body["tickets"].as_array().unwrap().clone()
}

async fn get(world: &World, subject: &str, id: &str) -> ApiResponse {
    let route = "GET /v1/tickets/{id}";
    let answer = request(
        world,
        route,
        Some(subject),
        Some(id),
        BTreeMap::new(),
        Value::Null,
    );
    answer.await.unwrap()
}

async fn post(world: &World, subject: &str, id: &str, said: &str) -> ApiResponse {
    let route = "POST /v1/tickets/{id}/answer";
    let body = json!({ "answer": said });
    let answer = request(world, route, Some(subject), Some(id), BTreeMap::new(), body);
    answer.await.unwrap()
}

/// The links of a notice by their answers: ticket and query of each.
type Links = BTreeMap<String, (String, BTreeMap<String, String>)>;

fn links(notice: &Notice) -> Links {
    let link = |line: &str| {
        let rest = line.strip_prefix("https://api.test/v1/answers/")?;
        let (id, query) = rest.split_once('?')?;
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
        let query: BTreeMap<_, _> = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Some((query["answer"].clone(), (id.to_owned(), query)))
    };
    notice.text.lines().filter_map(link).collect()
}

async fn follow(world: &World, method: &str, links: &Links, said: &str) -> ApiResponse {
    let (id, query) = &links[said];
    let route = format!("{method} /v1/answers/{{id}}");
    let answer = request(world, &route, None, Some(id), query.clone(), Value::Null);
    answer.await.unwrap()
}

/// What people said, as the bus heard it.
fn answers(world: &mut World) -> Vec<(Metadata, HumanAnswered)> {
    world.route();
    let events = world.history.iter();
    let said = events.filter_map(|envelope| {
        if let Event::HumanAnswered(answered) = &envelope.event {
            return Some((envelope.metadata.clone(), answered.clone()));
        }
        None
    });
    said.collect()
}

fn requests(world: &mut World) -> Vec<EventId> {
    world.route();
    let events = world.history.iter();
    let asked = events.filter(|envelope| matches!(envelope.event, Event::HumanRequested(_)));
    asked.map(|envelope| envelope.metadata.event_id).collect()
}

fn one_notice(world: &World) -> Notice {
    let mut notices = world.notices.drain();
    assert_eq!(notices.len(), 1, "{notices:?}");
    notices.remove(0)
}

#[tokio::test]
async fn a_failed_chunk_is_one_ticket_with_a_link_for_each_answer() {
    let mut world = world(&FaultPlan::none());
    assert_eq!(tell(&world, &exhausted(&world, 3, 5)).await, "asked");
    let notice = one_notice(&world);
    let words: Vec<_> = links(&notice).into_keys().collect();
    let mut expected: Vec<_> = sizes().iter().map(|name| format!("skip-{name}")).collect();
    expected.extend(["retry".to_owned(), "give-up".to_owned()]);
    expected.sort();
    assert_eq!(words, expected);
    let tickets = list(&world, OWNER).await;
    assert_eq!(tickets.len(), 1);
    assert_eq!(tickets[0]["state"], "open");
    assert_eq!(tickets[0]["failure_count"], 1);
    let id = tickets[0]["ticket_id"].as_str().unwrap();
    let ticket = get(&world, OWNER, id).await;
    assert_eq!(ticket.body["failures"][0]["name"], "v00003");
    assert_eq!(ticket.body["failures"][0]["attempt"], 5);
    assert!(
        !ticket.body.to_string().contains("signature"),
        "{}",
        ticket.body
    );
    assert_eq!(requests(&mut world).len(), 1);
    let heard = world.history.last().unwrap();
    assert_eq!(heard.metadata.hop, 5);
    let detail = heard.to_detail().unwrap().to_string();
    assert!(
        detail.contains(id) && !detail.contains("signature"),
        "{detail}"
    );
}

#[tokio::test]
async fn fifty_failed_chunks_are_one_ticket_and_one_notice_and_all_are_tried_again() {
    let mut world = world(&FaultPlan::none());
    for place in 0..50 {
        tell(&world, &exhausted(&world, place, 5)).await;
    }
    let links = links(&one_notice(&world));
    assert_eq!(requests(&mut world).len(), 1);
    let tickets = list(&world, OWNER).await;
    assert_eq!(
        (tickets.len(), &tickets[0]["failure_count"]),
        (1, &json!(50))
    );
    assert_eq!(follow(&world, "POST", &links, "retry").await.status, 200);
    let said = answers(&mut world);
    let mut chunks: Vec<_> = said
        .iter()
        .map(|(metadata, answered)| {
            assert_eq!((metadata.attempt, metadata.hop), (5, 0));
            assert_eq!(answered.answer, Answer::Retry);
            let Some(FailedWork::Chunk(chunk)) = &answered.work else {
                panic!("{answered:?}");
            };
            chunk.chunk.to_string()
        })
        .collect();
    chunks.sort();
    chunks.dedup();
    assert_eq!(chunks.len(), 50);
}

#[tokio::test]
async fn a_link_is_looked_at_as_often_as_one_likes_and_answers_once() {
    let mut world = world(&FaultPlan::none());
    tell(&world, &exhausted(&world, 3, 5)).await;
    let links = links(&one_notice(&world));
    let skip = format!("skip-{}", sizes()[0]);
    for _ in 0..3 {
        let page = follow(&world, "GET", &links, &skip).await;
        assert_eq!(page.status, 200);
        let html = page.body.as_str().unwrap();
        assert!(html.contains("<form method=\"post\">"), "{html}");
        assert!(html.contains("&lt;died&gt;"), "{html}");
    }
    assert!(answers(&mut world).is_empty());
    assert_eq!(follow(&world, "POST", &links, &skip).await.status, 200);
    let said = answers(&mut world);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].1.answer, Answer::SkipSize(sizes()[0].clone()));
    assert_eq!(said[0].1.generation, 1);
    for word in links.keys() {
        for method in ["GET", "POST"] {
            let page = follow(&world, method, &links, word).await;
            assert_eq!(page.status, 409, "{method} {word}");
        }
    }
    assert_eq!(answers(&mut world).len(), 1);
    let tickets = list(&world, OWNER).await;
    assert_eq!(tickets[0]["state"], "answered");
    assert_eq!(
        (&tickets[0]["answer"], &tickets[0]["answers"]),
        (&json!(skip), &json!([]))
    );
}

#[tokio::test]
async fn a_link_that_is_changed_or_too_old_does_nothing() {
    let mut world = world(&FaultPlan::none());
    tell(&world, &exhausted(&world, 3, 5)).await;
    let links = links(&one_notice(&world));
    let mut swapped = links.clone();
    swapped
        .get_mut("retry")
        .unwrap()
        .1
        .insert("answer".to_owned(), "give-up".to_owned());
    let mut later = links.clone();
    later
        .get_mut("retry")
        .unwrap()
        .1
        .insert("expires".to_owned(), "9999999999".to_owned());
    let mut unsigned = links.clone();
    unsigned.get_mut("retry").unwrap().1.remove("signature");
    let mut unknown = links.clone();
    unknown.get_mut("retry").unwrap().0 = format!("tkt_{}", "0".repeat(32));
    let mut no_id = links.clone();
    no_id.get_mut("retry").unwrap().0 = "tkt_../x".to_owned();
    for method in ["GET", "POST"] {
        for (links, status) in [
            (&swapped, 403),
            (&later, 403),
            (&unsigned, 403),
            (&unknown, 404),
            (&no_id, 404),
        ] {
            let page = follow(&world, method, links, "retry").await;
            assert_eq!(page.status, status, "{links:?}");
        }
    }
    world.clock.advance(LINKS_HOLD);
    for method in ["GET", "POST"] {
        assert_eq!(follow(&world, method, &links, "retry").await.status, 410);
    }
    assert!(answers(&mut world).is_empty());
    // With a token it can be answered still.
    let (id, _) = &links["retry"];
    assert_eq!(post(&world, OWNER, id, "retry").await.status, 200);
    assert_eq!(answers(&mut world).len(), 1);
}

#[tokio::test]
async fn an_owner_sees_and_answers_its_own_tickets_only_and_the_operator_all() {
    let mut world = world(&FaultPlan::none());
    tell(&world, &exhausted(&world, 3, 5)).await;
    let (id, _) = links(&one_notice(&world))["retry"].clone();
    assert!(list(&world, "bob").await.is_empty());
    let unknown = format!("tkt_{}", "0".repeat(32));
    let theirs = [
        get(&world, "bob", &id).await,
        get(&world, "bob", &unknown).await,
    ];
    assert_eq!(theirs[0], theirs[1]);
    assert_eq!(theirs[0].status, 404);
    let refused = post(&world, "bob", &id, "give-up").await;
    assert_eq!(refused, post(&world, "bob", &unknown, "give-up").await);
    assert!(answers(&mut world).is_empty());
    assert_eq!(list(&world, OPERATOR).await, list(&world, OWNER).await);
    assert_eq!(get(&world, OPERATOR, &id).await.status, 200);
    assert_eq!(post(&world, OPERATOR, &id, "give-up").await.status, 200);
    assert_eq!(answers(&mut world).len(), 1);
    let nobody = request(
        &world,
        "GET /v1/tickets",
        None,
        None,
        BTreeMap::new(),
        Value::Null,
    );
    assert_eq!(nobody.await.unwrap().status, 401);
}

#[tokio::test]
async fn the_same_answer_again_is_said_again_and_another_is_refused() {
    let mut world = world(&FaultPlan::none());
    tell(&world, &exhausted(&world, 3, 5)).await;
    tell(&world, &exhausted(&world, 4, 5)).await;
    let (id, _) = links(&one_notice(&world))["retry"].clone();
    for (word, status) in [("skip-99p", 422), ("perhaps", 422)] {
        assert_eq!(
            post(&world, OWNER, &id, word).await.status,
            status,
            "{word}"
        );
    }
    let bad = request(
        &world,
        "POST /v1/tickets/{id}/answer",
        Some(OWNER),
        Some(&id),
        BTreeMap::new(),
        json!({ "word": "retry" }),
    );
    assert_eq!(bad.await.unwrap().status, 400);
    assert_eq!(post(&world, OWNER, &id, "retry").await.status, 200);
    world.clock.advance(std::time::Duration::from_mins(5));
    assert_eq!(post(&world, OWNER, &id, "retry").await.status, 200);
    assert_eq!(post(&world, OWNER, &id, "give-up").await.status, 409);
    let said = answers(&mut world);
    assert_eq!(said.len(), 4);
    assert_eq!(said[..2], said[2..]);
}

#[tokio::test]
async fn events_that_come_again_in_any_order_ask_nobody_again() {
    let mut world = world(&FaultPlan::none());
    let failures: Vec<_> = (0..5).map(|place| exhausted(&world, place, 5)).collect();
    for failure in failures
        .iter()
        .chain(&failures)
        .chain(failures.iter().rev())
    {
        tell(&world, failure).await;
    }
    let notice = one_notice(&world);
    let mut ids = requests(&mut world);
    ids.dedup();
    assert_eq!(ids.len(), 1);
    let (id, _) = links(&notice)["retry"].clone();
    assert_eq!(post(&world, OWNER, &id, "retry").await.status, 200);
    world
        .clock
        .advance(std::time::Duration::from_hours(15 * 24));
    for failure in &failures {
        assert_eq!(tell(&world, failure).await, "known");
    }
    assert!(world.notices.drain().is_empty());
    assert_eq!(list(&world, OWNER).await.len(), 1);
    assert_eq!(answers(&mut world).len(), 5);
}

#[tokio::test]
async fn what_fails_after_an_answer_is_a_new_question() {
    let mut world = world(&FaultPlan::none());
    tell(&world, &exhausted(&world, 3, 5)).await;
    let (first, _) = links(&one_notice(&world))["retry"].clone();
    assert_eq!(post(&world, OWNER, &first, "retry").await.status, 200);
    world.clock.advance(std::time::Duration::from_mins(9));
    tell(&world, &exhausted(&world, 3, 10)).await;
    tell(&world, &exhausted(&world, 4, 10)).await;
    let (second, _) = links(&one_notice(&world))["retry"].clone();
    assert_ne!(first, second);
    let tickets = list(&world, OWNER).await;
    let states: Vec<_> = tickets
        .iter()
        .map(|ticket| ticket["state"].clone())
        .collect();
    assert_eq!(states, ["open", "answered"]);
    assert_eq!(tickets[0]["round"], 2);
    assert_eq!(requests(&mut world).len(), 2);
}

#[tokio::test]
async fn a_ready_or_deleted_video_leaves_no_question_open() {
    for deletes in [false, true] {
        let mut world = world(&FaultPlan::none());
        tell(&world, &exhausted(&world, 3, 5)).await;
        let links = links(&one_notice(&world));
        let end = if deletes {
            let event = Event::VideoDeleted(VideoDeleted { master_key: None });
            envelope(&world, OWNER, 1, "", event)
        } else {
            ready(&world, 1)
        };
        tell(&world, &end).await;
        tell(&world, &end).await;
        let tickets = list(&world, OWNER).await;
        assert_eq!(tickets[0]["state"], "closed");
        assert_eq!(tickets[0]["closed_by"], end.event.name());
        assert_eq!(follow(&world, "POST", &links, "retry").await.status, 409);
        assert!(answers(&mut world).is_empty());
        // What was on its way comes too late.
        for place in [3, 4] {
            tell(&world, &exhausted(&world, place, 5)).await;
        }
        assert!(world.notices.drain().is_empty());
        assert_eq!(list(&world, OWNER).await.len(), 1);
    }
}

#[tokio::test]
async fn a_video_that_is_ended_before_its_failure_is_heard_of_asks_nothing() {
    let mut world = world(&FaultPlan::none());
    tell(&world, &ready(&world, 1)).await;
    assert_eq!(
        tell(&world, &exhausted(&world, 3, 5)).await,
        "nothing to ask any more"
    );
    assert!(world.notices.drain().is_empty());
    assert!(requests(&mut world).is_empty());
}

#[tokio::test]
async fn an_upload_that_was_given_up_is_told_of_unless_the_client_did_it() {
    let world = world(&FaultPlan::none());
    for (attempts, told) in [(0, 0), (5, 1)] {
        let event = Event::UploadAbandoned(UploadAbandoned {
            attempts,
            reason: "no part came".to_owned(),
        });
        tell(&world, &envelope(&world, OWNER, attempts, "upload", event)).await;
        let notices = world.notices.drain();
        assert_eq!(notices.len(), told);
        for notice in &notices {
            assert_eq!(links(notice).into_keys().collect::<Vec<_>>(), ["give-up"]);
        }
    }
}

#[tokio::test]
async fn a_dead_letter_of_retry_is_told_of_and_kept() {
    let mut world = world(&FaultPlan::none());
    let body = bus_body(&exhausted(&world, 3, 5));
    for (queue, body, can_return) in [
        ("retry", body.as_str(), true),
        ("deadlines", "no JSON", true),
        ("notify", "{}", false),
    ] {
        let message = Message::BuriedLast(queue, body.to_owned());
        assert_eq!(world.deliver(&message).await.unwrap(), "dead letter stated");
        let parked = world.parked.drain();
        let parked: Value = serde_json::from_str(&parked[0].body).unwrap();
        assert_eq!(
            (&parked["queue"], &parked["body"]),
            (&json!(queue), &json!(body))
        );
        world.route();
        let told = world
            .waiting
            .iter()
            .find(|message| matches!(message, Message::Notify(_)));
        let told = told.unwrap().clone();
        world.waiting.clear();
        assert_eq!(world.deliver(&told).await.unwrap(), "asked");
        let words: Vec<_> = links(&one_notice(&world)).into_keys().collect();
        assert_eq!(words.contains(&"retry".to_owned()), can_return, "{queue}");
    }
    // The event of a dead letter that is one itself is kept, and nothing is said.
    let event = world
        .history
        .iter()
        .find(|envelope| matches!(envelope.event, Event::MessageBuried(_)));
    let again = Message::BuriedLast("notify", bus_body(event.unwrap()));
    world.history.clear();
    assert_eq!(world.deliver(&again).await.unwrap(), "dead letter parked");
    world.route();
    assert!(world.names().iter().all(|name| *name != "MessageBuried"));
}

#[tokio::test]
async fn a_message_that_is_sent_back_and_buried_again_is_asked_about_again() {
    let mut world = world(&FaultPlan::none());
    let buried = |world: &World| {
        let event = Event::MessageBuried(MessageBuried {
            queue: "manage".to_owned(),
            reason: "poison".to_owned(),
            body_sha256: "ab".repeat(32),
            body: Some("{}".to_owned()),
        });
        envelope(world, OWNER, 1, "manage", event)
    };
    let first = buried(&world);
    tell(&world, &first).await;
    let (id, _) = links(&one_notice(&world))["retry"].clone();
    assert_eq!(post(&world, OWNER, &id, "retry").await.status, 200);
    let said = answers(&mut world);
    assert!(
        matches!(&said[0].1.work, Some(FailedWork::Message { queue, .. }) if queue == "manage")
    );
    world.clock.advance(std::time::Duration::from_mins(20));
    tell(&world, &first).await;
    assert!(world.notices.drain().is_empty());
    let second = buried(&world);
    assert_eq!(first.metadata.event_id, second.metadata.event_id);
    for _ in 0..2 {
        tell(&world, &second).await;
    }
    let (again, _) = links(&one_notice(&world))["retry"].clone();
    assert_ne!(id, again);
}

fn alarm(value: &str, at: &str, id: &str) -> Message {
    let body = json!({
        "id": id, "source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change",
        "time": at, "detail": {
            "alarmName": "cattube-manage-dead-letters",
            "state": { "value": value, "reason": "Threshold Crossed", "timestamp": at },
        },
    });
    Message::Notify(body.to_string())
}

#[tokio::test]
async fn an_alarm_is_a_ticket_until_it_is_quiet() {
    let mut world = world(&FaultPlan::none());
    let raised = alarm("ALARM", "2027-01-15T08:00:00.000Z", "1");
    let quiet = alarm("OK", "2027-01-15T09:00:00.000Z", "2");
    for message in [&raised, &raised] {
        world.deliver(message).await.unwrap();
    }
    let words: Vec<_> = links(&one_notice(&world)).into_keys().collect();
    assert_eq!(words, ["give-up"]);
    // It is nobody's but the operator's.
    assert!(list(&world, OWNER).await.is_empty());
    assert_eq!(list(&world, OPERATOR).await[0]["state"], "open");
    // Out of order and doubled: what is older than the quiet opens nothing.
    for message in [
        &quiet,
        &raised,
        &alarm("ALARM", "2027-01-15T08:30:00.000Z", "3"),
        &quiet,
    ] {
        world.deliver(message).await.unwrap();
    }
    assert!(world.notices.drain().is_empty());
    let tickets = list(&world, OPERATOR).await;
    assert_eq!((tickets.len(), &tickets[0]["state"]), (1, &json!("closed")));
    world.clock.advance(std::time::Duration::from_hours(24));
    world
        .deliver(&alarm("ALARM", "2027-01-16T08:00:00.000Z", "4"))
        .await
        .unwrap();
    // A late quiet of the first one does not close the second.
    world.deliver(&quiet).await.unwrap();
    assert_eq!(world.notices.drain().len(), 1);
    assert_eq!(list(&world, OPERATOR).await[0]["state"], "open");
    assert_eq!(requests(&mut world).len(), 3);
}

/// Three failures, an answer and a fourth failure, as far as it gets: what SQS brings again and
/// a person does again.
async fn story(world: &World) -> Result<(), String> {
    for place in 0..3 {
        let message = Message::Notify(bus_body(&exhausted(world, place, 5)));
        world.deliver(&message).await?;
    }
    let tickets = world.tickets.items();
    let first = tickets.iter().find(|(_, item)| item.sort_key == "ticket");
    let (id, _) = first.expect("a ticket stands");
    let route = "POST /v1/tickets/{id}/answer";
    let body = json!({ "answer": "retry" });
    let answer = request(world, route, Some(OWNER), Some(id), BTreeMap::new(), body);
    let answer = answer.await.map_err(|error| error.to_string())?;
    assert_eq!(answer.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_crash_at_any_call_loses_nothing_and_asks_nobody_twice_for_long() {
    let counting = FaultPlan::none();
    story(&world(&counting)).await.unwrap();
    let calls = counting.calls();
    assert!(calls > 40, "{calls}");
    let plans: [fn(usize) -> FaultPlan; 3] = [
        FaultPlan::crash_at,
        FaultPlan::lose_reply,
        FaultPlan::fail_call,
    ];
    for call in 1..=calls {
        for plan in plans {
            let faults = plan(call);
            let mut world = world(&faults);
            if story(&world).await.is_err() {
                faults.heal();
                story(&world).await.unwrap();
            }
            let trace = faults.trace();
            let asked = requests(&mut world);
            assert!(asked.iter().all(|id| *id == asked[0]), "{trace:?}");
            let told = world.notices.drain().len();
            assert!((1..=2).contains(&told), "{told} notices: {trace:?}");
            let tickets = list(&world, OWNER).await;
            assert_eq!(tickets.len(), 1, "{trace:?}");
            assert_eq!(tickets[0]["failure_count"], 3, "{trace:?}");
            assert_eq!(tickets[0]["passed_on"], true, "{trace:?}");
            let mut said: Vec<_> = answers(&mut world)
                .into_iter()
                .map(|(metadata, _)| metadata.event_id)
                .collect();
            said.sort();
            said.dedup();
            assert_eq!(said.len(), 3, "{trace:?}");
        }
    }
}

#[tokio::test]
async fn a_crash_at_any_call_of_an_ending_leaves_nothing_open() {
    let scene = async |world: &World| -> Result<(), String> {
        let failure = Message::Notify(bus_body(&exhausted(world, 3, 5)));
        world.deliver(&failure).await?;
        let end = Message::Notify(bus_body(&ready(world, 1)));
        world.deliver(&end).await.map(drop)
    };
    let counting = FaultPlan::none();
    scene(&world(&counting)).await.unwrap();
    for call in 1..=counting.calls() {
        let faults = FaultPlan::crash_at(call);
        let world = world(&faults);
        // The end may come before the failure comes again.
        assert!(scene(&world).await.is_err());
        faults.heal();
        let end = Message::Notify(bus_body(&ready(&world, 1)));
        world.deliver(&end).await.unwrap();
        scene(&world).await.unwrap();
        let tickets = world.tickets.items();
        let mut tickets = tickets.iter().filter(|(_, item)| item.sort_key == "ticket");
        assert!(
            tickets.all(|(_, item)| item.body["state"] == "closed"),
            "{:?}",
            faults.trace()
        );
    }
}

#[tokio::test]
async fn a_link_whose_answer_was_stored_but_not_said_says_it_when_used_again() {
    let counting = FaultPlan::none();
    let told = world(&counting);
    tell(&told, &exhausted(&told, 3, 5)).await;
    let before = counting.calls();
    let links_of = links(&one_notice(&told));
    follow(&told, "POST", &links_of, "give-up").await;
    let publish = counting.trace()[before..]
        .iter()
        .position(|call| call.starts_with("publish"))
        .unwrap();
    let faults = FaultPlan::fail_call(before + publish + 1);
    let mut world = world(&faults);
    tell(&world, &exhausted(&world, 3, 5)).await;
    let links = links(&one_notice(&world));
    let (id, query) = links["give-up"].clone();
    let route = "POST /v1/answers/{id}";
    let answer = request(&world, route, None, Some(&id), query, Value::Null).await;
    let error = answer.unwrap_err();
    assert!(
        matches!(error, notify::NotifyError::Port(PortError::Publish { .. })),
        "{error}"
    );
    assert_eq!(list(&world, OWNER).await[0]["passed_on"], false);
    assert_eq!(follow(&world, "POST", &links, "retry").await.status, 409);
    assert_eq!(follow(&world, "POST", &links, "give-up").await.status, 200);
    assert_eq!(follow(&world, "POST", &links, "give-up").await.status, 409);
    assert_eq!(answers(&mut world).len(), 1);
}

#[tokio::test]
async fn pages_of_tickets_follow_each_other_newest_first() {
    let world = world(&FaultPlan::none());
    for hour in 0..5 {
        world.clock.advance(std::time::Duration::from_hours(1));
        let at = world.clock.now().to_string();
        let body = json!({
            "id": at, "source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change",
            "time": at, "detail": { "alarmName": format!("alarm-{hour}"), "state": { "value": "ALARM", "reason": "r" } },
        });
        world
            .deliver(&Message::Notify(body.to_string()))
            .await
            .unwrap();
    }
    let page = async |cursor: Option<&str>| {
        let mut query = BTreeMap::from([("limit".to_owned(), "2".to_owned())]);
        query.insert("state".to_owned(), "open".to_owned());
        query.extend(cursor.map(|cursor| ("cursor".to_owned(), cursor.to_owned())));
        let answer = request(
            &world,
            "GET /v1/tickets",
            Some(OPERATOR),
            None,
            query,
            Value::Null,
        );
        answer.await.unwrap().body
    };
    let mut names = Vec::new();
    let mut cursor = None;
    loop {
        let body = page(cursor.as_deref()).await;
        let tickets = body["tickets"].as_array().unwrap().iter();
        names.extend(tickets.map(|ticket| ticket["cause"]["name"].as_str().unwrap().to_owned()));
        match body["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(
        names,
        ["alarm-4", "alarm-3", "alarm-2", "alarm-1", "alarm-0"]
    );
    for (name, value) in [
        ("limit", "0"),
        ("limit", "x"),
        ("cursor", "x"),
        ("state", "x"),
    ] {
        let query = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let answer = request(
            &world,
            "GET /v1/tickets",
            Some(OWNER),
            None,
            query,
            Value::Null,
        );
        assert_eq!(answer.await.unwrap().status, 400, "{name}={value}");
    }
}

#[tokio::test]
async fn giving_up_ends_the_making_by_way_of_the_bus() {
    let mut world = world(&FaultPlan::none());
    world
        .waiting
        .push(Message::Notify(bus_body(&exhausted(&world, 3, 5))));
    world.pump().await;
    let links = links(&one_notice(&world));
    assert_eq!(follow(&world, "POST", &links, "give-up").await.status, 200);
    world.pump().await;
    assert!(world.failures.is_empty(), "{:?}", world.failures);
    let names = world.names();
    assert!(names.contains(&"VideoAbandoned"), "{names:?}");
    // What is given up asks nothing any more.
    world
        .waiting
        .push(Message::Notify(bus_body(&exhausted(&world, 4, 5))));
    world.pump().await;
    assert!(world.notices.drain().is_empty());
}
