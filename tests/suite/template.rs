//! Holds `template.yaml` to what AWS would only show at run time and the local engine does
//! not enforce. Every rule is shown to be able to fail, on a changed template.

mod alarms;
mod deadlines;
mod document;
mod optional;
mod pattern;
mod rules;
mod wiring;

use std::collections::BTreeSet;

use cattube_contract::Envelope;
use cattube_tests::rules::{arrives, concerns_people, ends_upload, fails, joins};
use cattube_tests::world::{JOB_DEADLINE, LINKS_HOLD, PURGE_DELAY, UPLOAD_DEADLINE};
use serde_json::{Value, json};

use crate::{samples, tree};
use document::{functions, target, texts};
pub use document::{resources, template};
pub use optional::OPTIONAL;
use pattern::matches;

type Rule = fn(&Value) -> Vec<String>;

/// Takes what stands at a pointer away, or puts something in its place.
fn changed(pointer: &str, value: Option<Value>) -> Value {
    let mut template = template();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = template
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("no {parent}"));
    match (parent, value) {
        (Value::Array(items), Some(value)) => items[field.parse::<usize>().unwrap()] = value,
        (parent, Some(value)) => parent[field] = value,
        (parent, None) => {
            parent
                .as_object_mut()
                .unwrap()
                .remove(field)
                .unwrap_or_else(|| panic!("no {pointer}"));
        }
    }
    template
}

/// The template keeps the rule, and each of these changes breaks it and is told of.
fn holds(rule: Rule, changes: &[(&str, Option<Value>, &str)]) {
    assert_eq!(rule(&template()), [""; 0]);
    for (pointer, value, complaint) in changes {
        let broken = rule(&changed(pointer, value.clone()));
        let told = broken.iter().any(|text| text.contains(complaint));
        assert!(
            told,
            "{pointer} = {value:?}: expected {complaint:?} in {broken:?}"
        );
    }
}

#[test]
fn every_queue_has_dead_letters() {
    let changes = [
        (
            "/Resources/ChunksQueue/Properties/RedrivePolicy",
            None,
            "ChunksQueue has no dead-letter queue",
        ),
        (
            "/Resources/JobsDeadLetters/Properties/FifoQueue",
            None,
            "one is FIFO",
        ),
        (
            "/Resources/ManageDeadLetters/Properties/MessageRetentionPeriod",
            Some(json!(60)),
            "forgets",
        ),
        (
            "/Resources/ManageQueue/Properties/RedrivePolicy/deadLetterTargetArn",
            Some(json!({"Fn::GetAtt": "IngestDeadLetters.Arn"})),
            "alone",
        ),
    ];
    holds(rules::queues, &changes);
}

#[test]
fn every_source_reports_failures_and_hides_what_is_worked_on() {
    let changes = [
        (
            "/Resources/PlanFunction/Properties/Events/Jobs/Properties/FunctionResponseTypes",
            None,
            "PlanFunction does not report",
        ),
        (
            "/Resources/IngestQueue/Properties/VisibilityTimeout",
            None,
            "IngestQueue hides for 30 s in prod",
        ),
        (
            "/Mappings/Worker/Visibility/test",
            Some(json!(89)),
            "ChunksQueue hides for 89 s in test",
        ),
        (
            "/Globals/Function/Timeout",
            Some(json!(31)),
            "ManageQueue hides for 180 s",
        ),
        (
            "/Resources/AssembleFunction/Properties/Events/Facts/Properties/Queue",
            Some(json!({"Fn::GetAtt": "ManageQueue.Arn"})),
            "ManageQueue wakes 2",
        ),
    ];
    holds(rules::sources, &changes);
}

