//! HLS version 7 (RFC 8216 and its successor): fragmented mp4, the sound as a group.

use std::fmt::Write as _;

use cattube_contract::media::{Rational, TickRange};
use cattube_contract::plan::{AUDIO_RENDITION, Plan};
use cattube_contract::report::ChunkReport;
use m3u8_rs::{AlternativeMedia, AlternativeMediaType, MasterPlaylist, Resolution, VariantStream};

use super::{Completeness, JoinError, audio_stream, micros, seconds, stream};
use crate::package::{AUDIO_SEGMENT_SAMPLES, grid_limit};
use crate::sound;

/// Fragmented mp4 in playlists that are not I-frame-only needs 6; 7 is what Apple's tools
/// write for CMAF.
const VERSION: usize = 7;

/// `master.m3u8`: every rendition, tallest first, with its measured peak and average, the
/// sound's included; no word of sound if there is none.
///
/// # Errors
/// [`JoinError::Rendition`] while a rendition of the plan (or its sound) has no segment.
pub fn hls_master(plan: &Plan, reports: &[ChunkReport]) -> Result<String, JoinError> {
    let audio = audio_stream(plan, reports)?;
    let mut playlist = MasterPlaylist {
        version: Some(VERSION),
        independent_segments: true,
        ..MasterPlaylist::default()
    };
    if audio.is_some() {
        playlist.alternatives.push(AlternativeMedia {
            media_type: AlternativeMediaType::Audio,
            uri: Some(format!("{AUDIO_RENDITION}/playlist.m3u8")),
            group_id: AUDIO_RENDITION.to_owned(),
            name: "Main".to_owned(),
            default: true,
            autoselect: true,
            channels: Some("2".to_owned()),
            ..AlternativeMedia::default()
        });
    }
    for rendition in &plan.video.encoding.renditions {
        let video = stream(plan, reports, &rendition.name)?;
        let (peak, average, codecs) = match &audio {
            Some(audio) => (
                video.peak_bps().saturating_add(audio.peak_bps()),
                video.average_bps().saturating_add(audio.average_bps()),
                format!("{},{}", video.codecs, audio.codecs),
            ),
            None => (
                video.peak_bps(),
                video.average_bps(),
                video.codecs.to_owned(),
            ),
        };
        playlist.variants.push(VariantStream {
            uri: format!("{}/playlist.m3u8", video.name),
            bandwidth: peak,
            average_bandwidth: Some(average),
            codecs: Some(codecs),
            resolution: Some(Resolution {
                width: u64::from(rendition.width_px),
                height: u64::from(rendition.height_px),
            }),
            frame_rate: Some(decimal_rate(plan.video.encoding.frame_rate)),
            audio: audio.as_ref().map(|_| AUDIO_RENDITION.to_owned()),
            ..VariantStream::default()
        });
    }
    let mut text = Vec::new();
    let fail = |reason: String| JoinError::Write { reason };
    playlist
        .write_to(&mut text)
        .map_err(|error| fail(error.to_string()))?;
    String::from_utf8(text).map_err(|error| fail(error.to_string()))
}

/// `<rendition>/playlist.m3u8` (`audio` for the sound). Written by hand: `m3u8-rs` keeps
/// durations as `f32`, whose sum would drift from the film's.
///
/// # Errors
/// [`JoinError::Rendition`] if nothing of the rendition is reported.
pub fn hls_media(
    plan: &Plan,
    reports: &[ChunkReport],
    rendition: &str,
    completeness: Completeness,
) -> Result<String, JoinError> {
    let stream = stream(plan, reports, rendition)?;
    let mut durations = Vec::with_capacity(stream.segments.len());
    let (mut elapsed, mut told) = (0_i64, 0_i128);
    for segment in &stream.segments {
        // Differences of rounded times: the sum is the film's length, rounded once.
        elapsed = elapsed.saturating_add(segment.duration_ticks);
        let now = micros(elapsed, stream.timescale);
        durations.push(now - told);
        told = now;
    }
    let longest = durations.iter().copied().max().unwrap_or(0);
    let target = whole_seconds(longest).max(planned_target(plan));
    let kind = match completeness {
        Completeness::Growing => "EVENT",
        Completeness::Final => "VOD",
    };
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-PLAYLIST-TYPE:{kind}\n#EXT-X-MAP:URI=\"init.mp4\"\n"
    );
    for (segment, duration) in stream.segments.iter().zip(durations) {
        let _ = write!(
            text,
            "#EXTINF:{},\n{}.m4s\n",
            seconds(duration),
            segment.start_pts
        );
    }
    match completeness {
        Completeness::Growing => {}
        Completeness::Final => text.push_str("#EXT-X-ENDLIST\n"),
    }
    Ok(text)
}

