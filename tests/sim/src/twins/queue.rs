//! The port of a queue: what a function sends.

use async_trait::async_trait;
use cattube_ports::queue::OutgoingMessage;
use cattube_ports::{PortError, Queue};

use super::queues::{DEDUPLICATION, Message, is_fifo};
use crate::faults::MINUTE;
use crate::kernel::{Call, Ms, Port};
use crate::state::{QueueId, State};

/// A queue, as one function sees it.
#[derive(Clone)]
pub struct SimQueue {
    pub port: Port,
    pub to: QueueId,
}

impl State {
    fn take(&mut self, to: QueueId, message: &OutgoingMessage) {
        self.saw_command(to, &message.body);
        if is_fifo(to) {
            let Some(id) = &message.deduplication_id else {
                self.violate(0, || {
                    "a message without a deduplication id to a FIFO queue".into()
                });
                return;
            };
            let now = self.now;
            let id = format!("{}/{id}", message.group);
            let known = self.queues.of(to).deduplication.insert(id.clone(), now);
            if let Some(at) = known.filter(|at| now - at < DEDUPLICATION) {
                self.queues.of(to).deduplication.insert(id, at);
                return;
            }
        }
        let delay = Ms::try_from(message.delay.as_millis()).unwrap_or(Ms::MAX);
        let limit = if is_fifo(to) { 0 } else { 15 * MINUTE };
        if delay > limit {
            self.violate(0, || format!("a delay of {delay} ms to {to:?}"));
        }
        let span = if is_fifo(to) {
            self.rng.between(20, 500)
        } else {
            self.delivery()
        };
        let at = self.now + delay + span;
        let message = Message {
            body: message.body.as_str().into(),
            group: if is_fifo(to) {
                message.group.clone()
            } else {
                String::new()
            },
            receives: 0,
            is_copy: false,
        };
        self.enqueue(to, message, at);
    }
}

#[async_trait]
impl Queue for SimQueue {
    async fn send(&self, messages: &[OutgoingMessage]) -> Result<(), PortError> {
        let count = messages.len();
        let error = |reason| PortError::Send { count, reason };
        let name = format!("{:?}", self.to.name);
        let call = Call {
            operation: "send",
            subject: &name,
        };
        self.port
            .call(call, error, |state| {
                let count = state.part_of(count);
                for message in &messages[..count] {
                    state.take(self.to, message);
                }
                Ok(())
            })
            .await
    }

    async fn backlog(&self) -> Result<u64, PortError> {
        let name = format!("{:?}", self.to.name);
        let error = |reason| PortError::Length {
            queue: name.clone(),
            reason,
        };
        let call = Call {
            operation: "backlog",
            subject: &name,
        };
        self.port
            .call(call, error, |state| {
                let held = &state.queues.of(self.to).messages;
                let waiting = held.values().filter(|message| message.receives == 0);
                Ok(waiting.count() as u64)
            })
            .await
    }
}
