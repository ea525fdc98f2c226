//! The rules that `template.yaml` has to keep; each gives what breaks it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::deadlines;
use super::document::{
    Function, functions, list, named, number, resources, stages, statements, target, texts,
};

/// Lambda's and SQS's own defaults, in seconds.
const DEFAULT_TIMEOUT: u64 = 3;
const DEFAULT_VISIBILITY: u64 = 30;

/// Statements on everything, each with its reason: `(role, action)`.
const WAIVERS: &[(&str, &str)] = &[];

/// Queues that no function reads, each with its reason: what is in them was told of already,
/// and waits for a person who wants it back.
const FOR_PEOPLE: &[&str] = &["ParkedQueue"];

/// The queue of dead letters of every queue that has one.
fn dead_letters(template: &Value) -> BTreeMap<&str, &str> {
    let queues = resources(template, "AWS::SQS::Queue").into_iter();
    queues
        .filter_map(|(name, queue)| {
            Some((
                name,
                target(&queue["RedrivePolicy"]["deadLetterTargetArn"])?,
            ))
        })
        .collect()
}

/// Every queue has dead letters, of its own kind, that live longer than it lets messages.
pub fn queues(template: &Value) -> Vec<String> {
    let queues = resources(template, "AWS::SQS::Queue");
    let dead_letters = dead_letters(template);
    let mut broken = Vec::new();
    for (name, queue) in &queues {
        let Some(target) = dead_letters.get(name) else {
            let is_one = dead_letters.values().any(|target| target == name);
            if !is_one && !FOR_PEOPLE.contains(name) {
                broken.push(format!("{name} has no dead-letter queue"));
            }
            continue;
        };
        let Some(dead) = queues.get(target) else {
            broken.push(format!("{name}: {target} is no queue"));
            continue;
        };
        if dead_letters.contains_key(target)
            || dead_letters
                .values()
                .filter(|other| *other == target)
                .count()
                > 1
        {
            broken.push(format!(
                "{name}: {target} is not its dead-letter queue alone"
            ));
        }
        if dead["FifoQueue"] != queue["FifoQueue"] {
            broken.push(format!("{name} and {target}: one is FIFO"));
        }
        let kept = |queue: &Value| queue["MessageRetentionPeriod"].as_u64().unwrap_or(345_600);
        if kept(dead) <= kept(queue) {
            broken.push(format!("{target} forgets as soon as {name}"));
        }
    }
    broken
}

/// A batch's failures are reported one by one, and a queue hides a message for six times
/// the time that its function may take, in every stage.
pub fn sources(template: &Value) -> Vec<String> {
    let queues = resources(template, "AWS::SQS::Queue");
    let mut broken = Vec::new();
    for function in functions(template) {
        let name = function.name;
        for (queue, source) in &function.queues {
            if !texts(&source["FunctionResponseTypes"]).contains(&"ReportBatchItemFailures") {
                broken.push(format!("{name} does not report failures of {queue}"));
            }
            let Some(properties) = queues.get(queue) else {
                broken.push(format!("{name}: {queue} is no queue"));
                continue;
            };
            for stage in stages(template) {
                let own = number(template, &function.properties["Timeout"], stage);
                let common = number(template, &template["Globals"]["Function"]["Timeout"], stage);
                let timeout = own.or(common).unwrap_or(DEFAULT_TIMEOUT);
                let visibility = number(template, &properties["VisibilityTimeout"], stage)
                    .unwrap_or(DEFAULT_VISIBILITY);
                if visibility < 6 * timeout {
                    broken.push(format!(
                        "{queue} hides for {visibility} s in {stage}, {name} may take {timeout} s"
                    ));
                }
            }
        }
    }
    let dead: Vec<_> = dead_letters(template).into_values().collect();
    for queue in queues.keys().filter(|queue| !dead.contains(queue)) {
        let readers = functions(template)
            .iter()
            .filter(|function| function.queues.iter().any(|(name, _)| name == queue))
            .count();
        let wanted = usize::from(!FOR_PEOPLE.contains(queue));
        if readers != wanted {
            broken.push(format!("{queue} wakes {readers} functions"));
        }
    }
    broken
}

/// No role may do everything of anything, or anything to everything; every function has a
/// role of its own.
pub fn rights(template: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    for (role, statement) in statements(template) {
        let allows = statement["Effect"] == "Allow";
        for action in texts(&statement["Action"]) {
            let waived = WAIVERS.contains(&(role, action));
            if allows && action.contains('*') && !waived {
                broken.push(format!("{role} may {action}"));
            }
            if allows && texts(&statement["Resource"]).contains(&"*") && !waived {
                broken.push(format!("{role} may {action} everything"));
            }
        }
        let unsaid = ["Action", "Resource"]
            .into_iter()
            .filter(|field| statement.get(field).is_none());
        broken.extend(unsaid.map(|field| format!("{role}: a statement without {field}")));
    }
    for (role, properties) in resources(template, "AWS::IAM::Role") {
        if properties.get("ManagedPolicyArns").is_some() {
            broken.push(format!("{role} has managed policies"));
        }
    }
    let mut roles = BTreeSet::new();
    for function in functions(template) {
        let role = target(&function.properties["Role"]);
        if role.is_none_or(|role| !roles.insert(role))
            || function.properties.get("Policies").is_some()
        {
            broken.push(format!("{} has no role of its own", function.name));
        }
    }
    broken
}

