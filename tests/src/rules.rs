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
    json!({ "detail-type": envelope.event.name(), "detail": detail }).to_string()
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

/// Whether the rule of `assemble` lets an event through.
#[must_use]
pub fn joins(event: &Event) -> bool {
    matches!(
        event,
        Event::VideoPlanned(_) | Event::ChunkTranscoded(_) | Event::VideoDeleted(_)
    )
}

/// Whether the rule of `retry` takes an event.
#[must_use]
pub fn fails(event: &Event) -> bool {
    matches!(event, Event::PlanFailed(_) | Event::ChunkFailed(_))
}