/// The target duration that the plan leads to, in whole seconds: the same in every playlist
/// of the video and while one grows (RFC 8216 §6.2.1).
fn planned_target(plan: &Plan) -> i128 {
    let encoding = &plan.video.encoding;
    // A cut falls on the first frame at or after its time, so up to one frame late.
    let Rational { num, den } = encoding.frame_rate;
    let frame_micros = i128::from(den) * 1_000_000 / i128::from(num.max(1));
    let video = longest_planned(&plan.video.chunks, encoding.segment_ticks);
    let video = micros(video, encoding.timescale) + frame_micros;
    let audio = plan.audio.as_ref().map_or(0, |audio| {
        let longest = longest_planned(&audio.chunks, AUDIO_SEGMENT_SAMPLES);
        micros(longest, sound::RATE_HZ)
    });
    whole_seconds(video.max(audio)).max(1)
}

/// The longest segment that cutting these chunks gives, in ticks. Of an open end it is known
/// that a rest of less than half a segment is joined.
fn longest_planned(chunks: &[TickRange], segment_ticks: i64) -> i64 {
    let longest = |range: &TickRange| match grid_limit(*range, segment_ticks) {
        None => segment_ticks.saturating_add(segment_ticks / 2),
        Some(limit) => {
            let rest = range
                .end
                .saturating_sub(range.start)
                .saturating_sub(limit.saturating_mul(segment_ticks));
            if limit > 0 {
                rest.max(segment_ticks)
            } else {
                rest
            }
        }
    };
    chunks.iter().map(longest).max().unwrap_or(segment_ticks)
}

/// Rounded to the nearest, as `EXT-X-TARGETDURATION` is compared.
fn whole_seconds(micros: i128) -> i128 {
    (micros + 500_000) / 1_000_000
}

/// Rounded to three decimals, as RFC 8216 §4.3.4.2 asks.
fn decimal_rate(rate: Rational) -> f64 {
    let milli =
        (u64::from(rate.num) * 1_000 + u64::from(rate.den) / 2) / u64::from(rate.den.max(1));
    f64::from(u32::try_from(milli).unwrap_or(u32::MAX)) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: i64, end: i64) -> TickRange {
        TickRange { start, end }
    }

    #[test]
    fn the_longest_segment_is_known_beforehand() {
        // Three segments of 400, and a rest that is cut off; two and a rest that is joined.
        assert_eq!(longest_planned(&[range(0, 1_450)], 400), 400);
        assert_eq!(longest_planned(&[range(0, 990)], 400), 590);
        assert_eq!(
            longest_planned(&[range(100, 1_090), range(0, 400)], 400),
            590
        );
        // A chunk that is shorter than a segment is one.
        assert_eq!(longest_planned(&[range(0, 150)], 400), 150);
        assert_eq!(
            longest_planned(&[range(0, 150), range(150, i64::MAX)], 400),
            600
        );
        assert_eq!(longest_planned(&[], 400), 400);
    }

    #[test]
    fn seconds_are_rounded_to_the_nearest() {
        assert_eq!(whole_seconds(4_499_999), 4);
        assert_eq!(whole_seconds(4_500_000), 5);
        let rate = |num, den| decimal_rate(Rational { num, den });
        assert!((rate(30_000, 1_001) - 29.97).abs() < 1e-9);
        assert!((rate(24_000, 1_001) - 23.976).abs() < 1e-9);
        assert!((rate(25, 1) - 25.0).abs() < 1e-9);
    }
}
