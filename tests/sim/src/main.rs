//! `make sim`: runs many schedules on all cores and says what came of them; one with its
//! trace.
#![allow(
    clippy::print_stdout,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a tool that prints"
)]

use cattube_sim::run::simulate;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let place = words.iter().position(|word| word == name)?;
        words.get(place + 1)?.parse::<u64>().ok()
    };
    if let Some(seed) = number("--seed") {
        let report = simulate(seed, true, None);
        for line in &report.trace {
            println!("{line}");
        }
        println!("{:?} {:?} digest {:016x}", report.violation, report.ends, report.digest);
        return;
    }
    let count = number("--count").unwrap_or(10_000);
    let first = number("--from").unwrap_or(0);
    let summary = cattube_sim::many::many(first, count, None);
    println!("{summary}");
    if !summary.failed.is_empty() {
        std::process::exit(1);
    }
}
