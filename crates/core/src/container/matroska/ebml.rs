//! EBML elements (RFC 8794): an id, a size, a body.

use super::super::reader::Reader;

/// Ids of Matroska (RFC 9559), with their length marker as they are in the file.
pub(super) mod id {
    pub(in super::super) const EBML: u32 = 0x1a45_dfa3;
    pub(in super::super) const DOC_TYPE: u32 = 0x4282;
    pub(in super::super) const SEGMENT: u32 = 0x1853_8067;
    pub(in super::super) const SEEK_HEAD: u32 = 0x114d_9b74;
    pub(in super::super) const SEEK: u32 = 0x4dbb;
    pub(in super::super) const SEEK_ID: u32 = 0x53ab;
    pub(in super::super) const SEEK_POSITION: u32 = 0x53ac;
    pub(in super::super) const INFO: u32 = 0x1549_a966;
    pub(in super::super) const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
    pub(in super::super) const DURATION: u32 = 0x4489;
    pub(in super::super) const TRACKS: u32 = 0x1654_ae6b;
    pub(in super::super) const TRACK_ENTRY: u32 = 0xae;
    pub(in super::super) const TRACK_NUMBER: u32 = 0xd7;
    pub(in super::super) const TRACK_TYPE: u32 = 0x83;
    pub(in super::super) const FLAG_ENABLED: u32 = 0xb9;
    pub(in super::super) const FLAG_DEFAULT: u32 = 0x88;
    pub(in super::super) const CODEC_ID: u32 = 0x86;
    pub(in super::super) const CODEC_PRIVATE: u32 = 0x63a2;
    pub(in super::super) const DEFAULT_DURATION: u32 = 0x23_e383;
    pub(in super::super) const CONTENT_ENCODINGS: u32 = 0x6d80;
    pub(in super::super) const CONTENT_ENCODING: u32 = 0x6240;
    pub(in super::super) const CONTENT_ENCRYPTION: u32 = 0x5035;
    pub(in super::super) const VIDEO: u32 = 0xe0;
    pub(in super::super) const PIXEL_WIDTH: u32 = 0xb0;
    pub(in super::super) const PIXEL_HEIGHT: u32 = 0xba;
    pub(in super::super) const DISPLAY_WIDTH: u32 = 0x54b0;
    pub(in super::super) const DISPLAY_HEIGHT: u32 = 0x54ba;
    pub(in super::super) const DISPLAY_UNIT: u32 = 0x54b2;
    pub(in super::super) const COLOUR: u32 = 0x55b0;
    pub(in super::super) const TRANSFER: u32 = 0x55ba;
    pub(in super::super) const PROJECTION: u32 = 0x7670;
    pub(in super::super) const PROJECTION_TYPE: u32 = 0x7671;
    pub(in super::super) const PROJECTION_ROLL: u32 = 0x7675;
    pub(in super::super) const AUDIO: u32 = 0xe1;
    pub(in super::super) const SAMPLING_FREQUENCY: u32 = 0xb5;
    pub(in super::super) const CLUSTER: u32 = 0x1f43_b675;
    pub(in super::super) const TIMESTAMP: u32 = 0xe7;
    pub(in super::super) const SIMPLE_BLOCK: u32 = 0xa3;
    pub(in super::super) const BLOCK_GROUP: u32 = 0xa0;
    pub(in super::super) const BLOCK: u32 = 0xa1;
    pub(in super::super) const CUES: u32 = 0x1c53_bb6b;
    pub(in super::super) const CUE_POINT: u32 = 0xbb;
    pub(in super::super) const CUE_TIME: u32 = 0xb3;
    pub(in super::super) const CUE_TRACK_POSITIONS: u32 = 0xb7;
    pub(in super::super) const CUE_TRACK: u32 = 0xf7;
    pub(in super::super) const CUE_CLUSTER_POSITION: u32 = 0xf1;
    pub(in super::super) const CUE_RELATIVE_POSITION: u32 = 0xf0;
}

/// How many bytes tell everything that a head can: 4 of the id, 8 of the size.
pub(super) const HEAD_BYTES: u64 = 12;

/// The head of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) id: u32,
    pub(super) header_bytes: u64,
    /// Of the body; `None`: unknown, up to the next element of the same or a higher level.
    pub(super) body_bytes: Option<u64>,
}

/// Reads a head from the front of `bytes`.
pub(super) fn head(bytes: &[u8]) -> Option<Head> {
    let mut reader = Reader::new(bytes);
    let id = element_id(&mut reader)?;
    let (value, length) = number(&mut reader)?;
    let unknown = (1_u64 << (7 * length)) - 1;
    let body_bytes = (value != unknown).then_some(value);
    let read = bytes.len().checked_sub(reader.rest().len())?;
    Some(Head {
        id,
        header_bytes: u64::try_from(read).ok()?,
        body_bytes,
    })
}