/// A role reaches its function's queue and logs and what its environment names, no more.
pub fn reach(template: &Value) -> Vec<String> {
    const KINDS: [&str; 6] = [
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
        "AWS::S3::Bucket",
        "AWS::DynamoDB::Table",
        "AWS::Events::EventBus",
        "AWS::Logs::LogGroup",
    ];
    let is_reached = |name: &&str| {
        KINDS
            .iter()
            .any(|kind| template["Resources"][*name]["Type"] == *kind)
    };
    let mut broken = Vec::new();
    for Function {
        name,
        properties,
        environment,
        queues,
        ..
    } in functions(template)
    {
        let role = target(&properties["Role"]).unwrap_or_default();
        let own = statements(template)
            .into_iter()
            .filter(|(of, _)| *of == role);
        let reached: BTreeSet<_> = own
            .flat_map(|(_, statement)| named(&statement["Resource"]))
            .filter(is_reached)
            .collect();
        let mut needed: BTreeSet<_> = environment
            .iter()
            .filter(|(variable, _)| !deadlines::is_schedulers(variable))
            .flat_map(|(_, value)| named(value))
            .filter(is_reached)
            .collect();
        needed.extend(queues.iter().map(|(queue, _)| *queue));
        needed.extend(target(&properties["LoggingConfig"]["LogGroup"]));
        broken.extend(
            needed
                .difference(&reached)
                .map(|missing| format!("{name} cannot reach {missing}")),
        );
        broken.extend(
            reached
                .difference(&needed)
                .map(|extra| format!("{name} reaches {extra} without need")),
        );
    }
    broken
}

/// What a rule cannot deliver is kept, and into a queue no one but its rules put anything
/// from outside.
pub fn targets(template: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let rules = resources(template, "AWS::Events::Rule");
    let mut fed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (rule, properties) in &rules {
        for aim in list(&properties["Targets"]) {
            let dead = target(&aim["DeadLetterConfig"]["Arn"]);
            if dead.is_none() {
                broken.push(format!("{rule} has a target without DeadLetterConfig"));
            }
            for queue in target(&aim["Arn"]).into_iter().chain(dead) {
                fed.entry(queue).or_default().insert(rule);
            }
        }
    }
    for (queue, rules) in &fed {
        let mut allowed = allowed(template, queue);
        let mut expected: Vec<_> = rules.iter().map(|rule| permission(rule)).collect();
        allowed.sort_by_key(Value::to_string);
        expected.sort_by_key(Value::to_string);
        if allowed != expected {
            let rules: Vec<_> = rules.iter().copied().collect();
            broken.push(format!(
                "{}, and only it, must be allowed to send to {queue}",
                rules.join(", ")
            ));
        }
    }
    broken
}

/// How a rule is let send to a queue.
fn permission(rule: &str) -> Value {
    json!({
        "Principal": { "Service": "events.amazonaws.com" },
        "Action": "sqs:SendMessage",
        "Condition": { "ArnEquals": { "aws:SourceArn": { "Fn::GetAtt": format!("{rule}.Arn") } } },
    })
}

/// Whom a queue's policies let do what.
fn allowed(template: &Value, queue: &str) -> Vec<Value> {
    let policies = resources(template, "AWS::SQS::QueuePolicy");
    let concerns = |items: &Value| {
        let items = list(items).into_iter();
        items.filter_map(target).any(|item| item == queue)
    };
    let about = policies
        .values()
        .filter(|policy| concerns(&policy["Queues"]))
        .flat_map(|policy| list(&policy["PolicyDocument"]["Statement"]))
        .filter(|statement| concerns(&statement["Resource"]) && statement["Effect"] == "Allow");
    about
        .map(|statement| {
            json!({
                "Principal": statement["Principal"],
                "Action": statement["Action"],
                "Condition": statement["Condition"],
            })
        })
        .collect()
}

/// Masters and media are private, and parts of uploads that nobody completes go away. A
/// distribution that may list its bucket, to tell what is missing, shows nobody the list.
pub fn buckets(template: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, distribution) in resources(template, "AWS::CloudFront::Distribution") {
        if !distribution["DistributionConfig"]["DefaultRootObject"].is_string() {
            broken.push(format!("{name} answers / with a list of its bucket"));
        }
    }
    for (bucket, properties) in resources(template, "AWS::S3::Bucket") {
        for field in [
            "BlockPublicAcls",
            "BlockPublicPolicy",
            "IgnorePublicAcls",
            "RestrictPublicBuckets",
        ] {
            if properties["PublicAccessBlockConfiguration"][field] != true {
                broken.push(format!("{bucket}: {field} is not true"));
            }
        }
        let rules = list(&properties["LifecycleConfiguration"]["Rules"]);
        let aborts = rules.into_iter().any(|rule| {
            rule["Status"] == "Enabled"
                && rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"]
                    .as_u64()
                    .is_some()
                && rule.get("Prefix").is_none()
        });
        if !aborts {
            broken.push(format!("{bucket} keeps stale multipart uploads"));
        }
        let notifies = &properties["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"];
        if bucket == "MastersBucket" && *notifies != true {
            broken.push(format!("{bucket} tells EventBridge nothing"));
        }
    }
    broken
}
