//! What the rules of `template.yaml` do: which events go where, and in what form.

use cattube_contract::{Envelope, Event};
use cattube_ports::fakes::ObjectCreated;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::MASTERS_BUCKET;

/// The body of the message that a rule makes of an event.
#[must_use]
pub fn bus_body(envelope: &Envelope) -> String {
    let detail = envelope.to_detail().unwrap_or(Value::Null);
    let name = envelope.event.name();
    format!(r#"{{"detail-type":"{name}","detail":{detail}}}"#)
}

/// The body of the message that the rule on S3's events makes.
#[must_use]
pub fn s3_body(created: &ObjectCreated, at: Timestamp) -> String {
    json!({
        "detail-type": "Object Created",
        "source": "aws.s3",
        "time": at.to_string(),
        "detail": {
            "bucket": { "name": MASTERS_BUCKET },
            "object": {
                "key": created.key,
                "size": created.size_bytes,
                "etag": created.etag,
                "sequencer": created.sequencer,
            },
            "reason": created.reason,
        },
    })
    .to_string()
}

/// Whether the rule of `upload` lets an event through.
#[must_use]
pub fn ends_upload(event: &Event) -> bool {
    matches!(
        event,
        Event::VideoUploaded(_)
            | Event::VideoRejected(_)
            | Event::UploadAbandoned(_)
            | Event::VideoAbandoned(_)
            | Event::VideoDeleted(_)
    )
}

/// Whether the rule of `ingest` on our own events lets one through.
#[must_use]
pub fn arrives(event: &Event) -> bool {
    matches!(event, Event::UploadCompleted(_))
}

/// Whether the rule of `assemble` lets an event through.
#[must_use]
pub fn joins(event: &Event) -> bool {
    matches!(
        event,
        Event::VideoPlanned(_)
            | Event::ChunkTranscoded(_)
            | Event::VideoDeleted(_)
            | Event::VideoAbandoned(_)
    )
}

/// Whether the rule of `retry` takes an event.
#[must_use]
pub fn fails(event: &Event) -> bool {
    matches!(
        event,
        Event::UploadFailed(_)
            | Event::PlanFailed(_)
            | Event::ChunkFailed(_)
            | Event::JoinFailed(_)
            | Event::RetryRequested(_)
            | Event::HumanAnswered(_)
            | Event::VideoReady(_)
            | Event::VideoRejected(_)
            | Event::VideoDeleted(_)
            | Event::VideoAbandoned(_)
    )
}

/// Whether the rule of `notify` takes an event.
#[must_use]
pub fn concerns_people(event: &Event) -> bool {
    matches!(
        event,
        Event::RetriesExhausted(_)
            | Event::UploadAbandoned(_)
            | Event::MessageBuried(_)
            | Event::VideoReady(_)
            | Event::VideoDeleted(_)
            | Event::VideoAbandoned(_)
            | Event::VideoRejected(_)
    )
}
