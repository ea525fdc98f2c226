//! What a message says of an object: S3's own event, or `UploadCompleted`, by which `upload`
//! says again what S3's event should have said.

use cattube_contract::event::UploadCompleted;
use cattube_contract::{Envelope, Event, EventId, Metadata, OwnerId, excerpt, read_json};
use cattube_core::intake::{self, Arrival, Identity};
use jiff::Timestamp;
use serde::Deserialize;

use crate::IngestError;

/// An object that a message speaks of.
pub(crate) struct Heard {
    pub(crate) key: String,
    /// The writing that is meant, if it is said.
    pub(crate) etag: String,
    pub(crate) identity: Identity,
    /// The metadata of what is said; its attempt is 1, since an object is taken up once,
    /// however often it was uploaded.
    pub(crate) cause: Metadata,
    /// The attempt of the upload, as far as it is known.
    pub(crate) attempt: u32,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "detail-type")]
    detail_type: String,
}

#[derive(Deserialize)]
struct S3Event {
    #[serde(rename = "detail-type")]
    detail_type: String,
    time: Timestamp,
    detail: S3Detail,
}

#[derive(Deserialize)]
struct S3Detail {
    bucket: S3Bucket,
    object: S3Object,
}

#[derive(Deserialize)]
struct S3Bucket {
    name: String,
}

#[derive(Deserialize)]
struct S3Object {
    key: String,
    #[serde(default)]
    etag: String,
    sequencer: String,
}

/// Reads a message's body.
pub(crate) fn read(body: &str, drop_owner: OwnerId) -> Result<Heard, IngestError> {
    let kind = read_json::<Kind>(body.as_bytes());
    if kind.is_ok_and(|kind| kind.detail_type == "UploadCompleted") {
        let envelope = Envelope::parse_bus_event(body)?;
        if let Event::UploadCompleted(completed) = envelope.event {
            return completion(&envelope.metadata, completed, drop_owner);
        }
    }
    let event = s3_event(body)?;
    let arrival = Arrival {
        bucket: &event.detail.bucket.name,
        key: &event.detail.object.key,
        sequencer: &event.detail.object.sequencer,
        written_at: event.time,
    };
    let identity = intake::identify(&arrival, drop_owner);
    Ok(Heard {
        cause: root(&arrival, &identity),
        identity,
        key: event.detail.object.key,
        etag: event.detail.object.etag,
        attempt: 1,
    })
}

fn s3_event(body: &str) -> Result<S3Event, IngestError> {
    let event: S3Event = read_json(body.as_bytes()).map_err(IngestError::Event)?;
    if event.detail_type == "Object Created" {
        Ok(event)
    } else {
        let name = excerpt(&event.detail_type, 80);
        Err(IngestError::Event(format!(
            "detail-type: expected `Object Created`, got {name:?}"
        )))
    }
}

/// An upload speaks of its own object only.
fn completion(
    metadata: &Metadata,
    completed: UploadCompleted,
    drop_owner: OwnerId,
) -> Result<Heard, IngestError> {
    metadata.check_hops()?;
    let arrival = Arrival {
        bucket: "",
        key: &completed.key,
        sequencer: "",
        written_at: metadata.occurred_at,
    };
    let identity = intake::identify(&arrival, drop_owner);
    if (identity.owner_id, identity.video_id) != (metadata.owner_id, metadata.video_id) {
        let key = excerpt(&completed.key, 200);
        let reason = format!("data.key: {key:?} is not the object of this upload");
        return Err(IngestError::Event(reason));
    }
    Ok(Heard {
        key: completed.key,
        etag: completed.etag,
        identity,
        attempt: metadata.attempt,
        cause: Metadata {
            attempt: 1,
            ..metadata.clone()
        },
    })
}

/// The metadata of the outside fact: S3 wrote this object.
fn root(arrival: &Arrival<'_>, identity: &Identity) -> Metadata {
    let subject = [arrival.bucket, arrival.key, arrival.sequencer];
    let event_id = EventId::derive("Object Created", &subject);
    let Identity {
        owner_id, video_id, ..
    } = *identity;
    Metadata::begin(event_id, owner_id, video_id, arrival.written_at)
}
