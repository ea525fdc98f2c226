//! The columns of a sample table, each read in the order of the samples.

use super::super::Unreadable;
use super::super::boxes::{child, full};
use crate::container::reader::Reader;

/// `stsz` or `stz2`.
pub(super) enum Sizes<'a> {
    Uniform {
        count: u32,
        size_bytes: u32,
    },
    Listed {
        count: u32,
        bits: u32,
        table: &'a [u8],
    },
}

impl<'a> Sizes<'a> {
    pub(super) fn read(stbl: &'a [u8]) -> Result<Self, Unreadable> {
        let damaged = Unreadable::Damaged("stsz");
        if let Some((_, _, mut reader)) = child(stbl, *b"stsz").and_then(full) {
            let size_bytes = reader.u32().ok_or(damaged)?;
            let count = reader.u32().ok_or(damaged)?;
            if size_bytes > 0 {
                return Ok(Self::Uniform { count, size_bytes });
            }
            return Self::listed(count, 32, reader.rest());
        }
        let (_, _, mut reader) = child(stbl, *b"stz2").and_then(full).ok_or(damaged)?;
        let bits = reader.u32().ok_or(damaged)? & 0xff;
        let count = reader.u32().ok_or(damaged)?;
        match bits {
            4 | 8 | 16 => Self::listed(count, bits, reader.rest()),
            _ => Err(damaged),
        }
    }

    /// Refuses a count that the table's own bytes do not bear out.
    fn listed(count: u32, bits: u32, table: &'a [u8]) -> Result<Self, Unreadable> {
        let needed = u64::from(count).saturating_mul(u64::from(bits)).div_ceil(8);
        let known = u64::try_from(table.len()).unwrap_or(u64::MAX);
        if needed > known {
            return Err(Unreadable::Damaged("stsz"));
        }
        Ok(Self::Listed { count, bits, table })
    }

    pub(super) fn count(&self) -> u32 {
        match self {
            Self::Uniform { count, .. } | Self::Listed { count, .. } => *count,
        }
    }

    pub(super) fn get(&self, index: u32) -> Option<u32> {
        match self {
            Self::Uniform { size_bytes, .. } => Some(*size_bytes),
            Self::Listed { bits, table, .. } => {
                let index = usize::try_from(index).ok()?;
                match bits {
                    4 => {
                        let pair = table.get(index.checked_div(2)?)?;
                        let nibble = if index % 2 == 0 {
                            pair >> 4
                        } else {
                            pair & 0xf
                        };
                        Some(u32::from(nibble))
                    }
                    8 => table.get(index).map(|size| u32::from(*size)),
                    16 => table
                        .as_chunks::<2>()
                        .0
                        .get(index)
                        .map(|size| u32::from(u16::from_be_bytes(*size))),
                    _ => word(table, index),
                }
            }
        }
    }
}

fn word(table: &[u8], index: usize) -> Option<u32> {
    table
        .as_chunks::<4>()
        .0
        .get(index)
        .map(|word| u32::from_be_bytes(*word))
}

/// `stts` and `ctts`: a value for each of so many samples, then the next.
pub(super) struct Runs<'a> {
    table: Reader<'a>,
    lines_left: u32,
    left: u32,
    value: u32,
}

impl<'a> Runs<'a> {
    pub(super) fn read(stbl: &'a [u8], kind: [u8; 4]) -> Option<Self> {
        let (_, _, mut reader) = full(child(stbl, kind)?)?;
        let lines_left = reader.u32()?;
        Some(Self {
            table: reader,
            lines_left,
            left: 0,
            value: 0,
        })
    }

    /// The next sample's value; the last one again when the table is too short.
    pub(super) fn next(&mut self) -> u32 {
        while self.left == 0 {
            let mut ahead = self.table;
            let (1.., Some(count), Some(value)) = (self.lines_left, ahead.u32(), ahead.u32())
            else {
                return self.value;
            };
            self.table = ahead;
            self.lines_left = self.lines_left.saturating_sub(1);
            self.left = count;
            self.value = value;
        }
        self.left = self.left.saturating_sub(1);
        self.value
    }
}

