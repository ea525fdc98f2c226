//! The samples in `events/` are whole payloads as Lambda receives them. Each goes through
//! the real batch loop and the real handler. A new file is picked up by itself; what it is
//! to do stands in its name, see `events/README.md`.

mod announced;
mod stage;

pub use stage::bus_entries;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::event::sqs::SqsEvent;
use cattube_adapters::lambda;
use cattube_contract::{CommandMessage, Envelope};
use cattube_ports::outcome::MessageHandler;
use cattube_tests::world::{Message, World};
use serde_json::{Value, json};

use crate::tree;

/// A file of `events/<function>/`.
struct Sample {
    function: String,
    /// The file's name without its ending.
    name: String,
    rejected: bool,
    payload: Value,
}

impl Sample {
    fn is_http(&self) -> bool {
        self.payload.get("routeKey").is_some()
    }

    fn is_dead_letter(&self) -> bool {
        let mut records = self.batch().records.into_iter();
        records.any(|record| {
            let arn = record.event_source_arn.unwrap_or_default();
            arn.contains("DeadLetters-")
        })
    }

    /// The word behind `--`, which the error must name.
    fn word(&self) -> &str {
        let (_, word) = self
            .name
            .split_once("--")
            .expect("a rejected sample's name ends in --word");
        word
    }

    fn batch(&self) -> SqsEvent {
        serde_json::from_value(self.payload.clone()).unwrap()
    }

    /// Message ids and bodies.
    fn records(&self) -> Vec<(String, String)> {
        let text = |value: Option<String>| value.expect("SQS gives it");
        let records = self.batch().records.into_iter();
        records
            .map(|record| (text(record.message_id), text(record.body)))
            .collect()
    }
}

/// The samples of one function, happy and rejected.
fn samples(function: &str) -> Vec<Sample> {
    let folder = format!("events/{function}");
    let paths = tree::files(&folder, ".json").into_iter();
    paths
        .map(|path| {
            let rest = path[folder.len() + 1..].trim_end_matches(".json");
            let (rejected, name) = match rest.strip_prefix("rejected/") {
                Some(name) => (true, name),
                None => (false, rest),
            };
            assert!(!name.contains('/'), "{path}: no folder but rejected/");
            Sample {
                function: function.to_owned(),
                name: name.to_owned(),
                rejected,
                payload: serde_json::from_str(&tree::read(&path)).expect("a sample is JSON"),
            }
        })
        .collect()
}

fn all_samples() -> impl Iterator<Item = Sample> {
    tree::folders("functions")
        .into_iter()
        .flat_map(|function| samples(&function))
}

/// The messages of a function's happy samples.
pub fn bodies(function: &str) -> Vec<Value> {
    let samples = samples(function).into_iter();
    let happy = samples.filter(|sample| !sample.rejected && !sample.is_http());
    let happy = happy.filter(|sample| !sample.is_dead_letter());
    let bodies = happy.flat_map(|sample| sample.records());
    bodies
        .map(|(_, body)| serde_json::from_str(&body).unwrap())
        .collect()
}

/// `VideoPlanned` as a file is named: `video-planned`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// Whether an error names a word of a file name, where blanks are hyphens.
fn names(text: &str, word: &str) -> bool {
    text.to_lowercase().replace(' ', "-").contains(word)
}

/// Whether everything in `left` is in `right` too.
fn within(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => left
            .iter()
            .all(|(name, value)| right.get(name).is_some_and(|other| within(value, other))),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| within(l, r))
        }
        (left, right) => left == right,
    }
}

fn message(function: &str, body: String) -> Message {
    match function {
        "upload" => Message::Upload(body),
        "ingest" => Message::ObjectCreated(body),
        "plan" => Message::Job(body),
        "transcode" => Message::Chunk(body),
        "assemble" => Message::Join(body),
        "manage" => Message::Catalogue(body),
        "retry" => Message::Retry(body),
        "notify" => Message::Notify(body),
        other => panic!("{other} has no queue"),
    }
}

/// Hands a batch over as Lambda does; the message ids that failed.
async fn failures(world: &World, sample: &Sample) -> Vec<String> {
    async fn run<H: MessageHandler>(handler: &H, sample: &Sample) -> Value {
        lambda::handle_batch(handler, sample.batch(), pending()).await
    }
    let answer = match sample.function.as_str() {
        "upload" => run(&world.upload, sample).await,
        "ingest" => run(&world.ingest, sample).await,
        "plan" => run(&world.plan, sample).await,
        "transcode" => run(&world.transcode, sample).await,
        "assemble" => run(&world.assemble, sample).await,
        "manage" => run(&world.manage, sample).await,
        "retry" => run(&world.retry, sample).await,
        "notify" => run(&world.notify, sample).await,
        other => panic!("{other} has no queue"),
    };
    let items = answer["batchItemFailures"].as_array().unwrap().iter();
    let ids = items.map(|item| item["itemIdentifier"].as_str().unwrap().to_owned());
    ids.collect()
}

