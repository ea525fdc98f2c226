//! In-memory twins of the ports, for tests. All are cheap handles:
//! clones share one state, and so does a [`FaultPlan`] over all twins that it was given to.

mod answers;
mod encoder;
mod faults;
mod messages;
mod multipart;
mod notices;
mod objects;
mod scheduler;
mod table;
mod time;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use encoder::{MemoryEncoder, RunFiles};
pub use faults::FaultPlan;
pub use messages::{MemoryBus, MemoryQueue};
pub use notices::MemoryNotices;
pub use objects::{MemoryObjects, ObjectCreated};
pub use scheduler::MemoryScheduler;
pub use table::MemoryTable;
pub use time::{ManualClock, SeededEntropy};

/// Locks; a test that panicked while it held the lock does not hide what it left.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
