//! What goes wrong in a run, all of it told by the seed.

use crate::kernel::{Ms, Store};
use crate::rng::Rng;
use crate::state::{WHO_COUNT, Who};

/// A second, a minute, an hour and a day of virtual time.
pub const SECOND: Ms = 1_000;
/// A minute.
pub const MINUTE: Ms = 60 * SECOND;
/// An hour.
pub const HOUR: Ms = 60 * MINUTE;
/// A day.
pub const DAY: Ms = 24 * HOUR;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It has its effect.
    Pass,
    /// It is refused and has none.
    Fail,
    /// It has its effect, and the caller is told that it failed.
    LoseReply,
    /// The process dies before the effect.
    CrashBefore,
    /// The process dies after the effect.
    CrashAfter,
}

/// The kinds of faults, as they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A call was refused.
    Throttle,
    /// A reply was lost after a commit.
    LostReply,
    /// A process died before a call.
    CrashBefore,
    /// A process died after a call.
    CrashAfter,
    /// Of a call of many items only some came through.
    Partial,
    /// A call took minutes, and perhaps its function's time with it.
    Stall,
    /// A message came again while it was worked on.
    Overlap,
    /// A handled message was not taken off its queue.
    LostAck,
    /// A message or event was delivered again.
    Duplicate,
    /// The same, days later.
    LateDuplicate,
    /// A message or event took its time.
    Delay,
    /// The bus lost an event for good.
    LostEvent,
    /// An event did not reach one of its targets, but the dead letters of that.
    Undelivered,
    /// A call fell into the outage of its store.
    Outage,
    /// A worker died of its chunk.
    DeadWorker,
    /// The encoder failed.
    BrokenChunk,
    /// A deadline came late or twice.
    LateDeadline,
    /// A message that is none of ours was in a queue.
    Poison,
    /// A function's clock was wrong by up to ten minutes.
    Skew,
}

/// How many kinds there are.
pub const FAULT_COUNT: usize = 19;

/// How many of 10,000 cases go wrong in which way.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    pub throttle: u32,
    pub lost_reply: u32,
    pub crash_before: u32,
    pub crash_after: u32,
    pub stall: u32,
    pub overlap: u32,
    pub lost_ack: u32,
    pub duplicate: u32,
    pub late: u32,
    pub delay: u32,
    pub lost_event: u32,
    pub late_deadline: u32,
}

/// A store that is away for a while.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    pub store: Store,
    pub who: Option<Who>,
    pub from: Ms,
    pub to: Ms,
}

/// Everything that goes wrong.
#[derive(Debug, Clone)]
pub struct Faults {
    pub rates: Rates,
    /// From then on only what was under way still goes wrong.
    pub end: Ms,
    pub outage: Option<Outage>,
    pub skew: [Ms; WHO_COUNT],
    /// Breaks the run at this one call (counted from 1) instead.
    pub single: Option<(u64, Fate)>,
}

impl Faults {
    /// Nothing goes wrong.
    #[must_use]
    pub fn none() -> Self {
        Self {
            rates: Rates::default(),
            end: 0,
            outage: None,
            skew: [0; WHO_COUNT],
            single: None,
        }
    }

    /// One call goes wrong.
    #[must_use]
    pub fn single(call: u64, fate: Fate) -> Self {
        Self {
            single: Some((call, fate)),
            ..Self::none()
        }
    }

    /// A draw of faults: of each kind none, few or many, so that every mixture comes up.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Self {
        // Most runs have a few kinds of faults, some have many.
        let share = if rng.below(100) < 60 { 18 } else { 40 };
        let rate = |rng: &mut Rng, rates: &[u32]| {
            if rng.below(100) < share {
                rng.pick(rates)
            } else {
                0
            }
        };
        let calls = [20, 60, 150, 400];
        let deliveries = [200, 1_000, 3_000];
        let rates = Rates {
            throttle: rate(rng, &calls),
            lost_reply: rate(rng, &calls),
            crash_before: rate(rng, &calls),
            crash_after: rate(rng, &calls),
            stall: rate(rng, &[20, 100, 300]),
            overlap: rate(rng, &deliveries),
            lost_ack: rate(rng, &deliveries),
            duplicate: rate(rng, &deliveries),
            late: rate(rng, &[500, 3_000]),
            delay: rate(rng, &deliveries),
            lost_event: rate(rng, &[50, 200, 800]),
            late_deadline: rate(rng, &[1_000, 4_000]),
        };
        let mut skew = [0; WHO_COUNT];
        if rng.below(100) < 30 {
            for of in &mut skew {
                *of = rng.between(-10 * MINUTE, 10 * MINUTE + 1);
            }
        }
        let stores = [
            Store::Masters,
            Store::Media,
            Store::Table,
            Store::Bus,
            Store::Queue,
            Store::Scheduler,
            Store::Encoder,
            Store::Topic,
        ];
        let outage = (rng.below(100) < 5).then(|| {
            let from = rng.between(0, 20 * MINUTE);
            Outage {
                store: rng.pick(&stores),
                who: (rng.below(2) == 0).then(|| rng.pick(&Who::ALL)),
                from,
                to: from + 3 * HOUR,
            }
        });
        let end = rng.pick(&[10 * MINUTE, HOUR, 6 * HOUR, 2 * DAY]);
        Self {
            rates,
            end,
            outage,
            skew,
            single: None,
        }
    }
}