/// Hands a request over as Lambda does.
async fn answer(world: &World, sample: &Sample) -> Value {
    let request: ApiGatewayV2httpRequest = serde_json::from_value(sample.payload.clone()).unwrap();
    match sample.function.as_str() {
        "upload" => lambda::answer(&world.upload, request).await,
        "manage" => lambda::answer(&world.manage, request).await,
        "notify" => lambda::answer(&world.notify, request).await,
        other => panic!("{other} has no API"),
    }
}

#[test]
fn every_function_has_samples_and_every_sample_a_function() {
    let functions = tree::folders("functions");
    let mut folders = tree::folders("events");
    folders.retain(|folder| folder != "bus");
    assert_eq!(folders, functions);
    for function in functions {
        let samples = samples(&function);
        let rejected = samples.iter().filter(|sample| sample.rejected).count();
        assert!(rejected > 0 && rejected < samples.len(), "{function}");
    }
}

#[test]
fn envelopes_look_as_aws_makes_them() {
    for sample in all_samples().filter(|sample| !sample.is_http()) {
        let records = sample.batch().records;
        let ids: BTreeSet<_> = records.iter().map(|record| &record.message_id).collect();
        assert_eq!(ids.len(), records.len(), "{}: message ids", sample.name);
        for record in &records {
            let arn = record.event_source_arn.as_deref().unwrap();
            assert!(
                arn.starts_with("arn:aws:sqs:us-east-1:123456789012:cattube-"),
                "{arn}"
            );
            assert_eq!(
                arn.rsplit('.').next() == Some("fifo"),
                record.attributes.contains_key("MessageDeduplicationId")
            );
            assert_eq!(record.event_source.as_deref(), Some("aws:sqs"));
            assert!(record.attributes.contains_key("ApproximateReceiveCount"));
        }
    }
}

#[test]
fn the_contract_knows_every_field_of_every_happy_message() {
    for sample in all_samples().filter(|sample| !sample.rejected && !sample.is_http()) {
        // A dead letter can be anything.
        if sample.is_dead_letter() {
            continue;
        }
        for (_, body) in sample.records() {
            let sent: Value = serde_json::from_str(&body).unwrap();
            let (sent, known) = match sample.function.as_str() {
                // The events of S3 and of alarms are not ours to describe.
                "ingest" => continue,
                _ if sent["source"] == "aws.cloudwatch" => continue,
                _ if sent.get("command").is_some() => {
                    let known = CommandMessage::parse(&body).unwrap();
                    (sent, serde_json::to_value(known).unwrap())
                }
                _ => {
                    let known = Envelope::parse_bus_event(&body).unwrap();
                    (sent["detail"].clone(), known.to_detail().unwrap())
                }
            };
            assert!(within(&sent, &known), "{}: {sent} {known}", sample.name);
        }
    }
}

