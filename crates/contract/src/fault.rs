//! The two kinds of fault. Every error of a handler is one of them.

use serde::{Deserialize, Serialize};

/// Whether trying the same thing again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A throttle, a time-out, a lost connection, a dead worker: again may succeed.
    Transient,
    /// The input or the code is wrong: again gives the same.
    Permanent,
}
