//! DASH (ISO/IEC 23009-1), a static `isoff-live` manifest over the same files.

use std::fmt::Write as _;

use cattube_contract::media::Rational;
use cattube_contract::plan::{AUDIO_RENDITION, Plan};
use cattube_contract::report::{ChunkReport, SegmentReport};

use super::{JoinError, Stream, audio_stream, micros, seconds, stream};

/// `manifest.mpd`. Presentation time 0 is film time 0: the shift is taken off by
/// `presentationTimeOffset`.
///
/// # Errors
/// [`JoinError::Rendition`] if a rendition of the plan (or its sound) has no segment.
pub fn dash_manifest(plan: &Plan, reports: &[ChunkReport]) -> Result<String, JoinError> {
    let encoding = &plan.video.encoding;
    let mut streams = Vec::with_capacity(encoding.renditions.len());
    for rendition in &encoding.renditions {
        streams.push((rendition, stream(plan, reports, &rendition.name)?));
    }
    let audio = audio_stream(plan, reports)?;
    let audio_shift = plan
        .audio
        .as_ref()
        .map_or(0, |audio| audio.encoding.shift_samples);
    let no_rendition = || JoinError::Rendition {
        rendition: "video".to_owned(),
    };
    let (_, first) = streams.first().ok_or_else(no_rendition)?;
    let end = end_micros(first, encoding.shift_ticks).max(
        audio
            .as_ref()
            .map_or(0, |audio| end_micros(audio, audio_shift)),
    );

    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
         profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" minBufferTime=\"PT2S\" \
         mediaPresentationDuration=\"PT{}S\">\n  <Period id=\"0\" start=\"PT0S\">\n    \
         <AdaptationSet id=\"0\" contentType=\"video\" mimeType=\"video/mp4\" \
         segmentAlignment=\"true\" startWithSAP=\"1\">\n",
        seconds(end)
    );
    // Every size has the same segments (`check_reports`), so one timeline serves all.
    push_template(&mut text, first, encoding.shift_ticks);
    let rate = rate_text(encoding.frame_rate);
    for (rendition, stream) in &streams {
        let _ = writeln!(
            text,
            "      <Representation id=\"{}\" codecs=\"{}\" bandwidth=\"{}\" width=\"{}\" \
             height=\"{}\" frameRate=\"{rate}\" sar=\"1:1\"/>",
            escaped(stream.name),
            escaped(stream.codecs),
            stream.peak_bps(),
            rendition.width_px,
            rendition.height_px,
        );
    }
    text.push_str("    </AdaptationSet>\n");
    if let Some(audio) = &audio {
        push_audio(&mut text, audio, audio_shift);
    }
    text.push_str("  </Period>\n</MPD>\n");
    Ok(text)
}

fn push_audio(text: &mut String, audio: &Stream<'_>, shift_samples: i64) {
    text.push_str(
        "    <AdaptationSet id=\"1\" contentType=\"audio\" mimeType=\"audio/mp4\" \
         segmentAlignment=\"true\" startWithSAP=\"1\">\n",
    );
    push_template(text, audio, shift_samples);
    let _ = write!(
        text,
        "      <Representation id=\"{AUDIO_RENDITION}\" codecs=\"{}\" bandwidth=\"{}\" \
         audioSamplingRate=\"{}\">\n        <AudioChannelConfiguration \
         schemeIdUri=\"urn:mpeg:dash:23003:3:audio_channel_configuration:2011\" \
         value=\"2\"/>\n      </Representation>\n    </AdaptationSet>\n",
        escaped(audio.codecs),
        audio.peak_bps(),
        audio.timescale,
    );
}

fn push_template(text: &mut String, stream: &Stream<'_>, shift: i64) {
    let _ = writeln!(
        text,
        "      <SegmentTemplate timescale=\"{}\" presentationTimeOffset=\"{shift}\" \
         initialization=\"$RepresentationID$/init.mp4\" media=\"$RepresentationID$/$Time$.m4s\">\n        \
         <SegmentTimeline>",
        stream.timescale
    );
    for (start, duration, repeats) in timeline(&stream.segments) {
        let _ = write!(text, "          <S t=\"{start}\" d=\"{duration}\"");
        if repeats > 0 {
            let _ = write!(text, " r=\"{repeats}\"");
        }
        text.push_str("/>\n");
    }
    text.push_str("        </SegmentTimeline>\n      </SegmentTemplate>\n");
}

/// Runs of segments of equal length: (start, length, repeats after the first).
fn timeline(segments: &[SegmentReport]) -> Vec<(i64, i64, usize)> {
    segments
        .chunk_by(|left, right| left.duration_ticks == right.duration_ticks)
        .filter_map(|run| {
            let first = run.first()?;
            Some((first.start_pts, first.duration_ticks, run.len() - 1))
        })
        .collect()
}

/// Where a stream ends, in millionths of a second of film time.
fn end_micros(stream: &Stream<'_>, shift: i64) -> i128 {
    let end = stream.segments.last().map_or(0, |segment| {
        segment
            .start_pts
            .saturating_add(segment.duration_ticks)
            .saturating_sub(shift)
    });
    micros(end, stream.timescale).max(0)
}

fn rate_text(rate: Rational) -> String {
    if rate.den == 1 {
        rate.num.to_string()
    } else {
        format!("{}/{}", rate.num, rate.den)
    }
}

/// Safe inside an attribute's double quotes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            // Characters that XML 1.0 forbids outright.
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            _ => safe.push(c),
        }
    }
    safe
}
