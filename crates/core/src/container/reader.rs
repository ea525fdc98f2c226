//! Reads big-endian numbers off the front of some bytes.

/// Bytes not yet read. Every method is `None`, and takes nothing, when they do not suffice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(front)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(|_| ())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*front)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// 32 bits, or 64 in version 1 of a box.
    pub(crate) fn u32_or_u64(&mut self, version: u8) -> Option<u64> {
        if version == 1 {
            self.u64()
        } else {
            self.u32().map(u64::from)
        }
    }
}

/// Reads single bits, the most significant first.
#[derive(Debug, Clone)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at_bit: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at_bit: 0 }
    }

    pub(crate) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at_bit.checked_div(8)?)?;
        let shift = 7_usize.checked_sub(self.at_bit.checked_rem(8)?)?;
        self.at_bit = self.at_bit.checked_add(1)?;
        Some((byte >> shift) & 1 == 1)
    }

    /// At most 32 bits.
    pub(crate) fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0_u32;
        for _ in 0..count {
            value = (value << 1) | u32::from(self.bit()?);
        }
        Some(value)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        self.at_bit = self.at_bit.checked_add(count)?;
        (self.at_bit <= self.bytes.len().checked_mul(8)?).then_some(())
    }

    /// Exp-Golomb, unsigned: ue(v) of H.264 §9.1.
    pub(crate) fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0_u32;
        while !self.bit()? {
            zeros = zeros.checked_add(1).filter(|zeros| *zeros < 32)?;
        }
        let base = 1_u32.checked_shl(zeros)?.checked_sub(1)?;
        base.checked_add(self.bits(zeros)?)
    }

    /// Exp-Golomb, signed: se(v) of H.264 §9.1.1.
    pub(crate) fn signed_golomb(&mut self) -> Option<i64> {
        let code = i64::from(self.golomb()?);
        let magnitude = code.checked_add(1)?.checked_div(2)?;
        Some(if code % 2 == 0 {
            magnitude.checked_neg()?
        } else {
            magnitude
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golomb_codes_follow_the_table() {
        // 1 | 010 | 011 | 00100 | 00101 : 0 1 2 3 4
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = BitReader::new(&bytes);
        let values: Vec<_> = (0..5).map(|_| bits.golomb().unwrap()).collect();
        assert_eq!(values, [0, 1, 2, 3, 4]);
        let mut bits = BitReader::new(&bytes);
        let values: Vec<_> = (0..5).map(|_| bits.signed_golomb().unwrap()).collect();
        assert_eq!(values, [0, 1, -1, 2, -2]);
        assert_eq!(BitReader::new(&[0, 0, 0, 0, 0]).golomb(), None);
    }

    #[test]
    fn numbers_are_big_endian_and_nothing_is_taken_where_too_little_is() {
        let bytes = [0x80, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(Reader::new(&bytes).u8(), Some(0x80));
        assert_eq!(Reader::new(&bytes).u16(), Some(0x8001));
        assert_eq!(Reader::new(&bytes).u32(), Some(0x8001_0203));
        assert_eq!(Reader::new(&bytes).i32(), Some(i32::MIN + 0x1_0203));
        assert_eq!(Reader::new(&bytes).u64(), Some(0x8001_0203_0405_0607));
        assert_eq!(
            Reader::new(&bytes).i64(),
            Some(i64::MIN + 0x0001_0203_0405_0607)
        );
        assert_eq!(Reader::new(&bytes).u32_or_u64(0), Some(0x8001_0203));
        assert_eq!(
            Reader::new(&bytes).u32_or_u64(1),
            Some(0x8001_0203_0405_0607)
        );
        let mut reader = Reader::new(&bytes[..3]);
        assert_eq!((reader.u32(), reader.skip(4)), (None, None));
        assert_eq!(reader.take(2), Some(&bytes[..2]));
        assert_eq!(reader.rest(), &bytes[2..3]);
    }

    #[test]
    fn bits_go_on_over_bytes_and_end_with_them() {
        let mut bits = BitReader::new(&[0b1010_0101, 0b1100_0011]);
        assert_eq!((bits.bit(), bits.bit()), (Some(true), Some(false)));
        assert_eq!(bits.bits(8), Some(0b1001_0111));
        assert_eq!(bits.skip(5), Some(()));
        assert_eq!(bits.bits(1), Some(1));
        assert_eq!(bits.bit(), None);
        let mut bits = BitReader::new(&[0xff; 2]);
        assert_eq!(bits.skip(16), Some(()));
        assert_eq!(bits.skip(1), None);
        // The longest code: 31 zeros, and as many bits behind the one.
        let longest = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe];
        assert_eq!(BitReader::new(&longest).golomb(), Some(u32::MAX - 1));
        assert_eq!(
            BitReader::new(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff]).golomb(),
            None
        );
    }
}
