//! ffmpeg behind the port `Encoder`: in the sandbox, in a folder of its own. It never gets
//! an environment, a network or a file of another job.

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

/// Runs the `ffmpeg` that is on the `PATH`.
#[derive(Debug, Clone, Default)]
pub struct Ffmpeg;

impl Ffmpeg {
    /// Makes this process's memory and environment unreadable to a child, once at the start
    /// of a function, and gives the encoder.
    ///
    /// # Errors
    /// [`PortError::Encoder`] if the kernel refuses.
    pub fn start() -> Result<Self, PortError> {
        cattube_sandbox::hide_from_child()
            .map_err(|error| failure("hide", Fault::Permanent, &error))?;
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

#[async_trait]
impl Encoder for Ffmpeg {
    async fn open(&self) -> Result<Box<dyn Workspace>, PortError> {
        let dir = tempfile::Builder::new()
            .prefix("cattube-")
            .tempdir()
            .map_err(|error| failure("open", Fault::Transient, &error))?;
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
        let fail = |error: std::io::Error| failure("append", Fault::Transient, &error);
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
            let reason = format!("ended after {} s", limit.as_secs());
            return Err(failure("run", Fault::Transient, &reason));
        }
        if let Some(signal) = exit.signal {
            let reason = format!("ended by signal {signal}");
            return Err(failure("run", Fault::Transient, &reason));
        }
        Ok(EncoderExit {
            success: exit.code == Some(0),
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