#[test]
fn every_event_and_command_has_a_sample() {
    let bodies = ["upload", "plan", "transcode", "manage", "retry"]
        .into_iter()
        .flat_map(bodies);
    let commands: BTreeSet<_> = bodies
        .filter_map(|body| body["command"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(
        commands,
        tree::variants(&tree::read("crates/contract/src/command.rs"), "Command")
    );
    let names: BTreeSet<_> = tree::event_names().iter().map(|name| kebab(name)).collect();
    let managed = samples("manage")
        .into_iter()
        .filter(|sample| !sample.rejected);
    let managed: BTreeSet<_> = managed.map(|sample| sample.name).collect();
    assert!(names.is_subset(&managed), "{names:?} {managed:?}");
    let bus = bus_entries().into_iter().map(|(name, _)| name);
    assert_eq!(bus.collect::<BTreeSet<_>>(), names);
}

#[test]
fn bus_entries_are_what_put_events_takes_and_what_the_functions_send() {
    for (name, entry) in bus_entries() {
        let fields: Vec<_> = entry
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            fields,
            ["Detail", "DetailType", "EventBusName", "Source"],
            "{name}"
        );
        assert!(
            tree::read("samconfig.toml")
                .contains(&format!("stack_name = {}", entry["EventBusName"]))
        );
        let event = entry["DetailType"].as_str().unwrap();
        assert_eq!(kebab(event), name);
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        let envelope = Envelope::parse(event, &detail).unwrap();
        assert!(within(&detail, &envelope.to_detail().unwrap()), "{name}");
        let function = entry["Source"]
            .as_str()
            .unwrap()
            .strip_prefix("cattube.")
            .unwrap();
        let sources = tree::sources(&format!("functions/{function}"));
        let sent = format!("Event::{event}(");
        assert!(
            sources.iter().any(|(_, text)| text.contains(&sent)),
            "{function} sends no {event}"
        );
    }
}

#[tokio::test]
async fn happy_batches_are_handled_in_full() {
    for sample in all_samples().filter(|sample| !sample.rejected && !sample.is_http()) {
        let mut world = stage::world();
        stage::set(&mut world, &sample).await;
        assert!(
            failures(&world, &sample).await.is_empty(),
            "{}",
            sample.name
        );
        world.route();
        let expected = stage::published(&sample);
        assert_eq!(
            world.names(),
            expected,
            "{}: {:?}",
            sample.name,
            world.history
        );
        stage::check_kept(&world, &sample).await;
    }
}

#[tokio::test]
async fn work_without_its_master_ends_in_a_failed_event_and_not_in_the_queue() {
    for (function, event) in [("plan", "PlanFailed"), ("transcode", "ChunkFailed")] {
        for sample in samples(function).iter().filter(|sample| !sample.rejected) {
            let mut world = stage::world();
            assert!(failures(&world, sample).await.is_empty(), "{}", sample.name);
            world.route();
            assert_eq!(
                world.names(),
                vec![event; sample.records().len()],
                "{}",
                sample.name
            );
        }
    }
}

#[tokio::test]
async fn rejected_batches_fail_by_exactly_their_bad_message() {
    for sample in all_samples().filter(|sample| sample.rejected && !sample.is_http()) {
        let mut world = stage::world();
        stage::set(&mut world, &sample).await;
        let mut refused = BTreeMap::new();
        for (id, body) in sample.records() {
            if let Err(text) = world.deliver(&message(&sample.function, body)).await {
                refused.insert(id, text);
            }
        }
        let path = format!("{}/rejected/{}", sample.function, sample.name);
        assert_eq!(refused.len(), 1, "{path}: {refused:?}");
        let mut world = stage::world();
        stage::set(&mut world, &sample).await;
        let failed = failures(&world, &sample).await;
        assert!(failed.iter().eq(refused.keys()), "{path}: {failed:?}");
        for text in refused.values() {
            assert!(names(text, sample.word()), "{path}: {text}");
        }
    }
}

#[tokio::test]
async fn happy_requests_succeed() {
    for sample in all_samples().filter(|sample| !sample.rejected && sample.is_http()) {
        let mut world = stage::world();
        stage::set(&mut world, &sample).await;
        let answer = answer(&world, &sample).await;
        let status = answer["statusCode"].as_u64().unwrap();
        assert!((200..300).contains(&status), "{}: {answer}", sample.name);
    }
}

/// What a refusal says: a problem document to programs, a page to people with a link.
fn complaint(answer: &Value, status: u64, path: &str) -> String {
    let body = answer["body"].as_str().unwrap();
    if answer["headers"]["content-type"] == "text/html; charset=utf-8" {
        assert!(path.contains("-link-"), "{path}");
        assert!(answer["headers"]["content-security-policy"].is_string());
        return body.to_owned();
    }
    assert_eq!(
        answer["headers"]["content-type"],
        "application/problem+json"
    );
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["status"], json!(status), "{path}");
    assert_eq!(problem["type"], "about:blank", "{path}");
    let text = |field: &str| problem[field].as_str().unwrap().to_owned();
    format!("{} {}", text("title"), text("detail"))
}

#[tokio::test]
async fn rejected_requests_get_a_problem_document_that_names_the_field() {
    for sample in all_samples().filter(|sample| sample.rejected && sample.is_http()) {
        let mut world = stage::world();
        stage::set(&mut world, &sample).await;
        let answer = answer(&world, &sample).await;
        let path = format!("{}/rejected/{}", sample.function, sample.name);
        let expected = sample
            .name
            .trim_start_matches("http-")
            .split('-')
            .next()
            .unwrap();
        let expected: u64 = expected.parse().expect("its name begins with the status");
        assert!((400..500).contains(&expected), "{path}");
        assert_eq!(answer["statusCode"], expected, "{path}: {answer}");
        let text = complaint(&answer, expected, &path);
        assert!(names(&text, sample.word()), "{path}: {text}");
        world.route();
        assert!(world.history.is_empty(), "{:?}", world.names());
    }
}

#[test]
fn every_route_has_a_sample() {
    for function in ["upload", "manage", "notify"] {
        let samples = samples(function)
            .into_iter()
            .filter(|sample| !sample.rejected && sample.is_http());
        let routes: BTreeSet<_> = samples
            .map(|sample| sample.payload["routeKey"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(routes, tree::routes(function));
    }
}
