//! Bugs that are planted on purpose: the simulator must find each of them.

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A table that forgets the version condition.
    NoVersionCheck,
    /// Deadlines that are never set.
    NoWatchdog,
    /// A deletion that forgets the work objects.
    PurgeForgetsWork,
    /// Segments that are never written.
    SegmentsNeverWritten,
}