#[test]
fn no_role_may_do_more_than_it_must() {
    let statement = "/Resources/PlanRole/Properties/Policies/0/PolicyDocument/Statement/0";
    let changes = [
        (
            format!("{statement}/Action"),
            Some(json!("logs:*")),
            "PlanRole may logs:*",
        ),
        (
            format!("{statement}/Resource"),
            Some(json!("*")),
            "everything",
        ),
        (format!("{statement}/Resource"), None, "without Resource"),
        (
            "/Resources/PlanFunction/Properties/Role".to_owned(),
            Some(json!({"Fn::GetAtt": "ManageRole.Arn"})),
            "no role of its own",
        ),
    ];
    let changes: Vec<_> = changes
        .iter()
        .map(|(pointer, value, told)| (pointer.as_str(), value.clone(), *told))
        .collect();
    holds(rules::rights, &changes);
}

#[test]
fn a_role_reaches_what_its_function_is_given() {
    let changes = [
        (
            "/Resources/UploadFunction/Properties/Environment/Variables/UPLOADS_TABLE",
            None,
            "reaches UploadsTable without need",
        ),
        (
            "/Resources/IngestRole/Properties/Policies/0/PolicyDocument/Statement/4/Resource",
            Some(json!({"Fn::GetAtt": "ChunksQueue.Arn"})),
            "IngestFunction cannot reach JobsQueue",
        ),
    ];
    holds(rules::reach, &changes);
}

#[test]
fn every_target_keeps_what_it_cannot_take_and_lets_its_rule_alone_send() {
    let policy = "/Resources/AssembleQueuePolicy/Properties/PolicyDocument/Statement/0";
    let changes = [
        (
            "/Resources/JoinRule/Properties/Targets/0/DeadLetterConfig".to_owned(),
            None,
            "without DeadLetterConfig",
        ),
        (format!("{policy}/Condition"), None, "JoinRule, and only it"),
        (
            format!("{policy}/Condition/ArnEquals/aws:SourceArn"),
            Some(json!({"Fn::GetAtt": "CatalogueRule.Arn"})),
            "JoinRule, and only it",
        ),
        (
            format!("{policy}/Principal"),
            Some(json!("*")),
            "JoinRule, and only it",
        ),
        (
            format!("{policy}/Resource"),
            Some(json!({"Fn::GetAtt": "AssembleQueue.Arn"})),
            "send to AssembleDeadLetters",
        ),
        (
            "/Resources/IngestQueuePolicy/Properties/PolicyDocument/Statement/1/Effect".to_owned(),
            Some(json!("Deny")),
            "send to IngestQueue",
        ),
    ];
    let changes: Vec<_> = changes
        .iter()
        .map(|(pointer, value, told)| (pointer.as_str(), value.clone(), *told))
        .collect();
    holds(rules::targets, &changes);
}

#[test]
fn buckets_are_private_and_forget_stale_uploads() {
    let changes = [
        (
            "/Resources/MediaBucket/Properties/PublicAccessBlockConfiguration/BlockPublicAcls",
            Some(json!(false)),
            "BlockPublicAcls",
        ),
        (
            "/Resources/MastersBucket/Properties/LifecycleConfiguration/Rules/0/Status",
            Some(json!("Disabled")),
            "stale",
        ),
        (
            "/Resources/MastersBucket/Properties/NotificationConfiguration",
            None,
            "EventBridge",
        ),
        (
            "/Resources/Distribution/Properties/DistributionConfig/DefaultRootObject",
            None,
            "list of its bucket",
        ),
    ];
    holds(rules::buckets, &changes);
}

#[test]
fn functions_are_given_what_they_read() {
    let changes = [
        (
            "/Resources/PlanFunction/Properties/Environment/Variables/CHUNKS_QUEUE_URL",
            None,
            "PlanFunction is not given CHUNKS_QUEUE_URL",
        ),
        (
            "/Resources/PlanFunction/Properties/Environment/Variables/MEDIA_BUCKET",
            Some(json!("m")),
            "PlanFunction does not read MEDIA_BUCKET",
        ),
    ];
    holds(wiring::environment, &changes);
}

