//! Event patterns as EventBridge reads them, as far as the template uses them.

use serde_json::Value;

/// Whether an event matches a pattern.
pub fn matches(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields
            .iter()
            .all(|(name, pattern)| event.get(name).is_some_and(|value| matches(pattern, value))),
        Value::Array(choices) => choices.iter().any(|choice| fits(choice, event)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            panic!("a pattern's leaf is a list, not {pattern}")
        }
    }
}

fn fits(choice: &Value, value: &Value) -> bool {
    let Some(fields) = choice.as_object() else {
        return choice == value;
    };
    let (name, argument) = fields.iter().next().unwrap();
    let (argument, text) = (
        argument.as_str().unwrap(),
        value.as_str().unwrap_or_default(),
    );
    match name.as_str() {
        "prefix" => text.starts_with(argument),
        // A name that CloudFormation makes of the resource's own.
        "Ref" => text.contains(&format!("-{}-", argument.to_lowercase())),
        other => panic!("a matcher that is not known here: {other}"),
    }
}
