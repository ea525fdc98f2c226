//! The encoder: a hostile child process and the one folder that it may write to.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::PortError;

/// Opens workspaces.
#[async_trait]
pub trait Encoder: Send + Sync {
    /// An empty folder of its own for one job. It is removed with all it holds when dropped.
    ///
    /// # Errors
    /// [`PortError::Encoder`] if no folder can be made.
    async fn open(&self) -> Result<Box<dyn Workspace>, PortError>;
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderExit {
    /// Exit code 0. It proves nothing: the caller counts what came out.
    pub success: bool,
    /// Standard error, its end if it was long.
    pub stderr: String,
    /// Standard output, bounded.
    pub stdout: Vec<u8>,
}

/// One job's folder.
#[async_trait]
pub trait Workspace: Send + Sync {
    /// Appends to a file, which is made if it is not there. `name` is one of ours.
    ///
    /// # Errors
    /// [`PortError::Encoder`] if the disk is full or fails.
    async fn append(&mut self, name: &str, bytes: Bytes) -> Result<(), PortError>;

    /// Runs the encoder in the folder, for at most `limit` of wall-clock time.
    ///
    /// # Errors
    /// [`PortError::Encoder`] if it cannot be started or was ended by the limit.
    async fn run(&mut self, args: &[String], limit: Duration) -> Result<EncoderExit, PortError>;

    /// The names of the files in the folder, sorted.
    ///
    /// # Errors
    /// [`PortError::Encoder`] if the folder cannot be read.
    async fn list(&self) -> Result<Vec<String>, PortError>;

    /// A whole file.
    ///
    /// # Errors
    /// [`PortError::Encoder`] if it is not there or cannot be read.
    async fn read(&self, name: &str) -> Result<Bytes, PortError>;
}
