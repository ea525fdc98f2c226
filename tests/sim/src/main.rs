//! `make sim`: runs many schedules on all cores and says what came of them; one with its
//! trace.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool that prints"
)]

use cattube_sim::many::{Summary, many};
use cattube_sim::planted::BUGS;
use cattube_sim::run::simulate;

/// Schedules between two words about the progress.
const BLOCK: u64 = 100_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let place = words.iter().position(|word| word == name)?;
        words.get(place + 1)?.parse::<u64>().ok()
    };
    let is_asked = |name: &str| words.iter().any(|word| word == name);
    if is_asked("--planted") {
        return planted(number("--count").unwrap_or(4_000));
    }
    if let Some(seed) = number("--seed") {
        return replay(seed);
    }
    let count = number("--count").unwrap_or(100_000);
    let first = number("--from").unwrap_or(0);
    let summary = in_blocks(first, count);
    println!("{summary}");
    if !summary.failed.is_empty() {
        std::process::exit(1);
    }
}

/// Runs many schedules and says now and then how far it is: millions take hours.
fn in_blocks(first: u64, count: u64) -> Summary {
    let mut whole = Summary::default();
    while whole.runs < count {
        let block = many(first + whole.runs, BLOCK.min(count - whole.runs), None);
        whole.join(block);
        eprintln!(
            "{} of {count}, {:.0} a second, {} broke an invariant",
            whole.runs,
            whole.runs_per_second(),
            whole.failed.len()
        );
    }
    whole
}

/// One schedule with all that happens in it.
fn replay(seed: u64) {
    let report = simulate(seed, true, None);
    for line in &report.trace {
        println!("{line}");
    }
    println!(
        "seed {seed}: {:?}, digest {:016x}",
        report.ends, report.digest
    );
    if let Some(violation) = report.violation {
        println!("VIOLATION of {:?}: {}", violation.broken(), violation.text);
        std::process::exit(1);
    }
}

/// Looks for each planted bug.
fn planted(within: u64) {
    for (bug, invariants) in BUGS {
        let found = (0..within).find_map(|seed| {
            let violation = simulate(seed, false, Some(bug)).violation?;
            Some((seed, violation))
        });
        println!("{bug:?} {invariants:?}: {found:?}");
    }
}