/// `stss` and QuickTime's `stps` (partial sync: an open GOP begins there).
pub(super) struct SyncTable<'a> {
    full: Option<Reader<'a>>,
    partial: Option<Reader<'a>>,
}

impl<'a> SyncTable<'a> {
    pub(super) fn read(stbl: &'a [u8]) -> Self {
        let table = |kind: [u8; 4]| {
            let (_, _, mut reader) = full(child(stbl, kind)?)?;
            let count = reader.u32()?;
            (count > 0).then_some(reader)
        };
        Self {
            full: table(*b"stss"),
            partial: table(*b"stps"),
        }
    }

    /// Whether the sample (counted from 1, asked in order) is in the tables. Without tables
    /// every sample is.
    pub(super) fn holds(&mut self, number: u32) -> bool {
        let Some(full) = &mut self.full else {
            return true;
        };
        let listed = advance(full, number);
        let partial = self
            .partial
            .as_mut()
            .is_some_and(|table| advance(table, number));
        listed || partial
    }
}

/// Skips what is less than `number`; whether `number` comes then.
fn advance(table: &mut Reader<'_>, number: u32) -> bool {
    loop {
        let mut ahead = *table;
        match ahead.u32() {
            Some(listed) if listed < number => *table = ahead,
            listed => return listed == Some(number),
        }
    }
}

/// Where some samples lie side by side.
pub(super) struct Chunk {
    pub(super) offset: u64,
    pub(super) sample_count: u32,
}

/// `stco` or `co64`, with `stsc`.
pub(super) struct Chunks<'a> {
    offsets: Reader<'a>,
    is_64_bit: bool,
    runs: &'a [[u8; 12]],
    number: u32,
    sample_count: u32,
}

impl<'a> Chunks<'a> {
    pub(super) fn read(stbl: &'a [u8]) -> Result<Self, Unreadable> {
        let (body, is_64_bit) = child(stbl, *b"stco")
            .map(|body| (body, false))
            .or_else(|| child(stbl, *b"co64").map(|body| (body, true)))
            .ok_or(Unreadable::Damaged("stco"))?;
        let (_, _, mut offsets) = full(body).ok_or(Unreadable::Damaged("stco"))?;
        offsets.u32().ok_or(Unreadable::Damaged("stco"))?;
        let (_, _, mut runs) = child(stbl, *b"stsc")
            .and_then(full)
            .ok_or(Unreadable::Damaged("stsc"))?;
        let count = runs.u32().ok_or(Unreadable::Damaged("stsc"))?;
        let runs = runs.rest().as_chunks::<12>().0;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(Self {
            offsets,
            is_64_bit,
            runs: runs.get(..count).unwrap_or(runs),
            number: 0,
            sample_count: 0,
        })
    }

    /// The sample entry that all chunks use.
    pub(super) fn only_entry(&self) -> Result<u32, Unreadable> {
        let mut entries = self.runs.iter().filter_map(|run| word(run, 2));
        let first = entries.next().ok_or(Unreadable::Damaged("stsc"))?;
        if entries.all(|entry| entry == first) {
            Ok(first)
        } else {
            Err(Unreadable::ManyEntries)
        }
    }

