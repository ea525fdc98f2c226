//! What an event says of the deed, without what it tells of the doing.

use cattube_contract::Event;
use serde_json::Value;

/// Names of fields that tell of the doing and not of the deed: they may differ between two
/// tellings of the same event, such as two workers that made the same chunk.
const OF_THE_TELLING: &[&str] = &[
    "reason",
    "worker",
    "started_at",
    "finished_at",
    "read_bytes",
    "written_bytes",
    "missing_part_count",
    "first_missing_part",
    "head_ms",
];

/// The same of failures: a message that comes again may fail by something else.
const OF_A_FAILURE: &[&str] = &["fault", "command", "work", "rendition"];

/// What two tellings of the same event have in common.
pub fn essence(event: &Event) -> Value {
    let is_failure = event.name().ends_with("Failed") || event.name() == "RetriesExhausted";
    let mut value = serde_json::to_value(event).unwrap_or(Value::Null);
    if let Some(data) = value.get_mut("data").and_then(Value::as_object_mut) {
        data.retain(|name, _| {
            let of_a_failure = is_failure && OF_A_FAILURE.contains(&name.as_str());
            !of_a_failure && !OF_THE_TELLING.contains(&name.as_str())
        });
    }
    value
}
