//! Word to people, kept in memory.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cattube_contract::Fault;

use super::{FaultPlan, locked};
use crate::notices::Notice;
use crate::{Notices, PortError};

/// Records notices in the order of their sending.
#[derive(Debug, Clone, Default)]
pub struct MemoryNotices {
    faults: FaultPlan,
    notices: Arc<Mutex<Vec<Notice>>>,
}

impl MemoryNotices {
    /// No notices, under a plan of faults.
    #[must_use]
    pub fn new(faults: FaultPlan) -> Self {
        Self {
            faults,
            notices: Arc::default(),
        }
    }

    /// Takes out all notices.
    #[must_use]
    pub fn drain(&self) -> Vec<Notice> {
        std::mem::take(&mut *locked(&self.notices))
    }
}

#[async_trait]
impl Notices for MemoryNotices {
    async fn send(&self, notice: Notice) -> Result<(), PortError> {
        let error = |reason| PortError::Notice {
            fault: Fault::Transient,
            reason,
        };
        self.faults
            .call("notice", &notice.subject.clone(), error, || {
                locked(&self.notices).push(notice);
                Ok(())
            })
    }
}
