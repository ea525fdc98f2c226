//! The one state of a run behind a lock, and the way of every port call through it: a call
//! is begun, waits its turn, and has its effect, or not.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use cattube_ports::PortError;

use crate::faults::{Fate, Fault};
use crate::state::{QueueId, State, Who};

/// Virtual milliseconds since the start of a run.
pub type Ms = i64;

/// What comes at its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A call's turn has come.
    Resume(usize),
    /// A message may be seen, if it was received so often by then.
    Visible(QueueId, u64, u32),
    /// An event or a deadline's message reaches a queue; perhaps a duplicate.
    Arrive(QueueId, Arc<str>, bool),
    /// A deadline comes, if it was set so often by then.
    Fire(String, u64),
    /// A deadline that has come deletes itself.
    Expire(String),
    /// A planted bug writes a segment too late.
    LateWrite(String, bytes::Bytes),
    /// A function's time is over.
    TimeOut(usize),
    /// Somebody looks at the messages that nobody could handle, by an alarm's word.
    Alarm,
}

/// A happening with its time.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Ms,
    /// Those of the same time come in the order of this random number.
    pub tie: u64,
    /// What.
    pub what: Happening,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives its greatest first.
        (other.at, other.tie).cmp(&(self.at, self.tie))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The happenings to come.
pub type Agenda = BinaryHeap<Entry>;

/// A call, or a sleep, that waits its turn.
#[derive(Debug)]
pub struct Slot {
    /// Whose.
    pub task: usize,
    /// Whether its turn has come.
    pub is_ready: bool,
    /// Whom to tell.
    pub waker: Option<Waker>,
}

/// A handle on the state; clones share it.
#[derive(Clone)]
pub struct Kernel(Arc<Mutex<State>>);

impl Kernel {
    /// A handle on a state.
    #[must_use]
    pub fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// The state.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a slot's turn.
    pub(crate) fn wait(&self, slot: usize) -> Turn {
        let kernel = self.clone();
        Turn { kernel, slot }
    }

    /// Waits for a span of virtual time.
    pub async fn sleep(&self, span: Ms) {
        let slot = {
            let mut state = self.lock();
            let at = state.now.saturating_add(span);
            let slot = state.new_slot();
            state.plan(at, Happening::Resume(slot));
            slot
        };
        self.wait(slot).await;
    }
}

/// Waits until its slot's turn has come.
pub(crate) struct Turn {
    kernel: Kernel,
    slot: usize,
}

impl Future for Turn {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.kernel.lock();
        let slot = &mut state.slots[self.slot];
        if slot.is_ready {
            return Poll::Ready(());
        }
        slot.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Which store a call goes to; an outage takes one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Store {
    /// The masters bucket.
    Masters,
    /// The media bucket.
    Media,
    /// A function's table.
    Table,
    /// The bus.
    Bus,
    /// A queue.
    Queue,
    /// The scheduler.
    Scheduler,
    /// The encoder, which is no store but fails like one.
    Encoder,
    /// The topic.
    Topic,
}

/// A function's way to a store.
#[derive(Clone)]
pub struct Port {
    /// The state.
    pub kernel: Kernel,
    /// Which function.
    pub who: Who,
    /// Which store.
    pub store: Store,
}

/// A call of a port, for the trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static str,
    pub(crate) subject: &'a str,
}

impl Port {
    /// Makes one call.
    pub(crate) async fn call<T>(
        &self,
        call: Call<'_>,
        error: impl FnOnce(String) -> PortError,
        effect: impl FnOnce(&mut State) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let (slot, fate) = {
            let mut state = self.kernel.lock();
            state.begin(self.who, self.store, call)
        };
        self.kernel.wait(slot).await;
        let done = {
            let mut state = self.kernel.lock();
            let state = &mut *state;
            let fate = state.turn(self.who, self.store, call, fate);
            match fate {
                Fate::Pass => Some(effect(state)),
                Fate::Fail => Some(Err(error("it failed, as the seed has it".to_owned()))),
                Fate::LoseReply => {
                    state.is_partial = state.rng.chance(5_000);
                    drop(effect(state));
                    state.is_partial = false;
                    Some(Err(error(
                        "its reply was lost, as the seed has it".to_owned(),
                    )))
                }
                Fate::CrashBefore => None,
                Fate::CrashAfter => {
                    drop(effect(state));
                    None
                }
            }
        };
        if let Some(result) = done {
            return result;
        }
        self.kernel.lock().kill();
        std::future::pending().await
    }
}

/// A fault of a call, if it is one that is counted.
pub(crate) fn fault_of(fate: Fate) -> Option<Fault> {
    match fate {
        Fate::Pass => None,
        Fate::Fail => Some(Fault::Throttle),
        Fate::LoseReply => Some(Fault::LostReply),
        Fate::CrashBefore => Some(Fault::CrashBefore),
        Fate::CrashAfter => Some(Fault::CrashAfter),
    }
}
