//! An encoder that is a function.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cattube_contract::Fault;

use super::{FaultPlan, locked};
use crate::encoder::EncoderExit;
use crate::{Encoder, PortError, Workspace};

/// Files by their names.
pub type RunFiles = BTreeMap<String, Bytes>;

type Run = dyn Fn(&RunFiles, &[String]) -> (EncoderExit, RunFiles) + Send + Sync;

/// Runs a function in place of the encoder: of the workspace's files and the arguments it
/// makes an exit and the files that came out.
#[derive(Clone)]
pub struct MemoryEncoder {
    faults: FaultPlan,
    run: Arc<Run>,
    runs: Arc<Mutex<Vec<Vec<String>>>>,
}

impl fmt::Debug for MemoryEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEncoder").finish_non_exhaustive()
    }
}

impl MemoryEncoder {
    /// An encoder that does `run`, under a plan of faults.
    #[must_use]
    pub fn new(
        faults: FaultPlan,
        run: impl Fn(&RunFiles, &[String]) -> (EncoderExit, RunFiles) + Send + Sync + 'static,
    ) -> Self {
        Self {
            faults,
            run: Arc::new(run),
            runs: Arc::default(),
        }
    }

    /// The arguments of every run so far.
    #[must_use]
    pub fn runs(&self) -> Vec<Vec<String>> {
        locked(&self.runs).clone()
    }

    fn call<T>(
        &self,
        operation: &'static str,
        subject: &str,
        effect: impl FnOnce() -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let error = |reason| PortError::Encoder {
            operation,
            fault: Fault::Transient,
            reason,
        };
        self.faults.call(operation, subject, error, effect)
    }
}

#[async_trait]
impl Encoder for MemoryEncoder {
    async fn open(&self) -> Result<Box<dyn Workspace>, PortError> {
        self.call("open", "workspace", || {
            let workspace: Box<dyn Workspace> = Box::new(MemoryWorkspace {
                encoder: self.clone(),
                files: RunFiles::new(),
            });
            Ok(workspace)
        })
    }
}

struct MemoryWorkspace {
    encoder: MemoryEncoder,
    files: RunFiles,
}

#[async_trait]
impl Workspace for MemoryWorkspace {
    async fn append(&mut self, name: &str, bytes: Bytes) -> Result<(), PortError> {
        let Self { encoder, files } = self;
        encoder.call("append", name, || {
            let before = files.remove(name).unwrap_or_default();
            let whole = [before, bytes].concat();
            files.insert(name.to_owned(), whole.into());
            Ok(())
        })
    }

    async fn run(&mut self, args: &[String], _limit: Duration) -> Result<EncoderExit, PortError> {
        let Self { encoder, files } = self;
        encoder.call("run", "encoder", || {
            locked(&encoder.runs).push(args.to_vec());
            let (exit, made) = (encoder.run)(files, args);
            files.extend(made);
            Ok(exit)
        })
    }

    async fn list(&self) -> Result<Vec<String>, PortError> {
        let names = || Ok(self.files.keys().cloned().collect());
        self.encoder.call("list", "workspace", names)
    }

    async fn read(&self, name: &str) -> Result<Bytes, PortError> {
        self.encoder.call("read", name, || {
            self.files
                .get(name)
                .cloned()
                .ok_or_else(|| PortError::Encoder {
                    operation: "read",
                    fault: Fault::Permanent,
                    reason: format!("no file {name}"),
                })
        })
    }
}
