//! What ffmpeg says of containers that are not read here.
//!
//! It copies the first second of packets into `framecrc`, a text of times and checksums,
//! and names the streams on standard error.

use std::str::FromStr;

use cattube_contract::event::RejectionCode;
use cattube_contract::media::{DynamicRange, Rational, Rotation};

use super::{
    Access, AudioTrack, Container, IndexError, MasterIndex, VideoTrack, checked_size, codec, rate,
    rescale,
};

/// So many bytes of the file's front are enough for [`args`]: a second of a master at
/// 250 Mbit/s, and what stands before it.
pub const FRONT_BYTES: u64 = 32 << 20;

/// ffmpeg's "no time is known".
const NO_TIME: i64 = i64::MIN;

/// Lines behind this many are not read.
const MAX_LINES: usize = 100_000;

/// The arguments of ffmpeg for the local file `input`, which may be just the first
/// [`FRONT_BYTES`] of the master. Standard output and standard error, one after the other in
/// any order, are what [`parse`] takes. With `-copyts`, since the worker keeps the file's
/// times too.
#[must_use]
pub fn args(format: &str, input: &str) -> Vec<String> {
    [
        "-nostdin",
        "-hide_banner",
        "-nostats",
        "-v",
        "info",
        "-protocol_whitelist",
        "file",
        "-format_whitelist",
        format,
        "-copyts",
        "-t",
        "1",
        "-f",
        format,
        "-i",
        input,
        "-map",
        "0:v:0",
        "-map",
        "0:a:0?",
        "-c",
        "copy",
        "-f",
        "framecrc",
        "-",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Reads ffmpeg's output. `size_bytes` is the whole master's.
///
/// # Errors
/// [`IndexError::Rejected`] if there is no picture that can be transcoded.
pub fn parse(format: &'static str, size_bytes: u64, text: &str) -> Result<MasterIndex, IndexError> {
    let said = Said::read(text);
    let (video_stream, audio_stream) = (said.stream("video"), said.stream("audio"));
    let Some(video) = video_stream else {
        return Err(no_video(text));
    };
    let codec = codec::video_by_name(&video.codec).ok_or_else(|| {
        IndexError::rejected(
            RejectionCode::UnsupportedCodec,
            format!(
                "The video codec `{}` is not supported.",
                video.codec.escape_default()
            ),
        )
    })?;
    checked_size(video.width_px, video.height_px)?;
    let audio = audio_stream.and_then(|audio| {
        let codec = codec::audio_by_name(&audio.codec)?;
        (audio.sample_rate_hz > 0 && !audio.times.is_empty()).then_some((codec, audio))
    });
    let Some(first_video) = video.first() else {
        return Err(IndexError::rejected(
            RejectionCode::NoVideoTrack,
            "No picture was found in the first second of the video track.",
        ));
    };
    let zero = earlier(first_video, audio.and_then(|(_, audio)| audio.first()));
    let origin = |stream: &Stream| rescale(zero.0, stream.timescale, zero.1);
    Ok(MasterIndex {
        container: Container::Other(format),
        size_bytes,
        duration_ms: duration_ms(format, text),
        video: VideoTrack {
            codec,
            stream: 0,
            timescale: video.timescale,
            width_px: video.width_px,
            height_px: video.height_px,
            pixel_aspect: video.pixel_aspect,
            rotation: Rotation::None,
            frame_rate: rate::nominal(&video.times, video.timescale),
            dynamic_range: dynamic_range(text),
            origin_ticks: origin(video),
            access: Access::Whole,
        },
        audio: audio.map(|(codec, audio)| AudioTrack {
            codec,
            stream: 0,
            timescale: audio.timescale,
            sample_rate_hz: audio.sample_rate_hz,
            origin_ticks: origin(audio),
            access: Access::Whole,
        }),
    })
}

/// What the text says of one stream.
struct Stream {
    kind: String,
    codec: String,
    timescale: u32,
    /// Ticks in a unit of ffmpeg's times: 1001 where its time base is 1001/30000.
    unit_ticks: i64,
    width_px: u32,
    height_px: u32,
    pixel_aspect: Rational,
    sample_rate_hz: u32,
    /// Of the packets: presentation times, or decode times where those are not known;
    /// rising.
    times: Vec<i64>,
}

impl Stream {
    fn new() -> Self {
        Self {
            kind: String::new(),
            codec: String::new(),
            timescale: 0,
            unit_ticks: 1,
            width_px: 0,
            height_px: 0,
            pixel_aspect: Rational { num: 1, den: 1 },
            sample_rate_hz: 0,
            times: Vec::new(),
        }
    }

    /// The first time, in ticks, and ticks a second.
    fn first(&self) -> Option<(i64, u32)> {
        self.times.first().map(|time| (*time, self.timescale))
    }

    /// Takes a line like `#tb 0: 1/90000`, as its name and value.
    fn take(&mut self, name: &str, value: &str) {
        match name {
            "media_type" => value.clone_into(&mut self.kind),
            "codec_id" => value.clone_into(&mut self.codec),
            "tb" => {
                if let Some((num, den @ 1..)) = pair::<u32>(value, '/') {
                    let (timescale, refined_by) = rate::refined(den);
                    self.timescale = timescale;
                    self.unit_ticks = i64::from(num).saturating_mul(i64::from(refined_by));
                }
            }
            "dimensions" => {
                if let Some((width, height)) = pair(value, 'x') {
                    (self.width_px, self.height_px) = (width, height);
                }
            }
            "sar" => {
                if let Some((num @ 1.., den @ 1..)) = pair(value, '/') {
                    self.pixel_aspect = Rational { num, den };
                }
            }
            "sample_rate" => self.sample_rate_hz = value.parse().unwrap_or(0),
            _ => {}
        }
    }
}

/// What the text says of both streams: 0 is the picture, as mapped, 1 the sound.
struct Said {
    streams: [Stream; 2],
}

impl Said {
    fn read(text: &str) -> Self {
        let mut said = Self {
            streams: [Stream::new(), Stream::new()],
        };
        // Decode times, for streams of which some presentation times are not known.
        let mut dts = [Vec::new(), Vec::new()];
        let mut lacks_pts = [false, false];
        for line in text.lines().take(MAX_LINES) {
            if let Some(header) = line.strip_prefix('#') {
                said.header(header);
            } else if let Some((place, time, pts)) = packet(line)
                && let Some(stream) = said.streams.get_mut(place)
                && let Some(dts) = dts.get_mut(place)
                && let Some(lacks) = lacks_pts.get_mut(place)
            {
                dts.push(time);
                stream.times.push(pts);
                *lacks |= pts == NO_TIME;
            }
        }
        for ((stream, dts), lacks_pts) in said.streams.iter_mut().zip(dts).zip(lacks_pts) {
            if lacks_pts {
                stream.times = dts;
            }
            stream.times.retain(|time| *time != NO_TIME);
            for time in &mut stream.times {
                *time = time.saturating_mul(stream.unit_ticks);
            }
            stream.times.sort_unstable();
        }
        said
    }

    fn header(&mut self, header: &str) {
        let Some((front, value)) = header.split_once(": ") else {
            return;
        };
        let Some((name, place)) = front.split_once(' ') else {
            return;
        };
        let place = place.parse::<usize>().ok();
        if let Some(stream) = place.and_then(|place| self.streams.get_mut(place)) {
            stream.take(name, value.trim());
        }
    }

    /// The stream of that kind, if it has a clock.
    fn stream(&self, kind: &str) -> Option<&Stream> {
        self.streams
            .iter()
            .find(|stream| stream.kind == kind && stream.timescale > 0)
    }
}

/// Stream, decode time and presentation time of a line like
/// `0,     126000,     132000,     3000,     6327, 0x9a0ce03d`.
fn packet(line: &str) -> Option<(usize, i64, i64)> {
    let mut fields = line.split(',').map(str::trim);
    let place = fields.next()?.parse().ok()?;
    let dts = fields.next()?.parse().ok()?;
    let pts = fields.next()?.parse().ok()?;
    Some((place, dts, pts))
}

fn pair<T: FromStr>(value: &str, between: char) -> Option<(T, T)> {
    let (first, second) = value.split_once(between)?;
    Some((first.trim().parse().ok()?, second.trim().parse().ok()?))
}

/// The earlier of two times with their ticks a second.
fn earlier(a: (i64, u32), b: Option<(i64, u32)>) -> (i64, u32) {
    let scaled = |x: (i64, u32), y: (i64, u32)| i128::from(x.0) * i128::from(y.1);
    match b {
        Some(b) if scaled(b, a) < scaled(a, b) => b,
        _ => a,
    }
}

/// The line of the picture stream names its transfer function.
fn dynamic_range(text: &str) -> DynamicRange {
    let line = text
        .lines()
        .take(MAX_LINES)
        .find(|line| line.trim_start().starts_with("Stream #0:") && line.contains(" Video: "))
        .unwrap_or_default();
    if line.contains("smpte2084") {
        DynamicRange::Pq
    } else if line.contains("arib-std-b67") {
        DynamicRange::Hlg
    } else {
        DynamicRange::Sdr
    }
}

/// `Duration: 00:00:20.06` where it stands in the file's front; for other formats ffmpeg
/// would have looked at the file's end, which may not be there.
fn duration_ms(format: &str, text: &str) -> Option<u64> {
    if !matches!(format, "avi" | "asf" | "mxf") {
        return None;
    }
    let (_, after) = text.split_once("Duration: ")?;
    let (clock, _) = after.split_once(',')?;
    let (whole, hundredths) = clock.trim().split_once('.')?;
    let seconds = whole.split(':').try_fold(0_u64, |sum, part| {
        sum.checked_mul(60)?.checked_add(part.parse::<u64>().ok()?)
    })?;
    let ms = hundredths.parse::<u64>().ok()?.checked_mul(10)?;
    seconds
        .checked_mul(1_000)?
        .checked_add(ms)
        .filter(|ms| *ms > 0)
}

fn no_video(text: &str) -> IndexError {
    if text.contains("matches no streams") || text.contains("Input #0") {
        return IndexError::rejected(RejectionCode::NoVideoTrack, "The file has no video track.");
    }
    let last = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    let said: String = last.unwrap_or("nothing").chars().take(160).collect();
    IndexError::rejected(
        RejectionCode::Malformed,
        format!(
            "The file cannot be read; ffmpeg says: {}",
            said.escape_default()
        ),
    )
}
