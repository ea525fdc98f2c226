//! Deadlines come by the scheduler, as a role that whoever sets one hands over.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::{Function, functions, named, resources, statements, target, texts};

/// How the environment names the queue that a deadline comes to.
const QUEUE: &str = "_QUEUE_ARN";

/// Whether a variable names a queue that the scheduler sends to, and not the function.
pub fn is_schedulers(variable: &str) -> bool {
    variable.ends_with(QUEUE) || variable == DEAD_LETTERS
}

/// How it names the queue for deadlines that cannot be sent.
const DEAD_LETTERS: &str = "SCHEDULE_DEAD_LETTERS_ARN";

/// What a role may do, and to what.
fn may<'a>(template: &'a Value, role: &str, action: &str) -> BTreeSet<&'a str> {
    let own = statements(template).into_iter();
    let own = own.filter(|(of, statement)| {
        *of == role
            && texts(&statement["Action"]).contains(&action)
            && statement["Effect"] == "Allow"
    });
    own.flat_map(|(_, statement)| named(&statement["Resource"]))
        .collect()
}

/// Who sets deadlines may do so, hands over a role that can send them, buries those that cannot
/// be sent where their queue buries its own, and sees to it that no
/// other service is handed it.
pub fn deadlines(template: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    for function in functions(template) {
        let Function {
            name,
            properties,
            environment,
            ..
        } = function;
        let queues = environment.iter().filter(|(name, _)| name.ends_with(QUEUE));
        let queues: Vec<_> = queues.filter_map(|(_, value)| target(value)).collect();
        if queues.is_empty() {
            continue;
        }
        let role = target(&properties["Role"]).unwrap_or_default();
        let handed = environment.get("SCHEDULE_ROLE_ARN");
        let Some(handed) = handed.and_then(|value| target(value)) else {
            broken.push(format!("{name} has no role to hand to the scheduler"));
            continue;
        };
        let sends = may(template, handed, "sqs:SendMessage");
        let Some(dead) = environment
            .get(DEAD_LETTERS)
            .and_then(|value| target(value))
        else {
            broken.push(format!("{name} lets deadlines vanish that cannot be sent"));
            continue;
        };
        let buries = resources(template, "AWS::SQS::Queue");
        let buries = queues.iter().all(|queue| {
            let policy = buries.get(queue).map(|queue| &queue["RedrivePolicy"]);
            policy.is_some_and(|policy| target(&policy["deadLetterTargetArn"]) == Some(dead))
        });
        if !buries {
            broken.push(format!(
                "{name} buries its deadlines in {dead}, others of their queue elsewhere"
            ));
        }
        let reached = queues.iter().chain([&dead]);
        let unreached = reached.filter(|queue| !sends.contains(*queue));
        broken.extend(unreached.map(|queue| format!("{handed} may not send to {queue}")));
        for action in ["scheduler:CreateSchedule", "scheduler:UpdateSchedule"] {
            if !may(template, role, action).contains("ScheduleGroup") {
                broken.push(format!("{name} may not {action}"));
            }
        }
        if !may(template, role, "iam:PassRole").contains(handed) {
            broken.push(format!("{name} may not hand {handed} over"));
        }
    }
    for (role, statement) in statements(template) {
        let to = &statement["Condition"]["StringEquals"]["iam:PassedToService"];
        if texts(&statement["Action"]).contains(&"iam:PassRole") && to != "scheduler.amazonaws.com"
        {
            broken.push(format!("{role} may hand a role to anybody"));
        }
    }
    broken
}
