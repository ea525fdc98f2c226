//! The first times of the tracks, out of the first blocks.

use super::ebml::{self, id};
use super::layout::{Layout, placed};
use crate::container::reader::Reader;
use crate::container::{IndexError, SparseBytes};

/// So many picture blocks are looked at: the first shown is among them, whatever order they
/// are decoded in (H.264 and HEVC hold back at most 16 pictures).
const VIDEO_BLOCKS: usize = 17;

/// Blocks and other elements from the first picture on, after which the search ends: sound
/// that begins later than so many blocks begins after the pictures. So many are looked at
/// before the first picture too, wherever they lie.
const MAX_ELEMENTS: u32 = 160;

/// While there is no picture, the search goes on through so many elements if they lie within
/// [`MAX_LEAD_BYTES`]: over six minutes of sound in blocks of 20 ms.
const MAX_LEAD_ELEMENTS: u32 = 20_000;

/// From the first cluster on. Heads are fetched with 64 KiB, so that a search to here takes a
/// few hundred reads, whatever the sizes of the elements. It is a minute and a half of plain
/// stereo samples at 48 kHz, and far more of any coded sound.
const MAX_LEAD_BYTES: u64 = 16 << 20;

/// A block's head: track number, time, flags.
const BLOCK_HEAD_BYTES: u64 = 16;

/// What the first blocks tell, in ticks of the file.
#[derive(Debug, Default)]
pub(super) struct First {
    /// Times of the first picture blocks, rising.
    pub(super) video: Vec<i64>,
    pub(super) audio: Option<i64>,
}

/// Walks over the first clusters' blocks.
pub(super) fn find(
    bytes: &SparseBytes,
    layout: &Layout,
    video: u64,
    audio: Option<u64>,
) -> Result<First, IndexError> {
    let mut first = First::default();
    let mut cluster_time = 0_i64;
    let start = layout.first_cluster.unwrap_or(layout.end);
    let mut at = start;
    // Since the first picture, or since the start if there is none yet.
    let mut looked_at = 0_u32;
    while at < layout.end {
        let is_complete =
            first.video.len() >= VIDEO_BLOCKS && (audio.is_none() || first.audio.is_some());
        let is_lead = first.video.is_empty()
            && looked_at < MAX_LEAD_ELEMENTS
            && at.saturating_sub(start) < MAX_LEAD_BYTES;
        if is_complete || (looked_at >= MAX_ELEMENTS && !is_lead) {
            break;
        }
        looked_at = looked_at.saturating_add(1);
        let Some(element) = placed(bytes, at)? else {
            break;
        };
        match element.id {
            // Looked into.
            id::CLUSTER | id::BLOCK_GROUP => {
                at = element.body;
                continue;
            }
            id::TIMESTAMP => {
                let end = element.end.min(element.body.saturating_add(8));
                let body = bytes.get(element.body..end)?;
                let time = ebml::unsigned(&body).unwrap_or(0);
                cluster_time = i64::try_from(time).unwrap_or(0).min(i64::MAX >> 2);
            }
            id::SIMPLE_BLOCK | id::BLOCK => {
                let end = element
                    .end
                    .min(element.body.saturating_add(BLOCK_HEAD_BYTES));
                let body = bytes.get(element.body..end)?;
                if let Some((track, shift)) = block_head(&body) {
                    let time = cluster_time.saturating_add(i64::from(shift));
                    if track == video && first.video.len() < VIDEO_BLOCKS {
                        if first.video.is_empty() {
                            looked_at = 1;
                        }
                        first.video.push(time);
                    }
                    if Some(track) == audio && first.audio.is_none() {
                        first.audio = Some(time);
                    }
                }
            }
            _ => {}
        }
        at = element.end;
    }
    first.video.sort_unstable();
    Ok(first)
}

fn block_head(body: &[u8]) -> Option<(u64, i16)> {
    let mut reader = Reader::new(body);
    let (track, _) = ebml::number(&mut reader)?;
    let time = reader.array().map(i16::from_be_bytes)?;
    Some((track, time))
}
