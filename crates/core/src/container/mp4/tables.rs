//! The sample tables of an unfragmented track.

mod columns;

use self::columns::{Chunks, Runs, Sizes, SyncTable};
use super::{MAX_SAMPLES, RawSample, Unreadable};

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
///
/// The first sample behind the file's end is the last one read: the file is refused for it,
/// and a table of a few bytes can promise millions of them.
pub(super) fn read(
    stbl: &[u8],
    pcm_frame_bytes: Option<u32>,
    file_bytes: u64,
) -> Result<Tables, Unreadable> {
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
        packed(
            &mut chunks,
            &mut deltas,
            sizes.count(),
            frame_bytes,
            file_bytes,
        )?
    } else {
        let offsets = Runs::read(stbl, *b"ctts");
        let sync = SyncTable::read(stbl);
        single(&mut chunks, &sizes, &mut deltas, offsets, sync, file_bytes)?
    };
    Ok(Tables { samples, entry })
}

fn single(
    chunks: &mut Chunks<'_>,
    sizes: &Sizes<'_>,
    deltas: &mut Runs<'_>,
    mut offsets: Option<Runs<'_>>,
    mut sync: SyncTable<'_>,
    file_bytes: u64,
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
            if offset > file_bytes {
                return Ok(samples);
            }
        }
    }
    Ok(samples)
}

fn packed(
    chunks: &mut Chunks<'_>,
    deltas: &mut Runs<'_>,
    count: u32,
    frame_bytes: u32,
    file_bytes: u64,
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
            if offset > file_bytes {
                return Ok(samples);
            }
        }
    }
    Ok(samples)
}

/// At least one tick, so that decode times rise.
pub(super) fn sane_delta(delta: u32) -> u32 {
    if delta > MAX_DELTA { 1 } else { delta.max(1) }
}
