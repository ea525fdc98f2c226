//! The queues: visibility, receives, dead letters, order and deduplication.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::faults::{DAY, Fault, MINUTE, SECOND};
use crate::kernel::{Happening, Ms};
use crate::planted::Bug;
use crate::state::{QueueId, QueueName, State};

/// Receives after which a message is buried, as in `template.yaml`.
const MAX_RECEIVES: u32 = 5;

/// How long the same deduplication id is one message.
pub(super) const DEDUPLICATION: Ms = 5 * MINUTE;

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
    pub(super) deduplication: BTreeMap<String, Ms>,
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
        (false, QueueName::Jobs | QueueName::Assemble) => 12 * MINUTE,
        (false, QueueName::Chunks) => 30 * MINUTE,
        _ => 3 * MINUTE,
    }
}

pub(super) fn is_fifo(id: QueueId) -> bool {
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

    /// What nobody could handle. An alarm tells a person of it.
    #[must_use]
    pub fn parked(&self) -> &Held {
        static NONE: std::sync::LazyLock<Held> = std::sync::LazyLock::new(Held::default);
        self.held
            .get(&QueueId::of(QueueName::Parked))
            .unwrap_or(&NONE)
    }

    /// Whether a queue holds a message still.
    #[must_use]
    pub fn holds(&self, id: QueueId, message: u64) -> bool {
        let held = self.held.get(&id);
        held.is_some_and(|held| held.messages.contains_key(&message))
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
        if let Some(log) = &mut self.log
            && to.name != QueueName::Parked
        {
            log.insert((to, Arc::clone(&message.body)));
        }
        let held = self.queues.of(to);
        held.sent += 1;
        held.messages.insert(id, message);
        let held_count = held.messages.len();
        if to.name != QueueName::Parked {
            self.plan(at, Happening::Visible(to, id, 0));
        } else if held_count == 1 {
            self.plan(at + 10 * MINUTE, Happening::Alarm);
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
        if from.is_dead && self.has(Bug::NoDeadLetterReader) {
            return None;
        }
        let held = self.queues.of(from);
        let message = held.messages.get(&id)?;
        if message.receives != receives {
            return None;
        }
        if is_fifo(from) {
            // A group's messages come one after the other.
            let group = &message.group;
            let first = held
                .messages
                .iter()
                .find(|(_, other)| other.group == *group);
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
        let overlaps = self.strikes(self.faults.rates.overlap, Fault::Overlap);
        let hidden = if overlaps && !is_fifo(from) {
            self.rng.between(20, 20 * SECOND)
        } else {
            visibility(from) + self.rng.between(0, SECOND)
        };
        let again = self.now + hidden;
        self.plan(again, Happening::Visible(from, id, receives + 1));
        Some(body)
    }

    /// An event that its rule could not deliver is among the dead letters a day later.
    pub fn undelivered(&mut self, to: QueueName, body: &Arc<str>) {
        let at = self.now + self.rng.between(MINUTE, DAY);
        self.plan(
            at,
            Happening::Arrive(QueueId::dead(to), Arc::clone(body), false),
        );
    }

    /// Takes out what nobody could handle: where each stood, and its body.
    pub fn take_parked(&mut self) -> Vec<(String, String)> {
        let held = self.queues.of(QueueId::of(QueueName::Parked));
        let messages = std::mem::take(&mut held.messages);
        held.done += messages.len() as u64;
        let read = |message: Message| {
            let parked: serde_json::Value = serde_json::from_str(&message.body).ok()?;
            let text = |name: &str| parked[name].as_str().map(str::to_owned);
            Some((text("queue")?, text("body")?))
        };
        messages.into_values().filter_map(read).collect()
    }

    /// A message is put into a queue by hand.
    pub fn put(&mut self, to: QueueId, body: &str) {
        let message = Message {
            body: body.into(),
            group: "by hand".to_owned(),
            receives: 0,
            is_copy: true,
        };
        self.enqueue(to, message, self.now);
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
