//! A slice of an MP4: its own small fragmented MP4, of one track, with film times.

use std::ops::Range;

use cattube_contract::media::TickRange;

use super::boxes::{MovieHead, mdat_head, moov};
use super::fragment::{self, Run};
use super::{
    AUDIO_WARM_UP_PACKETS, MAX_AUDIO_SPANS, MAX_VIDEO_SPANS, MERGE_GAP_BYTES, Part, Slice,
};
use crate::container::{AudioTrack, Sample, SampleTable, VideoTrack};

/// Film zero lies so many seconds into a slice, so that the times of a pre-roll and of
/// decoding are not negative there.
const LEAD_SECONDS: i64 = 10;

/// The slice of the pictures in `range`; `None` if there are none.
pub(super) fn video(track: &VideoTrack, table: &SampleTable, range: TickRange) -> Option<Slice> {
    let (needed, expected_pts) = needed_video(table, range)?;
    let head = MovieHead {
        is_video: true,
        timescale: track.timescale,
        width_px: track.width_px,
        height_px: track.height_px,
        sample_description: &table.sample_description,
    };
    let mut slice = build(table, &head, needed, MAX_VIDEO_SPANS)?;
    slice.expected_pts = Some(expected_pts);
    Some(slice)
}

/// The slice of the sound in `range`, of film ticks with the overlap; `None` if there is
/// none at all.
pub(super) fn audio(track: &AudioTrack, table: &SampleTable, range: TickRange) -> Option<Slice> {
    let samples = &table.samples;
    let shown = samples.iter().rposition(|sample| sample.is_presented)?;
    let first = samples.partition_point(|sample| sample.end() <= range.start);
    let behind = samples.partition_point(|sample| sample.dts < range.end);
    // One packet more, and never none.
    let end = behind.min(shown).saturating_add(1);
    let start = first
        .saturating_sub(AUDIO_WARM_UP_PACKETS)
        .min(end.saturating_sub(1));
    let head = MovieHead {
        is_video: false,
        timescale: track.timescale,
        width_px: 0,
        height_px: 0,
        sample_description: &table.sample_description,
    };
    build(table, &head, samples.get(start..end)?, MAX_AUDIO_SPANS)
}

/// The packets, in decode order, that give every picture of the range and the first behind
/// it; and when the pictures of the range are shown.
fn needed_video(table: &SampleTable, range: TickRange) -> Option<(&[Sample], Vec<i64>)> {
    let samples = &table.samples;
    let from = samples
        .partition_point(|sample| sample.dts < range.start.saturating_sub(table.reorder_ticks));
    let until = samples
        .partition_point(|sample| sample.dts <= range.end.saturating_add(table.reorder_ticks));
    let (mut first, mut last) = (usize::MAX, 0);
    let mut expected = Vec::new();
    for (place, sample) in samples.iter().enumerate().take(until).skip(from) {
        if sample.is_presented && (range.start..range.end).contains(&sample.pts) {
            first = first.min(place);
            last = last.max(place);
            expected.push(sample.pts);
        }
    }
    expected.sort_unstable();
    let decode_before = expected.first()?.saturating_sub(table.settle_ticks);
    let start = samples
        .get(..=first)?
        .iter()
        .rposition(|sample| sample.is_sync && sample.pts <= decode_before)
        .unwrap_or(0);
    let next = first_behind(table, range.end).unwrap_or(last);
    Some((samples.get(start..=last.max(next))?, expected))
}

/// The place of the first picture that is shown at `end` or later.
fn first_behind(table: &SampleTable, end: i64) -> Option<usize> {
    let from = table
        .samples
        .partition_point(|sample| sample.dts < end.saturating_sub(table.reorder_ticks));
    let mut best: Option<(i64, usize)> = None;
    for (place, sample) in table.samples.iter().enumerate().skip(from) {
        if best.is_some_and(|(pts, _)| sample.dts > pts.saturating_add(table.reorder_ticks)) {
            break;
        }
        let is_behind = sample.is_presented && sample.pts >= end;
        if is_behind && best.is_none_or(|(pts, _)| sample.pts < pts) {
            best = Some((sample.pts, place));
        }
    }
    best.map(|(_, place)| place)
}

