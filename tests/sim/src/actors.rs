//! Those outside: clients that upload, owners that delete, strangers that pry, and people who
//! answer tickets.

use std::collections::BTreeMap;

use cattube_contract::VideoId;
use cattube_core::digest::sha256_hex;
use cattube_ports::http::ApiRequest;
use serde_json::{Value, json};

use crate::faults::{Fault, HOUR, MINUTE, SECOND};
use crate::film::films;
use crate::kernel::{Kernel, Ms};
use crate::scenario::{Poison, Redoing, Upload};
use crate::state::{Answer, QueueId, Spawn, Who};
use crate::twins::bucket::etag_of;
use crate::twins::time::timestamp;
use crate::world::MASTERS_BUCKET;

/// How often a client asks again when it gets no answer.
const TRIES: u32 = 40;

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It sends everything and completes.
    Steady,
    /// It stops after so many parts, and comes back after a while, if at all.
    BreaksOff { parts: u32, back_after: Option<Ms> },
    /// It cancels after so many parts.
    Cancels { parts: u32 },
    /// It sends a last part that is too short, at first.
    Short,
}

/// One request and its answer; none if the service failed.
pub(crate) async fn api(kernel: &Kernel, who: Who, request: ApiRequest) -> Answer {
    let slot = {
        let mut state = kernel.lock();
        state.note(|| {
            format!(
                "{} asks {}",
                request.subject.as_deref().unwrap_or(""),
                request.route
            )
        });
        let slot = state.new_slot();
        state.spawned.push(Spawn::Api { who, request, slot });
        slot
    };
    kernel.wait(slot).await;
    kernel.lock().answers.remove(&slot).flatten()
}

/// The same, again and again until the service answers.
pub(crate) async fn ask(kernel: &Kernel, who: Who, request: &ApiRequest) -> Answer {
    for _ in 0..TRIES {
        let answer = api(kernel, who, request.clone()).await;
        if answer.as_ref().is_some_and(|answer| answer.status < 500) {
            return answer;
        }
        let pause = kernel.lock().rng.between(SECOND, 10 * MINUTE);
        kernel.sleep(pause).await;
    }
    None
}

pub(crate) fn request(subject: &str, route: &str, video: Option<&str>) -> ApiRequest {
    let path = video.map(|video| ("id".to_owned(), video.to_owned()));
    ApiRequest {
        route: route.to_owned(),
        path: path.into_iter().collect::<BTreeMap<_, _>>(),
        subject: Some(subject.to_owned()),
        ..ApiRequest::default()
    }
}

pub(crate) fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or("")
}

/// Drops a master into the bucket.
pub fn drop_film(kernel: &Kernel, owner: &'static str, film: usize, key: &str) -> VideoId {
    let mut state = kernel.lock();
    let bytes = films()[film].bytes.clone();
    let etag = etag_of(&bytes);
    state.write(true, key, bytes, etag, BTreeMap::new(), "PutObject");
    let sequencer = state.masters.last_sequencer();
    let video = VideoId::of_drop(timestamp(state.now), MASTERS_BUCKET, key, &sequencer);
    state.accept(video, cattube_contract::OwnerId::of_subject(owner), key);
    video
}

/// A client of the upload API.
pub async fn client(kernel: Kernel, subject: &'static str, upload: Upload, number: usize) {
    let film = upload.film;
    let Some(mut manner) = upload.manner else {
        return;
    };
    let Some(video) = begin(&kernel, subject, film, number).await else {
        return;
    };
    if let Ok(id) = video.parse() {
        let follow = Spawn::Follow(upload, subject, id);
        kernel.lock().spawned.push(follow);
    }
    // Each round sends what is missing, and completes or learns what is missing still.
    for _ in 0..12 {
        match round(&kernel, subject, film, &video, manner).await {
            Round::Over => return,
            Round::Again(next) => manner = next,
        }
        let pause = kernel.lock().rng.between(MINUTE, HOUR);
        kernel.sleep(pause).await;
    }
}

async fn begin(kernel: &Kernel, subject: &str, film: usize, number: usize) -> Option<String> {
    let size_bytes = films()[film].bytes.len();
    let body = json!({ "title": "a cat", "size_bytes": size_bytes, "content_type": "video/mp4" });
    let mut grant = request(subject, "POST /v1/uploads", None);
    grant.body = body.to_string().into_bytes();
    grant
        .headers
        .insert("idempotency-key".to_owned(), format!("key-{number}"));
    let answer = ask(kernel, Who::Upload, &grant).await?;
    if answer.status != 201 {
        let status = answer.status;
        kernel
            .lock()
            .violate(0, || format!("a grant was answered {status}"));
        return None;
    }
    let video = text(&answer.body, "video_id").to_owned();
    Some(video)
}

enum Round {
    Over,
    Again(Manner),
}

