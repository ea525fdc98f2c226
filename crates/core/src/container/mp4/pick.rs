//! Which tracks are transcoded.

use cattube_contract::event::RejectionCode;

use super::Movie;
use super::boxes::kind_text;
use super::entry::{self, AudioEntry};
use super::track::Track;
use crate::container::IndexError;

/// The first enabled picture track that is not another's chapter images, and its number
/// among the picture tracks.
pub(super) fn video<'m, 'a>(movie: &'m Movie<'a>) -> Result<(u32, &'m Track<'a>), IndexError> {
    let is_chapters = |track: &Track<'_>| {
        movie
            .tracks
            .iter()
            .any(|other| other.chapter_tracks.contains(&track.id))
    };
    let candidates = || numbered(movie, *b"vide").filter(|(_, track)| !is_chapters(track));
    candidates()
        .find(|(_, track)| track.is_enabled)
        .or_else(|| candidates().next())
        .ok_or_else(|| {
            let kinds: Vec<String> = movie
                .tracks
                .iter()
                .take(8)
                .map(|track| kind_text(track.handler))
                .collect();
            let reason = if kinds.is_empty() {
                "The file has no tracks.".to_owned()
            } else {
                format!("The file has no video track, only: {}.", kinds.join(", "))
            };
            IndexError::rejected(RejectionCode::NoVideoTrack, reason)
        })
}

/// The first enabled sound track of a known codec, and its number among the sound tracks.
pub(super) fn audio<'m, 'a>(movie: &'m Movie<'a>) -> Option<(u32, &'m Track<'a>, AudioEntry)> {
    let candidates = || {
        numbered(movie, *b"soun").filter_map(|(stream, track)| {
            let entry = entry::audio(entry::find(track.tables, 1)?)?;
            Some((stream, track, entry))
        })
    };
    candidates()
        .find(|(_, track, _)| track.is_enabled)
        .or_else(|| candidates().next())
}

fn numbered<'m, 'a>(
    movie: &'m Movie<'a>,
    handler: [u8; 4],
) -> impl Iterator<Item = (u32, &'m Track<'a>)> {
    let of_kind = movie
        .tracks
        .iter()
        .filter(move |track| track.handler == handler);
    (0_u32..).zip(of_kind)
}
