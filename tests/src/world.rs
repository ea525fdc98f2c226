//! All functions in one process. Messages wait in the queues until [`World::pump`] delivers
//! them; nothing runs by itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use assemble::Assembler;
use cattube_contract::plan::Quality;
use cattube_contract::{Envelope, OwnerId, VideoId};
use cattube_ports::Encoder;
use cattube_ports::fakes::{
    FaultPlan, ManualClock, MemoryBus, MemoryObjects, MemoryQueue, MemoryTable, SeededEntropy,
};
use cattube_ports::http::{ApiRequest, ApiResponse};
use cattube_ports::outcome::{ApiHandler, MessageHandler};
use cattube_ports::queue::OutgoingMessage;
use ingest::Ingest;
use jiff::Timestamp;
use manage::Catalogue;
use plan::Planner;
use retry::Retry;
use transcode::Worker;
use upload::Uploads;

use crate::rules::{bus_body, fails, joins, s3_body};

/// The name of the masters bucket.
pub const MASTERS_BUCKET: &str = "masters";

/// Who owns what is dropped.
pub const DROP_OWNER: &str = "studio";

/// What waits to be handled.
#[derive(Debug, Clone)]
pub enum Message {
    /// S3's event of an object, for `ingest`.
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
    bus: MemoryBus,
    jobs: MemoryQueue,
    chunks: MemoryQueue,
    retries: MemoryQueue,
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
        let jobs = MemoryQueue::new(faults.clone());
        let chunks = MemoryQueue::new(faults.clone());
        let retries = MemoryQueue::new(faults.clone());
        let joins = MemoryTable::new(faults.clone());
        let catalogue = MemoryTable::new(faults.clone());
        Self {
            upload: uploads(&masters, &bus, &clock, faults),
            ingest: Ingest {
                objects: Arc::new(masters.clone()),
                bus: Arc::new(bus.clone()),
                jobs: Arc::new(jobs.clone()),
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
                clock: Arc::new(clock.clone()),
                media_base_url: "https://media.test".to_owned(),
            },
            retry: retry(&bus, &jobs, &chunks, &retries, &clock),
            masters,
            media,
            clock,
            history: Vec::new(),
            failures: Vec::new(),
            waiting: Vec::new(),
            bus,
            jobs,
            chunks,
            retries,
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
            .extend(bodies(self.jobs.drain()).map(Message::Job));
        self.waiting
            .extend(bodies(self.chunks.drain()).map(Message::Chunk));
        // A delay is over at once here; that it is asked for is `retry`'s own test.
        self.waiting
            .extend(bodies(self.retries.drain()).map(Message::Retry));
        for envelope in self.bus.drain() {
            let body = bus_body(&envelope);
            if joins(&envelope.event) {
                self.waiting.push(Message::Join(body.clone()));
            }
            if fails(&envelope.event) {
                self.waiting.push(Message::Retry(body.clone()));
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
            Message::ObjectCreated(body) => done(self.ingest.handle(body).await),
            Message::Job(body) => done(self.plan.handle(body).await),
            Message::Chunk(body) => done(self.transcode.handle(body).await),
            Message::Join(body) => done(self.assemble.handle(body).await),
            Message::Catalogue(body) => done(self.manage.handle(body).await),
            Message::Retry(body) => done(self.retry.handle(body).await),
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
    faults: &FaultPlan,
) -> Uploads {
    Uploads {
        objects: Arc::new(masters.clone()),
        store: Arc::new(masters.clone()),
        table: Arc::new(MemoryTable::new(faults.clone())),
        bus: Arc::new(bus.clone()),
        clock: Arc::new(clock.clone()),
        entropy: Arc::new(SeededEntropy::new(1)),
    }
}

fn retry(
    bus: &MemoryBus,
    jobs: &MemoryQueue,
    chunks: &MemoryQueue,
    own: &MemoryQueue,
    clock: &ManualClock,
) -> Retry {
    Retry {
        bus: Arc::new(bus.clone()),
        jobs: Arc::new(jobs.clone()),
        chunks: Arc::new(chunks.clone()),
        own: Arc::new(own.clone()),
        clock: Arc::new(clock.clone()),
    }
}
