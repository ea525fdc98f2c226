//! Writes the slices, queues the commands, and keeps the plan.

use std::collections::BTreeSet;

use bytes::Bytes;
use cattube_contract::command::{PlanVideo, TranscodeChunk};
use cattube_contract::key::VideoKeys;
use cattube_contract::plan::{ChunkId, ChunkWork, Plan, SliceRef, Track};
use cattube_contract::{Command, CommandMessage, Metadata};
use cattube_core::container::MasterIndex;
use cattube_core::redo;
use cattube_core::slice::{self, Slice};
use cattube_ports::objects::NewObject;
use cattube_ports::queue::OutgoingMessage;

use crate::{PlanError, Planner};

fn document(document: &str) -> impl FnOnce(serde_json::Error) -> PlanError {
    let document = document.to_owned();
    move |error| PlanError::Document {
        document,
        reason: error.to_string(),
    }
}

/// A work object: nobody reads it but the pipeline.
fn work_object(key: String, bytes: Vec<u8>, content_type: &'static str) -> NewObject {
    NewObject {
        key,
        bytes: Bytes::from(bytes),
        content_type,
        cache_control: "no-store",
    }
}

/// The work of every chunk, in the order of [`Plan::chunk_ids`].
fn works(plan: &Plan) -> Vec<ChunkWork> {
    let pictures = plan.video.chunks.iter().enumerate();
    let pictures = pictures.map(|(place, range)| ChunkWork::Video {
        range: *range,
        encoding: plan.video.encoding.clone(),
        makes_poster: place == 0,
    });
    let sound = plan.audio.iter().flat_map(|audio| {
        audio.chunks.iter().map(|range| ChunkWork::Audio {
            range: *range,
            encoding: audio.encoding.clone(),
        })
    });
    pictures.chain(sound).collect()
}

/// The slices of every chunk, in the order of [`Plan::chunk_ids`].
fn slices(plan: &Plan, index: &MasterIndex) -> Vec<Slice> {
    let pictures = plan.video.chunks.iter();
    let pictures = pictures.map(|range| slice::slice_video(index, *range));
    let sound = plan.audio.iter().zip(&index.audio);
    let sound = sound.flat_map(|(audio, track)| {
        let chunks = audio.chunks.iter();
        chunks.map(|range| slice::slice_audio(index, track, *range))
    });
    pictures.chain(sound).collect()
}

/// All slices, one behind the other, and where each is.
pub(crate) fn lay_out(plan: &Plan, index: &MasterIndex) -> (Vec<u8>, Vec<SliceRef>) {
    let mut object = Vec::new();
    let mut references = Vec::new();
    for slice in slices(plan, index) {
        let bytes = slice.to_bytes();
        references.push(SliceRef {
            offset_bytes: length(&object),
            length_bytes: length(&bytes),
        });
        object.extend_from_slice(&bytes);
    }
    (object, references)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// The commands of a plan's chunks but for those in `done`. `old` is the plan of the making
/// that the job builds on. Sound goes first: its chunks are the longest, and the head needs
/// the first of them.
pub(crate) fn commands(
    job: &PlanVideo,
    plan: &Plan,
    old: Option<&Plan>,
    done: &BTreeSet<ChunkId>,
) -> Vec<TranscodeChunk> {
    let chunks = plan.chunk_ids().zip(&plan.slices).zip(works(plan));
    let chunks = chunks.filter(|((chunk, _), _)| !done.contains(chunk));
    let mut commands: Vec<_> = chunks
        .map(|((chunk, slice), work)| TranscodeChunk {
            generation: plan.generation,
            chunk,
            master: job.master.clone(),
            slice: slice.clone(),
            work,
            reuse: old
                .zip(job.base.as_ref())
                .and_then(|(old, base)| redo::reuse(old, plan, &base.redo, chunk)),
        })
        .collect();
    commands.sort_by_key(|command| command.chunk.track == Track::Video);
    commands
}

impl Planner {
    pub(crate) async fn stored_plan(&self, keys: &VideoKeys) -> Result<Option<Plan>, PlanError> {
        let Some(bytes) = self.objects.get(&keys.plan()).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(document(&keys.plan()))
    }

    pub(crate) async fn store_plan(&self, keys: &VideoKeys, plan: &Plan) -> Result<(), PlanError> {
        let bytes = serde_json::to_vec(plan).map_err(document(&keys.plan()))?;
        let object = work_object(keys.plan(), bytes, "application/json");
        Ok(self.objects.put(object).await?)
    }

    pub(crate) async fn store_slices(
        &self,
        keys: &VideoKeys,
        slices: Vec<u8>,
    ) -> Result<(), PlanError> {
        let object = work_object(keys.slices(), slices, "application/octet-stream");
        Ok(self.objects.put(object).await?)
    }

    /// The chunks that are reported as done.
    pub(crate) async fn reported(&self, keys: &VideoKeys) -> Result<BTreeSet<ChunkId>, PlanError> {
        let found = self.objects.list_all(&keys.reports_prefix()).await?;
        let done = found.iter().filter_map(|key| keys.chunk_of_report(key));
        Ok(done.collect())
    }

    pub(crate) async fn send(
        &self,
        metadata: &Metadata,
        commands: Vec<TranscodeChunk>,
    ) -> Result<(), PlanError> {
        let now = self.clock.now();
        let mut messages = Vec::new();
        for command in commands {
            let generation = command.generation.to_string();
            let subject = [generation.as_str(), &command.chunk.to_string()];
            let message = CommandMessage {
                metadata: metadata.follow("TranscodeChunk", &subject, now),
                command: Command::TranscodeChunk(Box::new(command)),
            };
            let group = metadata.owner_id.to_string();
            messages.push(OutgoingMessage::new(message.to_body()?, group));
        }
        Ok(self.chunks.send(&messages).await?)
    }
}
