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

    /// Writes single bits, the most significant first.
    #[derive(Default, Clone)]
    struct BitWriter(Vec<bool>);

    impl BitWriter {
        fn bits(mut self, value: u64, count: u32) -> Self {
            self.0
                .extend((0..count).rev().map(|at| value >> at & 1 == 1));
            self
        }

        fn zeros(self, count: u32) -> Self {
            (0..count).fold(self, |bits, _| bits.bits(0, 1))
        }

        /// ue(v), several.
        fn ue(self, values: &[u64]) -> Self {
            values.iter().fold(self, |bits, value| {
                let length = (value + 1).ilog2();
                bits.zeros(length).bits(value + 1, length + 1)
            })
        }

        /// se(v), several.
        fn se(self, values: &[i64]) -> Self {
            values.iter().fold(self, |bits, value| {
                let code = 2 * value.unsigned_abs() - u64::from(*value > 0);
                bits.ue(&[code])
            })
        }

        /// A VUI of its own shape and a transfer of 16, and whatever may follow.
        fn usability(self) -> Self {
            let shape = self
                .bits(1, 1)
                .bits(1, 1)
                .bits(255, 8)
                .bits(7, 16)
                .bits(5, 16);
            let overscan = shape.bits(0b11, 2);
            let light = overscan.bits(1, 1).bits(0b1011, 4).bits(1, 1);
            light.bits(9, 8).bits(16, 8).bits(9, 8).bits(0xffff, 16)
        }

        fn bytes(&self) -> Vec<u8> {
            let byte = |bits: &[bool]| {
                let whole = bits.iter().chain(std::iter::repeat(&false)).take(8);
                whole.fold(0, |byte, bit| byte << 1 | u8::from(*bit))
            };
            self.0.chunks(8).map(byte).collect()
        }
    }

    const USABILITY: Vui = Vui {
        pixel_aspect: Some(Rational { num: 7, den: 5 }),
        transfer: Some(16),
    };

    /// The front of an H.264 SPS up to the log2 of frame numbers.
    fn h264_front(profile: u64) -> BitWriter {
        BitWriter::default()
            .bits(0x67, 8)
            .bits(profile, 8)
            .zeros(16)
            .ue(&[3])
    }

    /// What follows the way of counting pictures.
    fn h264_back(bits: BitWriter, frames_only: bool, cropped: bool) -> BitWriter {
        let bits = bits.ue(&[4]).bits(0, 1).ue(&[39, 29]);
        let bits = if frames_only {
            bits.bits(1, 1)
        } else {
            bits.bits(0b01, 2)
        };
        let bits = bits.bits(1, 1).bits(u64::from(cropped), 1);
        if cropped {
            bits.ue(&[1, 2, 3, 4])
        } else {
            bits
        }
    }

    #[test]
    fn every_way_through_a_parameter_set_of_h264() {
        let plain = |bits: BitWriter| bits.ue(&[5]).ue(&[0, 6]);
        for frames_only in [true, false] {
            for cropped in [true, false] {
                let bits = h264_back(plain(h264_front(77)), frames_only, cropped);
                assert_eq!(h264(&bits.clone().usability().bytes()), Some(USABILITY));
                assert_eq!(h264(&bits.bits(0, 1).bytes()), Some(Vui::default()));
            }
        }
        // How pictures are counted.
        let counted = h264_front(77).ue(&[5, 1]).bits(1, 1).se(&[-3, 4]);
        let counted = counted.ue(&[3]).se(&[1, -1, 0]);
        let bits = h264_back(counted, true, false).usability();
        assert_eq!(h264(&bits.bytes()), Some(USABILITY));
        let bits = h264_back(h264_front(77).ue(&[5, 2]), true, false).usability();
        assert_eq!(h264(&bits.bytes()), Some(USABILITY));
        // High profiles: chroma, depths, scaling lists.
        for profile in [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135] {
            let flat = h264_front(profile).ue(&[1, 2, 2]).bits(0, 1).bits(0, 1);
            let bits = h264_back(plain(flat), true, true).usability();
            assert_eq!(h264(&bits.bytes()), Some(USABILITY), "{profile}");
        }
        for (chroma, count) in [(1, 8), (3, 12)] {
            let mut bits = h264_front(244).ue(&[chroma]);
            bits = if chroma == 3 { bits.bits(1, 1) } else { bits };
            bits = bits.ue(&[0, 0]).bits(0, 1).bits(1, 1);
            for list in 0..count {
                let length = if list < 6 { 16 } else { 64 };
                bits = match list % 3 {
                    0 => bits.bits(0, 1),
                    // Every value.
                    1 => bits.bits(1, 1).se(&vec![1; length]),
                    // Two values, then a zero: the last stands for the rest.
                    _ => bits.bits(1, 1).se(&[2, -2, -8]),
                };
            }
            let bits = h264_back(plain(bits), true, false).usability();
            assert_eq!(h264(&bits.bytes()), Some(USABILITY), "chroma {chroma}");
        }
    }

    /// The front of an HEVC SPS of so many layers, up to its decoded picture buffers.
    fn hevc_front(layers: u64, chroma: u64, cropped: bool, per_layer: bool) -> BitWriter {
        let mut bits = BitWriter::default().bits(0x4201, 16).zeros(4);
        bits = bits.bits(layers, 3).bits(1, 1);
        bits = bits.bits(u64::MAX, 64).bits(0xff_ffff, 24).bits(93, 8);
        // The first layer tells its profile, the second its level, the third both.
        let has = [(true, false), (false, true), (true, true)];
        let told = || has.iter().take(usize::try_from(layers).unwrap());
        for (profile, level) in told() {
            bits = bits.bits(u64::from(*profile), 1).bits(u64::from(*level), 1);
        }
        if layers > 0 {
            bits = bits.zeros(u32::try_from(8 - layers).unwrap() * 2);
        }
        for (profile, level) in told() {
            bits = if *profile {
                bits.bits(u64::MAX, 64).bits(0xff_ffff, 24)
            } else {
                bits
            };
            bits = if *level { bits.bits(0xff, 8) } else { bits };
        }
        bits = bits.ue(&[0, chroma]);
        bits = if chroma == 3 { bits.bits(0, 1) } else { bits };
        bits = bits.ue(&[640, 360]).bits(u64::from(cropped), 1);
        bits = if cropped {
            bits.ue(&[0, 1, 2, 3])
        } else {
            bits
        };
        bits = bits.ue(&[2, 2, 4]).bits(u64::from(per_layer), 1);
        let buffers = if per_layer { layers + 1 } else { 1 };
        (0..buffers)
            .fold(bits, |bits, _| bits.ue(&[4, 2, 5]))
            .ue(&[0, 3, 0, 3, 1, 2])
    }

    /// Without lists, PCM, reference sets or long-term pictures.
    fn hevc_plain(bits: BitWriter) -> BitWriter {
        bits.bits(0, 1)
            .bits(0b11, 2)
            .bits(0, 1)
            .ue(&[0])
            .bits(0, 1)
            .bits(0b11, 2)
    }

    #[test]
    fn every_way_through_a_parameter_set_of_hevc() {
        let read = |bits: &BitWriter| hevc::sps(&bits.bytes());
        for layers in [0, 1, 2, 3] {
            for per_layer in [true, false] {
                for (chroma, cropped) in [(1, true), (1, false), (3, true)] {
                    let front = hevc_front(layers, chroma, cropped, per_layer);
                    let plain = hevc_plain(front);
                    assert_eq!(read(&plain.clone().usability()), Some(USABILITY));
                    assert_eq!(read(&plain.bits(0, 1)), Some(Vui::default()));
                }
            }
        }
        let front = || hevc_front(0, 1, false, false);
        // Lists that are the standard's, and lists of its own.
        let bits = front()
            .bits(0b10, 2)
            .bits(0, 2)
            .bits(0, 1)
            .ue(&[0])
            .bits(0, 3);
        assert_eq!(read(&bits.usability()), Some(USABILITY));
        let mut bits = front().bits(0b11, 2);
        for size in 0..4 {
            for list in 0..if size == 3 { 2 } else { 6 } {
                let values = if size == 0 { 16 } else { 64 };
                bits = if list % 2 == 0 {
                    bits.bits(0, 1).ue(&[1])
                } else {
                    let own = bits.bits(1, 1);
                    let own = if size > 1 { own.se(&[8]) } else { own };
                    own.se(&vec![1; values])
                };
            }
        }
        let bits = bits.bits(0, 2).bits(0, 1).ue(&[0]).bits(0, 3).usability();
        assert_eq!(read(&bits), Some(USABILITY));
        // PCM samples.
        let bits = front()
            .bits(0, 1)
            .bits(0, 2)
            .bits(1, 1)
            .bits(0x77, 8)
            .ue(&[0, 2]);
        let bits = bits.bits(0, 1).ue(&[0]).bits(0, 3).usability();
        assert_eq!(read(&bits), Some(USABILITY));
        // Sets of references: three of their own pictures, then one built on it that keeps two
        // of four, then one built on that; and long-term pictures of eight bits.
        let bits = front().bits(0, 1).bits(0, 2).bits(0, 1).ue(&[3]);
        let bits = bits
            .ue(&[2, 1])
            .ue(&[0])
            .bits(1, 1)
            .ue(&[3])
            .bits(0, 1)
            .ue(&[1])
            .bits(1, 1);
        let bits = bits
            .bits(1, 1)
            .bits(0, 1)
            .ue(&[0])
            .bits(1, 1)
            .bits(0b00, 2)
            .bits(0b01, 2)
            .bits(0b00, 2);
        let bits = bits
            .bits(1, 1)
            .bits(1, 1)
            .ue(&[2])
            .bits(1, 1)
            .bits(0b00, 2)
            .bits(1, 1);
        let bits = bits
            .bits(1, 1)
            .ue(&[2])
            .bits(0xff, 8)
            .bits(1, 1)
            .bits(0, 8)
            .bits(0, 1);
        let bits = bits.bits(0, 2).usability();
        assert_eq!(read(&bits), Some(USABILITY));
    }

    #[test]
    fn shapes_by_number() {
        let read = |shape: u64| {
            let bits = BitWriter::default().bits(1, 1).bits(shape, 8).zeros(2);
            vui(&mut BitReader::new(&bits.bytes()))
                .unwrap()
                .pixel_aspect
        };
        assert_eq!(read(0), None);
        assert_eq!(read(1), Some(Rational { num: 1, den: 1 }));
        assert_eq!(read(14), Some(Rational { num: 4, den: 3 }));
        assert_eq!(read(16), Some(Rational { num: 2, den: 1 }));
        assert_eq!(read(17), None);
        assert_eq!(shape(1, 0), None);
        assert_eq!(shape(0, 1), None);
        // Light without numbers: video format and range alone.
        let bits = BitWriter::default()
            .bits(0b001, 3)
            .bits(0b1010, 4)
            .bits(0, 1);
        let mut bits = bits.bytes();
        bits.push(0xff);
        assert_eq!(vui(&mut BitReader::new(&bits)), Some(Vui::default()));
    }

    #[test]
    fn the_first_parameter_set_of_a_record() {
        let set = h264_back(h264_front(77).ue(&[5]).ue(&[0, 6]), true, false)
            .usability()
            .bytes();
        let length = u16::try_from(set.len()).unwrap().to_be_bytes();
        let record = |count: u8| [&[1, 77, 0, 30, 0xff, count][..], &length, &set].concat();
        assert_eq!(from_avcc(&record(0xe1)), Some(USABILITY));
        assert_eq!(from_avcc(&record(0x01)), Some(USABILITY));
        assert_eq!(from_avcc(&record(0xe0)), None);
        let set = hevc_plain(hevc_front(0, 1, false, false))
            .usability()
            .bytes();
        let length = u16::try_from(set.len()).unwrap().to_be_bytes();
        let other = [&[0xa0, 0, 1, 0, 2, 0xee, 0xee][..]].concat();
        let front = [&[0; 22][..], &[2]].concat();
        let record = [front.clone(), other, vec![0xa1, 0, 1], length.to_vec(), set].concat();
        assert_eq!(from_hvcc(&record), Some(USABILITY));
        assert_eq!(
            from_hvcc(&[front, vec![0xa0, 0, 0, 0xa2, 0, 0]].concat()),
            None
        );
    }

    #[test]
    fn only_a_three_behind_two_zeros_is_taken_out() {
        let out = |bytes: &[u8]| without_emulation(bytes);
        assert_eq!(out(&[1, 0, 0, 3, 1, 0, 3]), [1, 0, 0, 1, 0, 3]);
        assert_eq!(out(&[0, 0, 0, 3, 3]), [0, 0, 0, 3]);
        assert_eq!(out(&[0, 0, 3, 0, 0, 3]), [0, 0, 0, 0]);
        assert_eq!(out(&[0, 0, 3, 0, 3]), [0, 0, 0, 3]);
        assert_eq!(out(&[0, 0, 4]), [0, 0, 4]);
    }
}
