//! Every function with the twins that it stands on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use assemble::Assembler;
use cattube_contract::OwnerId;
use cattube_contract::plan::Quality;
use ingest::Ingest;
use manage::Catalogue;
use notify::Notify;
use plan::Planner;
use retry::Retry;
use transcode::Worker;
use upload::Uploads;

use crate::kernel::{Kernel, Port, Store};
use crate::state::{QueueId, QueueName, Who};
use crate::twins::bus::{SimBus, SimNotices};
use crate::twins::encoder::SimEncoder;
use crate::twins::objects::SimObjects;
use crate::twins::queue::SimQueue;
use crate::twins::schedules::SimScheduler;
use crate::twins::tables::SimTable;
use crate::twins::time::{SimClock, SimEntropy};
use crate::wiring::{DEAD, DROP_OWNER, OPERATOR, dead_arn, dead_of};

// The template's defaults: how long ffmpeg may take, a job go without progress, and an upload
// without a part; how long what was replaced is kept. A ticket's links hold for less than by
// default, so that people meet some that have expired.
const ENCODE_LIMIT: Duration = Duration::from_secs(270);
const JOB_DEADLINE: Duration = Duration::from_mins(30);
const UPLOAD_DEADLINE: Duration = Duration::from_mins(15);
const PURGE_DELAY: Duration = Duration::from_hours(24);
const LINKS_HOLD: Duration = Duration::from_hours(72);

/// Makes ports for one function.
pub(crate) struct Makers<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) who: Who,
}

impl Makers<'_> {
    fn port(&self, store: Store) -> Port {
        Port {
            kernel: self.kernel.clone(),
            who: self.who,
            store,
        }
    }

    fn masters(&self) -> Arc<SimObjects> {
        Arc::new(SimObjects(self.port(Store::Masters)))
    }

    fn media(&self) -> Arc<SimObjects> {
        Arc::new(SimObjects(self.port(Store::Media)))
    }

    fn table(&self) -> Arc<SimTable> {
        Arc::new(SimTable(self.port(Store::Table)))
    }

    fn bus(&self) -> Arc<dyn cattube_ports::Bus> {
        Arc::new(SimBus(self.port(Store::Bus)))
    }

    fn queue(&self, name: QueueName) -> Arc<SimQueue> {
        Arc::new(SimQueue {
            port: self.port(Store::Queue),
            to: QueueId::of(name),
        })
    }

    fn scheduler(&self, to: QueueName) -> Arc<SimScheduler> {
        Arc::new(SimScheduler {
            port: self.port(Store::Scheduler),
            to: QueueId::of(to),
        })
    }

    fn clock(&self) -> Arc<SimClock> {
        Arc::new(SimClock {
            kernel: self.kernel.clone(),
            who: self.who,
        })
    }

    fn encoder(&self) -> Arc<SimEncoder> {
        Arc::new(SimEncoder(self.port(Store::Encoder)))
    }
}

pub(crate) fn upload(of: &Makers<'_>, seed: u64) -> Uploads {
    Uploads {
        objects: of.masters(),
        store: of.masters(),
        table: of.table(),
        bus: of.bus(),
        clock: of.clock(),
        entropy: Arc::new(SimEntropy::new(seed)),
        deadlines: of.scheduler(QueueName::Uploads),
        deadline: UPLOAD_DEADLINE,
    }
}

pub(crate) fn ingest(of: &Makers<'_>) -> Ingest {
    Ingest {
        objects: of.masters(),
        bus: of.bus(),
        jobs: of.queue(QueueName::Jobs),
        scheduler: of.scheduler(QueueName::Deadlines),
        job_deadline: JOB_DEADLINE,
        clock: of.clock(),
        drop_owner: OwnerId::of_subject(DROP_OWNER),
    }
}

pub(crate) fn plan(of: &Makers<'_>) -> Planner {
    Planner {
        objects: of.masters(),
        bus: of.bus(),
        chunks: of.queue(QueueName::Chunks),
        encoder: of.encoder(),
        clock: of.clock(),
        quality: Quality::Crf(30),
    }
}

pub(crate) fn transcode(of: &Makers<'_>) -> Worker {
    Worker {
        masters: of.masters(),
        media: of.media(),
        bus: of.bus(),
        encoder: of.encoder(),
        encode_limit: ENCODE_LIMIT,
        clock: of.clock(),
        name: "worker".to_owned(),
    }
}

pub(crate) fn assemble(of: &Makers<'_>) -> Assembler {
    Assembler {
        masters: of.masters(),
        media: of.media(),
        table: of.table(),
        bus: of.bus(),
        clock: of.clock(),
    }
}

pub(crate) fn manage(of: &Makers<'_>) -> Catalogue {
    Catalogue {
        masters: of.masters(),
        media: of.media(),
        table: of.table(),
        bus: of.bus(),
        scheduler: of.scheduler(QueueName::Manage),
        purge_delay: PURGE_DELAY,
        clock: of.clock(),
        media_base_url: "https://media.test".to_owned(),
    }
}

pub(crate) fn retry(of: &Makers<'_>) -> Retry {
    let source = |(name, queue, _): &(&str, QueueName, Who)| {
        let queue: Arc<dyn cattube_ports::Queue> = of.queue(*queue);
        ((*name).to_owned(), queue)
    };
    let sources = DEAD.iter().filter(|(name, _, _)| *name != "notify");
    Retry {
        masters: of.masters(),
        bus: of.bus(),
        jobs: of.queue(QueueName::Jobs),
        chunks: of.queue(QueueName::Chunks),
        uploads: of.queue(QueueName::Uploads),
        own: of.queue(QueueName::Retry),
        parked: of.queue(QueueName::Parked),
        dead_letters: dead_of(Who::Retry)
            .map(|name| (name.to_owned(), dead_arn(name)))
            .collect(),
        sources: sources.map(source).collect::<BTreeMap<_, _>>(),
        scheduler: of.scheduler(QueueName::Deadlines),
        job_deadline: JOB_DEADLINE,
        clock: of.clock(),
    }
}

pub(crate) fn notify(of: &Makers<'_>, seed: u64) -> Notify {
    Notify {
        table: of.table(),
        bus: of.bus(),
        notices: Arc::new(SimNotices(of.port(Store::Topic))),
        parked: of.queue(QueueName::Parked),
        dead_letters: dead_of(Who::Notify)
            .map(|name| (dead_arn(name), name.to_owned()))
            .collect(),
        clock: of.clock(),
        entropy: Arc::new(SimEntropy::new(seed ^ 1)),
        api_base_url: "https://api.test".to_owned(),
        operator: OwnerId::of_subject(OPERATOR),
        link_for: LINKS_HOLD,
    }
}
