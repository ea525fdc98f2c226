//! Takes renditions over from an older making of the video: its finished objects are copied,
//! and only the rest is encoded. What cannot be found there is made anew.

use std::collections::BTreeMap;

use cattube_contract::command::Reuse;
use cattube_contract::key::VideoKeys;
use cattube_contract::plan::{AUDIO_RENDITION, ChunkWork, VideoEncoding};
use cattube_contract::report::{RenditionReport, Seam, StoredReport};
use cattube_ports::PortError;
use futures::{StreamExt, TryStreamExt, stream};

use crate::{Job, TranscodeError, Worker};

/// Copies in flight at once.
const CONCURRENCY: usize = 16;

/// What was copied.
#[derive(Default)]
pub(crate) struct Reused {
    pub(crate) renditions: BTreeMap<String, RenditionReport>,
    pub(crate) seam: Option<Seam>,
    pub(crate) thumbnail_pts: Vec<i64>,
}

impl Reused {
    /// Bytes of the segments.
    pub(crate) fn size_bytes(&self) -> u64 {
        let segments = self.renditions.values().flat_map(|made| &made.segments);
        segments.map(|segment| segment.size_bytes).sum()
    }

    /// What of the work is left; none if nothing is.
    pub(crate) fn remaining(&self, work: &ChunkWork) -> Option<ChunkWork> {
        if self.renditions.is_empty() {
            return Some(work.clone());
        }
        match work {
            ChunkWork::Video {
                range, encoding, ..
            } => {
                let rest = encoding.renditions.iter();
                let rest = rest.filter(|made| !self.renditions.contains_key(&made.name));
                let renditions: Vec<_> = rest.cloned().collect();
                // The poster is copied: its size is that of the tallest rendition of all.
                (!renditions.is_empty()).then(|| ChunkWork::Video {
                    range: *range,
                    encoding: VideoEncoding {
                        renditions,
                        ..encoding.clone()
                    },
                    makes_poster: false,
                })
            }
            ChunkWork::Audio { .. } => {
                (!self.renditions.contains_key(AUDIO_RENDITION)).then(|| work.clone())
            }
        }
    }
}

/// The bucket that an object is in.
#[derive(Clone, Copy)]
enum Bucket {
    Masters,
    Media,
}

/// Every object to copy: where it is, from which key, to which.
fn copies(job: &Job, old: &VideoKeys, reused: &Reused) -> Vec<(Bucket, String, String)> {
    let new = &job.keys;
    let mut copies = Vec::new();
    for (name, made) in &reused.renditions {
        if job.chunk.chunk.index == 0 {
            copies.push((Bucket::Media, old.init(name), new.init(name)));
        }
        for segment in &made.segments {
            let start = segment.start_pts;
            let (from, to) = (old.segment(name, start), new.segment(name, start));
            copies.push((Bucket::Media, from, to));
        }
    }
    let makes_poster = matches!(
        job.chunk.work,
        ChunkWork::Video {
            makes_poster: true,
            ..
        }
    );
    if makes_poster {
        copies.push((Bucket::Media, old.poster(), new.poster()));
    }
    // A run of the encoder gives the thumbnails by the way.
    if reused.remaining(&job.chunk.work).is_none() {
        let thumbnails = reused.thumbnail_pts.iter();
        let thumbnails =
            thumbnails.map(|pts| (Bucket::Masters, old.thumbnail(*pts), new.thumbnail(*pts)));
        copies.extend(thumbnails);
    }
    copies
}

impl Worker {
    /// Copies what the older making has of this chunk. If anything of it is gone there, nothing
    /// counts as copied: the encoder writes over what was.
    pub(crate) async fn take_over(&self, job: &Job) -> Result<Reused, TranscodeError> {
        let Some(Reuse {
            generation,
            renditions,
        }) = &job.chunk.reuse
        else {
            return Ok(Reused::default());
        };
        let old = VideoKeys {
            generation: *generation,
            ..job.keys
        };
        let report = self.masters.get(&old.report(job.chunk.chunk)).await?;
        let report = report.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(StoredReport { mut report, .. }) = report else {
            return Ok(Reused::default());
        };
        report
            .renditions
            .retain(|name, _| renditions.contains(name));
        let reused = Reused {
            renditions: report.renditions,
            seam: report.seam,
            thumbnail_pts: report.thumbnail_pts,
        };
        if reused.renditions.is_empty() {
            return Ok(Reused::default());
        }
        let objects = copies(job, &old, &reused);
        let calls: Vec<_> = objects
            .iter()
            .map(|(bucket, from, to)| match bucket {
                Bucket::Masters => self.masters.copy(from, to),
                Bucket::Media => self.media.copy(from, to),
            })
            .collect();
        let copied: Result<(), PortError> = stream::iter(calls)
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await;
        match copied {
            Ok(()) => Ok(reused),
            Err(PortError::ObjectMissing { .. }) => Ok(Reused::default()),
            Err(error) => Err(error.into()),
        }
    }
}
