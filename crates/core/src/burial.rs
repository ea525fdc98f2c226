//! What a dead letter tells of itself. Whatever its bytes are, it is told of: this must never
//! refuse one.

use cattube_contract::envelope::{MAX_HOPS, SCHEMA};
use cattube_contract::event::MessageBuried;
use cattube_contract::key::MasterKey;
use cattube_contract::{
    CommandMessage, ContractError, Envelope, Event, EventId, Metadata, OwnerId, VideoId, excerpt,
    read_json,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::digest::sha256_hex;

/// The longest body that is told on the bus, as JSON; EventBridge takes 256 KiB an entry.
pub const MAX_TOLD_BYTES: usize = 64 * 1024;

/// The longest message that is put aside: a little less than the 1 MiB that SQS takes.
const MAX_PARKED_BYTES: usize = 1_000_000;

/// What is kept of a body that no message can hold any more once it is quoted in JSON; at six
/// bytes a control character it fits in any case.
const CUT_BODY_CHARS: usize = 20_000;

/// How much of a parser's words is told.
const REASON_CHARS: usize = 300;

/// What is said of a message that nothing is wrong with.
const NEVER_ENDED: &str = "it came again and again and was never handled to the end: whoever \
     handles it crashed, ran out of time or memory, or could not reach what it needs";

/// A dead letter, as far as its text tells.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Burial {
    /// The video it is about, and whose; [`VideoId::NONE`] if it names none.
    video_id: VideoId,
    /// See `video_id`.
    owner_id: OwnerId,
    /// Its own id, if it has one of ours.
    caused_by: Option<EventId>,
    /// Why it could not be handled.
    reason: String,
    /// It is itself the event of a dead letter: to tell of it again would go on for ever.
    tells_of_another: bool,
}

/// Looks at the body of a dead letter.
fn examine(body: &str) -> Burial {
    let value: Value = match read_json(body.as_bytes()) {
        Ok(value) => value,
        Err(reason) => return of_nobody(&format!("it is no JSON: {reason}")),
    };
    if value.get("command").is_some() {
        let parsed = CommandMessage::parse(body);
        let raw = value.get("metadata");
        return of_ours(parsed.map(|message| message.metadata), raw);
    }
    if value.get("source").and_then(Value::as_str) == Some("aws.s3") {
        return of_arrival(&value);
    }
    let parsed = Envelope::parse_bus_event(body);
    let tells_of_another = parsed
        .as_ref()
        .is_ok_and(|envelope| matches!(envelope.event, Event::MessageBuried(_)));
    let metadata = parsed.map(|envelope| envelope.metadata);
    Burial {
        tells_of_another,
        ..of_ours(metadata, value.pointer("/detail/metadata"))
    }
}

/// What is done with a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The metadata of its event, for the log too.
    pub metadata: Metadata,
    /// What is put aside, for a person who wants the message back.
    pub parked: String,
    /// What is said; nothing of a message that says the same of another.
    pub event: Option<Event>,
}

/// Decides on a dead letter of `queue`. Its event holds the body only if an answer to it may
/// send the message back.
#[must_use]
pub fn tell(queue: &str, body: &str, may_go_back: bool, now: Timestamp) -> Told {
    let burial = examine(body);
    let body_sha256 = sha256_hex(body.as_bytes());
    let parked = park(queue, &burial, body);
    let metadata = Metadata {
        event_id: EventId::derive("MessageBuried", &[queue, &body_sha256]),
        video_id: burial.video_id,
        owner_id: burial.owner_id,
        caused_by: burial.caused_by,
        attempt: 1,
        // A story of its own begins, or the event of a message that went in a circle would be
        // one too.
        hop: 0,
        schema: SCHEMA,
        occurred_at: now,
    };
    let event = Event::MessageBuried(MessageBuried {
        queue: queue.to_owned(),
        reason: burial.reason,
        body_sha256,
        body: told(body).filter(|_| may_go_back),
    });
    Told {
        metadata,
        parked,
        event: (!burial.tells_of_another).then_some(event),
    }
}

