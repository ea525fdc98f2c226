//! Cuts a chunk of sound: the overlap's packets dropped, whole packets to a segment.

use cattube_contract::media::TickRange;
use cattube_contract::plan::AudioEncoding;

use super::segment::{Segment, TimedSample, write_segment};
use super::{Encoded, PackageError, Sample};
use crate::sound::{PACKET_SAMPLES, RATE_HZ};

/// Packets to a segment: 4.27 s, and a 64 s chunk of 3,000 packets is 15 equal ones.
const SEGMENT_PACKETS: usize = 200;

/// The same in samples.
pub(crate) const AUDIO_SEGMENT_SAMPLES: i64 = 204_800;

/// Cuts an audio chunk into final segments. `range` is film time in samples of 48 kHz. A
/// packet of time p decodes to the samples [p, p + 1024): the first chunk keeps the
/// encoder's priming packet, later ones drop what is before their start, and all but the
/// last (open end) what is at or after their end. Only that last one may have no packet left,
/// and then no segment.
///
/// # Errors
/// [`PackageError`] when packets are missing or do not follow each other.
pub fn cut_audio_segments(
    encoded: &Encoded<'_>,
    range: TickRange,
    encoding: &AudioEncoding,
) -> Result<Vec<Segment>, PackageError> {
    if encoded.timescale != RATE_HZ {
        let reason = format!("timescale {}, not {RATE_HZ}", encoded.timescale);
        return Err(PackageError::Track(reason));
    }
    let start = if range.start <= 0 {
        range.start.saturating_sub(PACKET_SAMPLES)
    } else {
        range.start
    };
    let shifted = |film: i64| film.saturating_add(encoding.shift_samples);
    let kept: Vec<&Sample> = encoded
        .samples
        .iter()
        .filter(|sample| sample.pts >= shifted(start))
        .filter(|sample| range.end == i64::MAX || sample.pts < shifted(range.end))
        .collect();
    if kept.is_empty() && range.end == i64::MAX && range.start > 0 {
        // The sound ended before its last chunk began: containers may promise too much.
        return Ok(Vec::new());
    }
    check_packets(&kept, shifted(start), range, encoding)?;

    let timed: Vec<TimedSample<'_>> = kept
        .into_iter()
        .map(|sample| TimedSample {
            sample,
            dts: sample.pts,
            duration_ticks: sample.duration_ticks,
        })
        .collect();
    // The priming packet joins the first segment, and what is left over after the last whole
    // one, if under half of one, joins that.
    let priming = usize::from(range.start <= 0);
    let packets = timed.len().saturating_sub(priming);
    let whole = ((packets + SEGMENT_PACKETS / 2) / SEGMENT_PACKETS).max(1);
    let boundary = |place: usize| match place {
        0 => 0,
        _ if place == whole => timed.len(),
        _ => priming + place * SEGMENT_PACKETS,
    };
    let mut segments = Vec::with_capacity(whole);
    for place in 0..whole {
        let (from, to) = (boundary(place), boundary(place + 1));
        let samples = timed.get(from..to).unwrap_or_default();
        let start_pts = samples.first().map_or(0, |timed| timed.dts);
        let lasts = samples
            .iter()
            .map(|timed| i64::from(timed.duration_ticks))
            .sum();
        segments.push(write_segment(encoded, samples, start_pts, lasts)?);
    }
    Ok(segments)
}

/// Packets start at the range's start, each where the one before ends, and reach its end.
fn check_packets(
    packets: &[&Sample],
    start_pts: i64,
    range: TickRange,
    encoding: &AudioEncoding,
) -> Result<(), PackageError> {
    let mut expected = start_pts;
    for (place, packet) in packets.iter().enumerate() {
        let duration = i64::from(packet.duration_ticks);
        let is_last = place + 1 == packets.len();
        // Only the film's last packet may be short.
        let short = is_last && range.end == i64::MAX && (1..PACKET_SAMPLES).contains(&duration);
        let whole = duration == PACKET_SAMPLES || short;
        if packet.pts != expected || packet.dts != packet.pts || !whole {
            return Err(PackageError::Gap { at_pts: expected });
        }
        expected = expected.saturating_add(duration);
    }
    if packets.is_empty() {
        return Err(PackageError::Empty);
    }
    let end_pts = range.end.saturating_add(encoding.shift_samples);
    if range.end != i64::MAX && expected != end_pts {
        return Err(PackageError::Gap { at_pts: expected });
    }
    Ok(())
}
