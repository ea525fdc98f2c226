//! Runs a target many times under a watch: for panics, for the heap, for the clock.

use std::any::Any;
use std::fmt::Display;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::HEAP;
use crate::random::Random;

/// Heap that any input may take.
const FREE_BYTES: usize = 48 << 20;

/// Heap that an input may take beyond that for each byte of its own.
const BYTES_PER_BYTE: usize = 512;

/// An input that takes longer is out of all proportion: the longest ones have some ten
/// thousand bytes, and take some milliseconds.
const TOO_LONG: Duration = Duration::from_secs(20);

type Input<'a> = Box<dyn Fn(&mut Random) -> Vec<u8> + 'a>;
type Read<'a> = Box<dyn Fn(&[u8]) -> Result<bool, String> + 'a>;

/// Something that reads bytes from outside.
pub struct Target<'a> {
    /// For people, and for `FUZZ_TARGET`.
    pub name: &'static str,
    /// It gets one run where the others get so many.
    pub weight: u64,
    /// Makes up an input.
    pub input: Input<'a>,
    /// Reads it; says whether it was taken for good, or what is wrong.
    pub read: Read<'a>,
}

/// What the runs of a target took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    /// How many.
    pub runs: u64,
    accepted: u64,
    heap_bytes: usize,
    longest: Duration,
    all: Duration,
}

impl Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} runs, {} inputs taken for good, {:.1} s; one took {} KiB and {:.1} ms at most",
            self.runs,
            self.accepted,
            self.all.as_secs_f64(),
            self.heap_bytes >> 10,
            self.longest.as_secs_f64() * 1e3,
        )
    }
}

/// Runs a target with these numbers.
///
/// # Errors
/// What is wrong with the first bad input, and how to see it again.
pub fn run(target: &Target<'_>, range: Range<u64>) -> Result<Report, String> {
    let _watch = Watch::over(target.name);
    let said = Arc::new(Mutex::new(String::new()));
    let usual = panic::take_hook();
    let kept = Arc::clone(&said);
    panic::set_hook(Box::new(move |info| {
        *kept.lock().unwrap() = info.to_string();
    }));
    let mut report = Report::default();
    let begun = Instant::now();
    let mut outcome = Ok(());
    for number in range {
        Watch::at(number);
        if let Err(reason) = one(target, number, &mut report) {
            let panicked = std::mem::take(&mut *said.lock().unwrap());
            outcome = Err(format!("{reason} {panicked}\n{}", again(target, number)));
            break;
        }
    }
    panic::set_hook(usual);
    report.all = begun.elapsed();
    outcome.map(|()| report)
}

fn one(target: &Target<'_>, number: u64, report: &mut Report) -> Result<(), String> {
    let input = (target.input)(&mut Random::new(target.name, number));
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let begun = Instant::now();
    let result = panic::catch_unwind(AssertUnwindSafe(|| (target.read)(&input)));
    let took = begun.elapsed();
    let heap = HEAP.peak_usage().saturating_sub(before);
    report.runs += 1;
    report.longest = report.longest.max(took);
    report.heap_bytes = report.heap_bytes.max(heap);
    let accepted = result.map_err(|_: Box<dyn Any + Send>| "it panicked:".to_owned())??;
    report.accepted += u64::from(accepted);
    if heap > FREE_BYTES + BYTES_PER_BYTE * input.len() {
        return Err(format!("{} bytes took {heap} bytes of heap", input.len()));
    }
    if took > TOO_LONG {
        return Err(format!("{} bytes took {took:?}", input.len()));
    }
    Ok(())
}

/// How to run it again; the input is kept besides, should its making change.
fn again(target: &Target<'_>, number: u64) -> String {
    let input = (target.input)(&mut Random::new(target.name, number));
    let name = format!("fuzz-{}-{number}", target.name);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let kept = std::fs::write(&path, &input).map(|()| path);
    let text: String = String::from_utf8_lossy(&input).chars().take(600).collect();
    format!(
        "  again: make fuzz TARGET={} RUN={number}\n  {} bytes, kept in {kept:?}: {text:?}",
        target.name,
        input.len()
    )
}

/// The run that is under way, and when it began, for a thread that sees it hang: a hanging
/// test says nothing by itself.
static NUMBER: AtomicU64 = AtomicU64::new(0);

struct Watch(Arc<AtomicBool>);

impl Watch {
    fn over(target: &'static str) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&done);
        std::thread::spawn(move || {
            let (mut number, mut since) = (u64::MAX, Instant::now());
            while !seen.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(200));
                let now = NUMBER.load(Ordering::Relaxed);
                if now != number {
                    (number, since) = (now, Instant::now());
                } else if since.elapsed() > TOO_LONG * 3 {
                    eprintln!("fuzz: {target} hangs in RUN={number}");
                    std::process::exit(1);
                }
            }
        });
        Self(done)
    }

    fn at(number: u64) {
        NUMBER.store(number, Ordering::Relaxed);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
