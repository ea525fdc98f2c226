//! Everything that stands in one run: the time, what is to come, the stores, and what was
//! seen so far.

use std::sync::Arc;

use crate::faults::{FAULT_COUNT, Fate, Fault, Faults, SECOND};
use crate::kernel::{Agenda, Call, Entry, Happening, Ms, Slot, Store, fault_of};
use crate::planted::Bug;
use crate::rng::Rng;
use crate::twins::bucket::Bucket;
use crate::twins::queues::Queues;
use crate::twins::schedules::Schedules;
use crate::twins::tables::Tables;
use crate::watch::Watch;

pub use crate::names::{
    Answer, Breakage, Broken, QueueId, QueueName, Spawn, Violation, WHO_COUNT, Who,
};

/// Duplicates in a run, at most.
const MAX_DUPLICATES: u64 = 20;

/// Lost acknowledgements in a run, at most, and as many messages that come too early.
const MAX_REPEATS: u64 = 12;

/// The state.
pub struct State {
    pub now: Ms,
    pub agenda: Agenda,
    pub rng: Rng,
    pub slots: Vec<Slot>,
    /// Which message each delivery's task is about.
    pub delivered: Vec<Option<(QueueId, u64)>>,
    /// What a planted join counts.
    pub counted: std::collections::BTreeMap<cattube_contract::VideoId, crate::planted::Counted>,
    /// Every message that was sent, if all are to be handled again in the end.
    pub log: Option<std::collections::BTreeSet<(QueueId, Arc<str>)>>,
    /// Messages that are none of ours: where they stand, and the digest of each.
    pub poison: Vec<(QueueName, String)>,
    /// The task that is polled, and whether it died.
    pub current: usize,
    pub is_killed: bool,
    /// Whether a call of many items fails in part.
    pub is_partial: bool,
    pub calls: u64,
    duplicates: u64,
    pub faults: Faults,
    pub counts: [u64; FAULT_COUNT],
    pub masters: Bucket,
    pub media: Bucket,
    pub tables: Tables,
    pub queues: Queues,
    pub schedules: Schedules,
    pub notices: u64,
    pub redriven: std::collections::BTreeMap<String, u32>,
    pub broken: Option<Broken>,
    pub temper: crate::people::Temper,
    pub spawned: Vec<Spawn>,
    pub answers: std::collections::BTreeMap<usize, Answer>,
    pub watch: Watch,
    pub violation: Option<Violation>,
    pub bug: Option<Bug>,
    /// A digest of all that happened, and the lines of it if they are wanted.
    pub digest: u64,
    pub trace: Option<Vec<String>>,
}

impl State {
    /// An empty state.
    #[must_use]
    pub fn new(seed: u64, faults: Faults, is_traced: bool, bug: Option<Bug>) -> Self {
        let mut counts = [0; FAULT_COUNT];
        counts[Fault::Skew as usize] = faults.skew.iter().filter(|skew| **skew != 0).count() as u64;
        Self {
            now: 0,
            agenda: Agenda::new(),
            rng: Rng::new(seed),
            slots: Vec::with_capacity(512),
            delivered: Vec::new(),
            counted: std::collections::BTreeMap::new(),
            log: None,
            poison: Vec::new(),
            current: 0,
            is_killed: false,
            is_partial: false,
            calls: 0,
            duplicates: 0,
            faults,
            counts,
            masters: Bucket::new(true),
            media: Bucket::new(false),
            tables: Tables::default(),
            queues: Queues::new(),
            schedules: Schedules::default(),
            notices: 0,
            redriven: std::collections::BTreeMap::new(),
            broken: None,
            temper: crate::people::Temper::Patient,
            spawned: Vec::new(),
            answers: std::collections::BTreeMap::new(),
            watch: Watch::default(),
            violation: None,
            bug,
            digest: 0xcbf2_9ce4_8422_2325,
            trace: is_traced.then(Vec::new),
        }
    }

    /// Puts something on the agenda.
    pub fn plan(&mut self, at: Ms, what: Happening) {
        let tie = self.rng.bits();
        self.agenda.push(Entry { at, tie, what });
    }

    /// A slot of the task that is polled.
    pub fn new_slot(&mut self) -> usize {
        self.slots.push(Slot {
            task: self.current,
            is_ready: false,
            waker: None,
        });
        self.slots.len() - 1
    }

    /// The task that is polled dies.
    pub fn kill(&mut self) {
        self.is_killed = true;
    }

