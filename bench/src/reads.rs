//! What the workers read of a master, by the recipes of its plan.

use anyhow::Result;
use cattube_contract::plan::Track;
use cattube_core::slice::Part;

use crate::film::Film;
use crate::numbers::{length, mib, real};
use crate::report::{header, row};

/// The header of the table that [`of`] adds a row to.
pub fn table() -> Result<()> {
    header(&[
        "master",
        "size, MiB",
        "video slices / master",
        "audio slices / master",
        "**both / master**",
        "spans, video",
        "spans, audio",
        "recipes, KiB",
    ])?;
    Ok(())
}

/// Adds a film's row.
pub fn of(name: &str, film: &Film) -> Result<()> {
    let mut recipe_bytes = 0;
    let mut tracks = Vec::new();
    for track in [Track::Video, Track::Audio] {
        let (mut bytes, mut spans) = (0, 0);
        for job in film.chunks(track) {
            let slice = film.slice(&job)?;
            bytes += slice.master_bytes();
            let parts = slice.parts.iter();
            let found: Vec<_> = parts
                .filter(|part| matches!(part, Part::Master(_)))
                .collect();
            spans += length(&found);
            recipe_bytes += job.slice.length_bytes;
        }
        tracks.push((bytes, spans, film.chunks(track).len()));
    }
    let [
        (video, video_spans, video_chunks),
        (audio, audio_spans, audio_chunks),
    ] = tracks.as_slice()
    else {
        return Ok(());
    };
    let share = |bytes: u64| format!("{:.3}", real(bytes) / real(film.master_bytes));
    row(&[
        name.to_owned(),
        format!("{:.1}", mib(film.master_bytes)),
        share(*video),
        share(*audio),
        share(video + audio),
        format!("{video_spans} in {video_chunks} chunks"),
        format!("{audio_spans} in {audio_chunks}"),
        format!("{:.1}", real(recipe_bytes) / 1024.0),
    ])?;
    Ok(())
}
