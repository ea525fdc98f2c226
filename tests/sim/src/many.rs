//! Many runs on all cores, and their sums.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::end::{END_COUNT, End};
use crate::faults::{FAULT_COUNT, Fault};
use crate::planted::Bug;
use crate::run::{Report, simulate};
use crate::state::Violation;

/// Failed runs that are kept.
const KEPT: usize = 200;

/// Sums over many runs.
#[derive(Debug, Default)]
pub struct Summary {
    pub runs: u64,
    pub seconds: f64,
    pub steps: u64,
    pub calls: u64,
    pub events: u64,
    pub faults: [u64; FAULT_COUNT],
    pub ends: [u64; END_COUNT],
    pub failed: Vec<(u64, Violation)>,
}

impl Summary {
    fn add(&mut self, report: Report) {
        self.runs += 1;
        self.steps += report.steps;
        self.calls += report.calls;
        self.events += report.events as u64;
        for (sum, count) in self.faults.iter_mut().zip(report.faults) {
            *sum += count;
        }
        for end in report.ends {
            self.ends[end as usize] += 1;
        }
        if let Some(violation) = report.violation
            && self.failed.len() < KEPT
        {
            self.failed.push((report.seed, violation));
        }
    }

    /// Schedules in a second of the clock on the wall.
    #[must_use]
    pub fn runs_per_second(&self) -> f64 {
        self.runs as f64 / self.seconds.max(0.001)
    }

    /// Adds the sums of other runs.
    pub fn join(&mut self, other: Self) {
        self.runs += other.runs;
        self.seconds += other.seconds;
        self.steps += other.steps;
        self.calls += other.calls;
        self.events += other.events;
        for (sum, count) in self.faults.iter_mut().zip(other.faults) {
            *sum += count;
        }
        for (sum, count) in self.ends.iter_mut().zip(other.ends) {
            *sum += count;
        }
        self.failed.extend(other.failed);
        self.failed.sort_by_key(|(seed, _)| *seed);
    }
}

/// Runs `count` schedules from seed `first` on.
#[must_use]
pub fn many(first: u64, count: u64, bug: Option<Bug>) -> Summary {
    let began = Instant::now();
    let next = AtomicU64::new(first);
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let mut whole = Summary::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|_| {
                scope.spawn(|| {
                    let mut sums = Summary::default();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= first + count {
                            return sums;
                        }
                        sums.add(simulate(seed, false, bug));
                    }
                })
            })
            .collect();
        for worker in workers {
            whole.join(worker.join().unwrap());
        }
    });
    whole.seconds = began.elapsed().as_secs_f64();
    whole
}

const FAULTS: [Fault; FAULT_COUNT] = [
    Fault::Throttle,
    Fault::LostReply,
    Fault::CrashBefore,
    Fault::CrashAfter,
    Fault::Partial,
    Fault::Stall,
    Fault::Overlap,
    Fault::LostAck,
    Fault::Duplicate,
    Fault::LateDuplicate,
    Fault::Delay,
    Fault::LostEvent,
    Fault::Undelivered,
    Fault::Outage,
    Fault::DeadWorker,
    Fault::BrokenChunk,
    Fault::LateDeadline,
    Fault::Poison,
    Fault::Skew,
];

const ENDS: [End; END_COUNT] = [
    End::Ready,
    End::Rejected,
    End::Abandoned,
    End::Deleted,
    End::Waiting,
];

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.runs_per_second();
        writeln!(
            f,
            "{} schedules in {:.1} s: {rate:.0} a second; {} happenings, {} port calls, {} events",
            self.runs, self.seconds, self.steps, self.calls, self.events
        )?;
        for (fault, count) in FAULTS.iter().zip(self.faults) {
            writeln!(f, "  {count:>12} {fault:?}")?;
        }
        for (end, count) in ENDS.iter().zip(self.ends) {
            writeln!(f, "  {count:>12} {end:?}")?;
        }
        let mut kinds: BTreeMap<(u8, String), (u64, usize)> = BTreeMap::new();
        for (seed, violation) in &self.failed {
            let text = violation
                .text
                .chars()
                .filter(|letter| !letter.is_ascii_hexdigit());
            let kind = (violation.invariant, text.take(60).collect());
            kinds.entry(kind).or_insert((*seed, 0)).1 += 1;
        }
        for (seed, count) in kinds.values() {
            let Some((_, first)) = self.failed.iter().find(|(of, _)| of == seed) else {
                continue;
            };
            let text: String = first.text.chars().take(900).collect();
            writeln!(
                f,
                "VIOLATION of {:?}, {count} times, first by seed {seed}: {text}",
                first.broken()
            )?;
        }
        write!(
            f,
            "{} of {} schedules broke an invariant",
            self.failed.len(),
            self.runs
        )
    }
}
