//! The envelope of every event: EventBridge's `source`, `detail-type` and `detail`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ContractError, Event, EventId, OwnerId, VideoId, excerpt, read_json, read_value};

/// The version of the message forms in this crate. Fields are only ever added.
pub const SCHEMA: u32 = 1;

/// A message that went through more hops than this runs in a circle. The longest way of the
/// flow has 7 hops without a failure, and each of up to four retries adds 3 and asking a person
/// 2 more; what a person has asked for starts at 0 again.
pub const MAX_HOPS: u32 = 32;

/// Who, why and when, on events and commands alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The id of this fact (of a command: of the fact that it will lead to).
    pub event_id: EventId,
    /// Which video.
    pub video_id: VideoId,
    /// Whose.
    pub owner_id: OwnerId,
    /// The event that led to this one.
    pub caused_by: Option<EventId>,
    /// 1 at first; a retry counts up.
    pub attempt: u32,
    /// How many messages lie between this one and the outside.
    pub hop: u32,
    /// [`SCHEMA`] when it was written.
    pub schema: u32,
    /// When.
    pub occurred_at: Timestamp,
}

impl Metadata {
    /// The metadata of a fact from outside, or of what follows nothing of ours: its first attempt,
    /// and its first hop.
    #[must_use]
    pub fn begin(event_id: EventId, owner_id: OwnerId, video_id: VideoId, now: Timestamp) -> Self {
        Self {
            event_id,
            video_id,
            owner_id,
            caused_by: None,
            attempt: 1,
            hop: 0,
            schema: SCHEMA,
            occurred_at: now,
        }
    }

    /// Refuses what runs in a circle.
    ///
    /// # Errors
    /// [`ContractError::Hops`] if more than [`MAX_HOPS`] messages led to this one.
    pub fn check_hops(&self) -> Result<(), ContractError> {
        if self.hop <= MAX_HOPS {
            return Ok(());
        }
        Err(ContractError::Hops {
            video_id: self.video_id,
            event_id: self.event_id,
        })
    }

    /// The metadata of what follows from this: same video and attempt, one hop on. The id
    /// is derived from `name` and `subject`; see [`EventId::derive`].
    #[must_use]
    pub fn follow(&self, name: &str, subject: &[&str], now: Timestamp) -> Self {
        let video = self.video_id.to_string();
        let attempt = self.attempt.to_string();
        let mut parts = vec![video.as_str(), attempt.as_str()];
        parts.extend_from_slice(subject);
        Self {
            event_id: EventId::derive(name, &parts),
            video_id: self.video_id,
            owner_id: self.owner_id,
            caused_by: Some(self.event_id),
            attempt: self.attempt,
            hop: self.hop.saturating_add(1),
            schema: SCHEMA,
            occurred_at: now,
        }
    }
}

/// An event with its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Who, why and when.
    pub metadata: Metadata,
    /// What.
    pub event: Event,
}

impl Envelope {
    /// What follows from `cause`: see [`Metadata::follow`].
    #[must_use]
    pub fn follow(cause: &Metadata, subject: &[&str], event: Event, now: Timestamp) -> Self {
        Self {
            metadata: cause.follow(event.name(), subject, now),
            event,
        }
    }

    /// The `detail` as JSON.
    ///
    /// # Errors
    /// [`ContractError::Message`] if serde refuses, which no value of ours makes it do.
    pub fn to_detail(&self) -> Result<Value, ContractError> {
        let fail = |error: serde_json::Error| ContractError::Message {
            name: self.event.name().to_owned(),
            reason: error.to_string(),
        };
        let metadata = serde_json::to_value(&self.metadata).map_err(fail)?;
        let mut tagged = serde_json::to_value(&self.event).map_err(fail)?;
        let data = tagged.get_mut("data").map_or(Value::Null, Value::take);
        let parts = [("metadata", metadata), ("data", data)];
        let parts = parts.map(|(name, part)| (name.to_owned(), part));
        Ok(Value::Object(parts.into_iter().collect()))
    }

    /// Reads an event from the `detail-type` and `detail` of EventBridge.
    ///
    /// # Errors
    /// [`ContractError::Message`] that names the field.
    pub fn parse(detail_type: &str, detail: &Value) -> Result<Self, ContractError> {
        let fail = |reason: String| ContractError::Message {
            name: excerpt(detail_type, 80),
            reason,
        };
        let part = |name: &str| {
            detail
                .get(name)
                .ok_or_else(|| fail(format!("missing field `{name}`")))
        };
        let metadata = read_value("metadata", part("metadata")?).map_err(fail)?;
        let event = Event::read(detail_type, part("data")?).map_err(fail)?;
        Ok(Self { metadata, event })
    }

    /// Reads a whole EventBridge event, the body of a message that a rule put on a queue.
    ///
    /// # Errors
    /// [`ContractError::Message`] that names the field.
    pub fn parse_bus_event(body: &str) -> Result<Self, ContractError> {
        #[derive(Deserialize)]
        struct BusEvent {
            #[serde(rename = "detail-type")]
            detail_type: String,
            detail: Value,
        }
        let event: BusEvent =
            read_json(body.as_bytes()).map_err(|reason| ContractError::Message {
                name: "bus event".to_owned(),
                reason,
            })?;
        Self::parse(&event.detail_type, &event.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{RejectionCode, VideoRejected};
    use serde_json::json;

    fn envelope() -> Envelope {
        let now = Timestamp::from_millisecond(1_700_000_000_000).unwrap();
        let root = Metadata {
            event_id: EventId::derive("test", &[]),
            video_id: VideoId::new(now, 7),
            owner_id: OwnerId::of_subject("cat"),
            caused_by: None,
            attempt: 1,
            hop: 0,
            schema: SCHEMA,
            occurred_at: now,
        };
        let event = Event::VideoRejected(VideoRejected {
            generation: 1,
            code: RejectionCode::Empty,
            reason: "the file is empty".to_owned(),
        });
        Envelope::follow(&root, &["g1"], event, now)
    }

    #[test]
    fn detail_round_trips_and_ids_repeat() {
        let envelope = envelope();
        let detail = envelope.to_detail().unwrap();
        assert_eq!(Envelope::parse("VideoRejected", &detail).unwrap(), envelope);
        assert_eq!(
            envelope.metadata.event_id,
            self::envelope().metadata.event_id
        );
        assert_eq!(envelope.metadata.hop, 1);
    }

    #[test]
    fn a_bad_field_is_named() {
        let mut detail = envelope().to_detail().unwrap();
        detail["metadata"]["video_id"] = json!("vid_x");
        let error = Envelope::parse("VideoRejected", &detail)
            .unwrap_err()
            .to_string();
        assert!(error.contains("video_id"), "{error}");
        let error = Envelope::parse("VideoEaten", &detail)
            .unwrap_err()
            .to_string();
        assert!(error.contains("VideoEaten"), "{error}");
    }
}
