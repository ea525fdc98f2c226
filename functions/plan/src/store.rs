//! Writes the slices, queues the commands, and keeps the plan.

use bytes::Bytes;
use cattube_contract::command::{PlanVideo, TranscodeChunk};
use cattube_contract::key::VideoKeys;
use cattube_contract::plan::{ChunkId, ChunkWork, Plan, SliceRef, Track};
use cattube_contract::{Command, CommandMessage, Metadata};
use cattube_core::container::MasterIndex;
use cattube_core::slice::{self, Slice};
use cattube_ports::objects::NewObject;
use cattube_ports::queue::OutgoingMessage;

use crate::{PlanError, Planner, count};

fn document(document: &'static str) -> impl FnOnce(serde_json::Error) -> PlanError {
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

/// Every chunk with its slice and its work, video first.
fn chunk_works(plan: &Plan, index: &MasterIndex) -> Vec<(ChunkId, Slice, ChunkWork)> {
    let mut works = Vec::new();
    for (place, range) in plan.video.chunks.iter().enumerate() {
        let chunk = ChunkId {
            track: Track::Video,
            index: count(place),
        };
        let work = ChunkWork::Video {
            range: *range,
            encoding: plan.video.encoding.clone(),
            makes_poster: place == 0,
        };
        works.push((chunk, slice::slice_video(index, *range), work));
    }
    let (Some(audio), Some(track)) = (&plan.audio, &index.audio) else {
        return works;
    };
    for (place, range) in audio.chunks.iter().enumerate() {
        let chunk = ChunkId {
            track: Track::Audio,
            index: count(place),
        };
        let encoding = audio.encoding.clone();
        let work = ChunkWork::Audio {
            range: *range,
            encoding,
        };
        works.push((chunk, slice::slice_audio(index, track, *range), work));
    }
    works
}

impl Planner {
    pub(crate) async fn stored_plan(&self, keys: &VideoKeys) -> Result<Option<Plan>, PlanError> {
        let Some(bytes) = self.objects.get(&keys.plan()).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(document("plan"))
    }

    pub(crate) async fn store_plan(&self, keys: &VideoKeys, plan: &Plan) -> Result<(), PlanError> {
        let bytes = serde_json::to_vec(plan).map_err(document("plan"))?;
        let object = work_object(keys.plan(), bytes, "application/json");
        Ok(self.objects.put(object).await?)
    }

    /// Writes all slices as one object, then queues a command a chunk. Sound goes first:
    /// its chunks are the longest, and the head needs the first of them.
    pub(crate) async fn queue_chunks(
        &self,
        metadata: &Metadata,
        job: &PlanVideo,
        keys: &VideoKeys,
        plan: &Plan,
        index: &MasterIndex,
    ) -> Result<(), PlanError> {
        let now = self.clock.now();
        let generation = job.generation.to_string();
        let mut slices = Vec::new();
        let mut messages = Vec::new();
        for (chunk, slice, work) in chunk_works(plan, index) {
            let bytes = slice.to_bytes();
            let reference = SliceRef {
                offset_bytes: length(&slices),
                length_bytes: length(&bytes),
            };
            slices.extend_from_slice(&bytes);
            let command = TranscodeChunk {
                generation: job.generation,
                chunk,
                master: job.master.clone(),
                slice: reference,
                work,
                reuse: None,
            };
            let subject = [generation.as_str(), &chunk.to_string()];
            let message = CommandMessage {
                metadata: metadata.follow("TranscodeChunk", &subject, now),
                command: Command::TranscodeChunk(Box::new(command)),
            };
            let outgoing = OutgoingMessage {
                body: message.to_body()?,
                group: metadata.owner_id.to_string(),
                deduplication_id: None,
                delay: std::time::Duration::ZERO,
            };
            messages.push((chunk.track == Track::Video, outgoing));
        }
        let object = work_object(keys.slices(), slices, "application/octet-stream");
        self.objects.put(object).await?;
        messages.sort_by_key(|(is_video, _)| *is_video);
        let messages: Vec<_> = messages.into_iter().map(|(_, message)| message).collect();
        Ok(self.chunks.send(&messages).await?)
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
