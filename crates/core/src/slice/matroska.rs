//! A slice of a Matroska file: its head, and the clusters that hold the chunk.

use cattube_contract::media::TickRange;

use super::{Part, Slice};
use crate::container::{ClusterMap, Cue, VideoTrack};

/// Fetched behind the beginning of the first block after the end, where no picture after it
/// is needed: VP8, VP9 and AV1 store pictures in the order they are shown.
const NEXT_PICTURE_BYTES: u64 = 1 << 20;

/// The slice of the pictures in `range`.
pub(super) fn video(track: &VideoTrack, map: &ClusterMap, range: TickRange) -> Slice {
    let before = map.cues.partition_point(|cue| cue.pts <= range.start);
    let start = before
        .checked_sub(1)
        .and_then(|before| map.cues.get(before))
        .map_or(map.start, |cue| cue.cluster);
    let end = end(track, map, range.end).clamp(start, map.end.max(start));
    Slice {
        parts: vec![Part::Inline(map.head.clone()), Part::Master(start..end)],
        format: "matroska,webm".to_owned(),
        stream: track.stream,
        timescale: track.timescale,
        origin_ticks: track.origin_ticks,
        expected_pts: None,
    }
}

/// Where the clusters end that the pictures before `range_end` and the first behind it need.
///
/// The cue at the end is a key frame; pictures that are shown before it may be stored behind
/// it, but not behind the key frame that follows. So that one's block is the end.
fn end(track: &VideoTrack, map: &ClusterMap, range_end: i64) -> u64 {
    let at = map.cues.partition_point(|cue| cue.pts < range_end);
    let Some((next, later)) = map.cues.get(at..).and_then(<[Cue]>::split_first) else {
        return map.end;
    };
    let following = match later.first() {
        Some(cue) => cue.block.unwrap_or_else(|| {
            // It may lie anywhere in its cluster: take that whole.
            let behind = later.iter().find(|later| later.cluster > cue.cluster);
            behind.map_or(map.end, |behind| behind.cluster)
        }),
        None => map.end,
    };
    match (track.codec, next.block) {
        ("vp8" | "vp9" | "av1", Some(block)) => {
            following.min(block.saturating_add(NEXT_PICTURE_BYTES))
        }
        _ => following,
    }
}
