//! The worker: reads its slice of the master, decodes it once, encodes every size (but for
//! those that it may copy from an older making), writes finished segments, and says so. It must never touch another chunk, join anything, or
//! count a chunk as done before every object of it is written; the report comes last and
//! marks the chunk as done, so that a redelivered command only publishes the event again.

mod encode;
mod fetch;
mod reuse;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cattube_contract::command::TranscodeChunk;
use cattube_contract::event::{ChunkFailed, ChunkTranscoded};
use cattube_contract::key::VideoKeys;
use cattube_contract::plan::ChunkWork;
use cattube_contract::report::StoredReport;
use cattube_contract::{
    Command, CommandMessage, ContractError, Envelope, Event, Fault, Metadata, excerpt,
};
use cattube_core::package::PackageError;
use cattube_core::slice::SliceError;
use cattube_ports::outcome::MessageHandler;
use cattube_ports::{Bus, Clock, Encoder, Objects, Outcome, PortError};
use encode::Made;

/// Why a message cannot be handled, or a chunk not be made.
#[derive(Debug, thiserror::Error)]
pub enum TranscodeError {
    /// The queue brought another command.
    #[error("expected TranscodeChunk, got another command")]
    Command,
    /// The slice's recipe is damaged.
    #[error(transparent)]
    Slice(#[from] SliceError),
    /// ffmpeg could not make anything of the slice.
    #[error("the encoder failed: {reason}")]
    Encoder {
        /// What it said.
        reason: String,
    },
    /// What ffmpeg made is not what was planned.
    #[error("{file}: {error}")]
    Package {
        /// Which file, or which rendition's.
        file: String,
        /// The rendition that it is of, if it is of one alone.
        rendition: Option<String>,
        /// What is wrong with it.
        error: PackageError,
    },
    /// The decoder gave other frames than the master's index promises.
    #[error(
        "{expected} frames were planned, {decoded} came out of the decoder; the first that differs is at {at}"
    )]
    Frames {
        /// By the index.
        expected: usize,
        /// By the decoder.
        decoded: usize,
        /// Film ticks of the first difference.
        at: i64,
    },
    /// Something does not parse or serialise.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A report of ours does not parse or serialise.
    #[error("report: {0}")]
    Report(#[from] serde_json::Error),
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl TranscodeError {
    fn fault(&self) -> Fault {
        match self {
            Self::Port(error) => error.fault(),
            Self::Command
            | Self::Slice(_)
            | Self::Encoder { .. }
            | Self::Package { .. }
            | Self::Frames { .. }
            | Self::Contract(_)
            | Self::Report(_) => Fault::Permanent,
        }
    }

    /// The rendition that alone is to blame, if one is: the encoder makes all of them in one
    /// run, so of its own failure nobody knows.
    fn rendition(&self) -> Option<String> {
        match self {
            Self::Package { rendition, .. } => rendition.clone(),
            Self::Command
            | Self::Slice(_)
            | Self::Encoder { .. }
            | Self::Frames { .. }
            | Self::Contract(_)
            | Self::Report(_)
            | Self::Port(_) => None,
        }
    }
}

/// The function.
pub struct Worker {
    /// The masters bucket: the master, its slices, the reports.
    pub masters: Arc<dyn Objects>,
    /// The media bucket: segments.
    pub media: Arc<dyn Objects>,
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// ffmpeg.
    pub encoder: Arc<dyn Encoder>,
    /// How long that may take for a chunk.
    pub encode_limit: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// This execution environment's name.
    pub name: String,
}

/// A chunk with everything that its steps need to know.
struct Job {
    chunk: TranscodeChunk,
    keys: VideoKeys,
}

#[async_trait]
impl MessageHandler for Worker {
    type Error = TranscodeError;

    async fn handle(&self, body: &str) -> Result<Outcome, TranscodeError> {
        let message = CommandMessage::parse(body)?;
        let Command::TranscodeChunk(chunk) = message.command else {
            return Err(TranscodeError::Command);
        };
        let metadata = message.metadata;
        metadata.check_hops()?;
        let job = Job {
            keys: VideoKeys::of(&metadata, chunk.generation),
            chunk: *chunk,
        };
        let (action, event) = match self.transcode(&job).await {
            Ok((action, transcoded)) => (action, Event::ChunkTranscoded(transcoded)),
            // Whether and when it is tried again is not ours to decide.
            Err(error) => {
                let failed = ChunkFailed {
                    generation: job.chunk.generation,
                    chunk: job.chunk.chunk,
                    fault: error.fault(),
                    reason: excerpt(&error.to_string(), 600),
                    command: Some(Box::new(job.chunk.clone())),
                    rendition: error.rendition(),
                };
                ("chunk failed", Event::ChunkFailed(failed))
            }
        };
        self.publish(&metadata, &job, event).await?;
        Ok(Outcome::of(action, &metadata))
    }
}

impl Worker {
    async fn publish(
        &self,
        metadata: &Metadata,
        job: &Job,
        event: Event,
    ) -> Result<(), TranscodeError> {
        let generation = job.chunk.generation.to_string();
        let subject = [generation.as_str(), &job.chunk.chunk.to_string()];
        let envelope = Envelope::follow(metadata, &subject, event, self.clock.now());
        Ok(self.bus.publish(&[envelope]).await?)
    }

    async fn transcode(
        &self,
        job: &Job,
    ) -> Result<(&'static str, ChunkTranscoded), TranscodeError> {
        let report_key = job.keys.report(job.chunk.chunk);
        if let Some(bytes) = self.masters.get(&report_key).await? {
            let stored: StoredReport = serde_json::from_slice(&bytes)?;
            return Ok(("already transcoded", stored.event));
        }
        let started_at = self.clock.now();
        let reused = self.take_over(job).await?;
        let (made, read_bytes) = match reused.remaining(&job.chunk.work) {
            Some(work) => self.encode(job, &work).await?,
            None => (Made::default(), 0),
        };
        let written_bytes = self.write_objects(job, &made).await?;
        let event = ChunkTranscoded {
            generation: job.chunk.generation,
            chunk: job.chunk.chunk,
            worker: self.name.clone(),
            started_at,
            finished_at: self.clock.now(),
            read_bytes,
            written_bytes: written_bytes.saturating_add(reused.size_bytes()),
        };
        let report = made.report(job.chunk.chunk, reused, read_bytes);
        let stored = StoredReport { event, report };
        self.write_report(report_key, &stored).await?;
        Ok(("transcoded", stored.event))
    }

    /// Runs the encoder on the slice. Returns the bytes fetched of the master beside what
    /// came out.
    async fn encode(&self, job: &Job, work: &ChunkWork) -> Result<(Made, u64), TranscodeError> {
        let slice = self.fetch_recipe(job).await?;
        let mut workspace = self.encoder.open().await?;
        self.fetch_slice(job, &slice, workspace.as_mut()).await?;
        let made = encode::run(work, &slice, workspace.as_mut(), self.encode_limit).await?;
        Ok((made, slice.master_bytes()))
    }
}
