//! The local engine, for tests: started, deployed to, paused and stopped with
//! `local/engine.py`, as a developer does it.

mod command;
mod listeners;
mod queues;
mod stores;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use command::{Done, run, said, tool};
pub use listeners::Listener;
pub use queues::Received;
pub use stores::Object;
use stores::Stores;

/// The pause between two looks at something that is awaited.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

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

/// How an engine is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setup<'a> {
    /// It keeps on disk what it holds, so that it can be restarted.
    pub keeps: bool,
    /// The sections of the template that are left out.
    pub without: &'a [&'a str],
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
    pub fn start(name: &str, port: u16, setup: Setup) -> Self {
        let guard = Guard {
            name: name.to_owned(),
        };
        guard.stop();
        let engine = |args: &[&str]| said(&mut script("engine.py", args), SCRIPT_LIMIT);
        let port = port.to_string();
        let mut start = vec!["start", "--name", name, "--port", &port];
        start.extend(setup.keeps.then_some("--keep"));
        engine(&start);
        let mut deploy = vec!["deploy", "--name", name, "--stage", "test", "--quiet"];
        for section in setup.without {
            deploy.extend(["--without", section]);
        }
        engine(&deploy);
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

    /// Ends the engine and its workers in the middle of whatever they do, as a machine that is
    /// restarted does, and starts it again with what it held.
    ///
    /// # Panics
    /// If it does not keep what it holds.
    pub fn restart(&self) {
        let _ = self.script("engine.py", &["restart"]);
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
