//! How much the child may use.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Descriptors the child may have open at once: its three, a few inputs, and one or two
/// per rendition written. A hostile one gains nothing from more.
const OPEN_FILES: u64 = 64;

/// From the processor limit's signal, which a program may handle to tidy up, to the kill.
const CPU_GRACE_SECONDS: u64 = 1;

/// How much the child may use. All but the wall clock hold for each of its processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Addresses it may map. More than it uses: every thread reserves a stack and, with
    /// glibc, an arena of 64 MiB.
    pub address_space_bytes: u64,
    /// Processor time of all its threads together.
    pub cpu_seconds: u64,
    /// The longest file it may write.
    pub file_size_bytes: u64,
    /// Time from the call of [`run`](crate::run) to the kill of the whole process group.
    pub wall_clock: Duration,
    /// How much of the end of each of its two outputs is kept.
    pub output_tail_bytes: usize,
}

/// Resource limits, as the kernel takes them.
pub(crate) type ResourceLimits = [(Resource, Rlimit); 5];

impl Limits {
    /// What the child sets on itself. The number of processes is not in it: the kernel
    /// counts that per user, so a limit for the child would be one for the parent.
    pub(crate) fn resource_limits(&self) -> ResourceLimits {
        let cpu_kill_seconds = self.cpu_seconds.saturating_add(CPU_GRACE_SECONDS);
        [
            (Resource::As, at_most(self.address_space_bytes)),
            (
                Resource::Cpu,
                Rlimit {
                    current: Some(self.cpu_seconds),
                    maximum: Some(cpu_kill_seconds),
                },
            ),
            (Resource::Fsize, at_most(self.file_size_bytes)),
            // A core dump would be a file of the stranger's making.
            (Resource::Core, at_most(0)),
            (Resource::Nofile, at_most(OPEN_FILES)),
        ]
    }
}

/// Soft and hard alike, so that the child cannot raise it.
fn at_most(amount: u64) -> Rlimit {
    Rlimit {
        current: Some(amount),
        maximum: Some(amount),
    }
}

/// Sets the limits on the calling process. Async-signal-safe.
pub(crate) fn apply(limits: &ResourceLimits) -> rustix::io::Result<()> {
    for (resource, limit) in limits {
        setrlimit(*resource, *limit)?;
    }
    Ok(())
}
