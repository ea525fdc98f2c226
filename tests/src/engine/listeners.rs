//! Queues of a test's own that hear what a bus or a topic says.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::Engine;

/// How long what was heard stays unseen: longer than any test.
const HIDDEN_SECONDS: i32 = 3_600;

/// Remembers everything that it hears.
#[derive(Debug)]
pub struct Listener {
    url: String,
    heard: Mutex<Vec<Value>>,
}

impl Engine {
    fn listener(&self, name: &str) -> (Listener, String) {
        let url = self.make_queue(name);
        let arn = self.queue_arn(&url);
        let heard = Mutex::default();
        (Listener { url, heard }, arn)
    }

    /// Hears every event of ours from now on: whole, as a rule's target gets it.
    ///
    /// # Panics
    /// If that cannot be set up.
    #[must_use]
    pub fn listen(&self, name: &str) -> Listener {
        let (listener, arn) = self.listener(name);
        let bus = self.output("BusName");
        let pattern = json!({"source": [{"prefix": "cattube."}]}).to_string();
        let rule = ["--name", name, "--event-bus-name", bus];
        let put = ["events", "put-rule", "--event-pattern", &pattern];
        self.aws(&[&put[..], &rule].concat());
        let target = json!([{"Id": name, "Arn": arn}]).to_string();
        let put = ["events", "put-targets", "--targets", &target];
        let of_rule = ["--rule", name, "--event-bus-name", bus];
        self.aws(&[&put[..], &of_rule].concat());
        listener
    }

    /// Subscribes to a topic (an output's name), as a person does: each notice as SNS wraps it.
    ///
    /// # Panics
    /// As [`Engine::listen`].
    #[must_use]
    pub fn subscribe(&self, name: &str, topic: &str) -> Listener {
        let (listener, arn) = self.listener(name);
        let topic = self.output(topic);
        let subscribe = ["sns", "subscribe", "--protocol", "sqs"];
        let to = ["--topic-arn", topic, "--notification-endpoint", &arn];
        self.aws(&[&subscribe[..], &to].concat());
        listener
    }

    /// Everything that it has heard up to now, as far as it is wanted.
    ///
    /// # Panics
    /// If a message is no JSON.
    #[must_use]
    pub fn heard(&self, listener: &Listener, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut heard = listener.heard.lock().expect("what was heard");
        loop {
            let messages = self.receive(&listener.url, HIDDEN_SECONDS);
            if messages.is_empty() {
                break;
            }
            let bodies = messages.iter().map(|message| &message.body);
            heard.extend(bodies.map(|body| serde_json::from_str::<Value>(body).expect("JSON")));
            self.delete(&listener.url, &messages);
        }
        heard.iter().filter(|said| wanted(said)).cloned().collect()
    }
}
