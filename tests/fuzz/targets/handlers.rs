//! The functions themselves: whatever a queue, the gateway or a bucket hands over, no handler
//! panics, and the API never answers that the fault is its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lambda_events::event::apigw::ApiGatewayV2httpRequest;
use cattube_adapters::lambda;
use cattube_contract::OwnerId;
use cattube_contract::human::Answer;
use cattube_contract::plan::Quality;
use cattube_core::ticket::{Ticket, link};
use cattube_ports::Objects;
use cattube_ports::encoder::EncoderExit;
use cattube_ports::fakes::{FaultPlan, MemoryEncoder, RunFiles};
use cattube_ports::outcome::MessageHandler;
use cattube_tests::world::{DEAD_LETTERS, LAST_DEAD_LETTERS, World, arn};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::text;
use crate::guard::Target;
use crate::random::Random;
use crate::seeds::Seeds;
use crate::{json, mutate};

/// The video, the ticket and the token's subject of the samples' requests.
const VIDEO: &str = "vid_019aa07df28078d5968148de146a31ee";
const TICKET: &str = "tkt_399667b816745a88bafd3f08fc8cf3c5";
const SUBJECT: &str = "b4e8f4a8-60f1-70b2-9d35-2c7d3f0a9e11";

/// A world whose encoder fails.
fn world() -> World {
    let encoder = MemoryEncoder::new(FaultPlan::none(), |_, _| {
        let exit = EncoderExit {
            success: false,
            stderr: String::new(),
            stdout: Vec::new(),
        };
        (exit, RunFiles::new())
    });
    World::new(Arc::new(encoder), Quality::Crf(23), &FaultPlan::none())
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

pub fn all(seeds: &Seeds) -> Vec<Target<'_>> {
    let message = |random: &mut Random| {
        let (seed, other) = (random.pick(&seeds.messages), random.pick(&seeds.messages));
        json::mutate(random, seed, other)
    };
    let request = |random: &mut Random| {
        let seed = random.pick(&seeds.requests);
        let other = &random.pick(&seeds.requests).payload;
        let payload = if random.once_in(4) {
            json::mutate(random, &seed.payload, other)
        } else {
            asking_otherwise(random, &seed.payload, other)
        };
        format!("{}\n{payload}", seed.function)
    };
    let (ticket, query) = asked(seeds);
    let link = move |random: &mut Random| {
        let mut query = query.clone();
        for _ in 0..random.rounds() {
            mutate::text(random, &mut query, "give-up\nskip-720p\n9999999999\n");
        }
        query
    };
    let mut targets = vec![
        text("queue-message", message, handled()),
        text("api-request", request, answered(seeds)),
    ];
    for target in &mut targets {
        target.weight = 4;
    }
    targets.push(text("ticket-link", link, move |query| {
        followed(&ticket, query)
    }));
    targets
}

/// Changes only what a client chooses.
fn asking_otherwise(random: &mut Random, payload: &str, other: &str) -> String {
    let mut payload: Value = serde_json::from_str(payload).unwrap();
    let other = serde_json::from_str(other).unwrap();
    for _ in 0..random.rounds() {
        let parts = ["body", "queryStringParameters", "pathParameters", "headers"];
        let part = *random.pick(&parts);
        if let Some(part) = payload.get_mut(part) {
            json::change(random, part, &other);
        }
    }
    payload.to_string()
}

/// Every consumer gets it, as a message and as a dead letter: a body that is another's is a
/// bad one too.
fn handled() -> impl Fn(&str) -> Result<bool, String> {
    let runtime = runtime();
    move |body| {
        let world = world();
        Ok(runtime.block_on(async {
            let mut taken = world.ingest.handle(body).await.is_ok();
            taken |= world.plan.handle(body).await.is_ok();
            taken |= world.transcode.handle(body).await.is_ok();
            taken |= world.assemble.handle(body).await.is_ok();
            taken |= world.manage.handle(body).await.is_ok();
            taken |= world.upload.handle(body).await.is_ok();
            taken |= world.retry.handle(body).await.is_ok();
            taken |= world.notify.handle(body).await.is_ok();
            for (_, queue) in DEAD_LETTERS {
                let _ = world.retry.handle_from(&arn(queue), body).await;
            }
            for (_, queue) in LAST_DEAD_LETTERS {
                let _ = world.notify.handle_from(&arn(queue), body).await;
            }
            taken
        }))
    }
}