fn element_id(reader: &mut Reader<'_>) -> Option<u32> {
    let first = reader.u8()?;
    let more = first.leading_zeros();
    if more > 3 {
        return None;
    }
    (0..more).try_fold(u32::from(first), |id, _| {
        Some((id << 8) | u32::from(reader.u8()?))
    })
}

/// A number of variable length without its marker, and how many bytes it took.
pub(super) fn number(reader: &mut Reader<'_>) -> Option<(u64, u32)> {
    let first = reader.u8()?;
    let more = first.leading_zeros();
    if more > 7 {
        return None;
    }
    let marker = 0x80_u8 >> more;
    let value = (0..more).try_fold(u64::from(first ^ marker), |value, _| {
        Some((value << 8) | u64::from(reader.u8()?))
    })?;
    Some((value, more.saturating_add(1)))
}

/// An element whose body is at hand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) id: u32,
    pub(super) body: &'a [u8],
}

/// The elements that follow each other in `bytes`. Stops at the first that is damaged,
/// reaches beyond the end, or is of unknown size.
pub(super) fn children(bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let head = head(rest)?;
        let header = usize::try_from(head.header_bytes).ok()?;
        let size = header.checked_add(usize::try_from(head.body_bytes?).ok()?)?;
        let (whole, after) = rest.split_at_checked(size)?;
        rest = after;
        Some(Element {
            id: head.id,
            body: whole.get(header..)?,
        })
    })
}

/// The body of the first child with that id.
pub(super) fn child(bytes: &[u8], id: u32) -> Option<&[u8]> {
    children(bytes)
        .find(|element| element.id == id)
        .map(|element| element.body)
}

/// The number in the first child with that id.
pub(super) fn child_unsigned(bytes: &[u8], id: u32) -> Option<u64> {
    child(bytes, id).and_then(unsigned)
}

/// An unsigned integer of up to eight bytes.
pub(super) fn unsigned(body: &[u8]) -> Option<u64> {
    (body.len() <= 8).then(|| {
        body.iter()
            .fold(0, |value, byte| (value << 8) | u64::from(*byte))
    })
}

/// The whole part of a float of four or eight bytes, towards zero.
pub(super) fn whole_float(body: &[u8]) -> Option<i64> {
    let (word, mantissa_bits, bias) = match body.len() {
        0 => return Some(0),
        4 => (unsigned(body)?, 23_u32, 127_i64),
        8 => (unsigned(body)?, 52, 1_023),
        _ => return None,
    };
    let fraction = word & ((1_u64 << mantissa_bits) - 1);
    let is_double = mantissa_bits == 52;
    let (exponent_mask, sign) = if is_double {
        (0x7ff, word >> 63)
    } else {
        (0xff, word >> 31)
    };
    let exponent = i64::try_from((word >> mantissa_bits) & exponent_mask).ok()?;
    let power = exponent.checked_sub(bias)?;
    if power < 0 {
        return Some(0);
    }
    // Beyond 62 bits, and for infinity and not-a-number: no whole number of ours.
    let power = u32::try_from(power).ok().filter(|power| *power < 62)?;
    let mantissa = u128::from(fraction | (1_u64 << mantissa_bits));
    let value = i64::try_from((mantissa << power) >> mantissa_bits).ok()?;
    Some(if sign == 1 {
        value.saturating_neg()
    } else {
        value
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_numbers() {
        let known = head(&[0x1a, 0x45, 0xdf, 0xa3, 0x84, 1]).unwrap();
        assert_eq!(
            (known.id, known.header_bytes, known.body_bytes),
            (id::EBML, 5, Some(4))
        );
        let unknown =
            head(&[0x18, 0x53, 0x80, 0x67, 1, 255, 255, 255, 255, 255, 255, 255]).unwrap();
        assert_eq!((unknown.header_bytes, unknown.body_bytes), (12, None));
        assert_eq!(head(&[0xae, 0x40, 0x02]).unwrap().body_bytes, Some(2));
        assert_eq!(head(&[0x00, 0x81]), None);
        assert_eq!(head(&[0xae]), None);
        assert_eq!(unsigned(&[1, 0]), Some(256));
        assert_eq!(unsigned(&[0; 9]), None);
    }

    #[test]
    fn floats_lose_their_fraction() {
        for (double, single, whole) in [
            (0.0_f64, 0.0_f32, 0),
            (1.0, 1.0, 1),
            (44_100.0, 44_100.0, 44_100),
            (7_350.5, 7_350.5, 7_350),
            (-90.0, -90.0, -90),
            (4_503_599_627_370_496.0, 4_503_599_627_370_496.0, 1 << 52),
            (0.25, -0.75, 0),
        ] {
            assert_eq!(whole_float(&double.to_be_bytes()), Some(whole), "{double}");
            assert_eq!(whole_float(&single.to_be_bytes()), Some(whole), "{single}");
        }
        assert_eq!(whole_float(&f64::NAN.to_be_bytes()), None);
        assert_eq!(whole_float(&f64::INFINITY.to_be_bytes()), None);
        assert_eq!(whole_float(&[0; 3]), None);
    }
}
