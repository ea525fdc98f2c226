//! The masters of all runs, made once, and what an encoder makes of their chunks.

mod encoded;
mod master;

use std::sync::OnceLock;

use bytes::Bytes;

pub use encoded::{Files, outputs};

/// A master that a run may upload.
#[derive(Debug, Clone)]
pub struct Film {
    /// Its bytes.
    pub bytes: Bytes,
    /// Whether it is a film at all.
    pub is_video: bool,
    /// How many chunks of pictures it is cut into.
    pub video_chunks: u32,
    /// How many chunks of sound.
    pub audio_chunks: u32,
    /// The names of its sizes, tallest first.
    pub sizes: &'static [&'static str],
}

/// Ticks of a second and of a picture: a picture a second.
pub(crate) const TIMESCALE: u32 = 1_000;

/// Bytes of the first part of an upload that has two.
const PART_BYTES: usize = 8 << 20;

/// Every master there is.
pub fn films() -> &'static [Film] {
    static FILMS: OnceLock<Vec<Film>> = OnceLock::new();
    FILMS.get_or_init(|| {
        let film = |seconds: usize, wide: bool, sound: bool, padding: usize| {
            let bytes = master::master(seconds, wide, sound, padding);
            Film {
                bytes: bytes.into(),
                is_video: true,
                video_chunks: u32::try_from(seconds / 4).unwrap_or(0),
                audio_chunks: u32::from(sound),
                sizes: if wide { &["480p", "360p"] } else { &["18p"] },
            }
        };
        let not_a_video = Film {
            bytes: Bytes::from_static(b"a text about cats, which no player can show\n"),
            is_video: false,
            video_chunks: 0,
            audio_chunks: 0,
            sizes: &[],
        };
        vec![
            film(4, false, false, 0),
            film(8, false, true, 0),
            film(8, true, false, 0),
            film(12, false, true, 0),
            film(8, false, true, PART_BYTES),
            film(8, true, true, 2 * PART_BYTES),
            not_a_video,
        ]
    })
}
