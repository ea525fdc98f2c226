//! Fuzzing of everything that reads bytes from outside: made-up inputs, each mutated from
//! real ones with regard to their structure. No input may panic, take memory or time out of
//! all proportion, or be read and written back as something else.
//!
//! A run is told by its target and its number, so `make fuzz TARGET=… RUN=…` plays it again.
//! The only test of its binary: the heap is counted, and must be nobody else's meanwhile.

#![cfg(test)]
#![allow(clippy::print_stdout, reason = "its figures are what it is run for")]

mod guard;
mod json;
mod mutate;
mod random;
mod seeds;
mod targets;
mod tree;

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Runs of each target in `make test`.
const USUAL_RUNS: u64 = 1_500;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}: {text} is no number")),
    )
}

#[test]
fn no_bytes_from_outside_break_anything() {
    let runs = number("FUZZ_RUNS").unwrap_or(USUAL_RUNS);
    let one_run = number("FUZZ_RUN");
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let seeds = seeds::Seeds::collect();
    let mut total = 0;
    let mut failed = Vec::new();
    for target in targets::all(&seeds) {
        if !wanted.is_empty() && wanted != target.name {
            continue;
        }
        let range = match one_run {
            Some(run) => run..run + 1,
            None => 0..runs.div_ceil(target.weight),
        };
        match guard::run(&target, range) {
            Ok(report) => {
                total += report.runs;
                println!("fuzz: {}: {report}", target.name);
            }
            Err(failure) => failed.push(failure),
        }
    }
    println!("fuzz: {total} runs in all");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(total > 0, "no target is called {wanted}");
}
