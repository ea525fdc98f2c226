//! The ports in memory, and the functions over them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use assemble::Assembler;
use cattube_contract::OwnerId;
use cattube_contract::plan::Quality;
use cattube_ports::fakes::{
    FaultPlan, ManualClock, MemoryBus, MemoryNotices, MemoryObjects, MemoryQueue, MemoryScheduler,
    MemoryTable, SeededEntropy,
};
use cattube_ports::{Encoder, Queue};
use ingest::Ingest;
use jiff::Timestamp;
use manage::Catalogue;
use notify::Notify;
use plan::Planner;
use retry::Retry;
use transcode::Worker;
use upload::Uploads;

use super::message::{DEAD_LETTERS, LAST_DEAD_LETTERS, arn};
use super::{DROP_OWNER, JOB_DEADLINE, LINKS_HOLD, OPERATOR, PURGE_DELAY, UPLOAD_DEADLINE};

/// What the functions stand on.
pub(super) struct Ports {
    pub(super) clock: ManualClock,
    pub(super) masters: MemoryObjects,
    pub(super) media: MemoryObjects,
    pub(super) bus: MemoryBus,
    pub(super) uploads: MemoryQueue,
    pub(super) jobs: MemoryQueue,
    pub(super) chunks: MemoryQueue,
    pub(super) retries: MemoryQueue,
    pub(super) parked: MemoryQueue,
    /// What `retry` sends back, by the names of the queues.
    pub(super) returned: BTreeMap<&'static str, MemoryQueue>,
    pub(super) upload_deadlines: MemoryScheduler,
    pub(super) job_deadlines: MemoryScheduler,
    pub(super) removal_deadlines: MemoryScheduler,
    pub(super) notices: MemoryNotices,
    pub(super) tickets: MemoryTable,
    faults: FaultPlan,
}

impl Ports {
    pub(super) fn new(faults: &FaultPlan) -> Self {
        let start = Timestamp::from_second(1_800_000_000).unwrap_or(Timestamp::UNIX_EPOCH);
        let queue = || MemoryQueue::new(faults.clone());
        let deadlines = || MemoryScheduler::new(faults.clone());
        let names = [
            "upload",
            "ingest",
            "jobs",
            "chunks",
            "assemble",
            "manage",
            "notify",
            "deadlines",
        ];
        Self {
            clock: ManualClock::new(start),
            masters: MemoryObjects::new(faults.clone()),
            media: MemoryObjects::new(faults.clone()),
            bus: MemoryBus::new(faults.clone()),
            uploads: queue(),
            jobs: queue(),
            chunks: queue(),
            retries: queue(),
            parked: queue(),
            returned: names.map(|name| (name, queue())).into(),
            upload_deadlines: deadlines(),
            job_deadlines: deadlines(),
            removal_deadlines: deadlines(),
            notices: MemoryNotices::new(faults.clone()),
            tickets: MemoryTable::new(faults.clone()),
            faults: faults.clone(),
        }
    }

    fn table(&self) -> Arc<MemoryTable> {
        Arc::new(MemoryTable::new(self.faults.clone()))
    }

    pub(super) fn upload(&self) -> Uploads {
        Uploads {
            objects: Arc::new(self.masters.clone()),
            store: Arc::new(self.masters.clone()),
            table: self.table(),
            bus: Arc::new(self.bus.clone()),
            clock: Arc::new(self.clock.clone()),
            entropy: Arc::new(SeededEntropy::new(1)),
            deadlines: Arc::new(self.upload_deadlines.clone()),
            deadline: UPLOAD_DEADLINE,
        }
    }

    pub(super) fn ingest(&self) -> Ingest {
        Ingest {
            objects: Arc::new(self.masters.clone()),
            bus: Arc::new(self.bus.clone()),
            jobs: Arc::new(self.jobs.clone()),
            scheduler: Arc::new(self.job_deadlines.clone()),
            job_deadline: JOB_DEADLINE,
            clock: Arc::new(self.clock.clone()),
            drop_owner: OwnerId::of_subject(DROP_OWNER),
        }
    }

    pub(super) fn plan(&self, encoder: Arc<dyn Encoder>, quality: Quality) -> Planner {
        Planner {
            objects: Arc::new(self.masters.clone()),
            bus: Arc::new(self.bus.clone()),
            chunks: Arc::new(self.chunks.clone()),
            encoder,
            clock: Arc::new(self.clock.clone()),
            quality,
        }
    }

    pub(super) fn transcode(&self, encoder: Arc<dyn Encoder>) -> Worker {
        Worker {
            masters: Arc::new(self.masters.clone()),
            media: Arc::new(self.media.clone()),
            bus: Arc::new(self.bus.clone()),
            encoder,
            encode_limit: Duration::from_mins(4),
            clock: Arc::new(self.clock.clone()),
            name: "worker".to_owned(),
        }
    }

    pub(super) fn assemble(&self) -> Assembler {
        Assembler {
            masters: Arc::new(self.masters.clone()),
            media: Arc::new(self.media.clone()),
            table: self.table(),
            bus: Arc::new(self.bus.clone()),
            clock: Arc::new(self.clock.clone()),
        }
    }

    pub(super) fn manage(&self) -> Catalogue {
        Catalogue {
            masters: Arc::new(self.masters.clone()),
            media: Arc::new(self.media.clone()),
            table: self.table(),
            bus: Arc::new(self.bus.clone()),
            scheduler: Arc::new(self.removal_deadlines.clone()),
            purge_delay: PURGE_DELAY,
            clock: Arc::new(self.clock.clone()),
            media_base_url: "https://media.test".to_owned(),
        }
    }

    pub(super) fn retry(&self) -> Retry {
        Retry {
            masters: Arc::new(self.masters.clone()),
            bus: Arc::new(self.bus.clone()),
            jobs: Arc::new(self.jobs.clone()),
            chunks: Arc::new(self.chunks.clone()),
            uploads: Arc::new(self.uploads.clone()),
            own: Arc::new(self.retries.clone()),
            parked: Arc::new(self.parked.clone()),
            dead_letters: DEAD_LETTERS
                .map(|(queue, name)| (queue.to_owned(), arn(name)))
                .into(),
            sources: self.sources(),
            scheduler: Arc::new(self.job_deadlines.clone()),
            job_deadline: JOB_DEADLINE,
            clock: Arc::new(self.clock.clone()),
        }
    }

    /// The queues that a buried message may go back to.
    fn sources(&self) -> BTreeMap<String, Arc<dyn Queue>> {
        let queues = self.returned.iter();
        queues
            .map(|(name, queue)| {
                let queue: Arc<dyn Queue> = Arc::new(queue.clone());
                ((*name).to_owned(), queue)
            })
            .collect()
    }

    pub(super) fn notify(&self) -> Notify {
        Notify {
            table: Arc::new(self.tickets.clone()),
            bus: Arc::new(self.bus.clone()),
            notices: Arc::new(self.notices.clone()),
            parked: Arc::new(self.parked.clone()),
            dead_letters: LAST_DEAD_LETTERS
                .map(|(queue, name)| (arn(name), queue.to_owned()))
                .into(),
            clock: Arc::new(self.clock.clone()),
            entropy: Arc::new(SeededEntropy::new(2)),
            api_base_url: "https://api.test".to_owned(),
            operator: OwnerId::of_subject(OPERATOR),
            link_for: LINKS_HOLD,
        }
    }
}
