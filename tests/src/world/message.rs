//! What waits to be handled, and the names of the queues that it waits in.

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

/// The ARN of a queue that stands in the samples.
#[must_use]
pub fn arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:123456789012:cattube-{name}")
}
