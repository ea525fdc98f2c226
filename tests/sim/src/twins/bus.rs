//! The bus with its rules, and the topic that reaches people.

use std::sync::Arc;

use async_trait::async_trait;
use cattube_contract::{Envelope, EventId, Fault as Cause};
use cattube_ports::notices::Notice;
use cattube_ports::{Bus, Notices, PortError};

use crate::faults::Fault;
use crate::kernel::{Call, Port};
use crate::planted::Bug;
use crate::rules::bus_body;
use crate::state::{QueueId, Spawn, State};
use crate::wiring;

/// The bus.
#[derive(Clone)]
pub struct SimBus(pub Port);

impl State {
    /// An event is on the bus: every rule that lets it through gives it to its queue.
    pub fn publish(&mut self, envelope: &Envelope) {
        self.saw_publish(envelope);
        let loss = self.faults.rates.lost_event;
        if wiring::may_be_lost(&envelope.event) && self.strikes(loss, Fault::LostEvent) {
            self.note(|| format!("the bus loses {}", envelope.event.name()));
            return;
        }
        let body: Arc<str> = bus_body(envelope).into();
        for name in wiring::targets(&envelope.event) {
            // What a rule cannot deliver for a day goes to the dead letters of its target.
            if self.strikes(loss / 2, Fault::Undelivered) {
                self.note(|| format!("{} cannot reach {name:?}", envelope.event.name()));
                self.undelivered(name, &body);
                continue;
            }
            self.send(QueueId::of(name), &body);
        }
    }
}

#[async_trait]
impl Bus for SimBus {
    async fn publish(&self, events: &[Envelope]) -> Result<(), PortError> {
        let first = events.first().map_or("", |envelope| envelope.event.name());
        let error = |reason| PortError::Publish {
            count: events.len(),
            first: first.to_owned(),
            reason,
        };
        let call = Call {
            operation: "publish",
            subject: first,
        };
        self.0
            .call(call, error, |state| {
                let count = state.part_of(events.len());
                for envelope in &events[..count] {
                    if state.has(Bug::RandomEventIds) {
                        let number = state.rng.bits().to_string();
                        let mut envelope = envelope.clone();
                        envelope.metadata.event_id = EventId::derive("random", &[&number]);
                        state.publish(&envelope);
                    } else {
                        state.publish(envelope);
                    }
                }
                Ok(())
            })
            .await
    }
}

/// The topic: whoever is told looks at the tickets, some time later.
#[derive(Clone)]
pub struct SimNotices(pub Port);

#[async_trait]
impl Notices for SimNotices {
    async fn send(&self, notice: Notice) -> Result<(), PortError> {
        let error = |reason| PortError::Notice {
            fault: Cause::Transient,
            reason,
        };
        let call = Call {
            operation: "notice",
            subject: &notice.subject,
        };
        self.0
            .call(call, error, |state| {
                state.notices += 1;
                state.spawned.push(Spawn::Person);
                Ok(())
            })
            .await
    }
}
