//! A bus and a queue that remember what they were given.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cattube_contract::Envelope;

use super::{FaultPlan, locked};
use crate::queue::OutgoingMessage;
use crate::{Bus, PortError, Queue};

/// Records events in the order of their publishing, the same one as often as it came.
#[derive(Debug, Clone, Default)]
pub struct MemoryBus {
    faults: FaultPlan,
    events: Arc<Mutex<Vec<Envelope>>>,
}

impl MemoryBus {
    /// An empty bus under a plan of faults.
    #[must_use]
    pub fn new(faults: FaultPlan) -> Self {
        Self {
            faults,
            events: Arc::default(),
        }
    }

    /// Takes out all events.
    #[must_use]
    pub fn drain(&self) -> Vec<Envelope> {
        std::mem::take(&mut *locked(&self.events))
    }
}

#[async_trait]
impl Bus for MemoryBus {
    async fn publish(&self, events: &[Envelope]) -> Result<(), PortError> {
        let names: Vec<_> = events
            .iter()
            .map(|envelope| envelope.event.name())
            .collect();
        let error = |reason| PortError::Publish {
            count: events.len(),
            first: events.first().map_or_else(String::new, |envelope| {
                format!("{} {}", envelope.event.name(), envelope.metadata.event_id)
            }),
            reason,
        };
        self.faults.call("publish", &names.join(","), error, || {
            locked(&self.events).extend_from_slice(events);
            Ok(())
        })
    }
}

/// Records messages in the order of their sending, the same one as often as it came: it
/// drops no duplicates, as a queue does not after five minutes.
#[derive(Debug, Clone, Default)]
pub struct MemoryQueue {
    faults: FaultPlan,
    messages: Arc<Mutex<Vec<OutgoingMessage>>>,
}

impl MemoryQueue {
    /// An empty queue under a plan of faults.
    #[must_use]
    pub fn new(faults: FaultPlan) -> Self {
        Self {
            faults,
            messages: Arc::default(),
        }
    }

    /// Takes out all messages.
    #[must_use]
    pub fn drain(&self) -> Vec<OutgoingMessage> {
        std::mem::take(&mut *locked(&self.messages))
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, messages: &[OutgoingMessage]) -> Result<(), PortError> {
        let count = messages.len();
        let error = |reason| PortError::Send { count, reason };
        self.faults
            .call("send", &format!("{count} messages"), error, || {
                locked(&self.messages).extend_from_slice(messages);
                Ok(())
            })
    }

    async fn backlog(&self) -> Result<u64, PortError> {
        let queue = "in memory".to_owned();
        let error = |reason| PortError::Length { queue, reason };
        self.faults.call("backlog", "queue", error, || {
            Ok(u64::try_from(locked(&self.messages).len()).unwrap_or(u64::MAX))
        })
    }
}
