//! Looks at a worker's jobs and what came of them, and makes others of them.

use anyhow::{Result, bail};
use cattube_contract::command::TranscodeChunk;
use cattube_contract::media::TickRange;
use cattube_contract::plan::{ChunkWork, VideoEncoding};

use crate::meter::Run;
use crate::numbers::ticks;

/// So far apart that a chunk has but one thumbnail.
const NEVER_TICKS: i64 = 1 << 40;

/// What came of a chunk, or of several together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Made {
    /// Of ffmpeg.
    pub run: Run,
    /// Media written: segments, init segments, poster.
    pub written_bytes: u64,
    /// Bytes fetched of the master.
    pub read_bytes: u64,
    /// Objects written.
    pub puts: u64,
    /// Objects and ranges of objects read.
    pub gets: u64,
}

impl Made {
    /// Adds up; of memory the most.
    pub fn add(&mut self, other: Self) {
        self.run.cpu += other.run.cpu;
        self.run.wall += other.run.wall;
        self.run.peak_bytes = self.run.peak_bytes.max(other.run.peak_bytes);
        self.written_bytes += other.written_bytes;
        self.read_bytes += other.read_bytes;
        self.puts += other.puts;
        self.gets += other.gets;
    }
}

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

/// The chunk with only the thumbnail of its first frame, as those of an hour's film have.
pub fn with_one_thumbnail(job: &TranscodeChunk) -> TranscodeChunk {
    let mut job = job.clone();
    if let ChunkWork::Video { encoding, .. } = &mut job.work {
        encoding.thumbnail_ticks = NEVER_TICKS;
    }
    job
}

/// One job a size, each with a decode of its own. What a chunk has only once (poster,
/// further thumbnails) is left to the first; every job checks its frames, as any worker must.
pub fn one_per_size(job: &TranscodeChunk) -> Vec<TranscodeChunk> {
    let mut jobs = Vec::new();
    let ChunkWork::Video { encoding, .. } = &job.work else {
        return jobs;
    };
    for (place, rendition) in encoding.renditions.iter().enumerate() {
        let mut single = if place > 0 {
            with_one_thumbnail(job)
        } else {
            job.clone()
        };
        if let ChunkWork::Video {
            encoding,
            makes_poster,
            ..
        } = &mut single.work
        {
            encoding.renditions = vec![rendition.clone()];
            if place > 0 {
                *makes_poster = false;
            }
        }
        jobs.push(single);
    }
    jobs
}
