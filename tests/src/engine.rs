//! The local engine, for tests: started, deployed to, paused and stopped with
//! `local/engine.py`, as a developer does it.

mod stores;

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use stores::Stores;
pub use stores::{Object, Received};

/// The pause between two looks at something that is awaited.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long a script of `local/` may take; `deploy` is the longest.
const SCRIPT_LIMIT: Duration = Duration::from_mins(4);

/// The repository's root.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the repository's root")
}

/// Looks until there is something to see; an error says what is there instead.
///
/// # Panics
/// If `limit` passes, with the last error.
pub fn awaited<T>(
    what: impl fmt::Display,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(seen) => return seen,
            Err(instead) => assert!(
                start.elapsed() < limit,
                "waited {} s in vain: {what}: {instead}",
                limit.as_secs()
            ),
        }
        sleep(LOOK_AGAIN);
    }
}

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

/// A script of `local/`.
fn script(file: &str, args: &[&str]) -> Command {
    let root = root();
    let mut command = tool(&root.join(".local/venv/bin/python").to_string_lossy());
    command.arg(root.join("local").join(file)).args(args);
    command
}

/// Stops an engine and forgets all that it made, also when a test fails.
struct Guard {
    name: String,
}

impl Guard {
    fn stop(&self) -> Done {
        let args = ["stop", "--name", &self.name, "--wipe"];
        run(&mut script("engine.py", &args), SCRIPT_LIMIT)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let done = self.stop();
        if !done.is_success() {
            eprintln!("{done:?}");
        }
    }
}

/// A function's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Its process id.
    pub pid: i32,
    /// Which function it serves.
    pub function: String,
}

/// An engine that runs, with the stack deployed.
pub struct Engine {
    name: String,
    facts: Value,
    stores: Stores,
    // Last: the engine ends when nothing uses it any more.
    _guard: Guard,
}

impl Engine {
    /// Starts an engine on a port of its own and deploys `.local/build` to it with
    /// `Stage=test`. What an interrupted run left of that name is removed first.
    ///
    /// # Panics
    /// If that fails.
    #[must_use]
    pub fn start(name: &str, port: u16) -> Self {
        let guard = Guard {
            name: name.to_owned(),
        };
        guard.stop();
        let engine = |args: &[&str]| said(&mut script("engine.py", args), SCRIPT_LIMIT);
        engine(&["start", "--name", name, "--port", &port.to_string()]);
        engine(&["deploy", "--name", name, "--stage", "test", "--quiet"]);
        let facts = engine(&["env", "--name", name]);
        let facts: Value = serde_json::from_str(&facts).expect("facts in JSON");
        Self {
            stores: Stores::new(&facts),
            name: name.to_owned(),
            facts,
            _guard: guard,
        }
    }

    /// Something that `engine.py env` tells.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn fact(&self, pointer: &str) -> &str {
        let fact = self.facts.pointer(pointer).and_then(Value::as_str);
        fact.unwrap_or_else(|| panic!("engine.py env tells no {pointer}"))
    }

    /// An output of the stack.
    #[must_use]
    pub fn output(&self, name: &str) -> &str {
        self.fact(&format!("/outputs/{name}"))
    }

    /// Where everything that this engine makes lies.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        PathBuf::from(self.fact("/function_dir"))
    }

    /// Runs a script of `local/` on this engine; gives what it said.
    #[must_use]
    pub fn script(&self, file: &str, args: &[&str]) -> String {
        let mut command = script(file, args);
        said(command.args(["--name", &self.name]), SCRIPT_LIMIT)
    }

    /// The real AWS CLI; gives what it said.
    ///
    /// # Panics
    /// If it fails.
    pub fn aws(&self, args: &[&str]) -> String {
        let mut command = tool("aws");
        command.args(["--endpoint-url", self.fact("/endpoint")]);
        command.args(args).env("AWS_CONFIG_FILE", "/dev/null");
        command.env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        let variables = self.facts["env"].as_object().expect("an environment");
        for (name, value) in variables {
            command.env(name, value.as_str().expect("a text"));
        }
        said(&mut command, SCRIPT_LIMIT)
    }

    /// A bearer token; `args` as `bearer.py` takes them.
    #[must_use]
    pub fn token(&self, subject: &str, args: &[&str]) -> String {
        let args = [&[subject], args].concat();
        self.script("bearer.py", &args).trim().to_owned()
    }

    /// Keeps functions from their queues until what it gives is dropped.
    #[must_use]
    pub fn paused<'a>(&'a self, functions: &'a [&'a str]) -> Paused<'a> {
        let args = [&["pause"], functions].concat();
        let paused = Paused {
            engine: self,
            functions,
        };
        let _ = self.script("engine.py", &args);
        paused
    }

    /// The function processes that there are now.
    ///
    /// # Panics
    /// If that cannot be found out.
    #[must_use]
    pub fn workers(&self) -> Vec<Worker> {
        let text = self.script("engine.py", &["workers"]);
        let workers: Vec<Value> = serde_json::from_str(&text).expect("workers in JSON");
        let worker = |worker: &Value| Worker {
            pid: i32::try_from(worker["pid"].as_i64().unwrap_or(0)).expect("a process id"),
            function: worker["function"].as_str().unwrap_or_default().to_owned(),
        };
        workers.iter().map(worker).collect()
    }
}

/// Functions that take nothing from their queues. Dropped, they do again.
pub struct Paused<'a> {
    engine: &'a Engine,
    functions: &'a [&'a str],
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        let mut args = vec!["resume", "--name", &self.engine.name];
        args.extend(self.functions);
        let done = run(&mut script("engine.py", &args), SCRIPT_LIMIT);
        if !done.is_success() {
            eprintln!("{done:?}");
        }
    }
}
