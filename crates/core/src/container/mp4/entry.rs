//! Sample entries: what a track's packets are.

use cattube_contract::event::RejectionCode;
use cattube_contract::media::{DynamicRange, Rational};

use super::boxes::{Child, Kind, child, children, descend, full, kind_text};
use crate::container::reader::Reader;
use crate::container::{IndexError, codec, vui};

/// A picture track's sample entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct VideoEntry {
    pub(super) codec: &'static str,
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    pub(super) pixel_aspect: Rational,
    pub(super) dynamic_range: DynamicRange,
}

/// A sound track's sample entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct AudioEntry {
    pub(super) codec: &'static str,
    /// 0 if it is not told.
    pub(super) sample_rate_hz: u32,
    /// Of one instant of PCM, all channels; `None` if it is no PCM.
    pub(super) pcm_frame_bytes: Option<u32>,
}

/// Sample entry number `number` (from 1) of a `stsd` in `stbl`; number 0 is the first too.
pub(super) fn find(stbl: &[u8], number: u32) -> Option<Child<'_>> {
    let (_, _, mut reader) = full(child(stbl, *b"stsd")?)?;
    reader.u32()?;
    let skip = usize::try_from(number.saturating_sub(1)).ok()?;
    children(reader.rest()).nth(skip)
}

/// An `stsd` box with that one entry, and the version that it had: in QuickTime and in MP4
/// the same entry is read differently by it.
pub(super) fn description(stbl: &[u8], entry: Child<'_>) -> Vec<u8> {
    let stsd = child(stbl, *b"stsd").unwrap_or_default();
    let version = stsd.get(..4).unwrap_or(&[0; 4]);
    // size, letters, version and flags, count
    let size = entry.whole.len().saturating_add(16);
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(b"stsd");
    out.extend_from_slice(version);
    out.extend_from_slice(&1_u32.to_be_bytes());
    out.extend_from_slice(entry.whole);
    out
}

/// Reads a picture track's entry.
pub(super) fn video(entry: Child<'_>) -> Result<VideoEntry, IndexError> {
    let unsupported = |reason| {
        Err(IndexError::rejected(
            RejectionCode::UnsupportedCodec,
            reason,
        ))
    };
    let damaged = || {
        IndexError::rejected(
            RejectionCode::Malformed,
            "The description of the video track is damaged.",
        )
    };
    if is_encrypted(entry) {
        return unsupported(
            "The video track is encrypted; a stream can only be made of unprotected video."
                .to_owned(),
        );
    }
    let mut reader = Reader::new(entry.body);
    // reserved 6, data reference 2, version and vendor 16
    reader.skip(24).ok_or_else(damaged)?;
    let width_px = u32::from(reader.u16().ok_or_else(damaged)?);
    let height_px = u32::from(reader.u16().ok_or_else(damaged)?);
    // resolutions 8, size 4, frames 2, name 32, depth 2, colour table 2
    let boxes = reader.rest().get(50..).unwrap_or_default();
    let object_type = child(boxes, *b"esds").and_then(object_type);
    let codec = match (&entry.kind, object_type) {
        (b"mp4v", Some(object_type)) => codec::video_by_object_type(object_type),
        _ => codec::video_by_fourcc(entry.kind),
    };
    let Some(codec) = codec else {
        return unsupported(format!(
            "The video codec `{}` is not supported.",
            kind_text(entry.kind)
        ));
    };
    let usability = child(boxes, *b"avcC")
        .and_then(vui::from_avcc)
        .or_else(|| child(boxes, *b"hvcC").and_then(vui::from_hvcc))
        .unwrap_or_default();
    let transfer = colr_transfer(boxes)
        .or_else(|| vpcc_transfer(boxes))
        .or(usability.transfer);
    Ok(VideoEntry {
        codec,
        width_px,
        height_px,
        pixel_aspect: pasp(boxes)
            .or(usability.pixel_aspect)
            .unwrap_or(Rational { num: 1, den: 1 }),
        dynamic_range: vui::dynamic_range(transfer.unwrap_or(0)),
    })
}

