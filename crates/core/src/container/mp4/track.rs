//! A `trak` box without its sample tables.

use cattube_contract::media::Rotation;

use super::boxes::{Kind, child, children, descend, full};
use crate::container::rate;

/// What a `trak` says of itself.
#[derive(Debug, Clone)]
pub(super) struct Track<'a> {
    pub(super) id: u32,
    pub(super) is_enabled: bool,
    pub(super) rotation: Rotation,
    /// `vide`, `soun` …
    pub(super) handler: Kind,
    /// Ticks a second; never 0, and refined if it would be coarse.
    pub(super) timescale: u32,
    /// So many of these ticks are one of the file's.
    pub(super) refined_by: u32,
    /// Width and height for presentation, in whole pixels.
    pub(super) display_px: (u32, u32),
    pub(super) edits: Vec<Edit>,
    /// Tracks that hold this one's chapters.
    pub(super) chapter_tracks: Vec<u32>,
    /// The body of `stbl`.
    pub(super) tables: &'a [u8],
}

/// A line of an edit list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    /// In ticks of the movie; 0 in fragmented files: up to the end.
    pub(super) duration: u64,
    /// In ticks of the track; −1: nothing is shown.
    pub(super) media_time: i64,
    /// Whether it plays at normal speed.
    pub(super) is_normal_rate: bool,
}

/// More edits than this are not read: such a track is left to ffmpeg anyway.
const MAX_EDITS: usize = 16;

/// More chapter tracks than this are not read.
const MAX_CHAPTER_TRACKS: usize = 64;

/// Reads a `trak`; `None` if something that it must have is missing.
pub(super) fn parse(trak: &[u8]) -> Option<Track<'_>> {
    let (id, is_enabled, rotation, display_px) = header(child(trak, *b"tkhd")?)?;
    let mdia = child(trak, *b"mdia")?;
    let (_, _, mut handler) = full(child(mdia, *b"hdlr")?)?;
    handler.skip(4)?;
    let (timescale, refined_by) = rate::refined(timescale(child(mdia, *b"mdhd")?)?);
    Some(Track {
        id,
        is_enabled,
        rotation,
        handler: handler.array()?,
        timescale,
        refined_by,
        display_px,
        edits: edits(trak, refined_by),
        chapter_tracks: chapter_tracks(trak),
        tables: descend(mdia, &[b"minf", b"stbl"])?,
    })
}

/// Ticks a second of an `mdhd` or `mvhd`; `None` if it is 0.
pub(super) fn timescale(body: &[u8]) -> Option<u32> {
    let (version, _, mut reader) = full(body)?;
    reader.u32_or_u64(version)?;
    reader.u32_or_u64(version)?;
    reader.u32().filter(|timescale| *timescale > 0)
}

/// How long an `mvhd` says the movie is, in its ticks.
pub(super) fn duration(mvhd: &[u8]) -> Option<u64> {
    let (version, _, mut reader) = full(mvhd)?;
    reader.u32_or_u64(version)?;
    reader.u32_or_u64(version)?;
    reader.u32()?;
    reader.u32_or_u64(version)
}

fn header(tkhd: &[u8]) -> Option<(u32, bool, Rotation, (u32, u32))> {
    let (version, flags, mut reader) = full(tkhd)?;
    reader.u32_or_u64(version)?;
    reader.u32_or_u64(version)?;
    let id = reader.u32()?;
    reader.u32()?;
    reader.u32_or_u64(version)?;
    // reserved 8, layer 2, group 2, volume 2, reserved 2
    reader.skip(16)?;
    let mut matrix = [0_i32; 9];
    for cell in &mut matrix {
        *cell = reader.i32()?;
    }
    let display_px = (reader.u32()? >> 16, reader.u32()? >> 16);
    Some((id, flags & 1 == 1, rotation(matrix), display_px))
}

/// The quarter turn of a display matrix (ISO/IEC 14496-12 §6.2.2: a b u c d v x y w).
/// Mirrors and odd angles are left as they are stored.
fn rotation([a, b, _, c, d, ..]: [i32; 9]) -> Rotation {
    match (a.signum(), b.signum(), c.signum(), d.signum()) {
        (0, 1, -1, 0) => Rotation::Clockwise90,
        (-1, 0, 0, -1) => Rotation::Half,
        (0, -1, 1, 0) => Rotation::Clockwise270,
        _ => Rotation::None,
    }
}

fn edits(trak: &[u8], refined_by: u32) -> Vec<Edit> {
    let Some((version, _, mut reader)) = descend(trak, &[b"edts", b"elst"]).and_then(full) else {
        return Vec::new();
    };
    let count = reader.u32().unwrap_or(0);
    (0..count)
        .map_while(|_| {
            let duration = reader.u32_or_u64(version)?;
            let media_time = if version == 1 {
                reader.i64()?
            } else {
                i64::from(reader.i32()?)
            };
            let rate = reader.u32()?;
            Some(Edit {
                duration,
                media_time: match media_time {
                    -1 => -1,
                    time => time.saturating_mul(i64::from(refined_by)),
                },
                is_normal_rate: rate == 0x0001_0000,
            })
        })
        .take(MAX_EDITS)
        .collect()
}

fn chapter_tracks(trak: &[u8]) -> Vec<u32> {
    let Some(tref) = child(trak, *b"tref") else {
        return Vec::new();
    };
    children(tref)
        .filter(|child| child.kind == *b"chap")
        .flat_map(|chap| chap.body.as_chunks::<4>().0)
        .map(|id| u32::from_be_bytes(*id))
        .take(MAX_CHAPTER_TRACKS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::fixture::{full as full_box, words};

    #[test]
    fn clocks_of_both_versions() {
        let body = |version, numbers: &[u32]| {
            let whole = full_box(*b"mdhd", version, &words(numbers));
            whole[8..].to_vec()
        };
        assert_eq!(timescale(&body(0, &[1, 2, 600, 9])), Some(600));
        assert_eq!(timescale(&body(0, &[1, 2, 0, 9])), None);
        assert_eq!(timescale(&body(1, &[0, 1, 0, 2, 600, 3, 9])), Some(600));
        assert_eq!(duration(&body(0, &[1, 2, 600, 9])), Some(9));
        assert_eq!(
            duration(&body(1, &[0, 1, 0, 2, 600, 3, 9])),
            Some((3 << 32) + 9)
        );
        assert_eq!(duration(&body(0, &[1, 2, 600])), None);
    }

    #[test]
    fn a_header_tells_its_track_and_how_it_is_shown() {
        let head = |version, front: &[u32]| {
            let mut numbers = front.to_vec();
            numbers.extend([0; 4]);
            numbers.extend([0, 0x1_0000, 0, 0xffff_0000, 0, 0, 0, 0, 0x4000_0000]);
            numbers.extend([640 << 16, (360 << 16) + 1]);
            let mut whole = full_box(*b"tkhd", version, &words(&numbers));
            whole[11] = 3;
            whole[8..].to_vec()
        };
        let expected = Some((7, true, Rotation::Clockwise90, (640, 360)));
        assert_eq!(header(&head(0, &[1, 2, 7, 0, 9])), expected);
        assert_eq!(header(&head(1, &[0, 1, 0, 2, 7, 0, 0, 9])), expected);
        let mut disabled = head(0, &[1, 2, 7, 0, 9]);
        disabled[3] = 2;
        assert_eq!(
            header(&disabled).map(|(_, enabled, ..)| enabled),
            Some(false)
        );
    }
}
