//! Time and randomness, so that decisions take both as arguments.

use jiff::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Gives random bits.
pub trait Entropy: Send + Sync {
    /// 128 fresh random bits.
    fn random(&self) -> u128;
}
