//! The one `moof` of a slice.

use super::boxes::{TRACK_ID, boxed, full, u32s};
use crate::container::Sample;

/// Packets that lie side by side in the slice.
pub(super) struct Run<'a> {
    /// Of the first one's first byte, from the start of the slice.
    pub(super) position: u64,
    pub(super) samples: &'a [Sample],
}

/// `sample_depends_on` = 2: on no other (ISO/IEC 14496-12 §8.8.3.1).
const SYNC: u32 = 0x0200_0000;
/// `sample_depends_on` = 1, `sample_is_non_sync_sample`.
const NOT_SYNC: u32 = 0x0101_0000;

/// Flags of `tfhd`: base data offset, default duration, default flags.
const TFHD_FIELDS: u32 = 0x01 | 0x08 | 0x20;

/// Flags of `trun`: data offset, size of each sample.
const TRUN_FIELDS: u32 = 0x01 | 0x200;
const TRUN_DURATIONS: u32 = 0x100;
const TRUN_FLAGS: u32 = 0x400;
const TRUN_OFFSETS: u32 = 0x800;

/// Appends a `moof`. Decode times are film times plus `shift`; presentation times film
/// times plus `shift` plus `ahead`.
pub(super) fn moof(out: &mut Vec<u8>, runs: &[Run<'_>], shift: i64, ahead: i64) {
    let lines = lines(runs, ahead);
    let mut rest = lines.as_slice();
    boxed(out, *b"moof", |out| {
        full(out, *b"mfhd", 0, 0, |out| u32s(out, &[1]));
        // The offset of a run is 32 bits wide, from the base of its track fragment.
        let near = |a: &Run<'_>, b: &Run<'_>| i32::try_from(b.position.abs_diff(a.position));
        let mut runs = runs;
        while let Some(first) = runs.first() {
            let count = runs
                .iter()
                .take_while(|run| near(first, run).is_ok())
                .count();
            let (group, later) = runs.split_at_checked(count.max(1)).unwrap_or((runs, &[]));
            let samples = group.iter().map(|run| run.samples.len()).sum();
            let (group_lines, later_lines) = rest.split_at_checked(samples).unwrap_or((rest, &[]));
            boxed(out, *b"traf", |out| traf(out, group, group_lines, shift));
            runs = later;
            rest = later_lines;
        }
    });
}

/// What a `trun` says of a packet.
struct Line {
    duration: u32,
    size_bytes: u32,
    flags: u32,
    offset: u32,
}

fn lines(runs: &[Run<'_>], ahead: i64) -> Vec<Line> {
    let samples = || runs.iter().flat_map(|run| run.samples);
    let next_dts = samples()
        .skip(1)
        .map(|sample| Some(sample.dts))
        .chain([None]);
    samples()
        .zip(next_dts)
        .map(|(sample, next)| {
            let gap = next.and_then(|next| u32::try_from(next.saturating_sub(sample.dts)).ok());
            let offset = sample.pts.saturating_sub(sample.dts).saturating_add(ahead);
            Line {
                duration: gap.unwrap_or(sample.duration_ticks),
                size_bytes: sample.size_bytes,
                flags: if sample.is_sync { SYNC } else { NOT_SYNC },
                offset: u32::try_from(offset).unwrap_or(u32::MAX),
            }
        })
        .collect()
}

fn traf(out: &mut Vec<u8>, runs: &[Run<'_>], lines: &[Line], shift: i64) {
    let (Some(first_run), Some(first)) = (runs.first(), lines.first()) else {
        return;
    };
    let base = first_run.position;
    let dts = first_run.samples.first().map_or(0, |sample| sample.dts);
    let time = u64::try_from(dts.saturating_add(shift)).unwrap_or(0);
    full(out, *b"tfhd", 0, TFHD_FIELDS, |out| {
        u32s(out, &[TRACK_ID]);
        out.extend_from_slice(&base.to_be_bytes());
        u32s(out, &[first.duration, first.flags]);
    });
    full(out, *b"tfdt", 1, 0, |out| {
        out.extend_from_slice(&time.to_be_bytes());
    });
    let differ = |is_same: &dyn Fn(&Line) -> bool, flag| {
        if lines.iter().all(is_same) { 0 } else { flag }
    };
    let fields = TRUN_FIELDS
        | differ(&|line| line.duration == first.duration, TRUN_DURATIONS)
        | differ(&|line| line.flags == first.flags, TRUN_FLAGS)
        | differ(&|line| line.offset == 0, TRUN_OFFSETS);
    let mut rest = lines;
    for run in runs {
        let (run_lines, later) = rest
            .split_at_checked(run.samples.len())
            .unwrap_or((rest, &[]));
        full(out, *b"trun", 0, fields, |out| {
            trun(out, run, run_lines, base, fields);
        });
        rest = later;
    }
}

fn trun(out: &mut Vec<u8>, run: &Run<'_>, lines: &[Line], base: u64, fields: u32) {
    let forward = i64::try_from(run.position.abs_diff(base)).unwrap_or(0);
    let signed = if run.position < base {
        forward.saturating_neg()
    } else {
        forward
    };
    let data_offset = i32::try_from(signed).unwrap_or(0);
    u32s(out, &[u32::try_from(lines.len()).unwrap_or(0)]);
    out.extend_from_slice(&data_offset.to_be_bytes());
    for line in lines {
        if fields & TRUN_DURATIONS != 0 {
            u32s(out, &[line.duration]);
        }
        u32s(out, &[line.size_bytes]);
        if fields & TRUN_FLAGS != 0 {
            u32s(out, &[line.flags]);
        }
        if fields & TRUN_OFFSETS != 0 {
            u32s(out, &[line.offset]);
        }
    }
}
