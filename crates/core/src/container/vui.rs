//! What an H.264 or HEVC sequence parameter set says of a picture's colours and shape.

mod hevc;

use cattube_contract::media::{DynamicRange, Rational};

use super::reader::{BitReader, Reader};

/// The parts of a video usability information block that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Vui {
    /// The shape of a pixel, if told.
    pub(crate) pixel_aspect: Option<Rational>,
    /// `transfer_characteristics` (ITU-T H.273 table 3), if told.
    pub(crate) transfer: Option<u32>,
}

/// What a transfer characteristic of H.273 means for us.
pub(crate) fn dynamic_range(transfer: u32) -> DynamicRange {
    match transfer {
        16 => DynamicRange::Pq,
        18 => DynamicRange::Hlg,
        _ => DynamicRange::Sdr,
    }
}

/// Reads the first SPS of an `avcC` record (ISO/IEC 14496-15 §5.3.3.1).
pub(crate) fn from_avcc(record: &[u8]) -> Option<Vui> {
    let mut reader = Reader::new(record);
    reader.skip(5)?;
    let count = reader.u8()? & 0x1f;
    if count == 0 {
        return None;
    }
    let size = usize::from(reader.u16()?);
    h264(&without_emulation(reader.take(size)?))
}

/// Reads the first SPS of an `hvcC` record (ISO/IEC 14496-15 §8.3.3.1).
pub(crate) fn from_hvcc(record: &[u8]) -> Option<Vui> {
    const SPS: u8 = 33;
    let mut reader = Reader::new(record);
    reader.skip(22)?;
    for _ in 0..reader.u8()? {
        let kind = reader.u8()? & 0x3f;
        for _ in 0..reader.u16()? {
            let size = usize::from(reader.u16()?);
            let unit = reader.take(size)?;
            if kind == SPS {
                return hevc::sps(&without_emulation(unit));
            }
        }
    }
    None
}

/// Takes out the 3 of every 0 0 3.
pub(crate) fn without_emulation(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len());
    let mut zeros = 0_u8;
    for byte in unit {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 {
            zeros.saturating_add(1)
        } else {
            0
        };
        out.push(*byte);
    }
    out
}

/// ITU-T H.264 §7.3.2.1.1.
fn h264(sps: &[u8]) -> Option<Vui> {
    let mut bits = BitReader::new(sps);
    bits.skip(8)?;
    let profile = bits.bits(8)?;
    bits.skip(16)?;
    bits.golomb()?;
    if matches!(
        profile,
        100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
    ) {
        let chroma = bits.golomb()?;
        if chroma == 3 {
            bits.skip(1)?;
        }
        bits.golomb()?;
        bits.golomb()?;
        bits.skip(1)?;
        if bits.bit()? {
            h264_scaling_lists(&mut bits, if chroma == 3 { 12 } else { 8 })?;
        }
    }
    bits.golomb()?;
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.skip(1)?;
            bits.signed_golomb()?;
            bits.signed_golomb()?;
            for _ in 0..bits.golomb()?.min(255) {
                bits.signed_golomb()?;
            }
        }
        _ => {}
    }
    bits.golomb()?;
    bits.skip(1)?;
    bits.golomb()?;
    bits.golomb()?;
    if !bits.bit()? {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    if bits.bit()? {
        for _ in 0..4 {
            bits.golomb()?;
        }
    }
    if bits.bit()? {
        vui(&mut bits)
    } else {
        Some(Vui::default())
    }
}

fn h264_scaling_lists(bits: &mut BitReader<'_>, count: u32) -> Option<()> {
    for list in 0..count {
        if !bits.bit()? {
            continue;
        }
        let (mut last, mut next) = (8_i64, 8_i64);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = last.saturating_add(bits.signed_golomb()?).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
    }
    Some(())
}

/// The common front of H.264 annex E.1.1 and H.265 annex E.2.1.
fn vui(bits: &mut BitReader<'_>) -> Option<Vui> {
    let mut vui = Vui::default();
    if bits.bit()? {
        vui.pixel_aspect = match bits.bits(8)? {
            255 => shape(bits.bits(16)?, bits.bits(16)?),
            known => usize::try_from(known)
                .ok()
                .and_then(|known| SHAPES.get(known))
                .and_then(|(num, den)| shape(*num, *den)),
        };
    }
    if bits.bit()? {
        bits.skip(1)?;
    }
    if bits.bit()? {
        bits.skip(4)?;
        if bits.bit()? {
            bits.skip(8)?;
            vui.transfer = Some(bits.bits(8)?);
        }
    }
    Some(vui)
}

fn shape(num: u32, den: u32) -> Option<Rational> {
    (num > 0 && den > 0).then_some(Rational { num, den })
}

/// H.264 table E-1, H.265 table E.1.
const SHAPES: [(u32, u32); 17] = [
    (0, 0),
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2);
        digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// What x265 and x264 wrote, with the other parameter sets left out.
    const HEVC_PQ: &str = "0102200000009000000000003cf000fcfdfafa00000f01a10001002e4201010220\
        0000030090000003000003003ca00a080c1f3b6595992930bc05a848804820000003002000000303c1";
    const HEVC_HLG: &str = "0102200000009000000000003cf000fcfdfafa00000f01a10001002e420101022\
        00000030090000003000003003ca00a080c1f3b6595992930bc05a848904820000003002000000303c1";
    const H264_PQ: &str = "0164000dffe1001c6764000dacd941419f9f0e6a04200480000003008000001e07\
        8a14cb01000668ebe3cb22c0fdf8f800";
    const H264_444: &str = "01f4000dffe1001967f4000d919b282833f1b80880000003008000001e078a14c\
        b01000668ef8f192190fff8f800";

    #[test]
    fn real_parameter_sets() {
        let square = Some(Rational { num: 1, den: 1 });
        let hevc = |hex| from_hvcc(&bytes(hex)).unwrap();
        assert_eq!(hevc(HEVC_PQ).transfer, Some(16));
        assert_eq!(hevc(HEVC_HLG).transfer, Some(18));
        assert_eq!(hevc(HEVC_PQ).pixel_aspect, square);
        let h264 = |hex| from_avcc(&bytes(hex)).unwrap();
        assert_eq!(h264(H264_PQ).transfer, Some(16));
        assert_eq!(
            h264(H264_PQ).pixel_aspect,
            Some(Rational { num: 4, den: 3 })
        );
        assert_eq!(h264(H264_444).transfer, None);
        assert_eq!(h264(H264_444).pixel_aspect, square);
    }
}
