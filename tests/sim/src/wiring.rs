//! Which rule gives which event to which queue, and which function reads which queue: what
//! `template.yaml` says.

use assemble::Assembler;
use cattube_contract::Event;
use cattube_ports::outcome::{ApiHandler, MessageHandler};
use ingest::Ingest;
use manage::Catalogue;
use notify::Notify;
use plan::Planner;
use retry::Retry;
use transcode::Worker;
use upload::Uploads;

use crate::kernel::Kernel;
use crate::planted::{self, Bug};
use crate::rules;
use crate::state::{Answer, QueueId, QueueName, Who};
use crate::wired::{Makers, assemble, ingest, manage, notify, plan, retry, transcode, upload};

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

/// Who sees and answers every ticket.
pub const OPERATOR: &str = "operator";

/// The queues that have dead letters, by their names there, and who reads those.
pub(crate) const DEAD: [(&str, QueueName, Who); 9] = [
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
pub(crate) fn dead_arn(name: &str) -> String {
    format!("dead:{name}")
}

pub(crate) fn dead_of(who: Who) -> impl Iterator<Item = &'static str> {
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
        let done = self
            .handle_body(from, changed.as_deref().unwrap_or(body))
            .await;
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
