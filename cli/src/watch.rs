//! Following a video to its end.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::api::Video;
use crate::progress::Progress;
use crate::{Client, Error, summary};

/// How to look.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// The pause between two looks; it grows to a twentieth of the time watched …
    pub shortest_pause: Duration,
    /// … and to this.
    pub longest_pause: Duration,
    /// How long the video may be unknown: the catalogue learns of it by events.
    pub unseen_for: Duration,
    /// How long to watch at all.
    pub limit: Option<Duration>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            shortest_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(10),
            unseen_for: Duration::from_mins(3),
            limit: None,
        }
    }
}

/// Looks until nothing more will happen to the video. Gives it as it is then.
///
/// # Errors
/// [`Error::Patience`] if it stayed unknown or did not end in time; those of requests.
pub fn follow(
    client: &Client,
    video_id: &str,
    watch: Watch,
    progress: &dyn Progress,
) -> Result<Video, Error> {
    let start = Instant::now();
    let mut last_seen = start;
    let mut last_failure = None;
    let impatient = |reason, waited: Duration| Error::Patience {
        video_id: video_id.to_owned(),
        reason,
        seconds: waited.as_secs(),
    };
    loop {
        if let Some(video) = client.video(video_id)? {
            last_seen = Instant::now();
            if video.last_failure != last_failure {
                if let Some(failure) = summary::failure(&video) {
                    progress.note(&failure);
                }
                last_failure.clone_from(&video.last_failure);
            }
            progress.seen(&video);
            if video.state.is_end() || video.needs_attention.is_some() {
                return Ok(video);
            }
        } else if last_seen.elapsed() >= watch.unseen_for {
            return Err(impatient("is unknown", last_seen.elapsed()));
        }
        if watch.limit.is_some_and(|limit| start.elapsed() >= limit) {
            return Err(impatient("has not ended", start.elapsed()));
        }
        let pause = start.elapsed() / 20;
        sleep(pause.max(watch.shortest_pause).min(watch.longest_pause));
    }
}
