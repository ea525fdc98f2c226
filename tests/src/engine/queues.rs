//! The engine's queues, by the AWS SDK. A queue is named by an output of the stack or by its
//! URL.

use std::time::Duration;

use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};

use cattube_core::digest::sha256_hex;
use serde_json::json;

use super::{Engine, awaited};

/// How often in a row no message is seen before it is believed: what has left one queue may
/// be on its way to the next.
const QUIET_LOOKS: u32 = 15;

/// Queues that nobody is to empty.
const LEFT_ALONE: &[&str] = &["ParkedQueueUrl"];

/// A message that was received and not deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What it says.
    pub body: String,
    /// Its message group.
    pub group: Option<String>,
    receipt: String,
}

impl Engine {
    fn queue_url<'a>(&'a self, queue: &'a str) -> &'a str {
        if queue.starts_with("http") {
            queue
        } else {
            self.output(queue)
        }
    }

    /// How many messages a queue has, waiting or in work. Those whose time has not come are
    /// no matter of now: an upload that stalls may have some for minutes.
    ///
    /// # Panics
    /// As [`Engine::objects`].
    #[must_use]
    pub fn depth(&self, queue: &str) -> u64 {
        let request = self.stores.sqs.get_queue_attributes();
        let request = request
            .queue_url(self.queue_url(queue))
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessagesNotVisible);
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
        let names = names.filter(|name| !LEFT_ALONE.contains(&name.as_str()));
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
            .queue_url(self.queue_url(queue))
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
                .queue_url(self.queue_url(queue))
                .receipt_handle(&message.receipt)
                .visibility_timeout(0);
            let answer = self.stores.runtime.block_on(request.send());
            answer.expect("the message is seen again");
        }
    }

    /// Takes received messages out of their queue for good.
    ///
    /// # Panics
    /// As [`Engine::objects`].
    pub fn delete<'a>(&self, queue: &str, messages: impl IntoIterator<Item = &'a Received>) {
        for message in messages {
            let request = self.stores.sqs.delete_message();
            let request = request
                .queue_url(self.queue_url(queue))
                .receipt_handle(&message.receipt);
            let answer = self.stores.runtime.block_on(request.send());
            answer.expect("the message is deleted");
        }
    }

    /// Sends a message. To a FIFO queue each is a new one, whatever it says.
    ///
    /// # Panics
    /// As [`Engine::objects`].
    pub fn send(&self, queue: &str, body: &str, group: Option<&str>) {
        let url = self.queue_url(queue);
        let new = || format!("{:?}", std::time::Instant::now());
        let is_fifo = url.rsplit('.').next() == Some("fifo");
        let id = is_fifo.then(|| sha256_hex(new().as_bytes()));
        let request = self.stores.sqs.send_message();
        let request = request
            .queue_url(url)
            .message_body(body)
            .set_message_group_id(group.map(str::to_owned))
            .set_message_deduplication_id(id);
        let answer = self.stores.runtime.block_on(request.send());
        answer.expect("the message is sent");
    }

    /// How long a received message of a queue stays unseen, in seconds.
    ///
    /// # Panics
    /// As [`Engine::objects`].
    #[must_use]
    pub fn visibility(&self, queue: &str) -> String {
        let name = QueueAttributeName::VisibilityTimeout;
        let request = self.stores.sqs.get_queue_attributes();
        let request = request
            .queue_url(self.queue_url(queue))
            .attribute_names(name.clone());
        let answer = self.stores.runtime.block_on(request.send());
        let attributes = answer.expect("a queue").attributes.unwrap_or_default();
        attributes.get(&name).expect("its visibility").clone()
    }

    /// Changes that, for what is received from now on.
    ///
    /// # Panics
    /// As [`Engine::objects`].
    pub fn set_visibility(&self, queue: &str, seconds: &str) {
        let request = self.stores.sqs.set_queue_attributes();
        let request = request
            .queue_url(self.queue_url(queue))
            .attributes(QueueAttributeName::VisibilityTimeout, seconds);
        let answer = self.stores.runtime.block_on(request.send());
        answer.expect("the queue is changed");
    }

    /// Makes a queue for a test to listen with; gives its URL.
    pub(super) fn make_queue(&self, name: &str) -> String {
        let services = ["sns.amazonaws.com", "events.amazonaws.com"];
        let statement = json!({
            "Effect": "Allow", "Principal": {"Service": services},
            "Action": "sqs:SendMessage", "Resource": "*",
        });
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
        let request = self.stores.sqs.create_queue().queue_name(name);
        let request = request.attributes(QueueAttributeName::Policy, policy.to_string());
        let answer = self.stores.runtime.block_on(request.send());
        let url = answer.expect("a queue").queue_url;
        url.expect("its URL")
    }

    /// A queue's ARN.
    pub(super) fn queue_arn(&self, url: &str) -> String {
        let name = QueueAttributeName::QueueArn;
        let request = self.stores.sqs.get_queue_attributes();
        let request = request.queue_url(url).attribute_names(name.clone());
        let answer = self.stores.runtime.block_on(request.send());
        let attributes = answer.expect("a queue").attributes.unwrap_or_default();
        attributes.get(&name).expect("its ARN").clone()
    }
}
