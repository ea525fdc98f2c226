//! What can be said on the command line.

use std::path::PathBuf;

use cattube::api::Sizes;
use cattube::tickets::Answer;
use clap::{Parser, Subcommand};

/// Uploads videos to CatTube and tells what became of them.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Args {
    /// Where the API is, such as `https://abc.execute-api.eu-central-1.amazonaws.com`.
    #[arg(long, env = "CATTUBE_API", global = true, value_name = "URL")]
    pub api: Option<String>,
    /// The bearer token.
    #[arg(long, env = "CATTUBE_TOKEN", global = true, hide_env_values = true)]
    pub token: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Upload a file; run again, it goes on where it ended.
    Upload(Upload),
    /// List the newest videos.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show a video and when each step was done.
    Show {
        /// The video.
        id: String,
    },
    /// Show every event of a video.
    Timeline {
        /// The video.
        id: String,
    },
    /// Delete a video.
    Delete {
        /// The video.
        id: String,
    },
    /// Give an upload up.
    Cancel {
        /// The video that it would have become.
        id: String,
    },
    /// List what only a person can decide.
    Tickets {
        /// Also those that are answered or closed.
        #[arg(long)]
        all: bool,
    },
    /// Answer a ticket.
    Answer {
        /// The ticket.
        ticket: String,
        /// `retry`, `skip-720p` (a size that failed), `skip-audio` or `give-up`.
        answer: Answer,
    },
}

/// What to upload, and how.
#[derive(Debug, clap::Args)]
pub struct Upload {
    /// The file.
    pub file: PathBuf,
    /// The sizes to make: `auto`, or short sides in pixels such as `1080,480`.
    #[arg(long, default_value = "auto")]
    pub sizes: Sizes,
    /// What to call the video, if not as the file.
    #[arg(long)]
    pub title: Option<String>,
    /// Stay until the video is ready, or will never be; then show it.
    #[arg(long)]
    pub watch: bool,
    /// Give up watching after so many seconds.
    #[arg(long, requires = "watch", value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Go on with the upload of this video.
    #[arg(long, value_name = "VIDEO_ID", conflicts_with = "again")]
    pub resume: Option<String>,
    /// Upload anew, even if this file was uploaded before.
    #[arg(long)]
    pub again: bool,
    /// How many parts to send at the same time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub parallel: u8,
}
