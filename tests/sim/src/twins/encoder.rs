//! The encoder: it answers at once with what the film's chunk has, or fails.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cattube_contract::Fault as Cause;
use cattube_ports::encoder::EncoderExit;
use cattube_ports::{Encoder, PortError, Workspace};

use crate::faults::Fault;
use crate::film::{Files, outputs};
use crate::kernel::{Call, Port};
use crate::state::{Breakage, State};

/// The encoder.
#[derive(Clone)]
pub struct SimEncoder(pub Port);

struct Folder {
    port: Port,
    files: Files,
}

fn failed(operation: &'static str, fault: Cause, reason: &str) -> PortError {
    PortError::Encoder {
        operation,
        fault,
        reason: reason.to_owned(),
    }
}

#[async_trait]
impl Encoder for SimEncoder {
    async fn open(&self) -> Result<Box<dyn Workspace>, PortError> {
        // That a folder cannot be made looks as if the run failed; one of them is enough.
        Ok(Box::new(Folder {
            port: self.0.clone(),
            files: Files::new(),
        }))
    }
}

fn done(success: bool) -> EncoderExit {
    EncoderExit {
        success,
        stderr: if success {
            String::new()
        } else {
            "the sample is damaged".to_owned()
        },
        stdout: Vec::new(),
    }
}

/// What a run leaves.
fn run(state: &mut State, args: &[String]) -> Result<(EncoderExit, Files), PortError> {
    let (asked, mut files) = outputs(args);
    let now = state.now;
    let breakage = state.broken.as_ref().and_then(|broken| {
        let same = broken.start == asked.start && broken.is_sound == asked.is_sound;
        (same && now < broken.until).then_some(broken.how)
    });
    let Some(breakage) = breakage else {
        return Ok((done(true), files));
    };
    state.count(Fault::BrokenChunk);
    match breakage {
        Breakage::Transient => Err(failed("run", Cause::Transient, "no space left")),
        Breakage::Exit => Ok((done(false), Files::new())),
        Breakage::NoFile => {
            files.retain(|name, _| !name.contains("mp4"));
            Ok((done(true), files))
        }
        Breakage::Death => {
            state.count(Fault::DeadWorker);
            state.kill();
            Ok((done(false), Files::new()))
        }
    }
}

#[async_trait]
impl Workspace for Folder {
    async fn append(&mut self, _name: &str, _bytes: Bytes) -> Result<(), PortError> {
        Ok(())
    }

    async fn run(&mut self, args: &[String], _limit: Duration) -> Result<EncoderExit, PortError> {
        let error = |reason: String| failed("run", Cause::Transient, &reason);
        let call = Call {
            operation: "run",
            subject: "encoder",
        };
        let (exit, files) = self
            .port
            .call(call, error, |state| run(state, args))
            .await?;
        self.files = files;
        Ok(exit)
    }

    async fn list(&self) -> Result<Vec<String>, PortError> {
        Ok(self.files.keys().cloned().collect())
    }

    async fn read(&self, name: &str) -> Result<Bytes, PortError> {
        let found = self.files.get(name).cloned();
        found.ok_or_else(|| failed("read", Cause::Permanent, "there is no such file"))
    }
}
