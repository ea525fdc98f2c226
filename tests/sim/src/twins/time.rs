//! Time and randomness.

use cattube_ports::{Clock, Entropy};
use jiff::Timestamp;

use crate::kernel::{Kernel, Ms};
use crate::rng::Rng;
use crate::state::Who;

/// When every run begins, in seconds since 1970.
const START_S: i64 = 1_800_000_000;

/// A time of a run.
#[must_use]
pub fn timestamp(at: Ms) -> Timestamp {
    Timestamp::from_millisecond(START_S * 1_000 + at).unwrap_or(Timestamp::MAX)
}

/// The same, back.
#[must_use]
pub fn virtual_ms(at: Timestamp) -> Ms {
    at.as_millisecond() - START_S * 1_000
}

/// A function's clock, which may be wrong.
#[derive(Clone)]
pub struct SimClock {
    pub kernel: Kernel,
    pub who: Who,
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let state = self.kernel.lock();
        timestamp(state.now + state.faults.skew[self.who.place()])
    }
}

/// A function's random bits.
pub struct SimEntropy(std::sync::Mutex<Rng>);

impl SimEntropy {
    /// The bits of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(std::sync::Mutex::new(Rng::new(seed)))
    }
}

impl Entropy for SimEntropy {
    fn random(&self) -> u128 {
        let mut rng = self.0.lock().unwrap();
        u128::from(rng.bits()) << 64 | u128::from(rng.bits())
    }
}
