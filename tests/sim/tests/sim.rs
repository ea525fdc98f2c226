//! Many schedules, each told by its seed; and that the checks can fail.
#![allow(clippy::print_stdout, reason = "what was run is part of the result")]

use cattube_sim::faults::{Fate, Faults};
use cattube_sim::many::many;
use cattube_sim::planted::BUGS;
use cattube_sim::run::{play, simulate};
use cattube_sim::scenario::Scenario;

/// Schedules of an ordinary test run; `make sim SEEDS=…` for more.
const SCHEDULES: u64 = 100_000;

/// Schedules within which a planted bug must be found.
const WITHIN: u64 = 4_000;

#[test]
fn no_schedule_breaks_an_invariant() {
    let summary = many(0, SCHEDULES, None);
    println!("{summary}");
    for (seed, _) in summary.failed.iter().take(1) {
        let report = simulate(*seed, true, None);
        println!("{}", report.trace.join("\n"));
        println!("again by: make sim SEED={seed}");
    }
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
    // Something of everything happened.
    assert!(summary.ends.iter().all(|count| *count > 0), "{summary}");
    assert!(summary.faults.iter().all(|count| *count > 0), "{summary}");
}

#[test]
fn a_seed_replays_to_the_same_trace() {
    for seed in (0..40).map(|seed| seed * 977) {
        let (first, second) = (simulate(seed, true, None), simulate(seed, true, None));
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.digest, second.digest, "seed {seed}");
        // The lines are only for people.
        assert_eq!(
            first.digest,
            simulate(seed, false, None).digest,
            "seed {seed}"
        );
    }
    assert_ne!(
        simulate(1, false, None).digest,
        simulate(2, false, None).digest
    );
}

#[test]
fn a_crash_before_or_after_any_single_call_loses_nothing() {
    for film in [1, 2] {
        let plain = play(&Scenario::plain(film), 7, false, None);
        assert_eq!(plain.violation, None);
        assert!(plain.calls > 60, "{} calls", plain.calls);
        for call in 1..=plain.calls {
            for fate in [
                Fate::CrashBefore,
                Fate::CrashAfter,
                Fate::Fail,
                Fate::LoseReply,
            ] {
                let scenario = Scenario {
                    faults: Faults::single(call, fate),
                    ..Scenario::plain(film)
                };
                let report = play(&scenario, 7, false, None);
                assert_eq!(
                    report.violation, None,
                    "{fate:?} at call {call} of film {film}"
                );
                assert_eq!(
                    report.ends, plain.ends,
                    "{fate:?} at call {call} of film {film}"
                );
            }
        }
    }
}

#[test]
fn every_planted_bug_is_found() {
    let mut found = 0;
    for (bug, invariants) in BUGS {
        let mut by = None;
        for seed in 0..WITHIN {
            if let Some(violation) = simulate(seed, false, Some(bug)).violation {
                by = Some((seed, violation));
                break;
            }
        }
        let Some((seed, violation)) = by else {
            println!("{bug:?} was not found in {WITHIN} schedules");
            continue;
        };
        println!(
            "{bug:?}: seed {seed}, invariant {}: {}",
            violation.invariant, violation.text
        );
        assert!(
            invariants.contains(&violation.invariant),
            "{bug:?} was found as something else, by seed {seed}: {violation:?}"
        );
        found += 1;
    }
    println!("{found} of {} planted bugs found", BUGS.len());
    assert_eq!(found, BUGS.len());
}
