//! Writes what was made: segments, init segments and pictures first, the report last.

use bytes::Bytes;
use cattube_contract::report::StoredReport;
use cattube_ports::PortError;
use cattube_ports::objects::NewObject;
use futures::{StreamExt, TryStreamExt, stream};

use crate::encode::Made;
use crate::{Job, TranscodeError, Worker};

/// Writes in flight at once.
const CONCURRENCY: usize = 16;

/// A redo writes under another generation. A chunk that is made twice may be other bytes of the
/// same pictures, so a player that holds either segment plays on.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

fn object(key: String, bytes: Bytes, content_type: &'static str) -> NewObject {
    NewObject {
        key,
        bytes,
        content_type,
        cache_control: IMMUTABLE,
    }
}

fn media_objects(job: &Job, made: &Made) -> Vec<NewObject> {
    let mut objects = Vec::new();
    for rendition in &made.renditions {
        let media_type = if rendition.init.codecs.starts_with("mp4a") {
            "audio/mp4"
        } else {
            "video/mp4"
        };
        // Every chunk has the same init segment (the join compares the hashes), so the
        // first chunk's is enough.
        if job.chunk.chunk.index == 0 {
            let bytes = Bytes::copy_from_slice(&rendition.init.bytes);
            objects.push(object(job.keys.init(&rendition.name), bytes, media_type));
        }
        for segment in &rendition.segments {
            let key = job.keys.segment(&rendition.name, segment.start_pts);
            objects.push(object(
                key,
                Bytes::copy_from_slice(&segment.bytes),
                media_type,
            ));
        }
    }
    if let Some(poster) = &made.poster {
        objects.push(object(job.keys.poster(), poster.clone(), "image/jpeg"));
    }
    objects
}

impl Worker {
    /// Writes all but the report. Returns the bytes of media written.
    pub(crate) async fn write_objects(&self, job: &Job, made: &Made) -> Result<u64, PortError> {
        let media = media_objects(job, made);
        let written: usize = media.iter().map(|object| object.bytes.len()).sum();
        let thumbnails = made
            .thumbnails
            .iter()
            .map(|(pts, bytes)| object(job.keys.thumbnail(*pts), bytes.clone(), "image/jpeg"));
        let thumbnails: Vec<_> = thumbnails.map(|object| self.masters.put(object)).collect();
        let puts: Vec<_> = media
            .into_iter()
            .map(|object| self.media.put(object))
            .chain(thumbnails)
            .collect();
        stream::iter(puts)
            .buffer_unordered(CONCURRENCY)
            .try_collect::<()>()
            .await?;
        Ok(u64::try_from(written).unwrap_or(u64::MAX))
    }

    pub(crate) async fn write_report(
        &self,
        key: String,
        stored: &StoredReport,
    ) -> Result<(), TranscodeError> {
        let bytes = Bytes::from(serde_json::to_vec(stored)?);
        let object = NewObject {
            key,
            bytes,
            content_type: "application/json",
            cache_control: "no-store",
        };
        Ok(self.masters.put(object).await?)
    }
}
