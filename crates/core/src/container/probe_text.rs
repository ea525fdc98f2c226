//! What ffmpeg says of containers that are not read here.
//!
//! It copies the first second of packets into `framecrc`, a text of times and checksums,
//! and names the streams on standard error.

mod said;

use cattube_contract::event::RejectionCode;
use cattube_contract::media::{DynamicRange, Rotation};

use self::said::{Said, Stream};
use super::{
    Access, AudioTrack, Container, IndexError, MasterIndex, VideoTrack, checked_size, codec, rate,
    rescale,
};

/// So many bytes of the file's front are enough for [`args`]: a second of a master at
/// 250 Mbit/s, and what stands before it.
pub const FRONT_BYTES: u64 = 32 << 20;

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
    checked_size(video.width_px, video.height_px, video.pixel_aspect)?;
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