#[test]
fn deadlines_can_be_set_and_come() {
    let sends = "/Resources/ScheduleRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource";
    let changes = [
        (
            sends,
            Some(json!({"Fn::GetAtt": "ManageQueue.Arn"})),
            "ScheduleRole may not send to DeadlinesQueue",
        ),
        (
            "/Resources/IngestFunction/Properties/Environment/Variables/SCHEDULE_ROLE_ARN",
            None,
            "IngestFunction has no role",
        ),
        (
            "/Resources/IngestFunction/Properties/Environment/Variables/SCHEDULE_DEAD_LETTERS_ARN",
            None,
            "IngestFunction lets deadlines vanish",
        ),
        (
            "/Resources/ManageFunction/Properties/Environment/Variables/SCHEDULE_DEAD_LETTERS_ARN",
            Some(json!({"Fn::GetAtt": "UploadsDeadLetters.Arn"})),
            "ManageFunction buries its deadlines in UploadsDeadLetters",
        ),
        (
            "/Resources/ScheduleRole/Properties/Policies/0/PolicyDocument/Statement/1/Resource",
            Some(json!([])),
            "ScheduleRole may not send to ManageDeadLetters",
        ),
        (
            "/Resources/IngestRole/Properties/Policies/0/PolicyDocument/Statement",
            Some(json!([])),
            "IngestFunction may not scheduler:CreateSchedule",
        ),
        (
            "/Resources/IngestRole/Properties/Policies/0/PolicyDocument/Statement",
            Some(json!([])),
            "IngestFunction may not hand ScheduleRole over",
        ),
        (
            "/Resources/RetryRole/Properties/Policies/0/PolicyDocument/Statement/0",
            Some(json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"})),
            "RetryRole may hand a role to anybody",
        ),
    ];
    holds(deadlines::deadlines, &changes);
}

#[test]
fn tests_wait_as_long_as_a_stack_does_by_default() {
    let template = template();
    for (parameter, held) in [
        ("JobDeadlineSeconds", JOB_DEADLINE),
        ("UploadDeadlineSeconds", UPLOAD_DEADLINE),
        ("PurgeDelaySeconds", PURGE_DELAY),
        ("TicketLinkSeconds", LINKS_HOLD),
    ] {
        let default = &template["Parameters"][parameter]["Default"];
        assert_eq!(*default, held.as_secs(), "{parameter}");
    }
}

#[test]
fn nobody_knows_what_can_be_taken_out() {
    let changes = [
        (
            "/Resources/ManageFunction/Properties/Environment/Variables/RETRY_QUEUE_URL",
            Some(json!({"Ref": "RetryQueue"})),
            "ManageFunction knows RetryQueue",
        ),
        (
            "/Resources/JoinRule/DependsOn",
            Some(json!(["RetryFunction"])),
            "JoinRule knows RetryFunction",
        ),
    ];
    holds(optional::dependence, &changes);
}

#[test]
fn the_api_has_the_routes_that_are_answered() {
    let changes = [
        (
            "/Resources/GetVideoRoute/Properties/AuthorizationType",
            Some(json!("NONE")),
            "open to everybody",
        ),
        (
            "/Resources/GetVideoRoute/Properties/AuthorizerId",
            None,
            "open to everybody",
        ),
        (
            "/Resources/GetVideoRoute/Properties/RouteKey",
            Some(json!("GET /v2/videos/{id}")),
            "GET /v1/videos/{id} has no route",
        ),
        (
            "/Resources/GetVideoRoute/Properties/RouteKey",
            Some(json!("PUT /v1/videos/{id}")),
            "PUT /v1/videos/{id} is not answered",
        ),
        (
            "/Resources/UploadPermission",
            None,
            "may not invoke UploadFunction",
        ),
        (
            "/Resources/GetTicketRoute/Properties/AuthorizationType",
            Some(json!("NONE")),
            "open to everybody",
        ),
        (
            "/Resources/ShowLinkRoute/Properties",
            Some(template()["Resources"]["GetTicketRoute"]["Properties"].clone()),
            "GET /v1/answers/{id} has no route",
        ),
    ];
    holds(wiring::routes, &changes);
}

#[test]
fn what_no_event_tells_is_watched_and_heard() {
    let changes = [
        (
            "/Resources/JobsDeadLettersAlarm",
            None,
            "nobody watches the depth of JobsDeadLetters",
        ),
        (
            "/Resources/JobsDeadLettersAlarm/Properties/Metrics/2",
            Some(json!({})),
            "nobody watches the depth of JobsDeadLetters",
        ),
        (
            "/Resources/NotifyErrorsAlarm/Properties/MetricName",
            Some(json!("Invocations")),
            "nobody watches the errors of NotifyFunction",
        ),
        (
            "/Resources/NotifyQueueAgeAlarm/Properties/AlarmActions",
            None,
            "NotifyQueueAgeAlarm reaches nobody",
        ),
        (
            "/Resources/ThrottlesAlarm/Properties/AlarmActions",
            None,
            "ThrottlesAlarm reaches nobody",
        ),
        (
            "/Resources/ChunksQueueAgeAlarm/Properties/MetricName",
            Some(json!("NumberOfMessagesSent")),
            "nobody watches the age of ChunksQueue",
        ),
        (
            "/Resources/ThrottlesAlarm/Properties/Metrics/1",
            Some(json!({})),
            "nobody watches the throttles of UploadFunction",
        ),
        (
            "/Resources/ThrottlesAlarm/Properties/AlarmName",
            Some(json!({"Fn::Sub": "throttles"})),
            "nobody hears ThrottlesAlarm",
        ),
        (
            "/Resources/AlarmRule/Properties/EventBusName",
            Some(json!({"Ref": "Bus"})),
            "nobody hears NotifyDeadLettersAlarm",
        ),
        (
            "/Resources/NotifyDeadLettersAlarm/Properties/AlarmActions",
            None,
            "NotifyDeadLettersAlarm reaches nobody",
        ),
        (
            "/Resources/IngestQueueAgeAlarm/Properties/TreatMissingData",
            None,
            "goes off when nothing happens",
        ),
        (
            "/Resources/IngestQueueAgeAlarm/Condition",
            None,
            "more than the local engine takes",
        ),
    ];
    holds(alarms::alarms, &changes);
}

#[test]
fn every_folder_is_deployed() {
    let template = template();
    let deployed: Vec<_> = functions(&template)
        .iter()
        .map(|function| function.folder.to_owned())
        .collect();
    let deployed: BTreeSet<_> = deployed.into_iter().collect();
    assert_eq!(deployed, tree::folders("functions").into_iter().collect());
}

fn rule<'a>(template: &'a Value, name: &str) -> &'a Value {
    resources(template, "AWS::Events::Rule")[name]
}