    pub(super) fn next(&mut self) -> Option<Chunk> {
        self.number = self.number.checked_add(1)?;
        while let Some((run, rest)) = self.runs.split_first() {
            if word(run, 0)? > self.number {
                break;
            }
            self.sample_count = word(run, 1)?;
            self.runs = rest;
        }
        let offset = if self.is_64_bit {
            self.offsets.u64()?
        } else {
            u64::from(self.offsets.u32()?)
        };
        Some(Chunk {
            offset,
            sample_count: self.sample_count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::fixture::{full as full_box, words};

    fn compact(bits: u32, table: &[u8], count: u32) -> Option<Vec<u32>> {
        let body = [&words(&[0xff_ff00 | bits, count]), table].concat();
        let stbl = full_box(*b"stz2", 0, &body);
        let sizes = Sizes::read(&stbl).ok()?;
        assert_eq!(sizes.count(), count);
        (0..count).map(|index| sizes.get(index)).collect()
    }

    #[test]
    fn sizes_of_four_to_thirty_two_bits() {
        assert_eq!(compact(4, &[0x12, 0x3f], 3), Some(vec![1, 2, 3]));
        assert_eq!(compact(4, &[0x12, 0x3f], 4), Some(vec![1, 2, 3, 15]));
        assert_eq!(compact(8, &[9, 250], 2), Some(vec![9, 250]));
        assert_eq!(compact(16, &[1, 0, 0, 7], 2), Some(vec![256, 7]));
        // More than the table bears out, or of another width.
        assert_eq!(compact(4, &[0x12, 0x3f], 5), None);
        assert_eq!(compact(16, &[1, 0, 0], 2), None);
        assert_eq!(compact(32, &[0; 8], 2), None);
        let listed = full_box(*b"stsz", 0, &words(&[0, 2, 70_000, 3]));
        let sizes = Sizes::read(&listed).ok().unwrap();
        assert_eq!(
            (sizes.get(0), sizes.get(1), sizes.get(2)),
            (Some(70_000), Some(3), None)
        );
        let uniform = full_box(*b"stsz", 0, &words(&[5, 2]));
        let sizes = Sizes::read(&uniform).ok().unwrap();
        assert_eq!((sizes.count(), sizes.get(1)), (2, Some(5)));
        let short = full_box(*b"stsz", 0, &words(&[0, 3, 1, 2]));
        assert!(Sizes::read(&short).is_err());
    }

    #[test]
    fn runs_repeat_and_end_with_the_last() {
        let stts = full_box(*b"stts", 0, &words(&[3, 2, 10, 0, 77, 1, 20]));
        let mut runs = Runs::read(&stts, *b"stts").unwrap();
        let values: Vec<u32> = (0..5).map(|_| runs.next()).collect();
        assert_eq!(values, [10, 10, 20, 20, 20]);
        // Fewer lines are told than there are.
        let stts = full_box(*b"stts", 0, &words(&[1, 1, 10, 1, 20]));
        let mut runs = Runs::read(&stts, *b"stts").unwrap();
        assert_eq!((runs.next(), runs.next()), (10, 10));
    }

    #[test]
    fn sync_samples_of_both_tables() {
        let held = |boxes: &[u8]| {
            let mut table = SyncTable::read(boxes);
            (1..=6)
                .map(|number| table.holds(number))
                .collect::<Vec<_>>()
        };
        let closed = full_box(*b"stss", 0, &words(&[2, 1, 4]));
        let open = full_box(*b"stps", 0, &words(&[1, 5]));
        assert_eq!(held(&closed), [true, false, false, true, false, false]);
        let both = [closed, open].concat();
        assert_eq!(held(&both), [true, false, false, true, true, false]);
        assert_eq!(held(&[]), [true; 6]);
        assert_eq!(held(&full_box(*b"stss", 0, &words(&[0]))), [true; 6]);
    }

    #[test]
    fn chunks_have_places_and_counts() {
        let stsc = full_box(*b"stsc", 0, &words(&[2, 1, 3, 1, 3, 2, 1]));
        let places = |chunks: &[u8]| {
            let boxes = [stsc.clone(), chunks.to_vec()].concat();
            let mut chunks = Chunks::read(&boxes).ok().unwrap();
            assert_eq!(chunks.only_entry().ok(), Some(1));
            let found = std::iter::from_fn(|| chunks.next());
            found
                .map(|chunk| (chunk.offset, chunk.sample_count))
                .collect::<Vec<_>>()
        };
        let stco = full_box(*b"stco", 0, &words(&[4, 100, 200, 300, 400]));
        assert_eq!(places(&stco), [(100, 3), (200, 3), (300, 2), (400, 2)]);
        let co64 = full_box(*b"co64", 0, &words(&[2, 1, 0, 2, 5]));
        assert_eq!(places(&co64), [(1 << 32, 3), ((2 << 32) + 5, 3)]);
        let mixed = full_box(*b"stsc", 0, &words(&[2, 1, 3, 1, 3, 2, 2]));
        let boxes = [mixed, stco].concat();
        assert!(Chunks::read(&boxes).ok().unwrap().only_entry().is_err());
    }
}
