//! One chunk of UHD in six sizes: the figures of the cost table.

use anyhow::{Context, Result};
use cattube_contract::plan::Track;

use crate::film::Film;
use crate::jobs::{Made, one_per_size, seconds, with_one_thumbnail};
use crate::numbers::{median, mib, real};
use crate::report::{header, line, row};

/// What a second of UHD takes.
#[derive(Debug, Clone, Copy)]
pub struct Uhd {
    /// CPU seconds of ffmpeg a second of film.
    pub cpu_seconds: f64,
    /// How many of the cores it kept busy, as a share: CPU time over wall time and cores.
    pub busy_share: f64,
    /// Objects that a chunk writes.
    pub puts: f64,
    /// Objects and ranges that a chunk reads.
    pub gets: f64,
    /// Seconds of film in the chunk.
    pub chunk_seconds: f64,
    /// Bytes that the chunk reads and writes.
    pub moved_bytes: f64,
}

/// Makes one chunk from the middle of the film `rounds` times, then once a size.
pub async fn measure(film: &mut Film, rounds: u32, cores: usize) -> Result<Uhd> {
    let chunks = film.chunks(Track::Video);
    // The first chunk has the poster, the last has no frame of a next one.
    let chunk = &with_one_thumbnail(chunks.get(1).context("a film of three chunks")?);
    let chunk_seconds = seconds(chunk)?;
    header(&[
        "round",
        "CPU s",
        "CPU s a film second",
        "wall s",
        "peak RSS, MiB",
    ])?;
    let mut runs = Vec::new();
    for round in 1..=rounds {
        film.again().await?;
        let made = film.make(chunk).await?;
        let cpu = made.run.cpu.as_secs_f64();
        row(&[
            round.to_string(),
            format!("{cpu:.2}"),
            format!("{:.2}", cpu / chunk_seconds),
            format!("{:.1}", made.run.wall.as_secs_f64()),
            format!("{:.0}", mib(made.run.peak_bytes)),
        ])?;
        runs.push(made);
    }
    let mut apart = Made::default();
    for job in one_per_size(chunk) {
        film.again().await?;
        apart.add(film.make(&job).await?);
    }
    let figures = |of: &dyn Fn(&Made) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
    let cpu = figures(&|made| made.run.cpu.as_secs_f64());
    let wall = figures(&|made| made.run.wall.as_secs_f64());
    let last = runs.last().copied().unwrap_or_default();
    let uhd = Uhd {
        cpu_seconds: cpu / chunk_seconds,
        busy_share: cpu / wall / f64::from(u32::try_from(cores)?),
        puts: real(last.puts),
        gets: real(last.gets),
        chunk_seconds,
        moved_bytes: real(last.read_bytes + last.written_bytes),
    };
    let apart_cpu = apart.run.cpu.as_secs_f64();
    line(format_args!(
        "\nMedian: **{:.2} CPU s a second of film**, peak {:.0} MiB; {:.0} % of {cores} cores \
         busy. The chunk has {chunk_seconds:.2} s, reads {:.1} MiB in {} requests and writes \
         {:.1} MiB in {} objects.",
        uhd.cpu_seconds,
        figures(&|made| mib(made.run.peak_bytes)),
        uhd.busy_share * 100.0,
        mib(last.read_bytes),
        last.gets,
        mib(last.written_bytes),
        last.puts,
    ))?;
    line(format_args!(
        "The same sizes in six processes: {apart_cpu:.2} CPU s, peak {:.0} MiB; \
         **one decode / one process a size {:.3}**.",
        mib(apart.run.peak_bytes),
        cpu / apart_cpu
    ))?;
    Ok(uhd)
}
