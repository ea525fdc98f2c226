//! Mutations of JSON by its structure: a value somewhere in it is changed, dropped, renamed,
//! doubled or taken from elsewhere, and the rest stays what it was.

use serde_json::{Map, Value, json};

use crate::mutate;
use crate::random::Random;

/// Mutates JSON text: mostly as a tree, sometimes as mere bytes.
pub fn mutate(random: &mut Random, input: &str, other: &str) -> String {
    let parsed = (serde_json::from_str(input), serde_json::from_str(other));
    let (Ok(mut value), Ok(other_value)) = parsed else {
        let mut text = input.to_owned();
        mutate::text(random, &mut text, other);
        return text;
    };
    for _ in 0..random.rounds() {
        change(random, &mut value, &other_value);
    }
    let mut text = value.to_string();
    if random.once_in(6) {
        mutate::text(random, &mut text, other);
    }
    text
}

/// Changes one place of a tree; a string that holds JSON itself is a tree too.
pub fn change(random: &mut Random, value: &mut Value, other: &Value) {
    match value {
        Value::Object(map) if !map.is_empty() && !random.once_in(12) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            let key = random.pick(&keys).clone();
            if random.once_in(8) {
                member(random, map, &key);
            } else if let Some(inner) = map.get_mut(&key) {
                change(random, inner, other);
            }
        }
        Value::Array(list) if !list.is_empty() && !random.once_in(8) => {
            let at = random.below(list.len());
            match random.below(6) {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                2 => list.reverse(),
                _ => change(random, &mut list[at], other),
            }
        }
        Value::String(text) if text.starts_with('{') && !random.once_in(8) => {
            *text = mutate(random, text, &other.to_string());
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => *value = replacement(random, value, other),
    }
}

fn member(random: &mut Random, map: &mut Map<String, Value>, key: &str) {
    let value = map.remove(key).unwrap_or_default();
    match random.below(3) {
        0 => {}
        1 => {
            let mut name = key.to_owned();
            mutate::text(random, &mut name, key);
            map.insert(name, value);
        }
        _ => {
            map.insert(key.to_owned(), value.clone());
            map.insert(format!("{key}_2"), value);
        }
    }
}

fn replacement(random: &mut Random, leaf: &Value, other: &Value) -> Value {
    match (random.below(14), leaf) {
        (0, _) => Value::Null,
        (1, _) => json!(random.once_in(2)),
        (2, _) => json!([]),
        (3, _) => json!({}),
        (4, _) => json!(""),
        (5, _) => json!(*random.pick(&[0, -1, 1, i64::MIN, i64::MAX, 1 << 31, 1 << 32])),
        (6, _) => json!(random.next()),
        (7, _) => json!(*random.pick(&[0.5, -0.0, 1e300, 1e-300])),
        (8, _) => json!("x".repeat(random.below(3_000))),
        (9, _) => nested(random.below(200)),
        (10, _) => anywhere(random, other).clone(),
        (_, Value::Number(number)) => {
            let near = number.as_i64().unwrap_or(0);
            let step = i64::try_from(random.below(5)).unwrap() - 2;
            json!(near.wrapping_add(step))
        }
        (_, Value::String(text)) => {
            let mut text = text.clone();
            mutate::text(
                random,
                &mut text,
                "vid_ own_ drop/../x masters/a/b v00000 a99999",
            );
            Value::String(text)
        }
        (_, _) => json!(random.next().to_string()),
    }
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!([inner]))
}

/// A value somewhere in a tree.
fn anywhere<'a>(random: &mut Random, mut value: &'a Value) -> &'a Value {
    while !random.once_in(4) {
        let inner: Vec<&Value> = match value {
            Value::Object(map) => map.values().collect(),
            Value::Array(list) => list.iter().collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return value,
        };
        if inner.is_empty() {
            return value;
        }
        value = inner[random.below(inner.len())];
    }
    value
}