/// A request to a world with an upload, a video and a ticket, which it may name.
fn answered(seeds: &Seeds) -> impl Fn(&str) -> Result<bool, String> {
    let runtime = runtime();
    let uploaded = seeds.message("VideoUploaded");
    let owner: Value = serde_json::from_str(&uploaded).unwrap();
    let owner = owner["detail"]["metadata"]["owner_id"].as_str().unwrap();
    let uploaded = uploaded.replace(owner, &OwnerId::of_subject(SUBJECT).to_string());
    let exhausted = seeds.message("RetriesExhausted");
    let granting =
        { seeds.requests.iter() }.find(|seed| seed.payload.contains("\"POST /v1/uploads\""));
    let granting = granting.unwrap().payload.clone();
    move |input| {
        let Some((function, payload)) = input.split_once('\n') else {
            return Ok(false);
        };
        runtime.block_on(async {
            let world = world();
            let granting = serde_json::from_str(&granting).unwrap();
            let granted = lambda::answer(&world.upload, granting).await;
            let granted: Value = serde_json::from_str(granted["body"].as_str().unwrap()).unwrap();
            world.manage.handle(&uploaded).await.unwrap();
            world.notify.handle(&exhausted).await.unwrap();
            let video = match function {
                "upload" => granted["video_id"].as_str().unwrap(),
                _ => VIDEO,
            };
            let ticket = ticket(&world).ticket_id.to_string();
            let payload = payload.replace(VIDEO, video).replace(TICKET, &ticket);
            let Ok(request) = serde_json::from_str::<ApiGatewayV2httpRequest>(&payload) else {
                return Ok(false);
            };
            let answer: Value = match function {
                "upload" => lambda::answer(&world.upload, request).await,
                "manage" => lambda::answer(&world.manage, request).await,
                "notify" => lambda::answer(&world.notify, request).await,
                other => return Err(format!("{other} has no API")),
            };
            match answer["statusCode"].as_u64() {
                Some(200..=399) => Ok(true),
                Some(400..=499) => Ok(false),
                status => Err(format!("status {status:?}: {answer}")),
            }
        })
    }
}

/// The plans of every film, as they are stored.
pub fn plans(seeds: &Seeds) -> Vec<String> {
    let runtime = runtime();
    let plan = |film: &Vec<u8>| {
        let mut world = world();
        world.masters.put_master("drop/film", film.clone(), &[]);
        runtime.block_on(world.pump());
        let keys = world.masters.keys();
        let key = keys.iter().find(|key| key.ends_with("plan.json")).unwrap();
        let plan = runtime.block_on(world.masters.get(key)).unwrap().unwrap();
        String::from_utf8(plan.to_vec()).unwrap()
    };
    seeds.masters.iter().map(|(_, film)| plan(film)).collect()
}

/// The one ticket of a world.
fn ticket(world: &World) -> Ticket {
    let items = world.tickets.items();
    let mut tickets = items.iter().filter(|(_, item)| item.sort_key == "ticket");
    let (_, item) = tickets.next().unwrap();
    serde_json::from_value(item.body.clone()).unwrap()
}

/// A ticket, and what its links ask with: a line each.
fn asked(seeds: &Seeds) -> (Ticket, String) {
    let world = world();
    let exhausted = seeds.message("RetriesExhausted");
    runtime().block_on(world.notify.handle(&exhausted)).unwrap();
    let ticket = ticket(&world);
    let path = link::path(&ticket, &Answer::Retry);
    let (_, query) = path.split_once('?').unwrap();
    (ticket, query.replace('&', "\n"))
}

/// Of all queries only the one that was signed is taken, with the one answer that it gives.
fn followed(ticket: &Ticket, query: &str) -> Result<bool, String> {
    let fields: BTreeMap<String, String> = query
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let genuine = link::path(ticket, &Answer::Retry);
    let Ok(answer) = link::read(ticket, &fields, ticket.opened_at) else {
        return Ok(false);
    };
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let asked = format!(
        "answer={}&expires={}&signature={}",
        field("answer"),
        field("expires"),
        field("signature").to_lowercase()
    );
    if answer == Answer::Retry && genuine.ends_with(&asked) {
        Ok(true)
    } else {
        Err(format!("{fields:?} is taken for {answer:?}"))
    }
}
