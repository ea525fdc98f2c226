//! The sample tables of an unfragmented track.

use super::boxes::{child, full};
use super::{MAX_SAMPLES, RawSample, Unreadable};
use crate::container::reader::Reader;

/// A damaged `stts` holds differences beyond this: negative numbers of 32 bits, which some
/// writers use to correct a time. They count as one tick, as ffmpeg has it.
const MAX_DELTA: u32 = 0x7fff_ffff;

/// PCM sound has a sample for every instant; this many make one packet of ours.
const PCM_FRAMES_PER_PACKET: u32 = 4_096;

/// The samples and the number of the sample entry that they use.
pub(super) struct Tables {
    pub(super) samples: Vec<RawSample>,
    /// Counts from 1; 0 if there are no samples.
    pub(super) entry: u32,
}

/// Reads the tables. `pcm_frame_bytes` is given for PCM sound: its samples are packed.
pub(super) fn read(stbl: &[u8], pcm_frame_bytes: Option<u32>) -> Result<Tables, Unreadable> {
    let sizes = Sizes::read(stbl)?;
    if sizes.count() == 0 {
        return Ok(Tables {
            samples: Vec::new(),
            entry: 0,
        });
    }
    let mut chunks = Chunks::read(stbl)?;
    let entry = chunks.only_entry()?;
    let mut deltas = Runs::read(stbl, *b"stts").ok_or(Unreadable::Damaged("stts"))?;
    let samples = if let Some(frame_bytes) = pcm_frame_bytes {
        packed(&mut chunks, &mut deltas, sizes.count(), frame_bytes)?
    } else {
        let offsets = Runs::read(stbl, *b"ctts");
        let sync = SyncTable::read(stbl);
        single(&mut chunks, &sizes, &mut deltas, offsets, sync)?
    };
    Ok(Tables { samples, entry })
}

fn single(
    chunks: &mut Chunks<'_>,
    sizes: &Sizes<'_>,
    deltas: &mut Runs<'_>,
    mut offsets: Option<Runs<'_>>,
    mut sync: SyncTable<'_>,
) -> Result<Vec<RawSample>, Unreadable> {
    if sizes.count() > MAX_SAMPLES {
        return Err(Unreadable::TooMany(u64::from(sizes.count())));
    }
    let mut samples = Vec::new();
    let mut dts = 0_i64;
    let mut number = 0_u32;
    while number < sizes.count() {
        let Some(chunk) = chunks.next() else {
            return Err(Unreadable::Damaged("stco"));
        };
        let mut offset = chunk.offset;
        for _ in 0..chunk.sample_count.min(sizes.count().saturating_sub(number)) {
            let size_bytes = sizes.get(number).ok_or(Unreadable::Damaged("stsz"))?;
            let duration = sane_delta(deltas.next());
            number = number.saturating_add(1);
            let shift = offsets.as_mut().map_or(0, Runs::next);
            samples.push(RawSample {
                offset,
                size_bytes,
                duration,
                dts,
                // Version 0 says unsigned, but writers put signed numbers there too.
                cts: i64::from(i32::from_be_bytes(shift.to_be_bytes())),
                is_sync: sync.holds(number),
            });
            offset = offset.saturating_add(u64::from(size_bytes));
            dts = dts.saturating_add(i64::from(duration));
        }
    }
    Ok(samples)
}

fn packed(
    chunks: &mut Chunks<'_>,
    deltas: &mut Runs<'_>,
    count: u32,
    frame_bytes: u32,
) -> Result<Vec<RawSample>, Unreadable> {
    let delta = sane_delta(deltas.next());
    let mut samples = Vec::new();
    let mut dts = 0_i64;
    let mut left = count;
    while left > 0 {
        let Some(chunk) = chunks.next() else {
            return Err(Unreadable::Damaged("stco"));
        };
        let mut offset = chunk.offset;
        let mut in_chunk = chunk.sample_count.min(left);
        left = left.saturating_sub(in_chunk);
        while in_chunk > 0 {
            let frames = in_chunk.min(PCM_FRAMES_PER_PACKET);
            in_chunk = in_chunk.saturating_sub(frames);
            let size_bytes = frames
                .checked_mul(frame_bytes)
                .ok_or(Unreadable::Damaged("stsz"))?;
            let duration = frames
                .checked_mul(delta)
                .ok_or(Unreadable::Damaged("stts"))?;
            if u32::try_from(samples.len()).unwrap_or(u32::MAX) >= MAX_SAMPLES {
                return Err(Unreadable::TooMany(u64::from(count)));
            }
            samples.push(RawSample {
                offset,
                size_bytes,
                duration,
                dts,
                cts: 0,
                is_sync: true,
            });
            offset = offset.saturating_add(u64::from(size_bytes));
            dts = dts.saturating_add(i64::from(duration));
        }
    }
    Ok(samples)
}

/// At least one tick, so that decode times rise.
pub(super) fn sane_delta(delta: u32) -> u32 {
    if delta > MAX_DELTA { 1 } else { delta.max(1) }
}

/// `stsz` or `stz2`.
enum Sizes<'a> {
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
    fn read(stbl: &'a [u8]) -> Result<Self, Unreadable> {
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

    fn count(&self) -> u32 {
        match self {
            Self::Uniform { count, .. } | Self::Listed { count, .. } => *count,
        }
    }

    fn get(&self, index: u32) -> Option<u32> {
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
struct Runs<'a> {
    table: Reader<'a>,
    lines_left: u32,
    left: u32,
    value: u32,
}

impl<'a> Runs<'a> {
    fn read(stbl: &'a [u8], kind: [u8; 4]) -> Option<Self> {
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
    fn next(&mut self) -> u32 {
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
struct SyncTable<'a> {
    full: Option<Reader<'a>>,
    partial: Option<Reader<'a>>,
}

impl<'a> SyncTable<'a> {
    fn read(stbl: &'a [u8]) -> Self {
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
    fn holds(&mut self, number: u32) -> bool {
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
struct Chunk {
    offset: u64,
    sample_count: u32,
}

/// `stco` or `co64`, with `stsc`.
struct Chunks<'a> {
    offsets: Reader<'a>,
    is_64_bit: bool,
    runs: &'a [[u8; 12]],
    number: u32,
    sample_count: u32,
}

impl<'a> Chunks<'a> {
    fn read(stbl: &'a [u8]) -> Result<Self, Unreadable> {
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
    fn only_entry(&self) -> Result<u32, Unreadable> {
        let mut entries = self.runs.iter().filter_map(|run| word(run, 2));
        let first = entries.next().ok_or(Unreadable::Damaged("stsc"))?;
        if entries.all(|entry| entry == first) {
            Ok(first)
        } else {
            Err(Unreadable::ManyEntries)
        }
    }

    fn next(&mut self) -> Option<Chunk> {
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
