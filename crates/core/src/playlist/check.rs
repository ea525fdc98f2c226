//! Whether finished chunks fit the plan and each other.

use cattube_contract::media::TickRange;
use cattube_contract::plan::{AUDIO_RENDITION, ChunkId, Plan, Track};
use cattube_contract::report::{ChunkReport, RenditionReport};

use super::{JoinError, ordered};
use crate::package::seams_agree;
use crate::sound::PACKET_SAMPLES;

/// The priming packet of the first audio chunk, in samples.
const PRIMING_SAMPLES: i64 = PACKET_SAMPLES;

/// Checks reports in any order: of each track a contiguous head (perhaps all), each chunk
/// once, every rendition of the plan and no other, one init segment a rendition, segments
/// without gap or overlap over all chunks, the same frames in every size, and pictures that
/// meet at the seams.
///
/// # Errors
/// [`JoinError`] naming the chunk.
pub fn check_reports(plan: &Plan, reports: &[ChunkReport]) -> Result<(), JoinError> {
    let encoding = &plan.video.encoding;
    let names: Vec<&str> = encoding
        .renditions
        .iter()
        .map(|rendition| rendition.name.as_str())
        .collect();
    let video = ordered(reports, Track::Video);
    check_head(&video, plan.video.chunks.len())?;
    check_track(&video, &names, &plan.video.chunks, encoding.shift_ticks)?;
    for report in &video {
        check_frame_counts(report)?;
    }
    for pair in video.windows(2) {
        let [left, right] = *pair else { continue };
        let meet = match (&left.seam, &right.seam) {
            (Some(left), Some(right)) => seams_agree(left, right),
            (None, _) | (_, None) => false,
        };
        if !meet {
            return Err(JoinError::Seam { chunk: left.chunk });
        }
    }

    let audio = ordered(reports, Track::Audio);
    let planned = plan.audio.as_ref();
    let chunks = planned.map_or(&[][..], |audio| audio.chunks.as_slice());
    check_head(&audio, chunks.len())?;
    let shift = planned.map_or(0, |audio| audio.encoding.shift_samples);
    check_track(&audio, &[AUDIO_RENDITION], chunks, shift)
}

/// Chunks 0, 1, 2 … of the plan, each once.
fn check_head(reports: &[&ChunkReport], planned: usize) -> Result<(), JoinError> {
    for (place, report) in reports.iter().enumerate() {
        let chunk = report.chunk;
        let index = usize::try_from(chunk.index).unwrap_or(usize::MAX);
        if index >= planned || index < place {
            return Err(JoinError::UnknownChunk { chunk });
        }
        if index > place {
            let index = u32::try_from(place).unwrap_or(u32::MAX);
            let chunk = ChunkId { index, ..chunk };
            return Err(JoinError::MissingChunk { chunk });
        }
    }
    Ok(())
}

fn check_track(
    reports: &[&ChunkReport],
    names: &[&str],
    ranges: &[TickRange],
    shift: i64,
) -> Result<(), JoinError> {
    let Some(first) = reports.first() else {
        return Ok(());
    };
    for (report, range) in reports.iter().zip(ranges) {
        let stranger = report
            .renditions
            .keys()
            .find(|name| !names.contains(&name.as_str()));
        if let Some(name) = stranger {
            return Err(JoinError::Rendition {
                rendition: name.clone(),
            });
        }
        for name in names {
            let missing = || JoinError::Rendition {
                rendition: (*name).to_owned(),
            };
            let part = report.renditions.get(*name).ok_or_else(missing)?;
            let model = first.renditions.get(*name).ok_or_else(missing)?;
            if (&part.init_sha256, &part.codecs) != (&model.init_sha256, &model.codecs) {
                return Err(JoinError::Init {
                    chunk: report.chunk,
                    rendition: (*name).to_owned(),
                });
            }
            check_segments(report.chunk, name, part, *range, shift)?;
        }
    }
    Ok(())
}

/// The segments fill the chunk's range. Only the film's edges are not known beforehand: its
/// first frame may be later than the range's start (or, of sound, a priming packet earlier),
/// and an open end is where it is; of sound even before the range.
fn check_segments(
    chunk: ChunkId,
    name: &str,
    part: &RenditionReport,
    range: TickRange,
    shift: i64,
) -> Result<(), JoinError> {
    let gap = |at_pts| JoinError::Gap {
        chunk,
        rendition: name.to_owned(),
        at_pts,
    };
    let start = range.start.saturating_add(shift);
    let is_open = range.end == i64::MAX;
    let Some(first) = part.segments.first() else {
        let may_be_empty = chunk.track == Track::Audio && is_open && chunk.index > 0;
        return if may_be_empty {
            Ok(())
        } else {
            Err(gap(start))
        };
    };
    let begins = match (chunk.index, chunk.track) {
        (0, Track::Video) => first.start_pts >= start,
        (0, Track::Audio) => first.start_pts == start.saturating_sub(PRIMING_SAMPLES),
        (1.., Track::Video | Track::Audio) => first.start_pts == start,
    };
    if !begins {
        return Err(gap(first.start_pts));
    }
    let mut expected = first.start_pts;
    for segment in &part.segments {
        let is_sane =
            segment.duration_ticks > 0 && segment.size_bytes > 0 && segment.frame_count > 0;
        if segment.start_pts != expected || !is_sane {
            return Err(gap(segment.start_pts));
        }
        expected = expected.saturating_add(segment.duration_ticks);
    }
    if is_open || expected == range.end.saturating_add(shift) {
        Ok(())
    } else {
        Err(gap(expected))
    }
}

/// Every size has the same segments and as many frames as were counted at the decoder.
fn check_frame_counts(report: &ChunkReport) -> Result<(), JoinError> {
    let counted = report.seam.map(|seam| u64::from(seam.frame_count));
    let shape = |part: &RenditionReport| -> Vec<(i64, i64, u32)> {
        part.segments
            .iter()
            .map(|segment| {
                (
                    segment.start_pts,
                    segment.duration_ticks,
                    segment.frame_count,
                )
            })
            .collect()
    };
    let model = report.renditions.values().next().map(shape);
    for (name, part) in &report.renditions {
        let frames = part
            .segments
            .iter()
            .map(|segment| u64::from(segment.frame_count))
            .sum();
        if Some(frames) != counted || Some(shape(part)) != model {
            return Err(JoinError::FrameCount {
                chunk: report.chunk,
                rendition: name.clone(),
            });
        }
    }
    Ok(())
}
