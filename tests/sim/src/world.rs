//! The loop: takes the next happening, polls the task that it is about, and accounts for
//! what became of it. One thread; tasks interleave at every port call.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use cattube_contract::VideoId;

use crate::faults::SECOND;
use crate::kernel::{Happening, Kernel, Ms};
use crate::planted::Bug;
use crate::scenario::Upload;
use crate::state::{Answer, QueueId, QueueName, Spawn, State};
use crate::twins::bucket::etag_of;
use crate::wiring::Functions;
use crate::{actors, people};

/// The masters bucket's name, as the rules know it.
pub const MASTERS_BUCKET: &str = "masters";

/// Happenings of a run, at most: one that does not come to rest by then never will.
const MAX_STEPS: u64 = 150_000;

/// How a task ended.
enum Done {
    Handled(Result<&'static str, String>),
    Answered(Answer),
    Acted,
}

/// What a task is about.
#[derive(Debug, Clone, Copy)]
enum Origin {
    Delivery(QueueId, u64),
    Api(usize),
    Actor,
}

struct Task {
    origin: Origin,
    future: Pin<Box<dyn Future<Output = Done> + Send>>,
}

/// How long a function may take for a message, as in `template.yaml`.
fn time_out(from: QueueId) -> Ms {
    match (from.is_dead, from.name) {
        (false, QueueName::Jobs | QueueName::Assemble) => 120 * SECOND,
        (false, QueueName::Chunks) => 300 * SECOND,
        _ => 30 * SECOND,
    }
}

/// A run under way.
pub struct World {
    /// The state.
    pub kernel: Kernel,
    /// The functions.
    pub functions: Arc<Functions>,
    tasks: Vec<Option<Task>>,
    /// Happenings so far.
    pub steps: u64,
}

impl World {
    /// A world of this state.
    #[must_use]
    pub fn new(state: State, seed: u64) -> Self {
        let kernel = Kernel::new(state);
        Self {
            functions: Arc::new(Functions::new(&kernel, seed)),
            kernel,
            tasks: Vec::with_capacity(128),
            steps: 0,
        }
    }

    /// Starts somebody outside.
    pub fn act(&mut self, actor: impl Future<Output = ()> + Send + 'static) {
        let future = Box::pin(async move {
            actor.await;
            Done::Acted
        });
        self.start(Origin::Actor, future);
    }

    /// Goes on until nothing is to come, or something is wrong.
    pub fn run(&mut self) {
        loop {
            let next = {
                let mut state = self.kernel.lock();
                if state.violation.is_some() {
                    return;
                }
                let next = state.agenda.pop();
                if let Some(entry) = &next {
                    state.now = state.now.max(entry.at);
                }
                next
            };
            let Some(entry) = next else { return };
            self.steps += 1;
            if self.steps > MAX_STEPS {
                let mut state = self.kernel.lock();
                state.violate(1, || format!("no rest after {MAX_STEPS} happenings"));
                return;
            }
            self.happen(entry.what);
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Resume(slot) => self.resume(slot),
            Happening::Visible(from, id, receives) => {
                let body = self.kernel.lock().receive(from, id, receives);
                if let Some(body) = body {
                    self.deliver(from, id, body);
                }
            }
            Happening::Arrive(to, body, is_copy) => self.kernel.lock().arrive(to, body, is_copy),
            Happening::Fire(name, number) => self.kernel.lock().fire(&name, number),
            Happening::Expire(name) => self.kernel.lock().expire(&name),
            Happening::LateWrite(key, bytes) => {
                let mut state = self.kernel.lock();
                let etag = etag_of(&bytes);
                state.write(false, &key, bytes, etag, BTreeMap::new(), "PutObject");
            }
            Happening::TimeOut(task) => {
                if let Some(task) = self.tasks[task].take() {
                    self.died(task.origin);
                }
            }
            Happening::Alarm => self.act(people::person(self.kernel.clone())),
        }
        self.kernel.lock().balance();
    }

    fn deliver(&mut self, from: QueueId, id: u64, body: Arc<str>) {
        {
            let mut state = self.kernel.lock();
            if state.has(Bug::AcknowledgesFirst) {
                state.acknowledge(from, id);
            }
        }
        let functions = Arc::clone(&self.functions);
        let future = Box::pin(async move { Done::Handled(functions.handle(from, &body).await) });
        self.start(Origin::Delivery(from, id), future);
    }

