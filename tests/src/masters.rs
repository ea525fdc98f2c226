//! Makes masters of every kind with ffmpeg, small and quick, each frame unlike the others.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the `ffmpeg` on the `PATH`; returns its standard output.
///
/// # Panics
/// If it fails: a test without its master proves nothing.
#[must_use]
pub fn ffmpeg(dir: &Path, args: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .current_dir(dir)
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"])
        .args(args.split_whitespace())
        .output()
        .expect("ffmpeg is on the PATH");
    assert!(
        output.status.success(),
        "ffmpeg {args}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Runs steps of ffmpeg in a folder; each is an argument list, the last one's last word is
/// the master.
///
/// # Panics
/// If a step fails.
#[must_use]
pub fn make(dir: &Path, steps: &[&str]) -> PathBuf {
    let mut made = PathBuf::new();
    for step in steps {
        let _ = ffmpeg(dir, step);
        made = dir.join(step.split_whitespace().last().expect("a step has words"));
    }
    made
}