/// The message that is put aside.
fn park(queue: &str, burial: &Burial, body: &str) -> String {
    let mut parked = json!({
        "queue": queue,
        "video_id": burial.video_id,
        "reason": burial.reason,
        "body": body,
    });
    let whole = parked.to_string();
    if whole.len() <= MAX_PARKED_BYTES {
        return whole;
    }
    // Better told of without its end than not at all; it is none of ours, which are short.
    if let Some(fields) = parked.as_object_mut() {
        fields.insert("body".to_owned(), excerpt(body, CUT_BODY_CHARS).into());
        fields.insert("body_bytes".to_owned(), body.len().into());
    }
    parked.to_string()
}

/// The body, unless it is too long for the bus.
fn told(body: &str) -> Option<String> {
    // Quotes and control characters take more room there.
    let length = Value::from(body).to_string().len();
    (length <= MAX_TOLD_BYTES).then(|| body.to_owned())
}

fn of_nobody(reason: &str) -> Burial {
    Burial {
        video_id: VideoId::NONE,
        owner_id: OwnerId::NONE,
        caused_by: None,
        reason: excerpt(reason, REASON_CHARS),
        tells_of_another: false,
    }
}

/// A message with metadata of ours, or with what looks like it.
fn of_ours(parsed: Result<Metadata, ContractError>, raw: Option<&Value>) -> Burial {
    match parsed {
        Ok(metadata) => Burial {
            video_id: metadata.video_id,
            owner_id: metadata.owner_id,
            caused_by: Some(metadata.event_id),
            reason: if metadata.hop > MAX_HOPS {
                format!("more than {MAX_HOPS} hops: the message runs in a circle")
            } else {
                NEVER_ENDED.to_owned()
            },
            tells_of_another: false,
        },
        Err(error) => {
            let nobody = of_nobody(&error.to_string());
            let id = |name: &str| {
                let id = raw.and_then(|raw| raw.get(name));
                id.and_then(Value::as_str).unwrap_or_default()
            };
            let (Ok(video_id), Ok(owner_id)) = (id("video_id").parse(), id("owner_id").parse())
            else {
                return nobody;
            };
            Burial {
                video_id,
                owner_id,
                caused_by: id("event_id").parse().ok(),
                ..nobody
            }
        }
    }
}