#[test]
fn the_rule_on_arrivals_takes_masters_however_they_were_made() {
    let template = template();
    let arrivals = rule(&template, "ObjectCreatedRule");
    // S3 reports to the default bus.
    assert!(arrivals.get("EventBusName").is_none());
    let pattern = &arrivals["EventPattern"];
    assert!(!pattern.to_string().contains("reason"), "{pattern}");
    let mut reasons = BTreeSet::new();
    let said_again = &rule(&template, "UploadCompletedRule")["EventPattern"];
    let (ours, arrived): (Vec<_>, Vec<_>) = samples::bodies("ingest")
        .into_iter()
        .partition(|event| event["source"] == "cattube.upload");
    assert!(!ours.is_empty() && ours.iter().all(|event| matches(said_again, event)));
    for event in arrived {
        assert!(matches(pattern, &event), "{event}");
        reasons.insert(event["detail"]["reason"].as_str().unwrap().to_owned());
        for (pointer, other) in [
            ("/detail/object/key", "work/own_1/vid_1/g1/slices"),
            ("/detail/bucket/name", "cattube-mediabucket-1"),
            ("/detail-type", "Object Deleted"),
        ] {
            let mut event = event.clone();
            *event.pointer_mut(pointer).unwrap() = json!(other);
            assert!(!matches(pattern, &event), "{event}");
        }
    }
    let all = [
        "CompleteMultipartUpload",
        "CopyObject",
        "POST Object",
        "PutObject",
    ];
    assert!(reasons.iter().eq(&all), "{reasons:?}");
}

