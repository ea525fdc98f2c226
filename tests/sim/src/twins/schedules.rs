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

impl State {
    fn set_deadline(&mut self, deadline: Deadline, to: QueueId) {
        let at = virtual_ms(deadline.at).max(self.now);
        self.schedules.sets += 1;
        let number = self.schedules.sets;
        let set = Set {
            at,
            body: deadline.body.into(),
            to,
            number,
        };
        self.schedules.set.insert(deadline.name.clone(), set);
        let mut comes = at + self.rng.between(0, MINUTE);
        if self.strikes(self.faults.rates.late_deadline, Fault::LateDeadline) {
            comes += self.rng.between(MINUTE, HOUR);
        }
        self.plan(comes, Happening::Fire(deadline.name, number));
    }

    /// A deadline comes, unless it was removed or set again.
    pub fn fire(&mut self, name: &str, number: u64) {
        if self.schedules.set.get(name).is_none_or(|set| set.number != number) {
            return;
        }
        let Some(set) = self.schedules.set.remove(name) else {
            return;
        };
        self.note(|| format!("deadline {name} comes"));
        self.saw_deadline(name);
        self.plan(self.now + SECOND, Happening::Arrive(set.to, Arc::clone(&set.body), false));
        if self.strikes(self.faults.rates.late_deadline, Fault::LateDeadline) {
            let again = self.now + self.rng.between(SECOND, HOUR);
            self.plan(again, Happening::Arrive(set.to, set.body, true));
        }
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
        effect: impl FnOnce(&mut State),
    ) -> Result<(), PortError> {
        let error = |reason| PortError::Schedule {
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
            if !state.has(Bug::NoWatchdog) {
                effect(state);
            }
            Ok(())
        };
        self.port.call(call, error, effect).await
    }
}

#[async_trait]
impl Scheduler for SimScheduler {
    async fn set(&self, deadline: Deadline) -> Result<(), PortError> {
        let name = deadline.name.clone();
        self.call("set", &name, |state| state.set_deadline(deadline, self.to))
            .await
    }

    async fn postpone(&self, deadline: Deadline) -> Result<(), PortError> {
        let name = deadline.name.clone();
        self.call("postpone", &name, |state| {
            if state.schedules.set.contains_key(&deadline.name) {
                state.set_deadline(deadline, self.to);
            }
        })
        .await
    }

    async fn remove(&self, name: &str) -> Result<(), PortError> {
        self.call("remove", name, |state| {
            state.schedules.set.remove(name);
        })
        .await
    }
}
