//! Matroska and WebM (RFC 9559).

mod cues;
mod ebml;
mod first;
mod layout;
mod tracks;

use self::ebml::{child, child_unsigned, children, id, whole_float};
use self::layout::{Layout, malformed};
use super::{
    Access, AudioTrack, ClusterMap, Container, IndexError, MasterIndex, SparseBytes, VideoTrack,
    checked_size, rate, rescale,
};

/// A tick of Matroska is so many nanoseconds unless it says otherwise.
const DEFAULT_TICK_NS: u64 = 1_000_000;

/// Nanoseconds in a second.
const SECOND_NS: u64 = 1_000_000_000;

/// A segment's head of unknown size.
const OPEN_SEGMENT: [u8; 12] = [0x18, 0x53, 0x80, 0x67, 1, 255, 255, 255, 255, 255, 255, 255];

/// Reads the index of a Matroska file.
pub(super) fn index(bytes: &SparseBytes) -> Result<MasterIndex, IndexError> {
    let layout = layout::find(bytes)?;
    let info_element = bytes.get(layout.info.clone())?;
    let tracks_element = bytes.get(layout.tracks.clone())?;
    let body = |element| children(element).next().map(|element| element.body);
    let info = body(&info_element).unwrap_or_default();
    let tracks = body(&tracks_element).unwrap_or_default();
    let timescale = timescale(info)?;
    let video = tracks::video(tracks)?;
    checked_size(video.width_px, video.height_px, video.pixel_aspect)?;
    let audio = tracks::audio(tracks);
    let first = first::find(
        bytes,
        &layout,
        video.number,
        audio.map(|audio| audio.number),
    )?;
    let Some(first_video) = first.video.first().copied() else {
        return Err(malformed(
            "No picture was found at the beginning of the file's video track.",
        ));
    };
    let origin = first_video.min(first.audio.unwrap_or(first_video));
    let cues = cues::find(bytes, &layout, video.number, origin)?;
    let duration_ticks = child(info, id::DURATION)
        .and_then(whole_float)
        .filter(|ticks| *ticks > 0);
    let duration_ms = duration_ticks.map(|ticks| rescale(ticks, 1_000, timescale));
    let access = if cues.is_empty() {
        Access::Whole
    } else {
        Access::Clusters(ClusterMap {
            head: head(bytes, &layout)?,
            start: layout.first_cluster.unwrap_or(layout.body),
            end: clusters_end(&layout, &cues),
            first_pts: first_video.saturating_sub(origin),
            duration_ticks: duration_ticks.map(|ticks| ticks.saturating_sub(origin)),
            cues,
        })
    };
    Ok(MasterIndex {
        container: Container::Matroska,
        size_bytes: bytes.size_bytes(),
        duration_ms: duration_ms.and_then(|ms| u64::try_from(ms).ok()),
        video: VideoTrack {
            codec: video.codec,
            stream: video.stream,
            timescale,
            width_px: video.width_px,
            height_px: video.height_px,
            pixel_aspect: video.pixel_aspect,
            rotation: video.rotation,
            frame_rate: video
                .frame_ns
                .map_or_else(|| rate::nominal(&first.video, timescale), rate::from_ns),
            dynamic_range: video.dynamic_range,
            origin_ticks: origin,
            access,
        },
        audio: audio.map(|audio| AudioTrack {
            codec: audio.codec,
            stream: audio.stream,
            timescale,
            sample_rate_hz: audio.sample_rate_hz,
            origin_ticks: origin,
            access: Access::Whole,
        }),
    })
}

/// Ticks a second.
fn timescale(info: &[u8]) -> Result<u32, IndexError> {
    let tick_ns = child_unsigned(info, id::TIMESTAMP_SCALE).unwrap_or(DEFAULT_TICK_NS);
    let rest = SECOND_NS.checked_rem(tick_ns);
    let ticks = SECOND_NS.checked_div(tick_ns).filter(|_| rest == Some(0));
    ticks
        .and_then(|ticks| u32::try_from(ticks).ok())
        .filter(|ticks| *ticks > 0)
        .ok_or_else(|| malformed("The file counts time in units of which a second is no multiple."))
}

/// What goes before the clusters of a slice.
fn head(bytes: &SparseBytes, layout: &Layout) -> Result<Vec<u8>, IndexError> {
    let mut head = bytes.get(layout.ebml.clone())?.into_owned();
    head.extend_from_slice(&OPEN_SEGMENT);
    head.extend_from_slice(&bytes.get(layout.info.clone())?);
    head.extend_from_slice(&bytes.get(layout.tracks.clone())?);
    Ok(head)
}

/// `Cues` often follow the last cluster; their positions would be wrong in a slice.
fn clusters_end(layout: &Layout, cues: &[super::Cue]) -> u64 {
    let last = cues.last().map_or(0, |cue| cue.cluster);
    layout.cues.filter(|at| *at > last).unwrap_or(layout.end)
}
