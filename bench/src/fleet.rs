//! A model, not a measurement: how long a fleet takes for one hour of 4K.

use anyhow::Result;

use crate::chunked::Sound;
use crate::cost::{FILM_SECONDS, SOUND_CHUNK_SECONDS, Work, work};
use crate::numbers::real;
use crate::report::{header, line, row};
use crate::uhd::Uhd;

/// Workers at the same time, at most.
const WORKERS: u32 = 1_000;

/// Assumed before the first worker starts: S3's event, `ingest`, the plan, the queue.
const LEAD_SECONDS: f64 = 2.0;

/// Assumed of every chunk beside ffmpeg: requests and starts.
const OVERHEAD_SECONDS: f64 = 0.3;

/// Assumed of S3 and one worker, bytes a second.
const TRANSFER: f64 = 60e6;

/// How a queue's event source adds workers.
#[derive(Debug, Clone, Copy)]
struct Ramp {
    name: &'static str,
    at_once: f64,
    per_second: f64,
}

/// What AWS documents of SQS event sources: 5 at once and 300 more a minute; three times as
/// fast with provisioned pollers, of which the template keeps two, 10 workers each.
const RAMPS: [Ramp; 3] = [
    Ramp {
        name: "all at once (the ideal)",
        at_once: 1e9,
        per_second: 1.0,
    },
    Ramp {
        name: "provisioned pollers: 20, then 900 a minute",
        at_once: 20.0,
        per_second: 15.0,
    },
    Ramp {
        name: "the default event source: 5, then 300 a minute",
        at_once: 5.0,
        per_second: 5.0,
    },
];

/// vCPUs of a worker, by its memory in MB.
const MEMORIES: [f64; 2] = [3_008.0, 5_307.0];

impl Ramp {
    /// When worker `number`, from 0, begins.
    fn begins(self, number: u32) -> f64 {
        ((f64::from(number) + 1.0 - self.at_once) / self.per_second).max(0.0)
    }
}

/// When the last chunk is done, and how many workers had one: each chunk goes to whoever is
/// free first.
fn finish(ramp: Ramp, chunks: &[f64]) -> (f64, usize) {
    let mut free: Vec<f64> = (0..WORKERS).map(|number| ramp.begins(number)).collect();
    let mut used = vec![false; free.len()];
    let mut end: f64 = 0.0;
    for chunk in chunks {
        let first = free.iter_mut().zip(&mut used);
        let first = first.min_by(|(a, _), (b, _)| a.total_cmp(b));
        if let Some((time, used)) = first {
            *time += chunk;
            *used = true;
            end = end.max(*time);
        }
    }
    (end, used.iter().filter(|used| **used).count())
}

/// How long a worker takes for each chunk, sound first, as `plan` queues them.
fn durations(work: &Work, uhd: &Uhd, vcpus: f64) -> Vec<f64> {
    let sound = work.sound_cpu / FILM_SECONDS * SOUND_CHUNK_SECONDS + OVERHEAD_SECONDS;
    let encode = uhd.cpu_seconds * uhd.chunk_seconds / (vcpus * uhd.busy_share);
    let picture = encode + uhd.moved_bytes / TRANSFER + OVERHEAD_SECONDS;
    let mut chunks = Vec::new();
    let mut add = |count: f64, seconds: f64| {
        let mut number = 0.0;
        while number < count {
            chunks.push(seconds);
            number += 1.0;
        }
    };
    add(work.sounds, sound);
    add(work.pictures, picture);
    chunks
}

/// Prints the estimate.
pub fn estimate(uhd: &Uhd, sound: &Sound) -> Result<()> {
    let work = work(uhd, sound);
    header(&[
        "workers come",
        "memory, MB",
        "one 4K chunk, s",
        "**the hour, s**",
        "workers used",
    ])?;
    for ramp in RAMPS {
        for memory in MEMORIES {
            let chunks = durations(&work, uhd, memory / 1_769.0);
            let (end, used) = finish(ramp, &chunks);
            row(&[
                ramp.name.to_owned(),
                format!("{memory:.0}"),
                format!("{:.1}", chunks.last().copied().unwrap_or(0.0)),
                format!("{:.0}", end + LEAD_SECONDS),
                used.to_string(),
            ])?;
        }
    }
    line(format_args!(
        "\nA model. Measured: CPU seconds, the busy share, bytes. Assumed: a vCPU of Lambda is a \
         core of this machine, {LEAD_SECONDS} s until the first worker, {OVERHEAD_SECONDS} s \
         and {:.0} MB/s beside ffmpeg, no failure, a quota of {WORKERS} concurrent executions.",
        TRANSFER / real(1_000_000)
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_go_to_who_is_free() {
        let [ideal, _, slow] = RAMPS;
        let (end, used) = finish(ideal, &[4.0; 1_500]);
        assert!((end - 8.0).abs() < 1e-9);
        assert_eq!(used, 1_000);
        // Five at once, then one each 0.2 s: the sixth begins at 0.2 s.
        assert!((slow.begins(4) - 0.0).abs() < 1e-9);
        assert!((slow.begins(5) - 0.2).abs() < 1e-9);
        let (end, used) = finish(slow, &[1.0; 6]);
        assert!((end - 1.2).abs() < 1e-9);
        assert_eq!(used, 6);
    }
}
