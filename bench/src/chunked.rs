//! What it costs to encode a film in chunks, and what one decode for all sizes saves.

use anyhow::{Result, ensure};
use cattube_contract::plan::Track;

use crate::film::Film;
use crate::jobs::{Made, one_per_size, seconds};
use crate::numbers::{middle, real};
use crate::report::{header, line, row};

/// Makes all chunks of a track. Returns the sum, and what segments there are then.
async fn in_chunks(film: &mut Film, track: Track) -> Result<Made> {
    film.again().await?;
    let mut sum = Made::default();
    for job in film.chunks(track) {
        sum.add(film.make(&job).await?);
    }
    Ok(sum)
}

async fn in_one_piece(film: &mut Film) -> Result<Made> {
    film.again().await?;
    let whole = film.whole()?;
    film.make(&whole).await
}

async fn one_process_per_size(film: &mut Film) -> Result<Made> {
    let mut sum = Made::default();
    for job in one_per_size(&film.whole()?) {
        film.again().await?;
        sum.add(film.make(&job).await?);
    }
    Ok(sum)
}

/// The CPU seconds.
fn cpu(made: &Made) -> f64 {
    made.run.cpu.as_secs_f64()
}

/// Chunked against one piece, `rounds` times in turn, and, if asked for, one process a size.
/// On a master whose key frames are on the grid both have the same segments.
pub async fn compare(film: &mut Film, rounds: u32, on_grid: bool) -> Result<()> {
    let chunk_count = film.chunks(Track::Video).len();
    let film_seconds = seconds(&film.whole()?)?;
    header(&[
        "round",
        "one piece, CPU s",
        "chunked, CPU s",
        "**chunked / one piece**",
        "bytes out",
        "one process a size, CPU s",
        "**one decode / one a size**",
    ])?;
    let (mut counts, mut bits_per_second) = ((0, 0), 0.0);
    let (mut chunked_ratios, mut byte_ratios, mut size_ratios) = (vec![], vec![], vec![]);
    for round in 1..=rounds {
        let whole = in_one_piece(film).await?;
        let segments = film.segments();
        let chunked = in_chunks(film, Track::Video).await?;
        let same = segments == film.segments();
        ensure!(same || !on_grid, "other key frames in chunks");
        counts = (segments.len(), film.segments().len());
        bits_per_second = 8.0 * real(whole.written_bytes) / film_seconds;
        chunked_ratios.push(cpu(&chunked) / cpu(&whole));
        byte_ratios.push(real(chunked.written_bytes) / real(whole.written_bytes));
        let mut cells = vec![
            round.to_string(),
            format!("{:.2}", cpu(&whole)),
            format!("{:.2}", cpu(&chunked)),
            format!("{:.3}", cpu(&chunked) / cpu(&whole)),
            format!(
                "{:.4}",
                real(chunked.written_bytes) / real(whole.written_bytes)
            ),
        ];
        if on_grid {
            let apart = one_process_per_size(film).await?;
            size_ratios.push(cpu(&whole) / cpu(&apart));
            cells.push(format!("{:.2}", cpu(&apart)));
            cells.push(format!("{:.3}", cpu(&whole) / cpu(&apart)));
        } else {
            cells.extend(["-".to_owned(), "-".to_owned()]);
        }
        row(&cells)?;
    }
    line(format_args!(
        "\nMedian (range): chunked / one piece {} over {chunk_count} chunks; bytes out {}{}.",
        middle(&chunked_ratios),
        middle(&byte_ratios),
        if on_grid {
            format!("; one decode / one process a size {}", middle(&size_ratios))
        } else {
            String::new()
        }
    ))?;
    line(format_args!(
        "All sizes together: {} segments in one piece, {} in chunks; {:.1} Mb/s out of {:.1}.",
        counts.0,
        counts.1,
        bits_per_second / 1e6,
        8.0 * real(film.master_bytes) / film_seconds / 1e6
    ))?;
    Ok(())
}

/// What the sound takes, a second of film.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sound {
    /// CPU seconds of ffmpeg.
    pub cpu_seconds: f64,
    /// Objects written.
    pub puts: f64,
    /// Objects and ranges read.
    pub gets: f64,
}

/// Makes the sound of a film of that many seconds.
pub async fn sound(film: &mut Film, film_seconds: u32) -> Result<Sound> {
    let made = in_chunks(film, Track::Audio).await?;
    let seconds = f64::from(film_seconds);
    let sound = Sound {
        cpu_seconds: cpu(&made) / seconds,
        puts: real(made.puts) / seconds,
        gets: real(made.gets) / seconds,
    };
    line(format_args!(
        "Sound: {:.2} CPU s for {film_seconds} s, {:.0} times real time on one core.",
        cpu(&made),
        1.0 / sound.cpu_seconds.max(1e-9)
    ))?;
    Ok(sound)
}