async fn round(kernel: &Kernel, subject: &str, film: usize, video: &str, manner: Manner) -> Round {
    let mut sign = request(subject, "GET /v1/uploads/{id}/part-urls", Some(video));
    sign.query.insert("missing".to_owned(), "true".to_owned());
    let Some(answer) = ask(kernel, Who::Upload, &sign).await else {
        return Round::Over;
    };
    if answer.status != 200 {
        // Complete, closed, or dropped by the store and not yet begun again.
        let again = answer.body["title"] != "Upload not open";
        return if again {
            Round::Again(manner)
        } else {
            Round::Over
        };
    }
    let parts = answer.body["parts"].as_array().cloned().unwrap_or_default();
    for (part, sent) in parts.iter().zip(0..) {
        match manner {
            Manner::BreaksOff { parts, back_after } if sent >= parts => {
                let Some(span) = back_after else {
                    return Round::Over;
                };
                kernel.sleep(span).await;
                return Round::Again(Manner::Steady);
            }
            Manner::Cancels { parts } if sent >= parts => {
                let cancel = request(subject, "DELETE /v1/uploads/{id}", Some(video));
                ask(kernel, Who::Upload, &cancel).await;
                return Round::Over;
            }
            _ => {}
        }
        let is_short = manner == Manner::Short && usize::try_from(sent + 1) == Ok(parts.len());
        send_part(kernel, film, part, is_short).await;
    }
    let complete = request(subject, "POST /v1/uploads/{id}/complete", Some(video));
    match ask(kernel, Who::Upload, &complete).await {
        Some(answer) if answer.status == 202 => Round::Over,
        Some(_) => Round::Again(Manner::Steady),
        None => Round::Over,
    }
}

async fn send_part(kernel: &Kernel, film: usize, part: &Value, is_short: bool) {
    let pause = kernel.lock().rng.between(100, 20 * SECOND);
    kernel.sleep(pause).await;
    let number = part["number"].as_u64().unwrap_or(1) as usize;
    let size = part["size_bytes"].as_u64().unwrap_or(0) as usize;
    let whole = &films()[film].bytes;
    let from = (number - 1) * (8 << 20);
    let size = if is_short { size.div_ceil(2) } else { size };
    let to = (from + size).min(whole.len());
    let url = text(part, "url");
    let mut state = kernel.lock();
    state.note(|| format!("part {number}"));
    state.put_part(url, whole.slice(from.min(to)..to));
}

/// An owner who deletes a video.
pub async fn deleter(kernel: Kernel, subject: &'static str, video: VideoId, after: Ms) {
    kernel.sleep(after).await;
    let delete = request(subject, "DELETE /v1/videos/{id}", Some(&video.to_string()));
    for _ in 0..TRIES {
        match ask(&kernel, Who::Manage, &delete).await {
            Some(answer) if answer.status == 202 => {
                kernel.lock().deleted(video);
                return;
            }
            _ => {
                let pause = kernel.lock().rng.between(SECOND, 30 * MINUTE);
                kernel.sleep(pause).await;
            }
        }
    }
}

/// An owner who wants a video made anew, or a part of it.
pub async fn redoer(
    kernel: Kernel,
    subject: &'static str,
    video: VideoId,
    after: Ms,
    what: Redoing,
) {
    kernel.sleep(after).await;
    let mut redo = request(
        subject,
        "POST /v1/videos/{id}/retry",
        Some(&video.to_string()),
    );
    let body = match what {
        Redoing::All => json!({}),
        Redoing::Size(size) => json!({ "size": size }),
        Redoing::Chunk(chunk) => json!({ "chunk": chunk }),
    };
    redo.body = body.to_string().into_bytes();
    ask(&kernel, Who::Manage, &redo).await;
}

/// Somebody who tries all that needs no more than a video's id.
pub async fn stranger(kernel: Kernel, video: VideoId, after: Ms) {
    kernel.sleep(after).await;
    let video = video.to_string();
    let routes = [
        (Who::Manage, "GET /v1/videos/{id}"),
        (Who::Manage, "GET /v1/videos/{id}/timeline"),
        (Who::Manage, "DELETE /v1/videos/{id}"),
        (Who::Manage, "POST /v1/videos/{id}/retry"),
        (Who::Upload, "GET /v1/uploads/{id}"),
        (Who::Upload, "GET /v1/uploads/{id}/part-urls"),
        (Who::Upload, "POST /v1/uploads/{id}/complete"),
        (Who::Upload, "DELETE /v1/uploads/{id}"),
    ];
    for (who, route) in routes {
        let answer = api(&kernel, who, request("stranger", route, Some(&video))).await;
        if let Some(answer) = answer.filter(|answer| answer.status != 404) {
            let status = answer.status;
            kernel
                .lock()
                .violate(12, || format!("a stranger's {route} was answered {status}"));
        }
    }
    for (who, route, name) in [
        (Who::Manage, "GET /v1/videos", "videos"),
        (Who::Notify, "GET /v1/tickets", "tickets"),
    ] {
        let list = request("stranger", route, None);
        if let Some(answer) = api(&kernel, who, list).await {
            let count = answer.body[name].as_array().map_or(0, Vec::len);
            if count > 0 {
                kernel
                    .lock()
                    .violate(12, || format!("a stranger sees {count} {name}"));
            }
        }
    }
}

/// Somebody who puts a message that is none of ours into a queue.
pub async fn poisoner(kernel: Kernel, poison: Poison) {
    kernel.sleep(poison.at).await;
    let mut state = kernel.lock();
    state.count(Fault::Poison);
    let Poison { to, body, .. } = poison;
    state.note(|| format!("poison in {to:?}: {body:?}"));
    state.put(QueueId::of(to), &body);
    state.poison.push((to, sha256_hex(body.as_bytes())));
}