/// Reads a sound track's entry; `None` if the codec is not supported.
pub(super) fn audio(entry: Child<'_>) -> Option<AudioEntry> {
    if is_encrypted(entry) {
        return None;
    }
    let mut reader = Reader::new(entry.body);
    reader.skip(8)?;
    let version = reader.u16()?;
    reader.skip(6)?;
    let channels = u32::from(reader.u16()?);
    let bits = u32::from(reader.u16()?);
    reader.skip(4)?;
    let mut sample_rate_hz = reader.u32()? >> 16;
    let mut frame_bytes = channels.checked_mul(bits.div_ceil(8))?;
    match version {
        // QuickTime: samples per packet, bytes per packet, bytes per frame, bytes per sample
        1 => {
            reader.skip(8)?;
            let bytes_per_frame = reader.u32()?;
            frame_bytes = if bytes_per_frame > 0 {
                bytes_per_frame
            } else {
                frame_bytes
            };
            reader.skip(4)?;
        }
        // QuickTime: struct size, rate as f64, channels, 0x7f000000, bits, flags, bytes per
        // packet, frames per packet
        2 => {
            reader.skip(4)?;
            sample_rate_hz = whole_f64(reader.u64()?).unwrap_or(0);
            reader.skip(16)?;
            frame_bytes = reader.u32()?;
            reader.skip(4)?;
        }
        _ => {}
    }
    let boxes = reader.rest();
    let esds = child(boxes, *b"esds").or_else(|| descend(boxes, &[b"wave", b"esds"]));
    let codec = match (&entry.kind, esds.and_then(object_type)) {
        (b"mp4a", Some(object_type)) => codec::audio_by_object_type(object_type),
        _ => codec::audio_by_fourcc(entry.kind),
    }?;
    let is_pcm = codec.starts_with("pcm_") && frame_bytes > 0;
    Some(AudioEntry {
        codec,
        sample_rate_hz,
        pcm_frame_bytes: is_pcm.then_some(frame_bytes),
    })
}

fn is_encrypted(entry: Child<'_>) -> bool {
    const PROTECTED: [&Kind; 6] = [b"encv", b"enca", b"drmi", b"drms", b"p608", b"encs"];
    PROTECTED.contains(&&entry.kind)
}

/// The value of a double, if it is a whole number of 32 bits (a sample rate is).
fn whole_f64(bits: u64) -> Option<u32> {
    let exponent = u32::try_from((bits >> 52) & 0x7ff)
        .ok()?
        .checked_sub(1_023)?;
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    let shift = 52_u32.checked_sub(exponent)?;
    u32::try_from(mantissa >> shift).ok()
}

/// `transfer_characteristics` of a `colr` box (ISO/IEC 14496-12 §12.1.5; QuickTime `nclc`).
fn colr_transfer(boxes: &[u8]) -> Option<u32> {
    children(boxes)
        .filter(|child| child.kind == *b"colr")
        .find_map(|colr| {
            let mut reader = Reader::new(colr.body);
            let kind = reader.array::<4>()?;
            if !matches!(&kind, b"nclx" | b"nclc") {
                return None;
            }
            reader.u16()?;
            reader.u16().map(u32::from)
        })
        // 2 is "unspecified": the codec's own word may be better.
        .filter(|transfer| *transfer != 2)
}

/// The same of a `vpcC` box (webmproject.org, "VP Codec ISO Media File Format Binding").
fn vpcc_transfer(boxes: &[u8]) -> Option<u32> {
    let (_, _, mut reader) = full(child(boxes, *b"vpcC")?)?;
    reader.skip(4)?;
    reader.u8().map(u32::from).filter(|transfer| *transfer != 2)
}

fn pasp(boxes: &[u8]) -> Option<Rational> {
    let mut reader = Reader::new(child(boxes, *b"pasp")?);
    let (num, den) = (reader.u32()?, reader.u32()?);
    (num > 0 && den > 0).then_some(Rational { num, den })
}

/// `objectTypeIndication` of an `esds` box (ISO/IEC 14496-1 §7.2.6).
fn object_type(esds: &[u8]) -> Option<u8> {
    let (_, _, mut reader) = full(esds)?;
    if descriptor(&mut reader)? == 3 {
        reader.u16()?;
        let flags = reader.u8()?;
        if flags & 0x80 != 0 {
            reader.u16()?;
        }
        if flags & 0x40 != 0 {
            let length = usize::from(reader.u8()?);
            reader.skip(length)?;
        }
        if flags & 0x20 != 0 {
            reader.u16()?;
        }
        if descriptor(&mut reader)? != 4 {
            return None;
        }
    }
    reader.u8()
}

/// Reads a descriptor's tag and skips its length of one to four bytes.
fn descriptor(reader: &mut Reader<'_>) -> Option<u8> {
    let tag = reader.u8()?;
    for _ in 0..4 {
        if reader.u8()? & 0x80 == 0 {
            break;
        }
    }
    Some(tag)
}
