//! The end: nothing runs, nothing waits, and at last nothing is there.

use std::fs;
use std::net::TcpListener;

use cattube_tests::engine::root;
use serde_json::Value;

use super::stage::{PATIENCE, Stage};

pub fn idle(stage: &Stage) {
    stage.engine.await_quiet(PATIENCE);
    let said = stage.engine.script("idle.py", &[]);
    assert!(
        said.contains("function processes now: 0; dead letters: 0"),
        "{said}"
    );
    assert_eq!(stage.engine.workers(), []);
    assert_eq!(stage.engine.backlog("QueueUrl"), []);
    assert_eq!(stage.engine.backlog("DeadLettersUrl"), []);
    let log = stage.engine.script("logs.py", &[]);
    let panics: Vec<_> = log
        .lines()
        .filter(|line| line.contains("panicked"))
        .collect();
    assert_eq!(panics, [""; 0]);
    // Nor a folder of a worker, whether it ended well or was killed.
    let folders = fs::read_dir(stage.engine.folder().join("tmp")).unwrap();
    let names = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = names.filter(|name| name.starts_with("cattube-")).collect();
    assert_eq!(left, [""; 0]);
    // Nor a deadline of a job: all have ended. Only a question that nobody answers is asked
    // again, such as that of a replayed sample.
    let group = stage.engine.output("ScheduleGroup");
    let list = ["scheduler", "list-schedules", "--group-name", group];
    let list = [&list[..], &["--name-prefix", "job-"]].concat();
    let schedules: Value = serde_json::from_str(&stage.engine.aws(&list)).unwrap();
    let schedules = schedules["Schedules"].as_array().unwrap().iter();
    let names = schedules.map(|schedule| schedule["Name"].as_str().unwrap());
    let jobs: Vec<_> = names.filter(|name| !name.contains("-asked")).collect();
    assert_eq!(jobs, [""; 0]);
}

/// No folder, no port, no process of the engine.
pub fn nothing_is_left(name: &str, port: u16) {
    let folder = root().join(".local/engine").join(name);
    assert!(!folder.exists(), "{}", folder.display());
    for port in [port, port + 1] {
        assert!(
            TcpListener::bind(("127.0.0.1", port)).is_ok(),
            "port {port} is taken"
        );
    }
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let link = |name: &str| fs::read_link(process.path().join(name)).unwrap_or_default();
        for place in [link("exe"), link("cwd")] {
            assert!(
                !place.starts_with(&folder),
                "{} runs: {}",
                process.path().display(),
                place.display()
            );
        }
    }
}
