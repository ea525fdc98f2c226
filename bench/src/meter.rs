//! ffmpeg behind the port `Encoder`, in the real sandbox, with a note of what each run took.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use cattube_contract::Fault;
use cattube_ports::encoder::EncoderExit;
use cattube_ports::{Encoder, PortError, Workspace};
use cattube_sandbox::{Limits, Sandbox};
use tempfile::TempDir;

/// More than any run here needs: nothing is limited but runaways.
const LIMITS: Limits = Limits {
    address_space_bytes: 16 << 30,
    cpu_seconds: 3_600,
    file_size_bytes: 8 << 30,
    wall_clock: Duration::from_hours(1),
    output_tail_bytes: 64 << 10,
};

/// One run of ffmpeg.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run {
    /// Processor time, of all its threads, user and system.
    pub cpu: Duration,
    /// From start to end by the clock.
    pub wall: Duration,
    /// The most memory it had resident.
    pub peak_bytes: u64,
}

/// The encoder, and what it ran.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Vec<Run>>>);

impl Meter {
    /// The runs since the last time.
    pub fn take(&self) -> Vec<Run> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Folder {
    dir: TempDir,
    meter: Meter,
}

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn failure(operation: &'static str, reason: &impl ToString) -> PortError {
    PortError::Encoder {
        operation,
        fault: Fault::Permanent,
        reason: reason.to_string(),
    }
}

#[async_trait]
impl Encoder for Meter {
    async fn open(&self) -> Result<Box<dyn Workspace>, PortError> {
        let dir = tempfile::tempdir().map_err(|error| failure("open", &error))?;
        let meter = self.clone();
        Ok(Box::new(Folder { dir, meter }))
    }
}

#[async_trait]
impl Workspace for Folder {
    async fn append(&mut self, name: &str, bytes: Bytes) -> Result<(), PortError> {
        let append = |path: &Path| {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.append(true).create(true).open(path)?;
            std::io::Write::write_all(&mut file, &bytes)
        };
        append(&self.path(name)).map_err(|error| failure("append", &error))
    }

    async fn run(&mut self, args: &[String], _limit: Duration) -> Result<EncoderExit, PortError> {
        let sandbox = Sandbox {
            program: PathBuf::from("ffmpeg"),
            args: args.iter().map(Into::into).collect(),
            work_dir: self.dir.path().to_path_buf(),
            read_only: Vec::new(),
            limits: LIMITS,
        };
        let started = Instant::now();
        let exit = cattube_sandbox::run(&sandbox)
            .await
            .map_err(|error| failure("run", &error))?;
        let run = Run {
            cpu: exit.cpu_time,
            wall: started.elapsed(),
            peak_bytes: exit.max_rss_bytes,
        };
        let mut runs = self.meter.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.push(run);
        Ok(EncoderExit {
            success: exit.code == Some(0),
            stderr: exit.stderr_tail,
            stdout: exit.stdout,
        })
    }

    async fn list(&self) -> Result<Vec<String>, PortError> {
        let entries =
            std::fs::read_dir(self.dir.path()).map_err(|error| failure("list", &error))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<_> = names.collect();
        names.sort();
        Ok(names)
    }

    async fn read(&self, name: &str) -> Result<Bytes, PortError> {
        let bytes = std::fs::read(self.path(name)).map_err(|error| failure("read", &error))?;
        Ok(Bytes::from(bytes))
    }
}
