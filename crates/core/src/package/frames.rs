//! The frames that were decoded, by the checksums of small copies, and a chunk's edges.

use cattube_contract::media::TickRange;
use cattube_contract::plan::VideoEncoding;
use cattube_contract::report::{FrameMark, Seam};

use super::PackageError;

/// Parses [`crate::encode::FRAMES_FILE`], what ffmpeg's `framecrc` writes: every frame that
/// was decoded, film times in ticks, rising. A line is `stream, dts, pts, duration, size,
/// 0xchecksum`.
///
/// # Errors
/// [`PackageError::FrameList`] for any other line, and for times that do not rise.
pub fn parse_frames(text: &str) -> Result<Vec<FrameMark>, PackageError> {
    let mut frames: Vec<FrameMark> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let fail = |reason| PackageError::FrameList {
            line: index + 1,
            reason,
        };
        let mut fields = line.split(',').map(str::trim);
        let pts = fields
            .nth(2)
            .and_then(|field| field.parse().ok())
            .ok_or_else(|| fail("no presentation time"))?;
        let checksum = fields
            .nth(2)
            .and_then(|field| field.strip_prefix("0x"))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| fail("no checksum"))?;
        if frames.last().is_some_and(|before| before.pts >= pts) {
            return Err(fail("frames out of order"));
        }
        frames.push(FrameMark { pts, checksum });
    }
    Ok(frames)
}

/// Shifted times of the frames of a range (film ticks): what
/// [`super::cut_video_segments`] expects.
#[must_use]
pub fn expected_pts(frames: &[FrameMark], range: TickRange, encoding: &VideoEncoding) -> Vec<i64> {
    within(frames, range)
        .iter()
        .map(|frame| frame.pts.saturating_add(encoding.shift_ticks))
        .collect()
}

/// The chunk's edges: `frames` are all that were decoded, `range` is film ticks.
///
/// # Errors
/// [`PackageError::Empty`] if no frame is in the range.
pub fn seam(frames: &[FrameMark], range: TickRange) -> Result<Seam, PackageError> {
    let delivered = within(frames, range);
    let (Some(&first), Some(&last)) = (delivered.first(), delivered.last()) else {
        return Err(PackageError::Empty);
    };
    Ok(Seam {
        first,
        last,
        next: frames.iter().find(|frame| frame.pts >= range.end).copied(),
        frame_count: u32::try_from(delivered.len()).unwrap_or(u32::MAX),
    })
}

/// Whether the frame after `left`'s end is the first of `right`.
#[must_use]
pub fn seams_agree(left: &Seam, right: &Seam) -> bool {
    left.next == Some(right.first)
}

/// The frames of a range; they are in order.
fn within(frames: &[FrameMark], range: TickRange) -> &[FrameMark] {
    let from = frames.partition_point(|frame| frame.pts < range.start);
    let to = frames.partition_point(|frame| frame.pts < range.end);
    frames.get(from..to.max(from)).unwrap_or_default()
}
