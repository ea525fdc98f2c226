//! The scheduler: deadlines that come late, and at least once.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use cattube_contract::Fault as Cause;
use cattube_ports::scheduler::Deadline;
use cattube_ports::{PortError, Scheduler};

use super::time::virtual_ms;
use crate::faults::{Fault, HOUR, MINUTE, SECOND};
use crate::kernel::{Call, Happening, Ms, Port};
use crate::planted::Bug;
use crate::state::{QueueId, State};

/// A deadline that is set.
#[derive(Debug, Clone)]
pub struct Set {
    pub at: Ms,
    pub body: Arc<str>,
    pub to: QueueId,
    pub number: u64,
}

/// All deadlines, by name.
#[derive(Debug, Default)]
pub struct Schedules {
    pub set: BTreeMap<String, Set>,
    sets: u64,
}

/// The names that a deadline's schedules can have, as the adapter has it.
fn names(name: &str) -> [String; 3] {
    [name.to_owned(), format!("{name}.2"), format!("{name}.3")]
}

impl State {
    /// Whether a schedule stands and comes late enough to be replaced; none if none stands.
    fn is_replaceable(&self, name: &str) -> Option<bool> {
        let set = self.schedules.set.get(name)?;
        Some(set.at > self.now + MINUTE)
    }

    /// Sets a deadline as the adapter does: what is about to come deletes itself a moment
    /// later, even if it was replaced meanwhile, so another stands beside it.
    fn set_deadline(&mut self, deadline: &Deadline, to: QueueId) -> bool {
        for name in names(&deadline.name) {
            if self.is_replaceable(&name) != Some(false) {
                self.write_schedule(name, deadline, to);
                return true;
            }
        }
        false
    }

    /// Puts off what stands of a deadline.
    fn postpone_deadline(&mut self, deadline: &Deadline, to: QueueId) {
        for name in names(&deadline.name) {
            if self.is_replaceable(&name) == Some(true) {
                self.write_schedule(name, deadline, to);
            }
        }
    }

    fn write_schedule(&mut self, name: String, deadline: &Deadline, to: QueueId) {
        let at = virtual_ms(deadline.at).max(self.now);
        self.schedules.sets += 1;
        let number = self.schedules.sets;
        let set = Set {
            at,
            body: deadline.body.as_str().into(),
            to,
            number,
        };
        self.schedules.set.insert(name.clone(), set);
        let mut comes = at + self.rng.between(0, MINUTE);
        if self.strikes(self.faults.rates.late_deadline, Fault::LateDeadline) {
            comes += self.rng.between(MINUTE, HOUR);
        }
        self.plan(comes, Happening::Fire(name, number));
    }

    /// A deadline comes, unless it was removed or set again. A moment later it deletes itself.
    pub fn fire(&mut self, name: &str, number: u64) {
        let set = self.schedules.set.get(name).cloned();
        let Some(set) = set.filter(|set| set.number == number) else {
            return;
        };
        self.note(|| format!("deadline {name} comes"));
        self.saw_deadline(name);
        let arrives = Happening::Arrive(set.to, Arc::clone(&set.body), false);
        self.plan(self.now + SECOND, arrives);
        if self.strikes(self.faults.rates.late_deadline, Fault::LateDeadline) {
            let again = self.now + self.rng.between(SECOND, HOUR);
            self.plan(again, Happening::Arrive(set.to, set.body, true));
        }
        let gone = self.now + self.rng.between(0, 5 * SECOND);
        self.plan(gone, Happening::Expire(name.to_owned()));
    }

    /// A deadline that has come deletes itself, even if it was set again meanwhile.
    pub fn expire(&mut self, name: &str) {
        self.schedules.set.remove(name);
    }
}

/// The scheduler, as one function sees it: its deadlines go to one queue.
#[derive(Clone)]
pub struct SimScheduler {
    pub port: Port,
    pub to: QueueId,
}

impl SimScheduler {
    async fn call(
        &self,
        operation: &'static str,
        name: &str,
        effect: impl FnOnce(&mut State) -> bool,
    ) -> Result<(), PortError> {
        let error = |reason: String| PortError::Schedule {
            operation,
            name: name.to_owned(),
            fault: Cause::Transient,
            reason,
        };
        let call = Call {
            operation,
            subject: name,
        };
        let effect = |state: &mut State| {
            if state.has(Bug::NoWatchdog) || effect(state) {
                return Ok(());
            }
            Err(error("all that stand of it are about to come".to_owned()))
        };
        self.port.call(call, &error, effect).await
    }
}

#[async_trait]
impl Scheduler for SimScheduler {
    async fn set(&self, deadline: Deadline) -> Result<(), PortError> {
        let name = deadline.name.clone();
        self.call("set", &name, |state| state.set_deadline(&deadline, self.to))
            .await
    }

    async fn postpone(&self, deadline: Deadline) -> Result<(), PortError> {
        let name = deadline.name.clone();
        self.call("postpone", &name, |state| {
            state.postpone_deadline(&deadline, self.to);
            true
        })
        .await
    }

    async fn remove(&self, name: &str) -> Result<(), PortError> {
        self.call("remove", name, |state| {
            for name in names(name) {
                state.schedules.set.remove(&name);
            }
            true
        })
        .await
    }
}
