//! Looks at the frames of a file: their times and what they show.

use std::path::Path;

use crate::masters::ffmpeg;
use crate::world::World;

/// A frame: its time in ticks of `timebase`, and a hash of its picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frames {
    /// Seconds a tick, as numerator and denominator.
    pub timebase: (i128, i128),
    /// Times, in presentation order.
    pub pts: Vec<i128>,
    /// Hashes of the pictures.
    pub pictures: Vec<String>,
}

impl Frames {
    /// Decodes the pictures of a file, upright, scaled to a size in 8 bits 4:2:0.
    ///
    /// # Panics
    /// If ffmpeg fails or prints what it never prints.
    #[must_use]
    pub fn of_file(dir: &Path, file: &str, width_px: u32, height_px: u32) -> Self {
        let filter = format!(
            "scale={width_px}:{height_px}:flags=bicubic+accurate_rnd+bitexact,format=yuv420p"
        );
        let args = format!(
            "-copyts -i {file} -map 0:v:0 -vf {filter} -fps_mode passthrough -enc_time_base filter -f framemd5 -"
        );
        Self::parse(&String::from_utf8_lossy(&ffmpeg(dir, &args)))
    }

    fn parse(text: &str) -> Self {
        let mut frames = Self {
            timebase: (0, 1),
            pts: Vec::new(),
            pictures: Vec::new(),
        };
        for line in text.lines() {
            if let Some(timebase) = line.strip_prefix("#tb 0: ") {
                let (num, den) = timebase.split_once('/').expect("a timebase is a fraction");
                frames.timebase = (
                    num.parse().expect("a number"),
                    den.parse().expect("a number"),
                );
            } else if !line.starts_with('#') {
                let fields: Vec<_> = line.split(',').map(str::trim).collect();
                frames.pts.push(fields[2].parse().expect("a time"));
                frames.pictures.push(fields[5].to_owned());
            }
        }
        frames
    }

    /// Times since the first frame, as fractions over a common denominator: equal exactly
    /// if they are equal over `other`'s.
    #[must_use]
    pub fn same_times(&self, other: &Self) -> bool {
        let since = |frames: &Self, factor: i128| -> Vec<i128> {
            let first = frames.pts.first().copied().unwrap_or(0);
            frames
                .pts
                .iter()
                .map(|pts| (pts - first) * frames.timebase.0 * factor)
                .collect()
        };
        since(self, other.timebase.1) == since(other, self.timebase.1)
    }
}

/// Writes every object of the media bucket under a folder, as a player would find it.
///
/// # Panics
/// If the disk fails.
pub fn dump_media(world: &World, dir: &Path) {
    for key in world.media.keys() {
        let path = dir.join(&key);
        std::fs::create_dir_all(path.parent().expect("a key has a folder")).expect("a folder");
        std::fs::write(path, world.media.bytes_of(&key).expect("a listed object")).expect("a file");
    }
}

/// Joins a rendition's init segment and its segments, in the order of its playlist, into
/// one file beside them; returns its name relative to `dir`.
///
/// # Panics
/// If the playlist names what is not there.
#[must_use]
pub fn join_rendition(dir: &Path, prefix: &str, rendition: &str) -> String {
    let folder = dir.join(prefix).join(rendition);
    let playlist = std::fs::read_to_string(folder.join("playlist.m3u8")).expect("a playlist");
    let mut bytes = std::fs::read(folder.join("init.mp4")).expect("an init segment");
    for line in playlist
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        bytes.extend(std::fs::read(folder.join(line)).expect("a segment that a playlist names"));
    }
    std::fs::write(folder.join("joined.mp4"), bytes).expect("a file");
    format!("{prefix}/{rendition}/joined.mp4")
}
