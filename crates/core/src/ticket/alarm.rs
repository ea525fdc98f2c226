//! The alarms of `CloudWatch`, as the default bus tells of them.

use cattube_contract::{EventId, OwnerId, VideoId, read_json};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Cause, Concern, Failure};

/// The `detail-type` of an alarm's event.
const DETAIL_TYPE: &str = "CloudWatch Alarm State Change";

/// What an alarm's event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmNews {
    /// It has gone off.
    Raised(Box<Concern>),
    /// It is quiet.
    Quiet {
        /// Which.
        name: String,
        /// Since when.
        at: Timestamp,
    },
    /// It does not know.
    Unknown,
}

#[derive(Deserialize)]
struct AlarmEvent {
    id: String,
    time: Timestamp,
    detail: AlarmDetail,
}

#[derive(Deserialize)]
struct AlarmDetail {
    #[serde(rename = "alarmName")]
    alarm_name: String,
    state: AlarmState,
}

#[derive(Deserialize)]
struct AlarmState {
    value: String,
    #[serde(default)]
    reason: String,
    /// To the millisecond, where `time` is to the second.
    #[serde(default)]
    timestamp: Option<String>,
}

/// Whether a bus event is an alarm's.
#[must_use]
pub fn is_alarm(event: &Value) -> bool {
    event.get("detail-type").and_then(Value::as_str) == Some(DETAIL_TYPE)
}

/// Reads an alarm's event, the body of a message that a rule put on a queue.
///
/// # Errors
/// The path of the field and the reason.
pub fn read(body: &str) -> Result<AlarmNews, String> {
    let event: AlarmEvent = read_json(body.as_bytes())?;
    let AlarmDetail { alarm_name, state } = event.detail;
    let at = state
        .timestamp
        .as_deref()
        .and_then(|text| text.parse().ok());
    let at = at.unwrap_or(event.time);
    match state.value.as_str() {
        "ALARM" => {}
        "OK" => {
            return Ok(AlarmNews::Quiet {
                name: alarm_name,
                at,
            });
        }
        "INSUFFICIENT_DATA" => return Ok(AlarmNews::Unknown),
        other => return Err(format!("detail.state.value: no state: {other:?}")),
    }
    let failure = Failure {
        name: "alarm".to_owned(),
        event_id: EventId::derive("CloudWatch alarm", &[&alarm_name, &event.id]),
        video_id: VideoId::NONE,
        owner_id: OwnerId::NONE,
        attempt: 1,
        hop: 0,
        occurred_at: at,
        reason: state.reason,
        rendition: None,
        work: None,
    };
    let cause = Cause::Alarm { name: alarm_name };
    Ok(AlarmNews::Raised(Box::new(Concern { cause, failure })))
}
