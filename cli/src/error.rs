//! What can go wrong, in words for the person at the keyboard.

use std::path::PathBuf;

/// Why the client could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API refused, with a problem document (RFC 9457).
    #[error("{title}: {detail}")]
    Problem {
        /// The status code.
        status: u16,
        /// What kind of problem.
        title: String,
        /// What is wrong here.
        detail: String,
        /// The numbers of the parts that a completion lacks.
        missing: Vec<u32>,
    },
    /// No answer came.
    #[error("{request}: {reason}")]
    Transport {
        /// Method and URL.
        request: String,
        /// What happened.
        reason: String,
    },
    /// An answer came that is none of the API's.
    #[error("{request}: unexpected answer: {reason}")]
    Answer {
        /// Method and URL.
        request: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not the one that the upload was granted for.
    #[error("{}: {reason}", path.display())]
    OtherFile {
        /// Which.
        path: PathBuf,
        /// How that shows.
        reason: String,
    },
    /// A part could not be sent.
    #[error("part {number} could not be sent in {tries} tries, last: {reason}")]
    Part {
        /// Which.
        number: u32,
        /// How often it was tried.
        tries: u32,
        /// What happened last.
        reason: String,
    },
    /// The upload takes no more parts.
    #[error("upload {video_id} {reason}")]
    Upload {
        /// Which.
        video_id: String,
        /// What is the matter.
        reason: String,
    },
    /// Something given is not what it should be.
    #[error("{got:?} is not {expected}")]
    Argument {
        /// What was given.
        got: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The video did not show up, or did not end, in time.
    #[error("video {video_id} {reason} after {seconds} s")]
    Patience {
        /// Which.
        video_id: String,
        /// What did not happen.
        reason: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
}

impl Error {
    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Problem { status, .. } => *status == 429 || *status >= 500,
            Self::Transport { .. } => true,
            Self::Answer { .. }
            | Self::File { .. }
            | Self::OtherFile { .. }
            | Self::Part { .. }
            | Self::Upload { .. }
            | Self::Argument { .. }
            | Self::Patience { .. } => false,
        }
    }
}
