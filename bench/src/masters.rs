//! Makes the masters: a slow zoom into a fractal, mixed with a moving test picture, a little
//! soft, with film grain: about 15 Mb/s as a 1080p master and, encoded anew, a little below
//! the cap of its size, as camera pictures are. A tone and pink noise as sound.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What a master is like. Each has 30 frames a second.
#[derive(Debug, Clone, Copy)]
pub struct Master {
    /// Its file's name.
    pub name: &'static str,
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
    /// Length in seconds.
    pub seconds: u32,
    /// Seconds from key frame to key frame, each GOP closed, with B frames.
    pub gop_seconds: u32,
}

/// Frames a second of every master.
const FRAME_RATE: u32 = 30;

impl Master {
    /// Makes the file in a folder. Deterministic: the same ffmpeg makes the same bytes.
    pub fn make(&self, dir: &Path) -> Result<PathBuf> {
        let path = dir.join(self.name);
        let Self {
            width_px: width,
            height_px: height,
            seconds,
            ..
        } = self;
        let picture = format!(
            "mandelbrot=s=960x540:r={FRAME_RATE}:maxiter=300:start_scale=2:end_scale=0.02:end_pts=900,\
             scale={width}:{height}:flags=bicubic,format=yuv420p[fractal];\
             testsrc2=s={width}x{height}:r={FRAME_RATE},format=yuv420p[test];\
             [fractal][test]blend=all_mode=average,gblur=sigma={softness},\
             noise=alls=3:allf=t:all_seed=7",
            softness = f64::from(*width) / 1_920.0,
        );
        let sound = "sine=f=330:b=4:r=48000[tone];anoisesrc=r=48000:c=pink:a=0.2:seed=7[hiss];\
                     [tone][hiss]amix=inputs=2,aformat=channel_layouts=stereo";
        let gop = (self.gop_seconds * FRAME_RATE).to_string();
        let mut command = Command::new("ffmpeg");
        command
            .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"])
            .args(["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", sound])
            .args(["-t", &seconds.to_string()])
            .args(["-c:v", "libx264", "-preset", "veryfast", "-crf", "18"])
            .args(["-g", &gop, "-keyint_min", &gop, "-sc_threshold", "0"])
            .args(["-bf", "3", "-pix_fmt", "yuv420p"])
            .args(["-c:a", "aac", "-b:a", "160k"])
            .arg(&path);
        let output = command.output().context("ffmpeg is on the PATH")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", self.name);
        Ok(path)
    }
}
