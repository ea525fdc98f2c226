//! Messages, keys, ids and stored documents.

use cattube_contract::key::MasterKey;
use cattube_contract::plan::{ChunkId, Plan};
use cattube_contract::size::Sizes;
use cattube_contract::{CommandMessage, Envelope, EventId, OwnerId, VideoId};
use cattube_core::encode::thumbnail_pts;
use cattube_core::playlist::{self, Completeness};
use cattube_core::upload::{UploadRequest, plan_parts};
use serde_json::Value;

use super::{handlers, same, text};
use crate::guard::Target;
use crate::json;
use crate::mutate;
use crate::random::Random;
use crate::seeds::{Request, Seeds};

const KEYS: [&str; 6] = [
    "masters/own_a7d3c0ffee0123456789abcdef012345/vid_018f3c2a5b7c7def8123456789abcdef",
    "drop/Ünïcode film+1 %41.mp4",
    "drop/a/b/c.mov",
    "v00012",
    "a00000",
    "t-10240.jpg",
];

const SIZES: [&str; 4] = [
    "auto",
    "1080,720",
    "2160,1440,1080,720,480,360",
    "144, 4320",
];

pub fn all(seeds: &Seeds) -> Vec<Target<'_>> {
    let message = |random: &mut Random| {
        let (seed, other) = (random.pick(&seeds.messages), random.pick(&seeds.messages));
        json::mutate(random, seed, other)
    };
    let jobs = seeds
        .messages
        .iter()
        .filter(|body| body.contains("\"command\""));
    let jobs: Vec<&String> = jobs.collect();
    let job = move |random: &mut Random| {
        let (seed, other) = (random.pick(&jobs), random.pick(&jobs));
        json::mutate(random, seed, other)
    };
    let plans = handlers::plans(seeds);
    let plan = move |random: &mut Random| {
        let (seed, other) = (random.pick(&plans), random.pick(&plans));
        json::mutate(random, seed, other)
    };
    let grants = seeds
        .requests
        .iter()
        .filter(|seed| seed.payload.contains("content_type"));
    let grants: Vec<&Request> = grants.collect();
    let body = move |random: &mut Random| {
        let seed: Value = serde_json::from_str(&random.pick(&grants).payload).unwrap();
        let other = &random.pick(&seeds.requests).payload;
        let body = seed["body"].as_str().unwrap_or("{}");
        json::mutate(random, body, other)
    };
    vec![
        text("bus-event", message, bus_event),
        text("command", job, command),
        text("stored-plan", plan, stored),
        text("upload-request", body, upload_request),
        text("object-key", |random| word(random, &KEYS), key),
        text("sizes", |random| word(random, &SIZES), sizes),
    ]
}

fn word(random: &mut Random, seeds: &[&str]) -> String {
    let mut word = (*random.pick(seeds)).to_owned();
    for _ in 0..random.rounds() {
        let other = *random.pick(seeds);
        mutate::text(random, &mut word, other);
    }
    word
}

fn bus_event(input: &str) -> Result<bool, String> {
    let Ok(envelope) = Envelope::parse_bus_event(input) else {
        return Ok(false);
    };
    let detail = envelope.to_detail().map_err(|error| error.to_string())?;
    let again = Envelope::parse(envelope.event.name(), &detail);
    same(&envelope, again.ok().as_ref())
}

fn command(input: &str) -> Result<bool, String> {
    let Ok(message) = CommandMessage::parse(input) else {
        return Ok(false);
    };
    let body = message.to_body().map_err(|error| error.to_string())?;
    same(&message, CommandMessage::parse(&body).ok().as_ref())
}

/// A plan of ours, read back from the bucket: what plan it ever is, no report fits one that
/// names none, and no playlist comes of it.
fn stored(input: &str) -> Result<bool, String> {
    let Ok(plan) = serde_json::from_str::<Plan>(input) else {
        return Ok(false);
    };
    let made = playlist::hls_master(&plan, &[]).is_ok()
        || playlist::dash_manifest(&plan, &[]).is_ok()
        || plan.video.encoding.renditions.iter().any(|rendition| {
            playlist::hls_media(&plan, &[], &rendition.name, Completeness::Growing).is_ok()
        });
    let _ = playlist::check_reports(&plan, &[]);
    if made {
        return Err("a playlist of nothing".to_owned());
    }
    let text = serde_json::to_string(&plan).map_err(|error| error.to_string())?;
    same(&plan, serde_json::from_str(&text).ok().as_ref())
}

fn upload_request(input: &str) -> Result<bool, String> {
    let Ok(request) = cattube_contract::read_json::<UploadRequest>(input.as_bytes()) else {
        return Ok(false);
    };
    let Ok(part_bytes) = plan_parts(&request) else {
        return Ok(false);
    };
    let parts = request.size_bytes.div_ceil(part_bytes);
    if (1..=10_000).contains(&parts) {
        Ok(true)
    } else {
        Err(format!("{parts} parts of {part_bytes} bytes"))
    }
}

fn key(input: &str) -> Result<bool, String> {
    let _ = input.parse::<VideoId>();
    let _ = input.parse::<OwnerId>();
    let _ = input.parse::<EventId>();
    let _ = thumbnail_pts(input);
    if let Ok(chunk) = input.parse::<ChunkId>() {
        return same(&chunk, chunk.to_string().parse().ok().as_ref());
    }
    let Ok(parsed) = MasterKey::parse(input) else {
        return Ok(false);
    };
    if input.split('/').any(|part| part == "..") {
        return Err("it climbs".to_owned());
    }
    same(&input.to_owned(), Some(&parsed.to_string()))
}

fn sizes(input: &str) -> Result<bool, String> {
    let Ok(sizes) = Sizes::parse(input) else {
        return Ok(false);
    };
    same(&sizes, Sizes::parse(&sizes.to_text()).ok().as_ref())
}
