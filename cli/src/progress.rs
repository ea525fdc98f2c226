//! What is shown while it runs: bars on a terminal, plain lines elsewhere.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::api::Video;
use crate::summary;

/// Is told what happens. Called by several threads.
pub trait Progress: Sync {
    /// A line worth keeping.
    fn note(&self, line: &str);
    /// An upload begins, with some bytes there already.
    fn begin(&self, total_bytes: u64, done_bytes: u64);
    /// Bytes left for the store.
    fn sent(&self, bytes: u64);
    /// Bytes that left have to go again.
    fn unsent(&self, bytes: u64);
    /// The upload is complete.
    fn uploaded(&self);
    /// The video as it is now.
    fn seen(&self, video: &Video);
}

/// Bars if standard error is a terminal, lines if not.
#[must_use]
pub fn for_stderr() -> Box<dyn Progress> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if bar.is_hidden() {
        Box::new(Lines::new(std::io::stderr()))
    } else {
        let bars = Bars(bar);
        bars.style(WAIT_LINE);
        Box::new(bars)
    }
}

/// Shows nothing.
#[derive(Debug)]
pub struct Silent;

impl Progress for Silent {
    fn note(&self, _: &str) {}
    fn begin(&self, _: u64, _: u64) {}
    fn sent(&self, _: u64) {}
    fn unsent(&self, _: u64) {}
    fn uploaded(&self) {}
    fn seen(&self, _: &Video) {}
}

const BYTES_BAR: &str = "uploading {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}";
const CHUNKS_BAR: &str = "{msg} {wide_bar} {pos}/{len} chunks {elapsed}";
const WAIT_LINE: &str = "{spinner} {msg} {elapsed}";

struct Bars(ProgressBar);

impl Bars {
    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
    }
}

impl Progress for Bars {
    fn note(&self, line: &str) {
        self.0.println(line);
    }

    fn begin(&self, total_bytes: u64, done_bytes: u64) {
        self.style(BYTES_BAR);
        self.0.set_length(total_bytes);
        self.0.set_position(done_bytes);
        self.0.reset_eta();
    }

    fn sent(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    fn unsent(&self, bytes: u64) {
        self.0.dec(bytes);
    }

    fn uploaded(&self) {
        self.0.reset();
        self.style(WAIT_LINE);
        self.0.set_message("upload complete");
    }

    fn seen(&self, video: &Video) {
        if video.state.is_end() || video.needs_attention.is_some() {
            self.0.finish_and_clear();
            return;
        }
        let progress = video.progress.unwrap_or_default();
        if let Some(total) = progress.chunks_total.filter(|total| *total > 0) {
            self.style(CHUNKS_BAR);
            self.0.set_length(total);
            self.0.set_position(progress.chunks_done.unwrap_or(0));
        } else {
            self.style(WAIT_LINE);
        }
        self.0.set_message(video.state.to_string());
        self.0.tick();
    }
}

/// A line at each tenth of the upload and at each change of the video.
struct Lines<W>(Mutex<LineState<W>>);

struct LineState<W> {
    out: W,
    total_bytes: u64,
    done_bytes: u64,
    tenths_shown: u64,
    last_status: String,
}

impl<W: Write> Lines<W> {
    fn new(out: W) -> Self {
        Self(Mutex::new(LineState {
            out,
            total_bytes: 0,
            done_bytes: 0,
            tenths_shown: 0,
            last_status: String::new(),
        }))
    }

    fn with(&self, change: impl FnOnce(&mut LineState<W>)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<W: Write> LineState<W> {
    /// Progress that nobody can read is no reason to stop.
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.out, "{line}");
    }

    fn tenths(&self) -> u64 {
        let tenfold = self.done_bytes.saturating_mul(10);
        tenfold.checked_div(self.total_bytes).unwrap_or(10)
    }
}

impl<W: Write + Send> Progress for Lines<W> {
    fn note(&self, line: &str) {
        self.with(|state| state.line(line));
    }

    fn begin(&self, total_bytes: u64, done_bytes: u64) {
        self.with(|state| {
            state.total_bytes = total_bytes;
            state.done_bytes = done_bytes;
            state.tenths_shown = state.tenths();
        });
    }

    fn sent(&self, bytes: u64) {
        self.with(|state| {
            state.done_bytes = state.done_bytes.saturating_add(bytes);
            let tenths = state.tenths();
            if tenths > state.tenths_shown {
                state.tenths_shown = tenths;
                let total = HumanBytes(state.total_bytes);
                state.line(&format!("uploading {}0% of {total}", tenths.min(10)));
            }
        });
    }

    fn unsent(&self, bytes: u64) {
        self.with(|state| state.done_bytes = state.done_bytes.saturating_sub(bytes));
    }

    fn uploaded(&self) {
        self.note("upload complete");
    }

    fn seen(&self, video: &Video) {
        self.with(|state| {
            let status = summary::status(video);
            if status != state.last_status {
                state.line(&status);
                state.last_status = status;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::VideoState;

    #[test]
    fn lines_come_at_tenths_and_at_changes() {
        let lines = Lines::new(Vec::new());
        lines.begin(100, 30);
        lines.sent(9);
        lines.sent(2);
        lines.unsent(11);
        lines.sent(11);
        lines.sent(59);
        lines.uploaded();
        let mut video = Video::default();
        lines.seen(&video);
        lines.seen(&video);
        video.state = VideoState::Planned;
        lines.seen(&video);
        let state = lines.0.into_inner().unwrap();
        let text = String::from_utf8(state.out).unwrap();
        let expected = [
            "uploading 40% of 100 B",
            "uploading 100% of 100 B",
            "upload complete",
            "unknown",
            "planned",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}
