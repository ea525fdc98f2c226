//! One run from its seed to its verdict.

use crate::end::End;
use crate::faults::FAULT_COUNT;
use crate::people::Temper;
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
    let mut ends = judge(&world);
    if scenario.again {
        ends = again(&mut world, ends);
    }
    let steps = world.steps;
    let mut state = world.kernel.lock();
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

fn judge(world: &World) -> Vec<End> {
    let mut state = world.kernel.lock();
    if state.violation.is_some() {
        return Vec::new();
    }
    state.judge_end()
}

/// Every message comes once more, much later: nothing of what stands may change.
fn again(world: &mut World, ends: Vec<End>) -> Vec<End> {
    let before = {
        let mut state = world.kernel.lock();
        // What waits for a person may well go on: also a video that is ready, while a person has
        // not said what becomes of a message about it that nobody could handle.
        let waits = ends.contains(&End::Waiting) || state.is_anybody_asked();
        if state.violation.is_some() || waits {
            return ends;
        }
        state.watch.forget_sent();
        let before = state.summary();
        state.note(|| "every message once more".to_owned());
        state.temper = Temper::Silent;
        // Nobody answers any more, so nothing may need a person: this is about doubles alone.
        state.faults.end = state.now;
        state.faults.outage = None;
        for (to, body) in state.log.take().unwrap_or_default() {
            if !to.is_dead {
                state.put(to, &body);
            }
        }
        before
    };
    world.run();
    let mut state = world.kernel.lock();
    let after = state.summary();
    if let Some((left, right)) = before
        .iter()
        .zip(&after)
        .find(|(left, right)| left != right)
    {
        let (left, right) = (left.clone(), right.clone());
        state.violate(2, || {
            format!("after every message once more: {right} for {left}")
        });
    } else if before.len() != after.len() {
        state.violate(2, || {
            format!("after every message once more: {before:?} became {after:?}")
        });
    }
    ends
}