    /// Whether faults still begin.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.now < self.faults.end
    }

    /// Counts a fault.
    pub fn count(&mut self, fault: Fault) {
        self.counts[fault as usize] += 1;
    }

    /// True in `per_myriad` of 10,000 cases, while faults still begin; counted.
    pub fn strikes(&mut self, per_myriad: u32, fault: Fault) -> bool {
        // Repeats multiply along a chain of messages; so many are enough.
        let repeats = matches!(fault, Fault::Overlap | Fault::LostAck);
        let is_enough = repeats && self.counts[fault as usize] >= MAX_REPEATS;
        let strikes = self.is_faulty() && !is_enough && self.rng.chance(per_myriad);
        if strikes {
            self.count(fault);
        }
        strikes
    }

    /// Notes what happened.
    pub fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let at = self.now;
            trace.push(format!("{:>12.3}s {}", at as f64 / 1_000.0, line()));
        }
    }

    /// Mixes something into the digest.
    pub fn digest(&mut self, of: u64) {
        self.digest = (self.digest ^ of)
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(23);
    }

    /// The first violation stands.
    pub fn violate(&mut self, invariant: u8, text: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let text = text();
            self.note(|| format!("VIOLATION of {invariant}: {text}"));
            self.violation = Some(Violation { invariant, text });
        }
    }

    /// Whether the message of the task that is polled was taken off by another delivery of
    /// it. Nobody would bring it again, so nothing may go wrong any more.
    fn is_alone(&self) -> bool {
        let delivered = self.delivered.get(self.current).copied().flatten();
        delivered.is_some_and(|(from, id)| !self.queues.holds(from, id))
    }

    /// A call begins: its fate and when it has its turn.
    pub(crate) fn begin(&mut self, who: Who, store: Store, call: Call<'_>) -> (usize, Fate) {
        self.calls += 1;
        let fate = self.fate();
        let mut span = self.rng.between(1, 60);
        if store == Store::Encoder {
            span += self.rng.between(SECOND, 40 * SECOND);
        }
        if !self.is_alone() && self.strikes(self.faults.rates.stall, Fault::Stall) {
            span += self.rng.between(5 * SECOND, 400 * SECOND);
        }
        if let Some(fault) = fault_of(fate) {
            self.count(fault);
            self.note(|| format!("{who:?} {} {}: {fault:?}", call.operation, call.subject));
        }
        let slot = self.new_slot();
        let at = self.now + span;
        self.plan(at, Happening::Resume(slot));
        (slot, fate)
    }

    fn fate(&mut self) -> Fate {
        if let Some((call, fate)) = self.faults.single {
            return if call == self.calls { fate } else { Fate::Pass };
        }
        if !self.is_faulty() || self.is_alone() {
            return Fate::Pass;
        }
        let rates = &self.faults.rates;
        let kinds = [
            (rates.throttle, Fate::Fail),
            (rates.lost_reply, Fate::LoseReply),
            (rates.crash_before, Fate::CrashBefore),
            (rates.crash_after, Fate::CrashAfter),
        ];
        let mut draw = self.rng.below(10_000) as u32;
        for (rate, fate) in kinds {
            if draw < rate {
                return fate;
            }
            draw -= rate;
        }
        Fate::Pass
    }

    /// A call's turn has come.
    pub(crate) fn turn(&mut self, who: Who, store: Store, call: Call<'_>, fate: Fate) -> Fate {
        let of = self.now as u64 ^ ((who.place() as u64) << 56) ^ self.current as u64;
        self.digest(of);
        self.note(|| format!("{who:?} {} {}", call.operation, call.subject));
        let outage = self.faults.outage.is_some_and(|outage| {
            outage.store == store
                && outage.who.is_none_or(|only| only == who)
                && (outage.from..outage.to).contains(&self.now)
        });
        if outage && fate == Fate::Pass && !self.is_alone() {
            self.count(Fault::Outage);
            return Fate::Fail;
        }
        fate
    }

    /// How long something takes to be delivered; with luck or without.
    pub fn delivery(&mut self) -> Ms {
        let span = self.rng.between(20, 500);
        if self.strikes(self.faults.rates.delay, Fault::Delay) {
            let longest = self
                .rng
                .pick(&[30 * SECOND, 600 * SECOND, 3 * 3_600 * SECOND]);
            return span + self.rng.between(SECOND, longest);
        }
        span
    }

    /// How much later each copy comes of something that is delivered more than once.
    pub fn copies(&mut self) -> Vec<Ms> {
        // What follows from a duplicate may be doubled too, and what follows from that.
        if self.duplicates >= MAX_DUPLICATES
            || !self.strikes(self.faults.rates.duplicate, Fault::Duplicate)
        {
            return Vec::new();
        }
        let count = 1 + self.rng.below(4);
        self.duplicates += count;
        (0..count)
            .map(|_| {
                if self.strikes(self.faults.rates.late, Fault::LateDuplicate) {
                    self.rng.between(3_600 * SECOND, 15 * 86_400 * SECOND)
                } else {
                    self.rng.between(0, 300 * SECOND)
                }
            })
            .collect()
    }

    /// A body on its way to a queue, perhaps more than once.
    pub fn send(&mut self, to: QueueId, body: &Arc<str>) {
        let at = self.now + self.delivery();
        self.plan(at, Happening::Arrive(to, Arc::clone(body), false));
        for later in self.copies() {
            self.plan(at + later, Happening::Arrive(to, Arc::clone(body), true));
        }
    }
}