fn build(
    table: &SampleTable,
    head: &MovieHead<'_>,
    samples: &[Sample],
    max_spans: usize,
) -> Option<Slice> {
    let first = samples.first()?;
    // Composition offsets below 0 make ffmpeg move the whole track: decode earlier instead.
    let behind = |sample: &Sample| sample.dts.saturating_sub(sample.pts);
    let ahead = samples.iter().map(behind).max()?.max(0);
    let origin_ticks = i64::from(head.timescale)
        .saturating_mul(LEAD_SECONDS)
        .max(ahead.saturating_sub(first.dts));
    let runs = runs(samples);
    let spans = spans(&runs, max_spans);
    let body_bytes = spans
        .iter()
        .map(|span| span.end.saturating_sub(span.start))
        .fold(0, u64::saturating_add);
    let write = |data_start: u64| {
        let mut out = table.file_type.clone();
        moov(&mut out, head);
        let placed = place(&runs, &spans, data_start);
        let shift = origin_ticks.saturating_sub(ahead);
        fragment::moof(&mut out, &placed, shift, ahead);
        mdat_head(&mut out, body_bytes);
        out
    };
    // No length in it depends on where the data starts.
    let data_start = u64::try_from(write(0).len()).ok()?;
    let mut parts = vec![Part::Inline(write(data_start))];
    parts.extend(spans.into_iter().map(Part::Master));
    Some(Slice {
        parts,
        format: "mov".to_owned(),
        stream: 0,
        timescale: head.timescale,
        origin_ticks,
        expected_pts: None,
    })
}

/// Groups packets that lie side by side in the master.
fn runs(samples: &[Sample]) -> Vec<(Range<u64>, &[Sample])> {
    let end = |sample: &Sample| sample.offset.saturating_add(u64::from(sample.size_bytes));
    samples
        .chunk_by(|a, b| end(a) == b.offset)
        .filter_map(|run| Some((run.first()?.offset..end(run.last()?), run)))
        .collect()
}

/// The spans of the master to fetch, rising: all runs, and the gaps that are small enough.
fn spans(runs: &[(Range<u64>, &[Sample])], max_spans: usize) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = runs.iter().map(|(range, _)| range.clone()).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let mut gap_bytes = MERGE_GAP_BYTES;
    loop {
        let spans = merged(&ranges, gap_bytes);
        if spans.len() <= max_spans.max(1) || gap_bytes == u64::MAX {
            return spans;
        }
        gap_bytes = gap_bytes.saturating_mul(2);
    }
}

fn merged(sorted: &[Range<u64>], gap_bytes: u64) -> Vec<Range<u64>> {
    let mut spans: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match spans.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(gap_bytes) => {
                last.end = last.end.max(range.end);
            }
            _ => spans.push(range.clone()),
        }
    }
    spans
}

/// Where each run lies in the slice.
fn place<'a>(
    runs: &[(Range<u64>, &'a [Sample])],
    spans: &[Range<u64>],
    data_start: u64,
) -> Vec<Run<'a>> {
    let mut starts = Vec::with_capacity(spans.len());
    let mut at = data_start;
    for span in spans {
        starts.push(at);
        at = at.saturating_add(span.end.saturating_sub(span.start));
    }
    runs.iter()
        .map(|(range, samples)| {
            let behind = spans.partition_point(|span| span.start <= range.start);
            let span = behind.saturating_sub(1);
            let start = starts.get(span).copied().unwrap_or(data_start);
            let skipped = spans
                .get(span)
                .map_or(0, |span| range.start.saturating_sub(span.start));
            Run {
                position: start.saturating_add(skipped),
                samples,
            }
        })
        .collect()
}
