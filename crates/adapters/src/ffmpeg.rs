//! ffmpeg behind the port `Encoder`: in the sandbox, in a folder of its own. It never gets
//! an environment, a network or a file of another job.
//!
//! A worker that is killed leaves its folder behind, and `/tmp` outlives it: the next one in
//! its place removes it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cattube_contract::Fault;
use cattube_ports::encoder::EncoderExit;
use cattube_ports::{Encoder, PortError, Workspace};
use cattube_sandbox::{Limits, Sandbox, SandboxError};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

/// Address space of the child. Six sizes of UHD at once need 1.9 GB of memory (measured,
/// veryfast); threads' stacks and allocator arenas reserve more than they use.
const ADDRESS_SPACE_BYTES: u64 = 12 << 30;

/// The largest file that the child may write: what the function's `/tmp` can hold.
const FILE_SIZE_BYTES: u64 = 4 << 30;

/// Cores that a function of the largest memory has (AWS: 10,240 MB, 6 vCPU).
const MAX_CORES: u64 = 6;

/// How much of standard output and error is kept.
const OUTPUT_TAIL_BYTES: usize = 256 * 1024;

/// What folders of ours are called: this, the process that made them, and something random.
const FOLDER_PREFIX: &str = "cattube-";

/// Runs the `ffmpeg` that is on the `PATH`.
#[derive(Debug, Clone, Default)]
pub struct Ffmpeg;

impl Ffmpeg {
    /// Makes this process's memory and environment unreadable to a child, once at the start
    /// of a function, removes what killed processes left, and gives the encoder.
    ///
    /// # Errors
    /// [`PortError::Encoder`] if the kernel refuses.
    pub fn start() -> Result<Self, PortError> {
        cattube_sandbox::hide_from_child()
            .map_err(|error| failure("hide", Fault::Permanent, &error))?;
        sweep(&std::env::temp_dir()).map_err(|error| failure("sweep", Fault::Transient, &error))?;
        Ok(Self)
    }
}

struct Folder {
    dir: TempDir,
}

fn failure(operation: &'static str, fault: Fault, reason: &dyn ToString) -> PortError {
    PortError::Encoder {
        operation,
        fault,
        reason: reason.to_string(),
    }
}

/// What a failed file operation means; a full disk is named, since it is no fault of the file.
fn disk_failure(operation: &'static str, fault: Fault, error: &std::io::Error) -> PortError {
    if matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    ) {
        return failure(operation, Fault::Transient, &"the worker's disk is full");
    }
    failure(operation, fault, error)
}

/// Why a signal ended the encoder, in plain words.
fn ended_by(signal: i32) -> String {
    const ABORT: i32 = 6;
    const BUS: i32 = 7;
    const KILL: i32 = 9;
    const SEGMENT: i32 = 11;
    const TOO_MUCH_PROCESSOR: i32 = 24;
    const TOO_LARGE_A_FILE: i32 = 25;
    let what = match signal {
        // Only the kernel kills it so, and only for its memory: the wall clock is ours.
        KILL => "ran out of memory",
        TOO_MUCH_PROCESSOR => "ran out of time of the processor",
        TOO_LARGE_A_FILE => "wrote a file that is too large",
        ABORT | BUS | SEGMENT => "crashed",
        _ => "was stopped",
    };
    format!("the encoder {what}: ended by signal {signal}")
}

/// What the encoder had too little of, by the system's own words in what it said.
fn starved_of(stderr: &str) -> Option<String> {
    const SHORT_OF: [(&str, &str); 4] = [
        ("Cannot allocate memory", "ran out of memory"),
        ("No space left on device", "ran out of disk"),
        ("Disk quota exceeded", "ran out of disk"),
        ("File too large", "wrote a file that is too large"),
    ];
    let mut shortages = SHORT_OF.into_iter();
    let (said, what) = shortages.find(|(said, _)| stderr.contains(said))?;
    Some(format!("the encoder {what}: {said}"))
}