    fn start(&mut self, origin: Origin, future: Pin<Box<dyn Future<Output = Done> + Send>>) {
        let place = self.tasks.len();
        self.tasks.push(Some(Task { origin, future }));
        {
            let mut state = self.kernel.lock();
            let limit = match origin {
                Origin::Delivery(from, id) => {
                    state.delivered.resize(place + 1, None);
                    state.delivered[place] = Some((from, id));
                    Some(time_out(from))
                }
                Origin::Api(_) => Some(30 * SECOND),
                Origin::Actor => None,
            };
            if let Some(limit) = limit {
                let at = state.now + limit;
                state.plan(at, Happening::TimeOut(place));
            }
        }
        self.poll(place);
    }

    fn resume(&mut self, slot: usize) {
        let (task, waker) = {
            let mut state = self.kernel.lock();
            let slot = &mut state.slots[slot];
            slot.is_ready = true;
            (slot.task, slot.waker.take())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        self.poll(task);
    }

    fn poll(&mut self, place: usize) {
        let Some(mut task) = self.tasks[place].take() else {
            return;
        };
        {
            let mut state = self.kernel.lock();
            state.current = place;
            state.is_killed = false;
        }
        let mut context = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut context)));
        let is_killed = self.kernel.lock().is_killed;
        match polled {
            Err(_) => {
                let mut state = self.kernel.lock();
                state.violate(14, || format!("a panic in {:?}", task.origin));
            }
            Ok(_) if is_killed => self.died(task.origin),
            Ok(Poll::Pending) => self.tasks[place] = Some(task),
            Ok(Poll::Ready(done)) => self.ended(task.origin, done),
        }
        self.spawn();
    }

    fn died(&mut self, origin: Origin) {
        let mut state = self.kernel.lock();
        state.note(|| format!("{origin:?} died"));
        if let Origin::Api(slot) = origin {
            state.answers.insert(slot, None);
            let at = state.now + 30 * SECOND;
            state.plan(at, Happening::Resume(slot));
        }
    }

    fn ended(&mut self, origin: Origin, done: Done) {
        let mut state = self.kernel.lock();
        match (origin, done) {
            (Origin::Delivery(from, id), Done::Handled(result)) => {
                state.note(|| format!("{from:?} {id}: {result:?}"));
                // Without it, SQS brings the message again.
                if result.is_ok() {
                    state.acknowledge(from, id);
                }
            }
            (Origin::Api(slot), Done::Answered(answer)) => {
                let status = answer.as_ref().map(|answer| answer.status);
                state.note(|| format!("answered {status:?}"));
                state.answers.insert(slot, answer);
                let at = state.now + 10;
                state.plan(at, Happening::Resume(slot));
            }
            _ => {}
        }
    }

    /// Starts those who wait for an upload to be accepted.
    pub fn follow(&mut self, upload: &Upload, subject: &'static str, video: VideoId) {
        let kernel = self.kernel.clone();
        if let Some(after) = upload.delete_after {
            self.act(actors::deleter(kernel.clone(), subject, video, after));
        }
        if let Some(after) = upload.pry_after {
            self.act(actors::stranger(kernel.clone(), video, after));
        }
        if let Some((after, what)) = upload.redo {
            self.act(actors::redoer(kernel, subject, video, after, what));
        }
    }

    fn spawn(&mut self) {
        loop {
            let spawned = std::mem::take(&mut self.kernel.lock().spawned);
            if spawned.is_empty() {
                return;
            }
            for spawn in spawned {
                match spawn {
                    Spawn::Api { who, request, slot } => {
                        let functions = Arc::clone(&self.functions);
                        let future = Box::pin(async move {
                            Done::Answered(functions.answer(who, request).await)
                        });
                        self.start(Origin::Api(slot), future);
                    }
                    Spawn::Person => self.act(people::person(self.kernel.clone())),
                    Spawn::Follow(upload, subject, video) => self.follow(&upload, subject, video),
                }
            }
        }
    }
}
