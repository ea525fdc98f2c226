//! The argument list of ffmpeg for one chunk: one local file in, local files out, all from
//! one decode in one process.
//!
//! The child reads what strangers sent, so it may open files only, with the
//! demuxers and decoders that are listed, and no picture or allocation beyond a limit.

mod audio;
mod video;

use crate::container::{MAX_PIXELS, decoders};

pub use audio::audio_args;
pub use video::video_args;

/// The file of [`video_args`] that [`crate::package::parse_frames`] reads.
pub const FRAMES_FILE: &str = "frames.txt";
/// The file of [`video_args`] that is the poster.
pub const POSTER_FILE: &str = "poster.jpg";
/// The file of [`audio_args`].
pub const AUDIO_FILE: &str = "audio.mp4";

/// The largest single allocation that ffmpeg may make, in bytes: some frames of 8K.
const MAX_ALLOC_BYTES: u64 = 1 << 30;

/// Fragments begin at key frames and carry absolute times (`frag_discont`); no edit list, no
/// index, nothing that is written when the file is closed.
const MP4_FLAGS: &str =
    "+empty_moov+default_base_moof+frag_keyframe+frag_discont+skip_trailer+skip_sidx";

/// The local file that ffmpeg reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceInput {
    /// Its name in the working directory.
    pub path: String,
    /// The demuxers that may read it, as ffmpeg's `-format_whitelist` (`mov,mp4`).
    pub format: String,
    /// Which of the file's picture (or sound) tracks: the N of ffmpeg's `0:V:N` or `0:a:N`.
    pub stream: u32,
    /// What is taken off a time of the file to get film time, in ticks of the track's
    /// source: of `timescale` for video, of `source_rate_hz` for audio.
    pub origin_ticks: i64,
}

/// The file of [`video_args`] with the rendition's pictures, by its place in the ladder.
#[must_use]
pub fn rendition_file(index: usize) -> String {
    format!("r{index}.mp4")
}

/// The shifted time in ticks of a thumbnail written by [`video_args`], by its file's name;
/// `None` for other files.
#[must_use]
pub fn thumbnail_pts(file_name: &str) -> Option<i64> {
    let pts = file_name.strip_prefix('t')?.strip_suffix(".jpg")?;
    pts.parse().ok()
}

/// An argument list under construction.
struct Args(Vec<String>);

impl Args {
    /// Everything up to and with the input.
    fn reading(input: &SliceInput, thread_count: u32) -> Self {
        let mut args = Self(Vec::new());
        args.words("-nostdin -hide_banner -loglevel error -y -max_alloc");
        args.value(MAX_ALLOC_BYTES);
        args.words("-protocol_whitelist file -format_whitelist");
        args.value(&input.format);
        args.words("-codec_whitelist");
        args.value(decoders().collect::<Vec<_>>().join(","));
        args.words("-max_pixels");
        args.value(MAX_PIXELS);
        args.words("-noautorotate -copyts -threads");
        args.value(thread_count);
        args.words("-i");
        // The protocol said: a name with a colon in it is still a file.
        args.value(format_args!("file:{}", input.path));
        args
    }

    /// Arguments without spaces inside.
    fn words(&mut self, words: &str) {
        self.0.extend(words.split(' ').map(str::to_owned));
    }

    /// One argument.
    fn value(&mut self, value: impl std::fmt::Display) {
        self.0.push(value.to_string());
    }

    /// A fragmented mp4 of `timescale` ticks a second as the output.
    fn fragmented_mp4(&mut self, timescale_option: &str, timescale: u32, file: &str) {
        self.words("-map_metadata -1 -map_chapters -1 -fflags +bitexact");
        self.words(timescale_option);
        self.value(timescale);
        self.words("-use_editlist 0 -write_tmcd 0 -avoid_negative_ts disabled -movflags");
        self.value(MP4_FLAGS);
        self.words("-f mp4");
        self.value(file);
    }
}

#[cfg(test)]
mod tests;
