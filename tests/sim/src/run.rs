//! One run from its seed to its verdict.

use crate::end::End;
use crate::faults::FAULT_COUNT;
use crate::planted::Bug;
use crate::scenario::Scenario;
use crate::state::{State, Violation};
use crate::world::World;

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Report {
    pub seed: u64,
    pub violation: Option<Violation>,
    pub ends: Vec<End>,
    pub faults: [u64; FAULT_COUNT],
    pub steps: u64,
    pub calls: u64,
    pub events: usize,
    /// Equal for two runs in which the same happened.
    pub digest: u64,
    pub trace: Vec<String>,
}

/// Runs the schedule of a seed.
#[must_use]
pub fn simulate(seed: u64, is_traced: bool, bug: Option<Bug>) -> Report {
    play(&Scenario::draw(seed), seed, is_traced, bug)
}

/// Runs a scenario.
#[must_use]
pub fn play(scenario: &Scenario, seed: u64, is_traced: bool, bug: Option<Bug>) -> Report {
    let mut state = State::new(seed, scenario.faults.clone(), is_traced, bug);
    state.note(|| format!("{scenario:?}"));
    let mut world = World::new(state, seed);
    scenario.start(&mut world);
    world.run();
    let steps = world.steps;
    let mut state = world.kernel.lock();
    let ends = if state.violation.is_none() {
        state.judge_end()
    } else {
        Vec::new()
    };
    Report {
        seed,
        violation: state.violation.clone(),
        ends,
        faults: state.counts,
        steps,
        calls: state.calls,
        events: state.watch.history.len(),
        digest: state.digest,
        trace: state.trace.take().unwrap_or_default(),
    }
}
