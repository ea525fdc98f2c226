//! The system's clock and random bits.

use cattube_ports::{Clock, Entropy};
use jiff::Timestamp;

/// The machine's clock and random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Clock for System {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

impl Entropy for System {
    fn random(&self) -> u128 {
        uuid::Uuid::new_v4().as_u128()
    }
}
