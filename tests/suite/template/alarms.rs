//! The rules on alarms: what no event tells is watched, and every alarm finds somebody.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::document::{functions, named, resources, target, texts};

/// Queues that may be full: what lies there was told of, and waits for a person.
const PARKED: &[&str] = &["ParkedQueue"];

/// Every alarm of a metric, by what it watches.
fn watched<'a>(template: &'a Value, metric: &str) -> BTreeSet<&'a str> {
    let alarms = resources(template, "AWS::CloudWatch::Alarm");
    let direct = alarms
        .values()
        .filter(|alarm| alarm["MetricName"] == metric);
    let direct = direct.flat_map(|alarm| named(&alarm["Dimensions"]));
    let metrics = alarms
        .values()
        .filter_map(|alarm| alarm["Metrics"].as_array());
    let in_sum = metrics.flatten().map(|item| &item["MetricStat"]["Metric"]);
    let in_sum = in_sum.filter(|item| item["MetricName"] == metric);
    direct
        .chain(in_sum.flat_map(|item| named(&item["Dimensions"])))
        .collect()
}

/// What an alarm watches: functions and queues.
fn subjects(alarm: &Value) -> BTreeSet<&str> {
    let in_sum = alarm["Metrics"].as_array().into_iter().flatten();
    let in_sum = in_sum.flat_map(|item| named(&item["MetricStat"]["Metric"]["Dimensions"]));
    in_sum.chain(named(&alarm["Dimensions"])).collect()
}

/// Whether an alarm's name is one that the rule on alarms lets through.
fn is_heard(template: &Value, alarm: &Value) -> bool {
    let rules = resources(template, "AWS::Events::Rule");
    let name = alarm["AlarmName"]["Fn::Sub"].as_str().unwrap_or_default();
    rules.values().any(|rule| {
        let pattern = &rule["EventPattern"];
        let prefix = &pattern["detail"]["alarmName"][0]["prefix"]["Fn::Sub"];
        texts(&pattern["source"]) == ["aws.cloudwatch"]
            && rule.get("EventBusName").is_none()
            && prefix
                .as_str()
                .is_some_and(|prefix| name.starts_with(prefix))
    })
}

/// The depth of all dead letters, in flight or not, the age of all other messages, the throttles
/// of all functions and the errors of `notify` are watched; every alarm is heard by `notify`, and
/// those on itself by people.
pub fn alarms(template: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let depth = watched(template, "ApproximateNumberOfMessagesVisible");
    let hidden = watched(template, "ApproximateNumberOfMessagesNotVisible");
    let age = watched(template, "ApproximateAgeOfOldestMessage");
    for (name, queue) in resources(template, "AWS::SQS::Queue") {
        if PARKED.contains(&name) {
            continue;
        }
        let is_dead = queue.get("RedrivePolicy").is_none();
        if is_dead && !(depth.contains(name) && hidden.contains(name)) {
            broken.push(format!("nobody watches the depth of {name}"));
        }
        if !is_dead && !age.contains(name) {
            broken.push(format!("nobody watches the age of {name}"));
        }
    }
    let throttles = watched(template, "Throttles");
    for function in functions(template) {
        if !throttles.contains(function.name) {
            broken.push(format!("nobody watches the throttles of {}", function.name));
        }
    }
    if !watched(template, "Errors").contains("NotifyFunction") {
        broken.push("nobody watches the errors of NotifyFunction".to_owned());
    }
    for (name, alarm) in resources(template, "AWS::CloudWatch::Alarm") {
        if template["Resources"][name]["Condition"] != "OnAws" {
            broken.push(format!("{name} is more than the local engine takes"));
        }
        if !is_heard(template, alarm) {
            broken.push(format!("nobody hears {name}"));
        }
        let of_notify = ["NotifyDeadLetters", "NotifyQueue", "NotifyFunction"];
        let last = !subjects(alarm).is_disjoint(&BTreeSet::from(of_notify));
        let people = alarm["AlarmActions"].get(0).and_then(target);
        if last && people != Some("PeopleTopic") {
            broken.push(format!("{name} reaches nobody"));
        }
        if alarm["TreatMissingData"] != json!("notBreaching") {
            broken.push(format!("{name} goes off when nothing happens"));
        }
    }
    broken
}