#[test]
fn the_rules_on_our_events_let_through_what_their_consumers_take() {
    let template = template();
    let (join, catalogue) = (
        rule(&template, "JoinRule"),
        rule(&template, "CatalogueRule"),
    );
    assert!(
        [join, catalogue]
            .into_iter()
            .all(|rule| target(&rule["EventBusName"]) == Some("Bus"))
    );
    let (mut names, mut senders) = (BTreeSet::new(), BTreeSet::new());
    for (file, entry) in samples::bus_entries() {
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        let event = json!({ "source": entry["Source"], "detail-type": entry["DetailType"], "detail": detail });
        let name = entry["DetailType"].as_str().unwrap();
        let wanted = joins(&Envelope::parse(name, &detail).unwrap().event);
        assert_eq!(matches(&join["EventPattern"], &event), wanted, "{file}");
        assert!(matches(&catalogue["EventPattern"], &event), "{file}");
        let parsed = Envelope::parse(name, &detail).unwrap().event;
        for (rule, takes) in [
            ("UploadEndRule", ends_upload(&parsed)),
            ("UploadCompletedRule", arrives(&parsed)),
            ("FailureRule", fails(&parsed)),
        ] {
            let pattern = &self::rule(&template, rule)["EventPattern"];
            assert_eq!(matches(pattern, &event), takes, "{rule}: {file}");
        }
        if wanted {
            names.insert(name.to_owned());
            senders.insert(entry["Source"].as_str().unwrap().to_owned());
        }
    }
    let listed = |field: &str| {
        texts(&join["EventPattern"][field])
            .into_iter()
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(listed("detail-type"), names);
    assert_eq!(listed("source"), senders);
}

#[test]
fn the_rules_on_what_concerns_people_let_through_what_notify_takes() {
    let template = template();
    let concerns = rule(&template, "ConcernRule");
    assert_eq!(target(&concerns["EventBusName"]), Some("Bus"));
    let mut names = BTreeSet::new();
    for (file, entry) in samples::bus_entries() {
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        let event = json!({ "source": entry["Source"], "detail-type": entry["DetailType"], "detail": detail });
        let name = entry["DetailType"].as_str().unwrap();
        let wanted = concerns_people(&Envelope::parse(name, &detail).unwrap().event);
        assert_eq!(matches(&concerns["EventPattern"], &event), wanted, "{file}");
        names.extend(wanted.then(|| name.to_owned()));
    }
    let listed = texts(&concerns["EventPattern"]["detail-type"]).into_iter();
    assert_eq!(listed.map(str::to_owned).collect::<BTreeSet<_>>(), names);
    let alarms = rule(&template, "AlarmRule");
    // Alarms report to the default bus.
    assert!(alarms.get("EventBusName").is_none());
    let pattern = with_stack_name(&alarms["EventPattern"]);
    for event in samples::bodies("notify") {
        let is_alarm = event["source"] == "aws.cloudwatch";
        assert_eq!(matches(&pattern, &event), is_alarm, "{event}");
    }
}

/// A pattern with the stack's name filled in.
fn with_stack_name(pattern: &Value) -> Value {
    let mut pattern = pattern.clone();
    let prefix = &mut pattern["detail"]["alarmName"][0]["prefix"];
    let text = prefix["Fn::Sub"].as_str().unwrap();
    *prefix = json!(text.replace("${AWS::StackName}", "cattube"));
    pattern
}
