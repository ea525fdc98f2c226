//! The queues: visibility, receives, dead letters, order and deduplication.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cattube_ports::queue::OutgoingMessage;
use cattube_ports::{PortError, Queue};

use crate::faults::{Fault, MINUTE, SECOND};
use crate::kernel::{Call, Happening, Ms, Port};
use crate::planted::Bug;
use crate::state::{QueueId, QueueName, State};

/// Receives after which a message is buried, as in `template.yaml`.
const MAX_RECEIVES: u32 = 5;

/// How long the same deduplication id is one message.
const DEDUPLICATION: Ms = 5 * MINUTE;

/// A message.
#[derive(Debug, Clone)]
pub struct Message {
    pub body: Arc<str>,
    pub group: String,
    pub receives: u32,
    /// Duplicates are not duplicated: there are at most five of a message.
    pub is_copy: bool,
}

/// What a queue holds and what went through it.
#[derive(Debug, Default)]
pub struct Held {
    pub messages: BTreeMap<u64, Message>,
    pub sent: u64,
    pub done: u64,
    pub buried: u64,
    deduplication: BTreeMap<String, Ms>,
}

/// Every queue.
#[derive(Debug)]
pub struct Queues {
    held: BTreeMap<QueueId, Held>,
    last_id: u64,
}

impl Default for Queues {
    fn default() -> Self {
        Self::new()
    }
}

/// How long nobody else sees a message that was received, as in `template.yaml`.
fn visibility(id: QueueId) -> Ms {
    match (id.is_dead, id.name) {
        (true, _) => 3 * MINUTE,
        (false, QueueName::Jobs | QueueName::Assemble) => 12 * MINUTE,
        (false, QueueName::Chunks) => 30 * MINUTE,
        (false, _) => 3 * MINUTE,
    }
}

fn is_fifo(id: QueueId) -> bool {
    id.name == QueueName::Jobs
}

impl Queues {
    /// Empty queues.
    #[must_use]
    pub fn new() -> Self {
        Self {
            held: BTreeMap::new(),
            last_id: 0,
        }
    }

    /// What a queue holds.
    pub fn of(&mut self, id: QueueId) -> &mut Held {
        self.held.entry(id).or_default()
    }

    /// All queues.
    pub fn all(&self) -> impl Iterator<Item = (QueueId, &Held)> {
        self.held.iter().map(|(id, held)| (*id, held))
    }
}

impl State {
    /// A message reaches a queue and may be seen from `at` on.
    pub fn enqueue(&mut self, to: QueueId, message: Message, at: Ms) {
        self.queues.last_id += 1;
        let id = self.queues.last_id;
        let held = self.queues.of(to);
        held.sent += 1;
        held.messages.insert(id, message);
        if to.name != QueueName::Parked {
            self.plan(at, Happening::Visible(to, id, 0));
        }
    }

    /// An event's copy, or a deadline's message, reaches a queue.
    pub fn arrive(&mut self, to: QueueId, body: Arc<str>, is_copy: bool) {
        let message = Message {
            body,
            group: String::new(),
            receives: 0,
            is_copy,
        };
        self.enqueue(to, message, self.now);
    }

    /// A message is seen: gives its body if it is to be handled now.
    pub fn receive(&mut self, from: QueueId, id: u64, receives: u32) -> Option<Arc<str>> {
        let held = self.queues.of(from);
        let message = held.messages.get(&id)?;
        if message.receives != receives {
            return None;
        }
        if is_fifo(from) {
            // A group's messages come one after the other.
            let group = &message.group;
            let first = held.messages.iter().find(|(_, other)| other.group == *group);
            if first.is_some_and(|(first, _)| *first != id) {
                return None;
            }
        }
        if !from.is_dead && receives >= MAX_RECEIVES {
            self.bury(from, id);
            return None;
        }
        let message = held.messages.get_mut(&id)?;
        message.receives += 1;
        let body = Arc::clone(&message.body);
        let again = self.now + visibility(from) + self.rng.between(0, SECOND);
        self.plan(again, Happening::Visible(from, id, receives + 1));
        Some(body)
    }

    fn bury(&mut self, from: QueueId, id: u64) {
        let held = self.queues.of(from);
        let Some(mut message) = held.messages.remove(&id) else {
            return;
        };
        held.buried += 1;
        let group = message.group.clone();
        self.note(|| format!("{from:?} buries {}", message.body));
        message.receives = 0;
        self.next_of(from, &group);
        let at = self.now + SECOND;
        self.enqueue(QueueId::dead(from.name), message, at);
    }

    /// The next message of a group may be seen.
    fn next_of(&mut self, from: QueueId, group: &str) {
        if !is_fifo(from) {
            return;
        }
        let mut messages = self.queues.of(from).messages.iter();
        let next = messages.find(|(_, message)| message.group == group);
        if let Some((id, message)) = next {
            let next = Happening::Visible(from, *id, message.receives);
            self.plan(self.now + SECOND, next);
        }
    }

    /// A message was handled and is taken off.
    pub fn acknowledge(&mut self, from: QueueId, id: u64) {
        if self.strikes(self.faults.rates.lost_ack, Fault::LostAck) {
            return;
        }
        let held = self.queues.of(from);
        let Some(message) = held.messages.remove(&id) else {
            return;
        };
        held.done += 1;
        self.next_of(from, &message.group);
        if is_fifo(from) || message.is_copy {
            return;
        }
        for later in self.copies() {
            let copy = Message {
                receives: 0,
                is_copy: true,
                ..message.clone()
            };
            let at = self.now + later;
            self.enqueue(from, copy, at);
        }
    }
}

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
                self.violate(0, || "a message without a deduplication id to a FIFO queue".into());
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
        let span = if is_fifo(to) { self.rng.between(20, 500) } else { self.delivery() };
        let at = self.now + delay + span;
        let message = Message {
            body: message.body.as_str().into(),
            group: if is_fifo(to) { message.group.clone() } else { String::new() },
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
}

impl State {
    /// How many of so many items come through: all, unless the call fails in part.
    pub(crate) fn part_of(&mut self, count: usize) -> usize {
        if !self.is_partial || count < 2 {
            return count;
        }
        self.count(Fault::Partial);
        self.rng.below(count as u64) as usize
    }

    /// Whether a planted bug is in.
    #[must_use]
    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }
}
