//! A slice of a Matroska file: its head, and the clusters that hold the chunk.

use cattube_contract::media::TickRange;

use super::Slice;
use crate::container::{ClusterMap, VideoTrack};

/// The slice of the pictures in `range`.
pub(super) fn video(
    track: &VideoTrack,
    map: &ClusterMap,
    range: TickRange,
    preroll_ticks: i64,
) -> Slice {
    let _ = (track, map, range, preroll_ticks);
    todo!()
}