/// S3's event of an object: the key of an upload says whose it is.
fn of_arrival(value: &Value) -> Burial {
    let nobody = of_nobody(NEVER_ENDED);
    let key = value.pointer("/detail/object/key").and_then(Value::as_str);
    match key.map(MasterKey::parse) {
        Some(Ok(MasterKey::Uploaded { owner_id, video_id })) => Burial {
            video_id,
            owner_id,
            ..nobody
        },
        Some(Ok(MasterKey::Dropped { .. })) => nobody,
        Some(Err(error)) => of_nobody(&error.to_string()),
        None => of_nobody("it names no object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VIDEO: &str = "vid_019aa07df28078d5968148de146a31ee";
    const OWNER: &str = "own_8ee6b1ea34a55716a8e3448bbd32a6e4";
    const EVENT: &str = "evt_c91dec3ef6675ef5b2c23d898c5210f8";

    fn metadata(hop: u32) -> Value {
        json!({
            "event_id": EVENT, "video_id": VIDEO, "owner_id": OWNER, "caused_by": null,
            "attempt": 1, "hop": hop, "schema": 1, "occurred_at": "2025-11-20T09:00:00Z",
        })
    }

    fn about(burial: &Burial) -> (String, String) {
        (burial.video_id.to_string(), burial.owner_id.to_string())
    }

    fn event(name: &str, hop: u32, data: &Value) -> String {
        json!({ "detail-type": name, "source": "cattube.x", "detail": { "metadata": metadata(hop), "data": data } })
            .to_string()
    }

    #[test]
    fn a_message_of_ours_names_its_video_even_if_it_is_broken() {
        let rejected = json!({ "code": "empty", "reason": "the file is empty" });
        for (body, said) in [
            (event("VideoRejected", 1, &rejected), "never handled"),
            (event("VideoRejected", 33, &rejected), "circle"),
            (event("VideoEaten", 1, &rejected), "VideoEaten"),
            (event("VideoRejected", 1, &json!({})), "code"),
        ] {
            let burial = examine(&body);
            assert_eq!(
                about(&burial),
                (VIDEO.to_owned(), OWNER.to_owned()),
                "{body}"
            );
            assert_eq!(
                burial.caused_by.map(|id| id.to_string()).as_deref(),
                Some(EVENT)
            );
            assert!(burial.reason.contains(said), "{}", burial.reason);
            assert!(!burial.tells_of_another);
        }
        let command = json!({ "metadata": metadata(1), "command": "EatVideo", "data": {} });
        let burial = examine(&command.to_string());
        assert_eq!(about(&burial).0, VIDEO);
        assert!(burial.reason.contains("EatVideo"), "{}", burial.reason);
    }

    #[test]
    fn an_arrival_names_its_video_by_its_key() {
        let body =
            |key: &str| json!({ "source": "aws.s3", "detail": { "object": { "key": key } } });
        let burial = examine(&body(&format!("masters/{OWNER}/{VIDEO}")).to_string());
        assert_eq!(about(&burial), (VIDEO.to_owned(), OWNER.to_owned()));
        for key in ["drop/film.mp4", "drop/../film.mp4", ""] {
            let burial = examine(&body(key).to_string());
            assert_eq!(
                (burial.video_id, burial.owner_id),
                (VideoId::NONE, OwnerId::NONE)
            );
        }
    }

    #[test]
    fn the_event_of_a_dead_letter_is_known_as_one() {
        let buried = json!({ "queue": "manage", "reason": "poison", "body_sha256": "00" });
        assert!(examine(&event("MessageBuried", 1, &buried)).tells_of_another);
    }

    #[test]
    fn what_is_told_is_parked_too_and_tells_of_no_telling() {
        let now = Timestamp::UNIX_EPOCH;
        let told = tell("manage", "{", true, now);
        let Some(Event::MessageBuried(buried)) = told.event else {
            panic!("a buried message is told of");
        };
        assert_eq!(buried.queue, "manage");
        assert_eq!(buried.body.as_deref(), Some("{"));
        let parked: Value = serde_json::from_str(&told.parked).unwrap();
        assert_eq!(parked["queue"], "manage");
        assert_eq!(parked["body"], "{");
        assert_eq!(parked["reason"], buried.reason);
        // The same letter is the same event; of another queue it is another.
        assert_eq!(told.metadata, tell("manage", "{", true, now).metadata);
        let other = tell("notify", "{", false, now);
        assert_ne!(told.metadata.event_id, other.metadata.event_id);
        let body_of = |event| match event {
            Some(Event::MessageBuried(buried)) => buried.body,
            _ => panic!("a buried message is told of"),
        };
        assert_eq!(body_of(other.event), None);
        // A circle ends here.
        let circling = event("VideoDeleted", MAX_HOPS + 1, &json!({ "master_key": null }));
        assert_eq!(tell("manage", &circling, true, now).metadata.hop, 0);
        let data = json!({ "queue": "manage", "reason": "poison", "body_sha256": "00" });
        let letter = event("MessageBuried", 1, &data);
        assert_eq!(tell("retry", &letter, true, now).event, None);
    }

    #[test]
    fn what_is_too_long_to_be_put_aside_whole_is_cut() {
        for poison in ["\u{1}", "\"", "x"] {
            let body = poison.repeat(1 << 20);
            let told = tell("manage", &body, true, Timestamp::UNIX_EPOCH);
            assert!(told.parked.len() <= MAX_PARKED_BYTES);
            let parked: Value = serde_json::from_str(&told.parked).unwrap();
            assert_eq!(parked["body"], poison.repeat(CUT_BODY_CHARS));
            assert_eq!(parked["body_bytes"], body.len());
            assert!(told.event.is_some());
        }
        let body = "x".repeat(MAX_PARKED_BYTES / 2);
        let told = tell("manage", &body, true, Timestamp::UNIX_EPOCH);
        let parked: Value = serde_json::from_str(&told.parked).unwrap();
        assert_eq!(parked["body"], body);
        assert!(parked.get("body_bytes").is_none());
    }

    #[test]
    fn what_is_too_long_for_the_bus_is_not_told() {
        assert_eq!(told("short").as_deref(), Some("short"));
        assert!(told(&"x".repeat(MAX_TOLD_BYTES - 2)).is_some());
        assert!(told(&"x".repeat(MAX_TOLD_BYTES - 1)).is_none());
        assert!(told(&"\"".repeat(MAX_TOLD_BYTES / 2)).is_none());
    }

    proptest! {
        #[test]
        fn anything_is_told_of(body in ".{0,200}") {
            let burial = examine(&body);
            prop_assert!(!burial.reason.is_empty());
            prop_assert!(burial.reason.chars().count() <= REASON_CHARS + 1);
        }
    }
}
