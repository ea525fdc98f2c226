//! The `Cues` element: where key frames are.

use super::ebml::{child, child_unsigned, children, id};
use super::layout::{Layout, placed};
use crate::container::{Cue, IndexError, SparseBytes};

/// `Cues` larger than this is not read: a line a second for a week takes 12 MB.
const MAX_CUES_BYTES: u64 = 16 << 20;

/// The longest head of a cluster: 4 bytes of id, 8 of size.
const CLUSTER_HEAD_BYTES: u64 = 12;

/// The key frames of the picture track by time, times counted from `origin`; empty if there
/// are none that can be trusted.
pub(super) fn find(
    bytes: &SparseBytes,
    layout: &Layout,
    track: u64,
    origin: i64,
) -> Result<Vec<Cue>, IndexError> {
    let Some(at) = layout.cues else {
        return Ok(Vec::new());
    };
    let Some(element) = placed(bytes, at)? else {
        return Ok(Vec::new());
    };
    let is_sane = element.id == id::CUES
        && !element.is_open
        && element.end <= layout.end
        && element.end.saturating_sub(at) <= MAX_CUES_BYTES;
    if !is_sane {
        return Ok(Vec::new());
    }
    let body = bytes.get(element.body..element.end)?;
    let mut cues: Vec<Cue> = children(&body)
        .filter(|element| element.id == id::CUE_POINT)
        .filter_map(|point| cue(point.body, layout, track, origin))
        .collect();
    cues.sort_by_key(|cue| (cue.pts, cue.cluster));
    cues.dedup_by_key(|cue| cue.pts);
    let are_in_order = cues.is_sorted_by_key(|cue| cue.cluster);
    if are_in_order && ends_are_clusters(bytes, &cues)? {
        Ok(cues)
    } else {
        Ok(Vec::new())
    }
}

fn cue(point: &[u8], layout: &Layout, track: u64, origin: i64) -> Option<Cue> {
    let time = i64::try_from(child_unsigned(point, id::CUE_TIME)?).ok()?;
    let position = children(point)
        .filter(|element| element.id == id::CUE_TRACK_POSITIONS)
        .map(|element| element.body)
        .find(|body| child_unsigned(body, id::CUE_TRACK) == Some(track))?;
    let cluster = layout
        .body
        .checked_add(child_unsigned(position, id::CUE_CLUSTER_POSITION)?)
        .filter(|cluster| *cluster < layout.end)?;
    let relative = child(position, id::CUE_RELATIVE_POSITION).and_then(super::ebml::unsigned);
    Some(Cue {
        pts: time.checked_sub(origin)?,
        cluster,
        block: relative
            .and_then(|relative| {
                cluster
                    .checked_add(relative)?
                    .checked_add(CLUSTER_HEAD_BYTES)
            })
            .filter(|block| *block < layout.end),
    })
}

/// Whether a cluster begins where the first and the last cue say: some writers count from
/// elsewhere.
fn ends_are_clusters(bytes: &SparseBytes, cues: &[Cue]) -> Result<bool, IndexError> {
    for cue in cues.first().into_iter().chain(cues.last()) {
        let element = placed(bytes, cue.cluster)?;
        if element.is_none_or(|element| element.id != id::CLUSTER) {
            return Ok(false);
        }
    }
    Ok(true)
}
