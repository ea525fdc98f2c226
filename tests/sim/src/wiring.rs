//! Who stands on what, and which rule gives which event to which queue: what `template.yaml`
//! says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use assemble::Assembler;
use cattube_contract::plan::Quality;
use cattube_contract::{Event, OwnerId};
use cattube_ports::outcome::{ApiHandler, MessageHandler};
use ingest::Ingest;
use manage::Catalogue;
use notify::Notify;
use plan::Planner;
use retry::Retry;
use transcode::Worker;
use upload::Uploads;

use crate::kernel::{Kernel, Port, Store};
use crate::planted::{self, Bug};
use crate::rules;
use crate::state::{Answer, QueueId, QueueName, Who};
use crate::twins::bus::{SimBus, SimNotices};
use crate::twins::encoder::SimEncoder;
use crate::twins::objects::SimObjects;
use crate::twins::queues::SimQueue;
use crate::twins::schedules::SimScheduler;
use crate::twins::tables::SimTable;
use crate::twins::time::{SimClock, SimEntropy};

/// Who owns what is dropped.
pub const DROP_OWNER: &str = "studio";

/// The queues whose rules let an event through.
#[must_use]
pub fn targets(event: &Event) -> Vec<QueueName> {
    let rules = [
        (true, QueueName::Manage),
        (rules::ends_upload(event), QueueName::Uploads),
        (rules::arrives(event), QueueName::Ingest),
        (rules::joins(event), QueueName::Assemble),
        (rules::fails(event), QueueName::Retry),
        (rules::concerns_people(event), QueueName::Notify),
    ];
    let targets = rules.into_iter().filter(|(passes, _)| *passes);
    targets.map(|(_, name)| name).collect()
}

/// Whether the bus may lose this event for good. That a person asks for a new making is said
/// again when they ask again; nothing else does it.
#[must_use]
pub fn may_be_lost(event: &Event) -> bool {
    !matches!(event, Event::RetryRequested(_))
}

/// How long ffmpeg may take; how long a job may go without progress, and an upload without a
/// part; how long what was
/// replaced is kept; how long a ticket's links hold: the template's defaults.
const ENCODE_LIMIT: Duration = Duration::from_secs(270);
const JOB_DEADLINE: Duration = Duration::from_mins(30);
const UPLOAD_DEADLINE: Duration = Duration::from_mins(15);
const PURGE_DELAY: Duration = Duration::from_hours(24);
const LINKS_HOLD: Duration = Duration::from_hours(72);

/// Who sees and answers every ticket.
pub const OPERATOR: &str = "operator";

/// The queues that have dead letters, by their names there, and who reads those.
const DEAD: [(&str, QueueName, Who); 9] = [
    ("upload", QueueName::Uploads, Who::Retry),
    ("ingest", QueueName::Ingest, Who::Retry),
    ("jobs", QueueName::Jobs, Who::Retry),
    ("chunks", QueueName::Chunks, Who::Retry),
    ("assemble", QueueName::Assemble, Who::Retry),
    ("manage", QueueName::Manage, Who::Retry),
    ("retry", QueueName::Retry, Who::Notify),
    ("deadlines", QueueName::Deadlines, Who::Notify),
    ("notify", QueueName::Notify, Who::Notify),
];

/// The queue that dead letters and parked messages name so.
#[must_use]
pub fn queue_named(name: &str) -> Option<QueueName> {
    let found = DEAD.iter().find(|(known, _, _)| *known == name);
    found.map(|(_, queue, _)| *queue)
}

/// What stands for the ARN of a queue's dead letters.
fn dead_arn(name: &str) -> String {
    format!("dead:{name}")
}

fn dead_of(who: Who) -> impl Iterator<Item = &'static str> {
    let dead = DEAD.iter().filter(move |(_, _, reader)| *reader == who);
    dead.map(|(name, _, _)| *name)
}

/// Every function.
pub struct Functions {
    pub upload: Uploads,
    pub ingest: Ingest,
    pub plan: Planner,
    pub transcode: Worker,
    pub assemble: Assembler,
    pub manage: Catalogue,
    pub retry: Retry,
    pub notify: Notify,
    kernel: Kernel,
}

struct Makers<'a> {
    kernel: &'a Kernel,
    who: Who,
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

