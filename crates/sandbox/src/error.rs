//! Why a child could not be run.

use std::io;
use std::path::PathBuf;

/// An operation that failed before, around or after the child; never the child's own
/// failure, which is in [`Exit`](crate::Exit).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// No executable of that name is on the parent's `PATH`.
    #[error("look up {} on PATH", program.display())]
    FindProgram {
        /// The name looked for.
        program: PathBuf,
    },
    /// A relative path could not be made absolute.
    #[error("make {} absolute", path.display())]
    ResolvePath {
        /// The path as given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A path that the child was to use cannot be opened.
    #[error("open a path for the child")]
    OpenPath(#[source] landlock::PathFdError),
    /// The working directory is something else.
    #[error("use {} as working directory: not a directory", path.display())]
    UseWorkDir {
        /// The path as given.
        path: PathBuf,
    },
    /// The list of denied system calls could not be compiled: a fault of this crate.
    #[error("compile the system call filter")]
    CompileFilter(#[source] seccompiler::BackendError),
    /// The pipe over which the child tells what confines it could not be made.
    #[error("make the status pipe")]
    MakePipe(#[source] io::Error),
    /// The thread that starts the child and waits for it could not be started.
    #[error("start the supervising thread")]
    StartSupervisor(#[source] io::Error),
    /// Fork, a required restriction, or exec failed.
    #[error("start {}", program.display())]
    Spawn {
        /// What was to be run.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A pipe from the child could not be given to the runtime.
    #[error("attach the child's output")]
    AttachOutput(#[source] io::Error),
    /// A pipe from the child could not be read.
    #[error("read the child's output")]
    ReadOutput(#[source] io::Error),
    /// The child could not be waited for.
    #[error("wait for the child")]
    Wait(#[source] io::Error),
    /// The supervising thread is gone without an answer.
    #[error("hear from the supervising thread")]
    LoseSupervisor,
    /// This process could not be made unreadable to others of its user.
    #[error("hide this process from its children")]
    HideParent(#[source] io::Error),
}
