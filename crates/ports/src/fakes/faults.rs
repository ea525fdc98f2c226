//! When port calls fail. One plan counts the calls of all twins that share it, so that a
//! test can count once and then break the run at each single call.

use std::sync::{Arc, Mutex};

use super::locked;
use super::time::SeededEntropy;
use crate::{Entropy, PortError};

/// A shared plan of faults. Calls are counted from 1 over all ports.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    script: Script,
    calls: Vec<String>,
}

#[derive(Debug, Default)]
enum Script {
    #[default]
    None,
    FailCall(usize),
    LoseReply(usize),
    CrashAt(usize),
    Seeded {
        entropy: SeededEntropy,
        per_mille: u32,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Pass,
    Fail,
    LoseReply,
}

impl FaultPlan {
    fn new(script: Script) -> Self {
        Self(Arc::new(Mutex::new(State {
            script,
            calls: Vec::new(),
        })))
    }

    /// Nothing fails; calls are counted.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Call `n` fails with a transient error before it has an effect; the rest pass.
    #[must_use]
    pub fn fail_call(n: usize) -> Self {
        Self::new(Script::FailCall(n))
    }

    /// Call `n` has its effect and then reports a transient error; the rest pass.
    #[must_use]
    pub fn lose_reply(n: usize) -> Self {
        Self::new(Script::LoseReply(n))
    }

    /// The process dies before call `n`: it and all later ones have no effect, until
    /// [`FaultPlan::heal`].
    #[must_use]
    pub fn crash_at(n: usize) -> Self {
        Self::new(Script::CrashAt(n))
    }

    /// `per_mille` of 1,000 calls fail, half of them after their effect; the same seed gives
    /// the same faults.
    #[must_use]
    pub fn seeded(seed: u64, per_mille: u32) -> Self {
        Self::new(Script::Seeded {
            entropy: SeededEntropy::new(seed),
            per_mille,
        })
    }

    /// From now on nothing fails. The count goes on.
    pub fn heal(&self) {
        locked(&self.0).script = Script::None;
    }

    /// How many calls were made so far.
    #[must_use]
    pub fn calls(&self) -> usize {
        locked(&self.0).calls.len()
    }

    /// The calls so far, such as `save uploads/meta`: what a failed test wants to print.
    #[must_use]
    pub fn trace(&self) -> Vec<String> {
        locked(&self.0).calls.clone()
    }

    fn next(&self, call: String) -> Fate {
        let mut state = locked(&self.0);
        state.calls.push(call);
        let number = state.calls.len();
        match &state.script {
            Script::FailCall(n) if number == *n => Fate::Fail,
            Script::LoseReply(n) if number == *n => Fate::LoseReply,
            Script::CrashAt(n) if number >= *n => Fate::Fail,
            Script::Seeded { entropy, per_mille } => {
                let random = entropy.random();
                if random % 1000 >= u128::from(*per_mille) {
                    Fate::Pass
                } else if random >> 127 == 0 {
                    Fate::Fail
                } else {
                    Fate::LoseReply
                }
            }
            Script::None | Script::FailCall(_) | Script::LoseReply(_) | Script::CrashAt(_) => {
                Fate::Pass
            }
        }
    }

    /// Makes one call: `effect` unless the plan is against it, `error` (of a reason) if the
    /// caller must see a transient failure.
    pub(super) fn call<T>(
        &self,
        operation: &str,
        subject: &str,
        error: impl FnOnce(String) -> PortError,
        effect: impl FnOnce() -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        match self.next(format!("{operation} {subject}")) {
            Fate::Pass => effect(),
            Fate::Fail => Err(error("the twin failed as planned".to_owned())),
            Fate::LoseReply => {
                // What it would have answered is what gets lost.
                drop(effect());
                Err(error("the twin lost its reply as planned".to_owned()))
            }
        }
    }
}
