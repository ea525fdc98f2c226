//! Commands as a developer types them, each with a bound.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::root;

/// What a command did.
#[derive(Debug)]
pub struct Done {
    /// How it ended, or `None` if it had to be ended.
    pub status: Option<ExitStatus>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Done {
    /// Whether it ended by itself, and well.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

fn text(mut file: File) -> String {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).expect("a file is read again");
    file.read_to_end(&mut bytes).expect("a file is read");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs a command to its end, or ends it after `limit`.
///
/// # Panics
/// If it cannot be started.
#[must_use]
pub fn run(command: &mut Command, limit: Duration) -> Done {
    let [stdout, stderr] = [(), ()].map(|()| tempfile::tempfile().expect("a temporary file"));
    let copy = |file: &File| Stdio::from(file.try_clone().expect("a second handle"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(copy(&stdout))
        .stderr(copy(&stderr))
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            break Some(status);
        }
        if start.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        sleep(Duration::from_millis(10));
    };
    Done {
        status,
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

/// Runs a command that must succeed; gives its standard output.
///
/// # Panics
/// If it fails, with all that it said.
pub fn said(command: &mut Command, limit: Duration) -> String {
    let done = run(command, limit);
    assert!(
        done.is_success(),
        "{} {:?}: {:?}\n{}\n{}",
        command.get_program().display(),
        command.get_args(),
        done.status,
        done.stdout,
        done.stderr
    );
    done.stdout
}

/// A tool with the project's own tools before all others on its path.
///
/// # Panics
/// If the path is none.
#[must_use]
pub fn tool(program: &str) -> Command {
    let root = root();
    let ours = [root.join(".local/venv/bin"), root.join(".local/bin")];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = ours.into_iter().chain(std::env::split_paths(&path));
    let path = std::env::join_paths(path).expect("a path of folders");
    // Rust looks for the program on the child's path.
    let mut command = Command::new(program);
    command
        .current_dir(root)
        .env("PATH", path)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
