//! All functions in one process. Messages wait in the queues until [`World::pump`] delivers
//! them; nothing runs by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use assemble::Assembler;
use cattube_contract::plan::Quality;
use cattube_contract::{Envelope, OwnerId, VideoId};
use cattube_ports::fakes::{
    FaultPlan, ManualClock, MemoryBus, MemoryNotices, MemoryObjects, MemoryQueue, MemoryScheduler,
    MemoryTable, SeededEntropy,
};
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::outcome::{ApiHandler, MessageHandler};
use cattube_ports::queue::OutgoingMessage;
use cattube_ports::{Encoder, Queue};
use ingest::Ingest;
use jiff::Timestamp;
use manage::Catalogue;
use notify::Notify;
use plan::Planner;
use retry::Retry;
use transcode::Worker;
use upload::Uploads;

use crate::rules::{arrives, bus_body, concerns_people, ends_upload, fails, joins, s3_body};

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

/// What waits to be handled.
#[derive(Debug, Clone)]
pub enum Message {
    /// An event or command, for `upload`.
    Upload(String),
    /// S3's event of an object, or an upload's end, for `ingest`.
    ObjectCreated(String),
    /// A `PlanVideo` command.
    Job(String),
    /// A `TranscodeChunk` command.
    Chunk(String),
    /// An event, for `assemble`.
    Join(String),
    /// An event, for `manage`.
    Catalogue(String),
    /// A failure, or a command whose delay is over, for `retry`.
    Retry(String),
    /// The deadline of a job, for `retry`.
    Deadline(String),
    /// A dead letter of the queue of this name, for `retry`.
    Buried(&'static str, String),
    /// An event that concerns people, for `notify`.
    Notify(String),
    /// A dead letter of the queue of this name, for `notify`.
    BuriedLast(&'static str, String),
}

impl Message {
    /// The message that a body is in the queue of this name.
    #[must_use]
    pub fn of(queue: &str, body: String) -> Option<Self> {
        match queue {
            "upload" => Some(Self::Upload(body)),
            "ingest" => Some(Self::ObjectCreated(body)),
            "jobs" => Some(Self::Job(body)),
            "chunks" => Some(Self::Chunk(body)),
            "assemble" => Some(Self::Join(body)),
            "manage" => Some(Self::Catalogue(body)),
            "retry" => Some(Self::Retry(body)),
            "deadlines" => Some(Self::Deadline(body)),
            "notify" => Some(Self::Notify(body)),
            _ => None,
        }
    }
}

/// The queues whose dead letters `retry` reads, with the ARNs that the samples give those.
pub const DEAD_LETTERS: [(&str, &str); 6] = [
    ("upload", "UploadsDeadLetters-Ga5tNw9Qe1Rb"),
    ("ingest", "IngestDeadLetters-Kc7vUx2Zj4Lm"),
    ("jobs", "JobsDeadLetters-Hs8dKq5Wm2Fe.fifo"),
    ("chunks", "ChunksDeadLetters-Vb6nRt1Yz3Kd"),
    ("assemble", "AssembleDeadLetters-Pd3hSy8Cf6Vn"),
    ("manage", "ManageDeadLetters-Xe9bMa4Gk7Tr"),
];

/// The queues whose dead letters `notify` reads, likewise.
pub const LAST_DEAD_LETTERS: [(&str, &str); 3] = [
    ("retry", "RetryDeadLetters-Lm4wYp7Cs2Jx"),
    ("deadlines", "DeadlinesDeadLetters-Ru6eTk9Vb3Gd"),
    ("notify", "NotifyDeadLetters-Zf1jQc6Bd8Hw"),
];

/// How long the links of a ticket hold.
pub const LINKS_HOLD: Duration = Duration::from_hours(72);

/// Who sees and answers every ticket.
pub const OPERATOR: &str = "operator";

/// The ARN of a queue that stands in the samples.
#[must_use]
pub fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:123456789012:cattube-{name}")
}

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
    bus: MemoryBus,
    uploads: MemoryQueue,
    jobs: MemoryQueue,
    chunks: MemoryQueue,
    retries: MemoryQueue,
    /// What `retry` has put aside for a person.
    pub parked: MemoryQueue,
    returned: BTreeMap<&'static str, MemoryQueue>,
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
        let start = Timestamp::from_second(1_800_000_000).unwrap_or(Timestamp::UNIX_EPOCH);
        let clock = ManualClock::new(start);
        let masters = MemoryObjects::new(faults.clone());
        let media = MemoryObjects::new(faults.clone());
        let bus = MemoryBus::new(faults.clone());
        let uploads_queue = MemoryQueue::new(faults.clone());
        let upload_deadlines = MemoryScheduler::new(faults.clone());
        let job_deadlines = MemoryScheduler::new(faults.clone());
        let removal_deadlines = MemoryScheduler::new(faults.clone());
        let jobs = MemoryQueue::new(faults.clone());
        let chunks = MemoryQueue::new(faults.clone());
        let retries = MemoryQueue::new(faults.clone());
        let parked = MemoryQueue::new(faults.clone());
        let returned = [
            "upload",
            "ingest",
            "jobs",
            "chunks",
            "assemble",
            "manage",
            "deadlines",
        ]
        .map(|queue| (queue, MemoryQueue::new(faults.clone())));
        let returned = BTreeMap::from(returned);
        let joins = MemoryTable::new(faults.clone());
        let catalogue = MemoryTable::new(faults.clone());
        let tickets = MemoryTable::new(faults.clone());
        let notices = MemoryNotices::new(faults.clone());
        Self {
            upload: uploads(&masters, &bus, &clock, &upload_deadlines, faults),
            ingest: Ingest {
                objects: Arc::new(masters.clone()),
                bus: Arc::new(bus.clone()),
                jobs: Arc::new(jobs.clone()),
                scheduler: Arc::new(job_deadlines.clone()),
                job_deadline: JOB_DEADLINE,
                clock: Arc::new(clock.clone()),
                drop_owner: OwnerId::of_subject(DROP_OWNER),
            },
            plan: Planner {
                objects: Arc::new(masters.clone()),
                bus: Arc::new(bus.clone()),
                chunks: Arc::new(chunks.clone()),
                encoder: Arc::clone(&encoder),
                clock: Arc::new(clock.clone()),
                quality,
            },
            transcode: Worker {
                masters: Arc::new(masters.clone()),
                media: Arc::new(media.clone()),
                bus: Arc::new(bus.clone()),
                encoder,
                clock: Arc::new(clock.clone()),
                name: "worker".to_owned(),
            },
            assemble: Assembler {
                masters: Arc::new(masters.clone()),
                media: Arc::new(media.clone()),
                table: Arc::new(joins),
                bus: Arc::new(bus.clone()),
                clock: Arc::new(clock.clone()),
            },
            manage: Catalogue {
                masters: Arc::new(masters.clone()),
                media: Arc::new(media.clone()),
                table: Arc::new(catalogue),
                bus: Arc::new(bus.clone()),
                scheduler: Arc::new(removal_deadlines.clone()),
                purge_delay: PURGE_DELAY,
                clock: Arc::new(clock.clone()),
                media_base_url: "https://media.test".to_owned(),
            },
            retry: Retry {
                masters: Arc::new(masters.clone()),
                bus: Arc::new(bus.clone()),
                jobs: Arc::new(jobs.clone()),
                chunks: Arc::new(chunks.clone()),
                uploads: Arc::new(uploads_queue.clone()),
                own: Arc::new(retries.clone()),
                parked: Arc::new(parked.clone()),
                dead_letters: DEAD_LETTERS
                    .map(|(queue, name)| (queue.to_owned(), arn(name)))
                    .into(),
                sources: sources(&returned),
                scheduler: Arc::new(job_deadlines.clone()),
                job_deadline: JOB_DEADLINE,
                clock: Arc::new(clock.clone()),
            },
            notify: notify(&tickets, &bus, &notices, &parked, &clock),
            masters,
            media,
            clock,
            notices,
            tickets,
            history: Vec::new(),
            failures: Vec::new(),
            waiting: Vec::new(),
            upload_deadlines,
            job_deadlines,
            removal_deadlines,
            bus,
            uploads: uploads_queue,
            jobs,
            chunks,
            retries,
            parked,
            returned,
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
            .extend(bodies(self.uploads.drain()).map(Message::Upload));
        self.waiting
            .extend(bodies(self.jobs.drain()).map(Message::Job));
        self.waiting
            .extend(bodies(self.chunks.drain()).map(Message::Chunk));
        // A delay is over at once here; that it is asked for is `retry`'s own test.
        self.waiting
            .extend(bodies(self.retries.drain()).map(Message::Retry));
        for (queue, messages) in &self.returned {
            let bodies = bodies(messages.drain());
            self.waiting
                .extend(bodies.filter_map(|body| Message::of(queue, body)));
        }
        for envelope in self.bus.drain() {
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

fn uploads(
    masters: &MemoryObjects,
    bus: &MemoryBus,
    clock: &ManualClock,
    deadlines: &MemoryScheduler,
    faults: &FaultPlan,
) -> Uploads {
    Uploads {
        objects: Arc::new(masters.clone()),
        store: Arc::new(masters.clone()),
        table: Arc::new(MemoryTable::new(faults.clone())),
        bus: Arc::new(bus.clone()),
        clock: Arc::new(clock.clone()),
        entropy: Arc::new(SeededEntropy::new(1)),
        deadlines: Arc::new(deadlines.clone()),
        deadline: UPLOAD_DEADLINE,
    }
}

fn notify(
    tickets: &MemoryTable,
    bus: &MemoryBus,
    notices: &MemoryNotices,
    parked: &MemoryQueue,
    clock: &ManualClock,
) -> Notify {
    Notify {
        table: Arc::new(tickets.clone()),
        bus: Arc::new(bus.clone()),
        notices: Arc::new(notices.clone()),
        parked: Arc::new(parked.clone()),
        dead_letters: LAST_DEAD_LETTERS
            .map(|(queue, name)| (arn(name), queue.to_owned()))
            .into(),
        clock: Arc::new(clock.clone()),
        entropy: Arc::new(SeededEntropy::new(2)),
        api_base_url: "https://api.test".to_owned(),
        operator: OwnerId::of_subject(OPERATOR),
        link_for: LINKS_HOLD,
    }
}

/// The queues that a buried message may go back to.
fn sources(queues: &BTreeMap<&'static str, MemoryQueue>) -> BTreeMap<String, Arc<dyn Queue>> {
    let queues = queues.iter();
    queues
        .map(|(name, queue)| {
            let queue: Arc<dyn Queue> = Arc::new(queue.clone());
            ((*name).to_owned(), queue)
        })
        .collect()
}
