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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::fixture::{atom, audio_entry, full as full_box, video_entry};

    fn first(boxes: &[u8]) -> Child<'_> {
        children(boxes).next().unwrap()
    }

    fn sound(entry: &[u8]) -> AudioEntry {
        audio(first(entry)).unwrap()
    }

    fn picture(boxes: &[u8]) -> VideoEntry {
        video(first(&video_entry(*b"vp09", 64, 36, boxes))).unwrap()
    }

    #[test]
    fn whole_doubles_are_rates() {
        for (rate, whole) in [
            (48_000.0_f64, Some(48_000)),
            (44_100.0, Some(44_100)),
            (1.0, Some(1)),
            (22_050.75, Some(22_050)),
            (0.5, None),
            (0.0, None),
            (1e300, None),
            (f64::INFINITY, None),
        ] {
            assert_eq!(whole_f64(rate.to_bits()), whole, "{rate}");
        }
    }

    /// Of QuickTime: reserved, data reference, version, channels, bits, rate, and the rest.
    fn quicktime(kind: Kind, version: u16, channels: u16, bits: u16, rest: &[u8]) -> Vec<u8> {
        let mut body = vec![0; 8];
        body.extend(version.to_be_bytes());
        body.extend([0; 6]);
        body.extend(channels.to_be_bytes());
        body.extend(bits.to_be_bytes());
        body.extend([0; 4]);
        body.extend((44_100_u32 << 16).to_be_bytes());
        body.extend(rest);
        atom(kind, &body)
    }

    #[test]
    fn versions_of_sound() {
        let entry = sound(&quicktime(*b"twos", 0, 2, 16, &[]));
        let expected = AudioEntry {
            codec: "pcm_s16be",
            sample_rate_hz: 44_100,
            pcm_frame_bytes: Some(4),
        };
        assert_eq!(entry, expected);
        // 20 bits take three bytes.
        let entry = sound(&quicktime(*b"in24", 0, 6, 20, &[]));
        assert_eq!(entry.pcm_frame_bytes, Some(18));
        let frames = |bytes: u32| [&[0; 8][..], &bytes.to_be_bytes(), &[0; 4]].concat();
        let entry = sound(&quicktime(*b"sowt", 1, 2, 16, &frames(12)));
        assert_eq!(entry.pcm_frame_bytes, Some(12));
        let entry = sound(&quicktime(*b"sowt", 1, 2, 16, &frames(0)));
        assert_eq!(entry.pcm_frame_bytes, Some(4));
        let second = |rate: f64| {
            let rate = rate.to_bits().to_be_bytes();
            let bytes = 8_u32.to_be_bytes();
            [&[0; 4][..], &rate, &[0; 16], &bytes, &[0; 4]].concat()
        };
        let entry = sound(&quicktime(*b"lpcm", 2, 2, 16, &second(96_000.0)));
        assert_eq!(
            (entry.sample_rate_hz, entry.pcm_frame_bytes),
            (96_000, Some(8))
        );
        let entry = sound(&quicktime(*b"lpcm", 2, 2, 16, &second(0.5)));
        assert_eq!(entry.sample_rate_hz, 0);
        // What is no PCM has no frames, and neither has PCM of nothing.
        assert_eq!(
            sound(&quicktime(*b"alac", 0, 2, 16, &[])).pcm_frame_bytes,
            None
        );
        assert_eq!(
            sound(&quicktime(*b"twos", 0, 0, 16, &[])).pcm_frame_bytes,
            None
        );
        assert_eq!(audio(first(&audio_entry(*b"enca", 48_000))), None);
    }

    /// An `esds` box: the tag of the outer descriptor, its flags with what they promise, and
    /// the object type.
    fn esds(flags: u8, rest: &[u8], inner_tag: u8, object_type: u8) -> Vec<u8> {
        let outer = [&[3, 0x80, 0x80, 0x80, 25, 0, 1, flags], rest].concat();
        full_box(
            *b"esds",
            0,
            &[outer, vec![inner_tag, 13, object_type]].concat(),
        )
    }

    #[test]
    fn object_types_stand_behind_descriptors() {
        for (flags, rest) in [
            (0, &[][..]),
            (0x80, &[0, 7]),
            (0x40, &[2, b'a', b'b']),
            (0x20, &[0, 9]),
            (0xe0, &[0, 7, 1, b'a', 0, 9]),
            (0x1f, &[]),
        ] {
            let boxes = esds(flags, rest, 4, 0x6b);
            assert_eq!(object_type(first(&boxes).body), Some(0x6b), "{flags:x}");
        }
        let boxes = esds(0, &[], 5, 0x6b);
        assert_eq!(object_type(first(&boxes).body), None);
        // Without the outer descriptor, and with a length of one byte or of four.
        let boxes = full_box(*b"esds", 0, &[4, 13, 0x40]);
        assert_eq!(object_type(first(&boxes).body), Some(0x40));
        let boxes = full_box(*b"esds", 0, &[4, 0x80, 0x80, 0x80, 0x80, 0x40]);
        assert_eq!(object_type(first(&boxes).body), Some(0x40));
        let mp3 = quicktime(*b"mp4a", 0, 2, 16, &esds(0, &[], 4, 0x6b));
        assert_eq!(sound(&mp3).codec, "mp3");
        let wave = atom(*b"wave", &esds(0, &[], 4, 0xa5));
        assert_eq!(sound(&quicktime(*b"mp4a", 0, 2, 16, &wave)).codec, "ac3");
        assert_eq!(sound(&quicktime(*b"mp4a", 0, 2, 16, &[])).codec, "aac");
        let xvid = video_entry(*b"mp4v", 64, 36, &esds(0, &[], 4, 0x6c));
        assert_eq!(video(first(&xvid)).unwrap().codec, "mjpeg");
    }

    #[test]
    fn light_and_shape() {
        let vpcc = |transfer| full_box(*b"vpcC", 1, &[0, 10, 0x80, 9, transfer, 9, 0, 0]);
        let colr =
            |kind: &[u8], transfer| atom(*b"colr", &[kind, &[0, 9, 0, transfer, 0, 9]].concat());
        let light = |boxes: &[u8]| picture(boxes).dynamic_range;
        assert_eq!(light(&vpcc(16)), DynamicRange::Pq);
        assert_eq!(light(&vpcc(18)), DynamicRange::Hlg);
        assert_eq!(light(&vpcc(2)), DynamicRange::Sdr);
        assert_eq!(light(&colr(b"nclc", 18)), DynamicRange::Hlg);
        assert_eq!(light(&colr(b"prof", 18)), DynamicRange::Sdr);
        // What says nothing leaves the word to the next.
        assert_eq!(
            light(&[colr(b"nclx", 2), vpcc(16)].concat()),
            DynamicRange::Pq
        );
        assert_eq!(
            light(&[colr(b"prof", 1), colr(b"nclx", 16)].concat()),
            DynamicRange::Pq
        );
        let shape = |num: u32, den: u32| {
            let pasp = [num.to_be_bytes(), den.to_be_bytes()].concat();
            picture(&atom(*b"pasp", &pasp)).pixel_aspect
        };
        assert_eq!(shape(4, 3), Rational { num: 4, den: 3 });
        assert_eq!(shape(0, 3), Rational { num: 1, den: 1 });
        assert_eq!(shape(4, 0), Rational { num: 1, den: 1 });
    }

    #[test]
    fn an_entry_is_found_by_its_number_and_described_alone() {
        let entries = [audio_entry(*b"twos", 8_000), audio_entry(*b"sowt", 8_000)];
        let body = [&[0, 0, 0, 2][..], &entries.concat()].concat();
        let stbl = full_box(*b"stsd", 1, &body);
        assert_eq!(find(&stbl, 0).unwrap().kind, *b"twos");
        assert_eq!(find(&stbl, 1).unwrap().kind, *b"twos");
        assert_eq!(find(&stbl, 2).unwrap().kind, *b"sowt");
        assert!(find(&stbl, 3).is_none());
        let described = description(&stbl, find(&stbl, 2).unwrap());
        let expected = full_box(*b"stsd", 1, &[&[0, 0, 0, 1][..], &entries[1]].concat());
        assert_eq!(described, expected);
    }
}
