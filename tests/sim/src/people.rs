//! People who answer tickets and send back what nobody could handle.

use cattube_contract::{Message, VideoId};
use serde_json::{Value, json};

use crate::actors::{ask, request, text};
use crate::faults::{HOUR, MINUTE};
use crate::kernel::Kernel;
use crate::state::{QueueId, Who};
use crate::wiring::{OPERATOR, queue_named};

/// What people say to tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temper {
    /// Try again, always.
    Patient,
    /// Leave a size out where that is offered, else try again.
    Skips,
    /// Give up.
    GivesUp,
    /// Nothing.
    Silent,
}

/// Somebody who was told something, and looks at the tickets some time later.
pub async fn person(kernel: Kernel) {
    let (temper, pause) = {
        let mut state = kernel.lock();
        (state.temper, state.rng.between(MINUTE, 12 * HOUR))
    };
    if temper == Temper::Silent {
        return;
    }
    kernel.sleep(pause).await;
    // Whoever is told of an outage mends it first.
    let outage = {
        let state = kernel.lock();
        state
            .faults
            .outage
            .map_or(0, |outage| outage.to - state.now)
    };
    if outage > 0 {
        kernel.sleep(outage + MINUTE).await;
    }
    let mut list = request(OPERATOR, "GET /v1/tickets", None);
    list.query.insert("state".to_owned(), "open".to_owned());
    let Some(answer) = ask(&kernel, Who::Notify, &list).await else {
        return;
    };
    let tickets = answer.body["tickets"].as_array().cloned();
    for ticket in tickets.unwrap_or_default() {
        let offered = ticket["answers"].as_array().cloned().unwrap_or_default();
        let offered: Vec<&str> = offered.iter().filter_map(Value::as_str).collect();
        let skip = offered.iter().find(|word| word.starts_with("skip"));
        let wanted = skip.filter(|_| temper == Temper::Skips);
        // What is known of no video is always tried again.
        let is_message = ticket["cause"]["kind"] == "message";
        // Patience ends soon with a message that is none of ours, which is never handled.
        let is_poison = is_message && ticket["video_id"] == VideoId::NONE.to_string();
        let has_patience = ticket["round"].as_u64().unwrap_or(0) <= if is_poison { 3 } else { 15 };
        let tries = has_patience && (temper != Temper::GivesUp || is_message);
        let retry = tries.then_some(&"retry");
        let wanted = wanted
            .or(retry.filter(|retry| offered.contains(retry)))
            .or(offered.last());
        let Some(word) = wanted else { continue };
        let id = text(&ticket, "ticket_id");
        let mut say = request(OPERATOR, "POST /v1/tickets/{id}/answer", Some(id));
        say.body = json!({ "answer": word }).to_string().into_bytes();
        ask(&kernel, Who::Notify, &say).await;
    }
    redrive(&kernel);
}

/// Whether a body tells what nobody else may tell any more.
fn is_ours(body: &str) -> bool {
    Message::parse(body).is_ok()
}

/// Sends everything that nobody could handle back to where it stood, as `make redrive` does;
/// what came back often enough is thrown away, what is none of ours soon.
fn redrive(kernel: &Kernel) {
    let mut state = kernel.lock();
    for (queue, body) in state.take_parked() {
        let Some(name) = queue_named(&queue) else {
            continue;
        };
        let times = state.redriven.entry(body.clone()).or_default();
        *times += 1;
        // Longer than faults last; of a video that is gone some can never be handled.
        let most = if is_ours(&body) { 15 } else { 3 };
        if *times <= most {
            state.note(|| format!("redrives {queue} {body}"));
            state.put(QueueId::of(name), &body);
        }
    }
}
