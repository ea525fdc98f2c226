//! Names and small values that everything here speaks in.

use crate::kernel::Ms;

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    Upload,
    Ingest,
    Plan,
    Transcode,
    Assemble,
    Manage,
    Retry,
    Notify,
}

/// How many functions there are.
pub const WHO_COUNT: usize = 8;

impl Who {
    /// All functions.
    pub const ALL: [Self; WHO_COUNT] = [
        Self::Upload,
        Self::Ingest,
        Self::Plan,
        Self::Transcode,
        Self::Assemble,
        Self::Manage,
        Self::Retry,
        Self::Notify,
    ];

    /// Its place in an array.
    #[must_use]
    pub fn place(self) -> usize {
        self as usize
    }
}

/// The name of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueueName {
    Uploads,
    Ingest,
    Jobs,
    Chunks,
    Assemble,
    Manage,
    Retry,
    Deadlines,
    Notify,
    Parked,
}

/// A queue, or its dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId {
    pub name: QueueName,
    pub is_dead: bool,
}

impl QueueId {
    /// A queue.
    #[must_use]
    pub const fn of(name: QueueName) -> Self {
        Self {
            name,
            is_dead: false,
        }
    }

    /// The dead letters of a queue.
    #[must_use]
    pub const fn dead(name: QueueName) -> Self {
        Self {
            name,
            is_dead: true,
        }
    }
}

/// What must always hold; a violation names it by its place.
pub const INVARIANTS: [&str; 16] = [
    "the simulator's own sums are right",
    "every accepted upload ends ready, rejected, or abandoned with a person asked",
    "a message that comes again has no second effect",
    "a chunk that two workers finish counts once",
    "ready means every chunk of the plan, and makings never mix",
    "no playlist names a file that is not there",
    "what has ended does not change",
    "a crash between any two steps loses nothing",
    "attempts are bounded, delays grow, permanent faults are not tried again",
    "one bad message harms no other, and none is lost unseen",
    "a job that nobody hears of is led to its end by its deadline",
    "nothing of a deleted video is left",
    "an owner neither sees nor changes anything of another",
    "the encoder's process is shut in (held by its own tests)",
    "no bytes make a handler panic",
    "there are as many videos as accepted uploads",
];

/// What breaks one of [`INVARIANTS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which of [`INVARIANTS`].
    pub invariant: u8,
    /// How.
    pub text: String,
}

impl Violation {
    /// What does not hold.
    pub fn broken(&self) -> &'static str {
        INVARIANTS[usize::from(self.invariant)]
    }
}

/// Something that the loop is to start.
#[derive(Debug)]
pub enum Spawn {
    /// An API request; its answer goes to the slot.
    Api {
        who: Who,
        request: cattube_ports::http::ApiRequest,
        slot: usize,
    },
    /// A person was told something and will look at the tickets.
    Person,
    /// An upload was accepted: whoever waits for it begins.
    Follow(
        crate::scenario::Upload,
        &'static str,
        cattube_contract::VideoId,
    ),
}

/// An API's answer; none if the process died or failed.
pub type Answer = Option<cattube_ports::http::ApiResponse>;

/// A chunk that the encoder fails on.
#[derive(Debug, Clone)]
pub struct Broken {
    pub start: i64,
    pub is_sound: bool,
    /// Until somebody mends it.
    pub until: Ms,
    pub how: Breakage,
}

/// How the encoder fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakage {
    /// The disk is full.
    Transient,
    /// The exit code says so.
    Exit,
    /// The process dies with its worker.
    Death,
    /// Exit code 0, and no file.
    NoFile,
}
