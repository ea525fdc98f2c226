//! Looks at a worker's jobs, and makes others of them.

use anyhow::{Result, bail};
use cattube_contract::command::TranscodeChunk;
use cattube_contract::media::TickRange;
use cattube_contract::plan::{ChunkWork, VideoEncoding};

use crate::numbers::ticks;

/// So far apart that a chunk has but one thumbnail.
const NEVER_TICKS: i64 = 1 << 40;

/// The range and the encoding of a chunk of pictures.
pub fn picture(job: &TranscodeChunk) -> Result<(TickRange, &VideoEncoding)> {
    match &job.work {
        ChunkWork::Video {
            range, encoding, ..
        } => Ok((*range, encoding)),
        ChunkWork::Audio { .. } => bail!("a chunk of pictures"),
    }
}

/// How much film a chunk of pictures delivers, in seconds.
pub fn seconds(job: &TranscodeChunk) -> Result<f64> {
    let (range, encoding) = picture(job)?;
    Ok(ticks(range.end - range.start) / f64::from(encoding.timescale))
}

/// One job a size, each with a decode of its own. What a chunk has only once (poster,
/// further thumbnails) is left to the first; every job checks its frames, as any worker must.
pub fn one_per_size(job: &TranscodeChunk) -> Vec<TranscodeChunk> {
    let mut jobs = Vec::new();
    let ChunkWork::Video { encoding, .. } = &job.work else {
        return jobs;
    };
    for (place, rendition) in encoding.renditions.iter().enumerate() {
        let mut single = job.clone();
        if let ChunkWork::Video {
            encoding,
            makes_poster,
            ..
        } = &mut single.work
        {
            encoding.renditions = vec![rendition.clone()];
            if place > 0 {
                *makes_poster = false;
                encoding.thumbnail_ticks = NEVER_TICKS;
            }
        }
        jobs.push(single);
    }
    jobs
}
