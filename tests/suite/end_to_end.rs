//! The whole way on the real engine: `sam deploy` of template.yaml, real ffmpeg, the real AWS
//! CLI, the client, and every command that the README names. One engine for all scenarios.
//!
//! While one of them is written: `E2E_ONLY=poison cargo test -p cattube-tests --test cattube --
//! end_to_end` leaves out those whose name does not hold that word. What goes on later goes by the
//! name that it began with.

mod broken;
mod by_hand;
mod commands;
mod deletion;
mod drops;
mod faults;
mod idle;
mod lost;
mod optional;
mod owners;
mod people;
mod play;
mod poison;
mod processes;
mod redo;
mod stage;
mod tickets;
mod twice;
mod uploads;

use std::any::Any;
use std::env;
use std::io::Write;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use stage::Stage;

const NAME: &str = "e2e";

/// The engine without the optional parts.
const BARE: &str = "e2e-bare";

/// Where the search for the engine's port begins; the edge takes the next one.
const FIRST_PORT: u16 = 14570;

/// Two ports in a row that nobody has: another clone may be tested on the same machine.
fn free_port(first: u16) -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut ports = (first..first + 200).step_by(2);
    let port = ports.find(|port| is_free(*port) && is_free(*port + 1));
    port.expect("two free ports")
}

/// Runs scenarios by name and remembers which failed, and why.
struct Scenarios {
    /// A part of the names of those that are wanted; none if all are.
    only: Option<String>,
    wanted: u32,
    failures: Vec<String>,
}

impl Scenarios {
    fn new() -> Self {
        Self {
            only: env::var("E2E_ONLY").ok(),
            wanted: 0,
            failures: Vec::new(),
        }
    }

    /// Runs one, if it is wanted; `None` if it is not, or if it failed.
    fn run<T>(&mut self, name: &str, scenario: impl FnOnce() -> T) -> Option<T> {
        if self.only.as_ref().is_some_and(|part| !name.contains(part)) {
            return None;
        }
        self.wanted += 1;
        self.always(name, scenario)
    }

    /// Runs what every other stands on, or what another began; `None` if it failed, which does
    /// not keep the others from running.
    fn always<T>(&mut self, name: &str, scenario: impl FnOnce() -> T) -> Option<T> {
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(scenario));
        let seconds = start.elapsed().as_secs_f32();
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        // Not captured by the test harness: it takes minutes, and somebody may be watching.
        let _ = writeln!(std::io::stderr(), "{seconds:6.1} s  {word:6}  {name}");
        match result {
            Ok(value) => Some(value),
            Err(reason) => {
                let reason = words(reason.as_ref());
                self.failures.push(format!("{name}: {reason}"));
                None
            }
        }
    }
}

/// What a panic said.
fn words(reason: &(dyn Any + Send)) -> &str {
    let owned = reason.downcast_ref::<String>().map(String::as_str);
    let fixed = reason.downcast_ref::<&str>().copied();
    owned.or(fixed).unwrap_or("no reason given")
}

#[test]
fn end_to_end() {
    let mut all = Scenarios::new();
    let port = free_port(FIRST_PORT);
    let stage = all.always("the engine starts and is deployed to", || {
        Stage::set(NAME, port)
    });
    if let Some(stage) = &stage {
        play_out(&mut all, stage);
        let port = free_port(port + 2);
        all.run("without `retry` and `notify`", || {
            optional::without(BARE, port, &stage.clips);
        });
        all.always("nothing is left behind by that", || {
            idle::nothing_is_left(BARE, port);
        });
    }
    drop(stage);
    all.always("nothing is left behind", || {
        idle::nothing_is_left(NAME, port);
    });
    let failures = all.failures;
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(all.wanted > 0, "no scenario is called {:?}", all.only);
}

/// What takes its time is begun first, and looked after when the others are over.
fn play_out(all: &mut Scenarios, stage: &Stage) {
    let failing = all.run("a chunk begins to fail for ever", || {
        tickets::begin_for_ever(stage)
    });
    let wounded = all.run("a worker is killed in mid-chunk", || faults::kill(stage));
    let restarted = all.run("the engine is restarted in the middle", || {
        lost::restarted(stage)
    });
    let arrival = all.run("S3's event of an upload is lost", || lost::arrival(stage));
    let chunks = all.run("every event of finished chunks is lost", || {
        lost::chunks(stage)
    });
    for (name, scenario) in WHILE_A_CHUNK_IS_LOST {
        all.run(name, || scenario(stage));
    }
    if let Some(broken) = all.run("ffmpeg begins to go wrong", || broken::begin(stage)) {
        all.always(
            "it hangs, dies, lies, finds no space; then it is mended",
            || {
                broken::end(stage, &broken);
            },
        );
    }
    follow(
        all,
        "the chunk of the killed worker is made by another",
        wounded,
        |wounded| {
            faults::heal(stage, wounded);
        },
    );
    follow(all, "the restarted engine goes on", restarted, |lost| {
        lost::survived(stage, lost);
    });
    follow(all, "the deadline finds the upload", arrival, |lost| {
        lost::arrival_found(stage, lost);
    });
    follow(all, "the deadline finds the chunks", chunks, |lost| {
        lost::chunks_found(stage, lost);
    });
    follow(
        all,
        "five attempts, growing delays, one ticket",
        failing,
        |failing| {
            tickets::exhausted(stage, failing);
            tickets::retried(stage, failing);
        },
    );
    for (name, scenario) in WITH_THE_QUEUES_ALONE {
        all.run(name, || scenario(stage));
    }
}

/// Runs the second half of what has begun.
fn follow<T>(all: &mut Scenarios, name: &str, begun: Option<T>, scenario: impl FnOnce(&T)) {
    if let Some(begun) = begun {
        all.always(name, || scenario(&begun));
    }
}

type Scenario = (&'static str, fn(&Stage));

const WHILE_A_CHUNK_IS_LOST: &[Scenario] = &[
    (
        "an upload in parts plays as HLS and DASH",
        uploads::in_parts,
    ),
    ("an upload goes on where it ended", uploads::resumed),
    (
        "an idempotency key stands for one request",
        uploads::same_key,
    ),
    ("a cancelled upload leaves no part", uploads::cancelled),
    (
        "a portrait clip of a phone stands upright",
        uploads::portrait,
    ),
    ("aws s3 cp is enough", drops::copied),
    (
        "what is no video is rejected with its reason",
        drops::rejected,
    ),
    ("owners see nothing of each other", owners::strangers),
    ("a small video does not wait for a big one", owners::fair),
    (
        "accepted while nobody can plan or transcode",
        faults::nobody_works,
    ),
    ("a deleted video leaves nothing", deletion::ready),
    ("one size is made anew", redo::size),
    ("skip this size", tickets::skipped),
    ("give up", tickets::given_up),
    ("make replay", commands::replay),
    ("aws events put-events", commands::put_events),
    ("cargo lambda watch and invoke", commands::cargo_lambda),
];

/// Those that wait until no message is left.
const WITH_THE_QUEUES_ALONE: &[Scenario] = &[
    ("what is delivered twice counts once", twice::delivered),
    ("events put by hand, doubled and reversed", by_hand::doubled),
    ("one bad message among ten", poison::one_of_ten),
    ("poison in every queue", poison::everywhere),
    ("deleted while its chunks are in work", deletion::in_work),
    ("idle at the end", idle::idle),
];
