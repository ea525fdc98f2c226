//! The functions as they ship: built for release, their sizes, their starts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::numbers::{median, mib, real, spread};
use crate::report::{header, line, row};
use crate::starts::{Start, start};

/// The functions, as the flow goes.
const FUNCTIONS: [&str; 8] = [
    "upload",
    "ingest",
    "plan",
    "transcode",
    "assemble",
    "manage",
    "retry",
    "notify",
];

/// Where the release builds go: `make build` keeps those of the dev profile in
/// `target/lambda`.
const FOLDER: &str = "target/lambda-release";

/// Ticks a second in `/proc`, on every Linux.
const TICKS: f64 = 100.0;

/// Builds all functions as for AWS, in one call, with cargo-lambda's own choice of linker.
pub fn build(root: &Path) -> Result<()> {
    let before = children_cpu_seconds()?;
    let started = Instant::now();
    let mut command = Command::new("cargo");
    command.current_dir(root);
    command.args(["lambda", "build", "--release", "--lambda-dir", FOLDER]);
    for name in FUNCTIONS {
        command.args(["--bin", name]);
    }
    let output = command.output().context("cargo lambda")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo lambda build: {said}");
    let compiled = said
        .lines()
        .filter(|line| line.trim_start().starts_with("Compiling "))
        .count();
    line(format_args!(
        "`cargo lambda build --release` of all functions: {:.0} s, {:.0} CPU s, {compiled} crates \
         compiled (0: it was up to date).\n",
        started.elapsed().as_secs_f64(),
        children_cpu_seconds()? - before,
    ))?;
    Ok(())
}

/// Processor time of all children that were waited for, and theirs.
fn children_cpu_seconds() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let fields = text.rsplit(')').next().context("a process has a name")?;
    // After the name: state is field 3 of proc(5), cutime and cstime are 16 and 17.
    let times = fields.split_whitespace().skip(13).take(2);
    let sum = times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Ok(real(sum) / TICKS)
}

/// Starts every function `starts` times, in turn.
pub fn measure(root: &Path, starts: u32) -> Result<()> {
    let mut found: Vec<(&str, PathBuf, Vec<Start>)> = Vec::new();
    for name in FUNCTIONS {
        let binary = root.join(FOLDER).join(name).join("bootstrap");
        ensure!(binary.is_file(), "{name} was not built");
        // Not counted: it brings the file into memory.
        start(name, &binary)?;
        found.push((name, binary, Vec::new()));
    }
    for _ in 0..starts {
        for (name, binary, starts) in &mut found {
            starts.push(start(name, binary)?);
        }
    }
    header(&[
        "function",
        "binary, MiB",
        "zipped, MiB",
        "start, ms, median",
        "start, ms, max",
        "peak RSS, MiB, median",
        "other connections",
    ])?;
    for (name, binary, starts) in &found {
        let milliseconds: Vec<_> = starts.iter().map(|start| start.seconds * 1e3).collect();
        let peaks: Vec<_> = starts.iter().map(|start| mib(start.peak_bytes)).collect();
        let others: u32 = starts.iter().map(|start| start.other_connections).sum();
        row(&[
            format!("`{name}`"),
            format!("{:.1}", mib(std::fs::metadata(binary)?.len())),
            format!("{:.1}", mib(zipped_bytes(binary)?)),
            format!("{:.1}", median(&milliseconds)),
            format!("{:.1}", spread(&milliseconds).1),
            format!("{:.1}", median(&peaks)),
            others.to_string(),
        ])?;
    }
    Ok(())
}

/// How large the file is in an archive, as Lambda gets it.
fn zipped_bytes(binary: &Path) -> Result<u64> {
    let dir = tempfile::tempdir()?;
    let archive = dir.path().join("bootstrap.zip");
    let status = Command::new("python3")
        .args(["-m", "zipfile", "-c"])
        .args([archive.as_path(), binary])
        .status()
        .context("python3")?;
    ensure!(status.success(), "zipfile: {status}");
    Ok(std::fs::metadata(archive)?.len())
}