impl Functions {
    /// All functions on one state.
    #[must_use]
    pub fn new(kernel: &Kernel, seed: u64) -> Self {
        let of = |who| Makers { kernel, who };
        Self {
            upload: upload(&of(Who::Upload), seed),
            ingest: ingest(&of(Who::Ingest)),
            plan: plan(&of(Who::Plan)),
            transcode: transcode(&of(Who::Transcode)),
            assemble: assemble(&of(Who::Assemble)),
            manage: manage(&of(Who::Manage)),
            retry: retry(&of(Who::Retry)),
            notify: notify(&of(Who::Notify), seed),
            kernel: kernel.clone(),
        }
    }

    /// Handles a message of a queue.
    ///
    /// # Errors
    /// The handler's, as text.
    pub async fn handle(&self, from: QueueId, body: &str) -> Result<&'static str, String> {
        let (bug, number) = {
            let state = self.kernel.lock();
            (state.bug, state.calls)
        };
        let Some(bug) = bug else {
            return self.handle_body(from, body).await;
        };
        if bug == Bug::JoinCounts && from == QueueId::of(QueueName::Assemble) {
            planted::count(&self.kernel, body);
        }
        let changed = planted::body_of(bug, from, body, number);
        let done = self.handle_body(from, changed.as_deref().unwrap_or(body)).await;
        if bug == Bug::TerminalOverwritten && from == QueueId::of(QueueName::Manage) {
            planted::overwrite(&self.kernel, body);
        }
        done
    }

    async fn handle_body(&self, from: QueueId, body: &str) -> Result<&'static str, String> {
        fn done<E: ToString>(
            result: Result<cattube_ports::Outcome, E>,
        ) -> Result<&'static str, String> {
            result
                .map(|outcome| outcome.action)
                .map_err(|error| error.to_string())
        }
        if from.is_dead {
            let reader = DEAD.iter().find(|(_, name, _)| *name == from.name);
            let Some((name, _, who)) = reader else {
                return Ok("nobody reads it");
            };
            let arn = dead_arn(name);
            return match who {
                Who::Notify => done(self.notify.handle_from(&arn, body).await),
                _ => done(self.retry.handle_from(&arn, body).await),
            };
        }
        match from.name {
            QueueName::Uploads => done(self.upload.handle(body).await),
            QueueName::Ingest => done(self.ingest.handle(body).await),
            QueueName::Jobs => done(self.plan.handle(body).await),
            QueueName::Chunks => done(self.transcode.handle(body).await),
            QueueName::Assemble => done(self.assemble.handle(body).await),
            QueueName::Manage => done(self.manage.handle(body).await),
            QueueName::Retry | QueueName::Deadlines => {
                done(self.retry.handle_from("alive", body).await)
            }
            QueueName::Notify => done(self.notify.handle_from("alive", body).await),
            QueueName::Parked => Ok("nobody reads it"),
        }
    }

    /// Answers a request; none is what a client sees of an error.
    pub async fn answer(&self, who: Who, mut request: cattube_ports::http::ApiRequest) -> Answer {
        if self.kernel.lock().has(Bug::OwnerCheckDropped) {
            planted::impersonate(&mut request);
        }
        match who {
            Who::Upload => self.upload.answer(request).await.ok(),
            Who::Manage => self.manage.answer(request).await.ok(),
            Who::Notify => self.notify.answer(request).await.ok(),
            _ => None,
        }
    }
}

fn upload(of: &Makers<'_>, seed: u64) -> Uploads {
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

fn ingest(of: &Makers<'_>) -> Ingest {
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

fn plan(of: &Makers<'_>) -> Planner {
    Planner {
        objects: of.masters(),
        bus: of.bus(),
        chunks: of.queue(QueueName::Chunks),
        encoder: of.encoder(),
        clock: of.clock(),
        quality: Quality::Crf(30),
    }
}

fn transcode(of: &Makers<'_>) -> Worker {
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

fn assemble(of: &Makers<'_>) -> Assembler {
    Assembler {
        masters: of.masters(),
        media: of.media(),
        table: of.table(),
        bus: of.bus(),
        clock: of.clock(),
    }
}

fn manage(of: &Makers<'_>) -> Catalogue {
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

fn retry(of: &Makers<'_>) -> Retry {
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

fn notify(of: &Makers<'_>, seed: u64) -> Notify {
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
