//! All functions in one process. Messages wait in the queues until [`World::pump`] delivers
//! them; nothing runs by itself.

mod message;
mod wiring;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use assemble::Assembler;
use cattube_contract::plan::Quality;
use cattube_contract::{Envelope, VideoId};
use cattube_ports::Encoder;
use cattube_ports::fakes::{
    FaultPlan, ManualClock, MemoryNotices, MemoryObjects, MemoryQueue, MemoryScheduler, MemoryTable,
};
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::outcome::{ApiHandler, MessageHandler};
use cattube_ports::queue::OutgoingMessage;
use ingest::Ingest;
use manage::Catalogue;
use notify::Notify;
use plan::Planner;
use retry::Retry;
use transcode::Worker;
use upload::Uploads;

use crate::rules::{arrives, bus_body, concerns_people, ends_upload, fails, joins, s3_body};
pub use message::{DEAD_LETTERS, LAST_DEAD_LETTERS, Message, arn};
use wiring::Ports;

/// The name of the masters bucket.
pub const MASTERS_BUCKET: &str = "masters";

/// Who owns what is dropped.
pub const DROP_OWNER: &str = "studio";

/// How long an upload may go without a part.
pub const UPLOAD_DEADLINE: Duration = Duration::from_mins(15);

/// How long a job may go without progress.
pub const JOB_DEADLINE: Duration = Duration::from_mins(30);

/// How long what was replaced is kept.
pub const PURGE_DELAY: Duration = Duration::from_hours(24);

/// How long the links of a ticket hold.
pub const LINKS_HOLD: Duration = Duration::from_hours(7 * 24);

/// Who sees and answers every ticket.
pub const OPERATOR: &str = "operator";

/// All functions and what they stand on.
pub struct World {
    /// The masters bucket.
    pub masters: MemoryObjects,
    /// The media bucket.
    pub media: MemoryObjects,
    /// The time, which stands still until it is advanced.
    pub clock: ManualClock,
    /// Every event published so far.
    pub history: Vec<Envelope>,
    /// Messages that were delivered and failed, with the reason.
    pub failures: Vec<(Message, String)>,
    /// What waits, oldest first.
    pub waiting: Vec<Message>,
    /// The deadlines of uploads.
    pub upload_deadlines: MemoryScheduler,
    /// The deadlines of jobs.
    pub job_deadlines: MemoryScheduler,
    /// The deadlines of removals.
    pub removal_deadlines: MemoryScheduler,
    /// What `retry` has put aside for a person.
    pub parked: MemoryQueue,
    /// The upload function.
    pub upload: Uploads,
    /// The ingest function.
    pub ingest: Ingest,
    /// The plan function.
    pub plan: Planner,
    /// The transcode function.
    pub transcode: Worker,
    /// The assemble function.
    pub assemble: Assembler,
    /// The manage function.
    pub manage: Catalogue,
    /// The retry function.
    pub retry: Retry,
    ports: Ports,
    /// What people were told.
    pub notices: MemoryNotices,
    /// The table of tickets.
    pub tickets: MemoryTable,
    /// The notify function.
    pub notify: Notify,
}