/// Removes the folders of processes that are no more, before this one has made any: a worker that
/// Lambda starts again in the same place may have the number of the one that was killed.
fn sweep(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let made_by = name.to_str().and_then(made_by);
        let is_left = |pid: u32| {
            pid == std::process::id() || !Path::new("/proc").join(pid.to_string()).exists()
        };
        if made_by.is_some_and(is_left) {
            match std::fs::remove_dir_all(entry.path()) {
                // Another one that starts now was first.
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

/// The process that made a folder, if it is one of ours.
fn made_by(name: &str) -> Option<u32> {
    let (pid, _) = name.strip_prefix(FOLDER_PREFIX)?.split_once('-')?;
    pid.parse().ok()
}

#[async_trait]
impl Encoder for Ffmpeg {
    async fn open(&self) -> Result<Box<dyn Workspace>, PortError> {
        let dir = tempfile::Builder::new()
            .prefix(&format!("{FOLDER_PREFIX}{}-", std::process::id()))
            .tempdir()
            .map_err(|error| disk_failure("open", Fault::Transient, &error))?;
        Ok(Box::new(Folder { dir }))
    }
}

impl Folder {
    fn path(&self, name: &str) -> Result<PathBuf, PortError> {
        let plain = Path::new(name).file_name().and_then(|file| file.to_str()) == Some(name);
        if plain {
            Ok(self.dir.path().join(name))
        } else {
            Err(failure(
                "name",
                Fault::Permanent,
                &format!("{name:?} is no plain file name"),
            ))
        }
    }
}

#[async_trait]
impl Workspace for Folder {
    async fn append(&mut self, name: &str, bytes: Bytes) -> Result<(), PortError> {
        let path = self.path(name)?;
        let fail = |error: std::io::Error| disk_failure("append", Fault::Transient, &error);
        let mut file = tokio::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .await
            .map_err(fail)?;
        file.write_all(&bytes).await.map_err(fail)?;
        file.flush().await.map_err(fail)
    }

    async fn run(&mut self, args: &[String], limit: Duration) -> Result<EncoderExit, PortError> {
        let sandbox = Sandbox {
            program: PathBuf::from("ffmpeg"),
            args: args.iter().map(Into::into).collect(),
            work_dir: self.dir.path().to_path_buf(),
            read_only: Vec::new(),
            limits: Limits {
                address_space_bytes: ADDRESS_SPACE_BYTES,
                cpu_seconds: limit.as_secs().saturating_add(1).saturating_mul(MAX_CORES),
                file_size_bytes: FILE_SIZE_BYTES,
                wall_clock: limit,
                output_tail_bytes: OUTPUT_TAIL_BYTES,
            },
        };
        let exit = cattube_sandbox::run(&sandbox)
            .await
            .map_err(|error: SandboxError| failure("run", Fault::Transient, &error))?;
        tracing::debug!(confinement = ?exit.confinement, code = ?exit.code, signal = ?exit.signal);
        if exit.timed_out {
            let reason = format!(
                "the encoder ran out of time: ended after {} s",
                limit.as_secs()
            );
            return Err(failure("run", Fault::Transient, &reason));
        }
        if let Some(signal) = exit.signal {
            return Err(failure("run", Fault::Transient, &ended_by(signal)));
        }
        let success = exit.code == Some(0);
        if let Some(reason) = starved_of(&exit.stderr_tail).filter(|_| !success) {
            return Err(failure("run", Fault::Transient, &reason));
        }
        Ok(EncoderExit {
            success,
            stderr: exit.stderr_tail,
            stdout: exit.stdout,
        })
    }

    async fn list(&self) -> Result<Vec<String>, PortError> {
        let fail = |error: std::io::Error| failure("list", Fault::Transient, &error);
        let mut entries = tokio::fs::read_dir(self.dir.path()).await.map_err(fail)?;
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(fail)? {
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    async fn read(&self, name: &str) -> Result<Bytes, PortError> {
        tokio::fs::read(self.path(name)?)
            .await
            .map(Bytes::from)
            .map_err(|error| failure("read", Fault::Permanent, &format!("{name}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_encoder_had_too_little_of_is_named() {
        for (said, word) in [
            (
                "x264 [error]: malloc of size 4 failed: Cannot allocate memory",
                "memory",
            ),
            (
                "av_interleaved_write_frame(): No space left on device",
                "disk",
            ),
            ("Error writing trailer: File too large", "too large"),
        ] {
            assert!(starved_of(said).unwrap().contains(word), "{said}");
        }
        assert_eq!(starved_of("Invalid data found when processing input"), None);
        for (signal, word) in [
            (9, "memory"),
            (24, "time"),
            (25, "too large"),
            (11, "crashed"),
        ] {
            assert!(ended_by(signal).contains(word), "{signal}");
        }
        let full = std::io::Error::from(ErrorKind::StorageFull);
        let named = disk_failure("append", Fault::Permanent, &full);
        assert_eq!(named.fault(), Fault::Transient);
        assert!(named.to_string().contains("disk is full"), "{named}");
    }

    #[test]
    fn only_what_the_dead_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let dead = format!("cattube-{}-x", child.id());
        let alive = format!("cattube-{}-x", std::os::unix::process::parent_id());
        let own = format!("cattube-{}-x", std::process::id());
        let kept = [alive.as_str(), "cattube-x", "cattube-0x", "others-1-x"];
        for name in kept.iter().chain([&dead.as_str(), &own.as_str()]) {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("slice"), "x").unwrap();
        }
        sweep(dir.path()).unwrap();
        assert!(!dir.path().join(dead).exists());
        assert!(!dir.path().join(own).exists());
        for name in kept {
            assert!(dir.path().join(name).join("slice").exists(), "{name}");
        }
    }
}
