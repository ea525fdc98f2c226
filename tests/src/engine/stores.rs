//! The engine's queues and buckets, by the AWS SDK: the CLI would take a second a look.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::Client as S3;
use aws_sdk_sqs::Client as Sqs;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::{Engine, awaited};

/// How often in a row no message is seen before it is believed: what has left one queue may
/// be on its way to the next.
const QUIET_LOOKS: u32 = 15;

/// An object as a listing tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its entity tag.
    pub etag: String,
    /// When it was written, in milliseconds since 1970.
    pub written_ms: i64,
}

/// A message that was received and not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What it says.
    pub body: String,
    /// Its message group.
    pub group: Option<String>,
    receipt: String,
}

pub(super) struct Stores {
    runtime: Runtime,
    s3: S3,
    sqs: Sqs,
}

impl Stores {
    pub(super) fn new(facts: &Value) -> Self {
        let fact = |pointer: &str| {
            let fact = facts.pointer(pointer).and_then(Value::as_str);
            fact.unwrap_or_default().to_owned()
        };
        let credentials = aws_sdk_s3::config::Credentials::new(
            fact("/env/AWS_ACCESS_KEY_ID"),
            fact("/env/AWS_SECRET_ACCESS_KEY"),
            None,
            None,
            "engine",
        );
        let s3 = aws_sdk_s3::Config::builder()
            .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
            .region(aws_sdk_s3::config::Region::new(fact("/region")))
            .endpoint_url(fact("/endpoint"))
            .force_path_style(true)
            .credentials_provider(credentials.clone())
            .build();
        let sqs = aws_sdk_sqs::Config::builder()
            .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
            .region(aws_sdk_sqs::config::Region::new(fact("/region")))
            .endpoint_url(fact("/endpoint"))
            .credentials_provider(credentials)
            .build();
        Self {
            runtime: Runtime::new().expect("a runtime"),
            s3: S3::from_conf(s3),
            sqs: Sqs::from_conf(sqs),
        }
    }
}

impl Engine {
    /// Every object of a bucket (an output's name) under a prefix.
    ///
    /// # Panics
    /// If the bucket cannot be listed; so for all requests.
    #[must_use]
    pub fn objects(&self, bucket: &str, prefix: &str) -> BTreeMap<String, Object> {
        let request = self.stores.s3.list_objects_v2();
        let request = request.bucket(self.output(bucket)).prefix(prefix);
        let pages = request.into_paginator().send().try_collect();
        let pages = self.stores.runtime.block_on(pages).expect("a listing");
        let objects = pages
            .into_iter()
            .flat_map(|page| page.contents.unwrap_or_default());
        let object = |object: aws_sdk_s3::types::Object| {
            let written = object.last_modified.and_then(|at| at.to_millis().ok());
            let described = Object {
                etag: object.e_tag.unwrap_or_default(),
                written_ms: written.unwrap_or_default(),
            };
            (object.key.unwrap_or_default(), described)
        };
        objects.map(object).collect()
    }

    /// The multipart uploads of the masters bucket that wait for parts: their keys.
    ///
    /// # Panics
    /// As [`Engine::objects`].
    #[must_use]
    pub fn open_uploads(&self) -> Vec<String> {
        let request = self.stores.s3.list_multipart_uploads();
        let request = request.bucket(self.output("MastersBucket"));
        let answer = self.stores.runtime.block_on(request.send());
        let uploads = answer.expect("a listing").uploads.unwrap_or_default();
        uploads
            .into_iter()
            .filter_map(|upload| upload.key)
            .collect()
    }

    /// How many messages a queue (an output's name) has: waiting, in work or delayed.
    ///
    /// # Panics
    /// As [`Engine::objects`].
    #[must_use]
    pub fn depth(&self, queue: &str) -> u64 {
        let request = self.stores.sqs.get_queue_attributes();
        let request = request
            .queue_url(self.output(queue))
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesDelayed);
        let answer = self.stores.runtime.block_on(request.send());
        let counts = answer.expect("a queue").attributes.unwrap_or_default();
        let count = |text: &String| text.parse::<u64>().expect("a number");
        counts.values().map(count).sum()
    }

    /// The queues that have messages, with how many: those whose output's name ends so.
    ///
    /// # Panics
    /// If there is no such queue.
    #[must_use]
    pub fn backlog(&self, ending: &str) -> Vec<(&str, u64)> {
        let outputs = self.facts["outputs"].as_object().expect("outputs");
        let names = outputs.keys().filter(|name| name.ends_with(ending));
        let depths: Vec<_> = names
            .map(|name| (name.as_str(), self.depth(name)))
            .collect();
        assert!(!depths.is_empty(), "no queue is a …{ending}");
        depths.into_iter().filter(|(_, depth)| *depth > 0).collect()
    }

    /// Waits until no queue has a message and none comes.
    ///
    /// # Panics
    /// If that takes longer than `limit`.
    pub fn await_quiet(&self, limit: Duration) {
        let mut quiet_looks = 0;
        awaited("no message in any queue", limit, || {
            let backlog = self.backlog("QueueUrl");
            quiet_looks = if backlog.is_empty() {
                quiet_looks + 1
            } else {
                0
            };
            if quiet_looks >= QUIET_LOOKS {
                return Ok(());
            }
            Err(format!("{backlog:?}"))
        });
    }

    /// Messages of a queue that are visible; each stays in it, unseen for `hidden_seconds`.
    ///
    /// # Panics
    /// As [`Engine::objects`].
    #[must_use]
    pub fn receive(&self, queue: &str, hidden_seconds: i32) -> Vec<Received> {
        let request = self.stores.sqs.receive_message();
        let request = request
            .queue_url(self.output(queue))
            .max_number_of_messages(10)
            .wait_time_seconds(0)
            .visibility_timeout(hidden_seconds)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId);
        let answer = self.stores.runtime.block_on(request.send());
        let messages = answer.expect("messages").messages.unwrap_or_default();
        let received = |message: aws_sdk_sqs::types::Message| Received {
            body: message.body.unwrap_or_default(),
            group: message.attributes.and_then(|attributes| {
                let group = attributes.get(&MessageSystemAttributeName::MessageGroupId);
                group.cloned()
            }),
            receipt: message.receipt_handle.unwrap_or_default(),
        };
        messages.into_iter().map(received).collect()
    }

    /// Lets received messages be seen again at once.
    ///
    /// # Panics
    /// As [`Engine::objects`].
    pub fn release<'a>(&self, queue: &str, messages: impl IntoIterator<Item = &'a Received>) {
        for message in messages {
            let request = self.stores.sqs.change_message_visibility();
            let request = request
                .queue_url(self.output(queue))
                .receipt_handle(&message.receipt)
                .visibility_timeout(0);
            let answer = self.stores.runtime.block_on(request.send());
            answer.expect("the message is seen again");
        }
    }

    /// Sends a message.
    ///
    /// # Panics
    /// As [`Engine::objects`].
    pub fn send(&self, queue: &str, body: &str, group: Option<&str>) {
        let request = self.stores.sqs.send_message();
        let request = request
            .queue_url(self.output(queue))
            .message_body(body)
            .set_message_group_id(group.map(str::to_owned));
        let answer = self.stores.runtime.block_on(request.send());
        answer.expect("the message is sent");
    }
}
