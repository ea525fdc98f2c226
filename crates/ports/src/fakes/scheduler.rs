//! Deadlines in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cattube_contract::Fault;
use jiff::Timestamp;

use super::{FaultPlan, locked};
use crate::scheduler::Deadline;
use crate::{PortError, Scheduler};

/// Keeps deadlines until somebody takes those that are due.
#[derive(Debug, Clone, Default)]
pub struct MemoryScheduler {
    faults: FaultPlan,
    deadlines: Arc<Mutex<BTreeMap<String, Deadline>>>,
}

impl MemoryScheduler {
    /// No deadlines, under a plan of faults.
    #[must_use]
    pub fn new(faults: FaultPlan) -> Self {
        Self {
            faults,
            deadlines: Arc::default(),
        }
    }

    /// Takes out the deadlines that have come by `now`, the earliest first.
    #[must_use]
    pub fn drain_due(&self, now: Timestamp) -> Vec<Deadline> {
        let mut deadlines = locked(&self.deadlines);
        let due = deadlines.values().filter(|deadline| deadline.at <= now);
        let mut due: Vec<_> = due.cloned().collect();
        for deadline in &due {
            deadlines.remove(&deadline.name);
        }
        due.sort_by(|left, right| (left.at, &left.name).cmp(&(right.at, &right.name)));
        due
    }

    /// Every deadline that is set, by name.
    #[must_use]
    pub fn pending(&self) -> Vec<Deadline> {
        locked(&self.deadlines).values().cloned().collect()
    }

    fn call(
        &self,
        operation: &'static str,
        name: &str,
        effect: impl FnOnce(&mut BTreeMap<String, Deadline>),
    ) -> Result<(), PortError> {
        let error = |reason| PortError::Schedule {
            operation,
            name: name.to_owned(),
            fault: Fault::Transient,
            reason,
        };
        self.faults.call(operation, name, error, || {
            effect(&mut locked(&self.deadlines));
            Ok(())
        })
    }
}

#[async_trait]
impl Scheduler for MemoryScheduler {
    async fn set(&self, deadline: Deadline) -> Result<(), PortError> {
        let name = deadline.name.clone();
        self.call("set", &name, |deadlines| {
            deadlines.insert(deadline.name.clone(), deadline);
        })
    }

    async fn postpone(&self, deadline: Deadline) -> Result<(), PortError> {
        let name = deadline.name.clone();
        self.call("postpone", &name, |deadlines| {
            if let Some(stands) = deadlines.get_mut(&deadline.name) {
                *stands = deadline;
            }
        })
    }

    async fn remove(&self, name: &str) -> Result<(), PortError> {
        self.call("remove", name, |deadlines| {
            deadlines.remove(name);
        })
    }
}