impl World {
    /// A world with this encoder, whose ports fail by this plan.
    #[must_use]
    pub fn new(encoder: Arc<dyn Encoder>, quality: Quality, faults: &FaultPlan) -> Self {
        let ports = Ports::new(faults);
        Self {
            upload: ports.upload(),
            ingest: ports.ingest(),
            plan: ports.plan(Arc::clone(&encoder), quality),
            transcode: ports.transcode(encoder),
            assemble: ports.assemble(),
            manage: ports.manage(),
            retry: ports.retry(),
            notify: ports.notify(),
            masters: ports.masters.clone(),
            media: ports.media.clone(),
            clock: ports.clock.clone(),
            notices: ports.notices.clone(),
            tickets: ports.tickets.clone(),
            upload_deadlines: ports.upload_deadlines.clone(),
            job_deadlines: ports.job_deadlines.clone(),
            removal_deadlines: ports.removal_deadlines.clone(),
            parked: ports.parked.clone(),
            ports,
            history: Vec::new(),
            failures: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Moves what the ports took into [`World::waiting`], as S3, the rules and the queues do.
    pub fn route(&mut self) {
        let now = cattube_ports::Clock::now(&self.clock);
        for created in self.masters.drain_created() {
            if created.key.starts_with("masters/") || created.key.starts_with("drop/") {
                self.waiting
                    .push(Message::ObjectCreated(s3_body(&created, now)));
            }
        }
        let bodies = |messages: Vec<OutgoingMessage>| messages.into_iter().map(|m| m.body);
        self.waiting
            .extend(bodies(self.ports.uploads.drain()).map(Message::Upload));
        self.waiting
            .extend(bodies(self.ports.jobs.drain()).map(Message::Job));
        self.waiting
            .extend(bodies(self.ports.chunks.drain()).map(Message::Chunk));
        // A delay is over at once here; that it is asked for is `retry`'s own test.
        self.waiting
            .extend(bodies(self.ports.retries.drain()).map(Message::Retry));
        for (queue, messages) in &self.ports.returned {
            let bodies = bodies(messages.drain());
            self.waiting
                .extend(bodies.filter_map(|body| Message::of(queue, body)));
        }
        for envelope in self.ports.bus.drain() {
            let body = bus_body(&envelope);
            if ends_upload(&envelope.event) {
                self.waiting.push(Message::Upload(body.clone()));
            }
            if arrives(&envelope.event) {
                self.waiting.push(Message::ObjectCreated(body.clone()));
            }
            if joins(&envelope.event) {
                self.waiting.push(Message::Join(body.clone()));
            }
            if fails(&envelope.event) {
                self.waiting.push(Message::Retry(body.clone()));
            }
            if concerns_people(&envelope.event) {
                self.waiting.push(Message::Notify(body.clone()));
            }
            self.waiting.push(Message::Catalogue(body));
            self.history.push(envelope);
        }
    }

    /// Delivers one message to its function. An error is what SQS would redeliver.
    ///
    /// # Errors
    /// The handler's, as text.
    pub async fn deliver(&self, message: &Message) -> Result<&'static str, String> {
        fn done<E: ToString>(
            result: Result<cattube_ports::Outcome, E>,
        ) -> Result<&'static str, String> {
            result
                .map(|outcome| outcome.action)
                .map_err(|error| error.to_string())
        }
        match message {
            Message::Upload(body) => done(self.upload.handle(body).await),
            Message::ObjectCreated(body) => done(self.ingest.handle(body).await),
            Message::Job(body) => done(self.plan.handle(body).await),
            Message::Chunk(body) => done(self.transcode.handle(body).await),
            Message::Join(body) => done(self.assemble.handle(body).await),
            Message::Catalogue(body) => done(self.manage.handle(body).await),
            Message::Retry(body) | Message::Deadline(body) => done(self.retry.handle(body).await),
            Message::Buried(queue, body) => {
                let names = DEAD_LETTERS.iter().find(|(name, _)| name == queue);
                let source = names.map(|(_, name)| arn(name)).unwrap_or_default();
                done(self.retry.handle_from(&source, body).await)
            }
            Message::Notify(body) => done(self.notify.handle(body).await),
            Message::BuriedLast(queue, body) => {
                let names = LAST_DEAD_LETTERS.iter().find(|(name, _)| name == queue);
                let source = names.map(|(_, name)| arn(name)).unwrap_or_default();
                done(self.notify.handle_from(&source, body).await)
            }
        }
    }

    /// Delivers messages, oldest first, until none waits.
    pub async fn pump(&mut self) {
        loop {
            self.route();
            if self.waiting.is_empty() {
                return;
            }
            let message = self.waiting.remove(0);
            if let Err(reason) = self.deliver(&message).await {
                self.failures.push((message, reason));
            }
        }
    }

    /// Time goes by; the deadlines that come are put to what waits.
    pub fn elapse(&mut self, by: Duration) {
        self.clock.advance(by);
        let now = cattube_ports::Clock::now(&self.clock);
        let due = self.upload_deadlines.drain_due(now).into_iter();
        self.waiting
            .extend(due.map(|deadline| Message::Upload(deadline.body)));
        let due = self.job_deadlines.drain_due(now).into_iter();
        self.waiting
            .extend(due.map(|deadline| Message::Deadline(deadline.body)));
        let due = self.removal_deadlines.drain_due(now).into_iter();
        self.waiting
            .extend(due.map(|deadline| Message::Catalogue(deadline.body)));
    }

    /// Asks the API of `manage`.
    ///
    /// # Errors
    /// The handler's, as text.
    pub async fn ask(
        &self,
        subject: &str,
        route: &str,
        video: Option<VideoId>,
    ) -> Result<ApiResponse, String> {
        let path = video.map(|video| ("id".to_owned(), video.to_string()));
        let request = ApiRequest {
            route: route.to_owned(),
            path: path.into_iter().collect::<BTreeMap<_, _>>(),
            subject: Some(subject.to_owned()),
            ..ApiRequest::default()
        };
        self.manage
            .answer(request)
            .await
            .map_err(|error| error.to_string())
    }

    /// The names of all events so far.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.history
            .iter()
            .map(|envelope| envelope.event.name())
            .collect()
    }
}
