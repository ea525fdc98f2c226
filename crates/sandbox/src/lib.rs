//! Runs a hostile child process with as little of the machine as it needs.
//!
//! The child is ffmpeg and what it decodes was made by a stranger, so it is taken to be
//! someone else's program from its first byte of input on. It gets an empty environment,
//! no input, no descriptor but its two output pipes, no capability, no way to a socket,
//! one folder to write to, and a bounded share of memory, processor, disk and time.
//!
//! # What this crate must never do
//!
//! * Hand anything down: no variable of the environment, no descriptor, no capability. The
//!   parent's environment holds credentials.
//! * Leave a process behind. However [`run`] ends — an exit, the wall clock, a dropped
//!   future — the child goes, and with it its process group. If this process itself is
//!   killed the kernel takes the child along, though not what the child forked.
//! * Do more between fork and exec than async-signal-safe calls: no allocation, no lock,
//!   no log line. All else is made ready before the fork.
//! * Restrict the parent. Landlock, seccomp and the limits are put on in the child only.
//! * Claim a confinement that is not there. Landlock and seccomp are best effort: the child
//!   runs where the kernel refuses them, and [`Exit::confinement`] says what it ran under.
//!   All else is required, and the child is not started without it.
//! * Go through a shell, or keep more of the child's output than it was told to.
//!
//! # What it does not do
//!
//! Exit code 0 proves nothing about the output. Nor is the number of processes limited
//! (that limit counts per user, so it would hit the parent): memory and processor limits
//! hold for each process of the child, the wall clock for all of them.
//! Without Landlock the child can read what the parent's user can read, the parent's
//! `/proc` entry with it; see [`hide_from_child`]. Without seccomp it can leave its process
//! group and so outlive it.
//!
//! Linux on `x86_64` and `aarch64` only.

mod child;
mod confinement;
mod error;
mod limits;
mod output;
mod process;
mod program;
mod syscalls;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

pub use confinement::{Confinement, LandlockLevel};
pub use error::SandboxError;
pub use limits::Limits;
pub use process::run;

/// A program and all that it may use.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// What is run. Without a slash it is looked up on the parent's `PATH`. A binary, not a
    /// script: the child may execute this file and the system's libraries, no interpreter.
    pub program: PathBuf,
    /// The arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// Where the child runs and the only place it may write to. It may make plain files and
    /// folders there, but no link, pipe or device (the parent will open what it finds), and
    /// may not execute what it wrote.
    pub work_dir: PathBuf,
    /// Other files and folders it may read.
    pub read_only: Vec<PathBuf>,
    /// How much it may use.
    pub limits: Limits,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Exit {
    /// The exit code, if the child exited.
    pub code: Option<i32>,
    /// The signal that ended the child, if one did: `SIGXCPU` for [`Limits::cpu_seconds`],
    /// `SIGXFSZ` for [`Limits::file_size_bytes`], unless the child handles them.
    pub signal: Option<i32>,
    /// The wall clock ran out and the child was killed for it.
    pub timed_out: bool,
    /// The last [`Limits::output_tail_bytes`] of standard output.
    pub stdout: Vec<u8>,
    /// The beginning of standard output is missing from `stdout`.
    pub stdout_truncated: bool,
    /// The last [`Limits::output_tail_bytes`] of standard error; what is not UTF-8 in them
    /// is replaced. The child's words: not to be trusted, and it may name paths.
    pub stderr_tail: String,
    /// What the kernel really held the child to.
    pub confinement: Confinement,
    /// Processor time of the child and of those of its children that it waited for.
    pub cpu_time: Duration,
    /// The most memory it had resident. Never less than what the parent had when it forked,
    /// as the kernel counts the moment before exec too.
    pub max_rss_bytes: u64,
}

/// Closes this process's `/proc` entry to the child, for kernels without Landlock (before
/// 5.13, or where it is switched off): a child of the same user could read the parent's
/// environment and memory there. To be called once, at the start of the program.
///
/// The price is that debuggers cannot attach and that no core is dumped.
///
/// # Errors
/// [`SandboxError::HideParent`] if the kernel refuses.
pub fn hide_from_child() -> Result<(), SandboxError> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|errno| SandboxError::HideParent(errno.into()))
}
