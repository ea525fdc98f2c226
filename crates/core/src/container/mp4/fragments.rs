//! The samples of movie fragments (`moof`).

use super::boxes::{child, children, full};
use super::tables::sane_delta;
use super::{MAX_SAMPLES, Movie, RawSample, Unreadable};
use crate::container::reader::Reader;

/// A `moof` and where it lies in the file.
pub(super) struct Fragment<'a> {
    pub(super) offset: u64,
    /// Its body.
    pub(super) body: &'a [u8],
}

/// What a sample has if its fragment does not tell.
#[derive(Debug, Clone, Copy, Default)]
struct Defaults {
    entry: u32,
    duration: u32,
    size_bytes: u32,
    flags: u32,
}

/// Reads all samples of one track out of the fragments, onto the end of `samples`. Returns
/// the number of the sample entry that they use; 0 if there are none. As with
/// [`super::tables::read`], the first sample behind the file's end is a run's last.
pub(super) fn read(
    movie: &Movie<'_>,
    track_id: u32,
    samples: &mut Vec<RawSample>,
) -> Result<u32, Unreadable> {
    let defaults = track_defaults(movie.moov, track_id);
    let mut track = Sought {
        id: track_id,
        file_bytes: movie.size_bytes,
        next_dts: samples.last().map_or(0, RawSample::end),
        samples,
    };
    let mut entry = 0;
    for fragment in &movie.fragments {
        let mut base = fragment.offset;
        for traf in children(fragment.body).filter(|child| child.kind == *b"traf") {
            let run = read_tfhd(traf.body, defaults, fragment.offset, base)?;
            if run.track_id == track_id {
                if entry != 0 && entry != run.defaults.entry {
                    return Err(Unreadable::ManyEntries);
                }
                entry = run.defaults.entry;
                if let Some(time) = decode_time(traf.body) {
                    track.next_dts = time;
                }
            }
            base = read_runs(traf.body, &run, &mut track)?;
        }
    }
    Ok(entry)
}

/// The track whose samples are sought, and what was found of it.
struct Sought<'a> {
    id: u32,
    file_bytes: u64,
    next_dts: i64,
    samples: &'a mut Vec<RawSample>,
}

/// What a `tfhd` says.
struct Run {
    track_id: u32,
    base: u64,
    defaults: Defaults,
}

/// `trex` of the track (ISO/IEC 14496-12 §8.8.3).
fn track_defaults(moov: &[u8], track_id: u32) -> Defaults {
    let read = |body| {
        let (_, _, mut reader) = full(body)?;
        (reader.u32()? == track_id).then_some(())?;
        Some(Defaults {
            entry: reader.u32()?,
            duration: reader.u32()?,
            size_bytes: reader.u32()?,
            flags: reader.u32()?,
        })
    };
    child(moov, *b"mvex")
        .into_iter()
        .flat_map(children)
        .filter(|child| child.kind == *b"trex")
        .find_map(|trex| read(trex.body))
        .unwrap_or(Defaults {
            entry: 1,
            ..Defaults::default()
        })
}

/// ISO/IEC 14496-12 §8.8.7. `after` is where the data of the `traf` before ended.
fn read_tfhd(
    traf: &[u8],
    mut defaults: Defaults,
    moof: u64,
    after: u64,
) -> Result<Run, Unreadable> {
    let damaged = Unreadable::Damaged("tfhd");
    let (_, flags, mut reader) = child(traf, *b"tfhd").and_then(full).ok_or(damaged)?;
    let track_id = reader.u32().ok_or(damaged)?;
    let base = if flags & 0x01 != 0 {
        reader.u64().ok_or(damaged)?
    } else if flags & 0x02_0000 != 0 {
        moof
    } else {
        after
    };
    let fields = [
        (0x02, &mut defaults.entry),
        (0x08, &mut defaults.duration),
        (0x10, &mut defaults.size_bytes),
        (0x20, &mut defaults.flags),
    ];
    for (flag, field) in fields {
        if flags & flag != 0 {
            *field = reader.u32().ok_or(damaged)?;
        }
    }
    Ok(Run {
        track_id,
        base,
        defaults,
    })
}

/// `tfdt` (ISO/IEC 14496-12 §8.8.12).
fn decode_time(traf: &[u8]) -> Option<i64> {
    let (version, _, mut reader) = full(child(traf, *b"tfdt")?)?;
    i64::try_from(reader.u32_or_u64(version)?).ok()
}

/// Reads every `trun`; returns where the last one's data ends.
fn read_runs(traf: &[u8], run: &Run, track: &mut Sought<'_>) -> Result<u64, Unreadable> {
    // For each sample a size of its own, and any field of its own.
    const SIZES: u32 = 0x200;
    const FIELDS: u32 = 0xf00;
    let damaged = Unreadable::Damaged("trun");
    let mut offset = run.base;
    for trun in children(traf).filter(|child| child.kind == *b"trun") {
        let (_, flags, mut reader) = full(trun.body).ok_or(damaged)?;
        let count = reader.u32().ok_or(damaged)?;
        if flags & 0x01 != 0 {
            let shift = i64::from(reader.i32().ok_or(damaged)?);
            offset = run.base.checked_add_signed(shift).ok_or(damaged)?;
        }
        let mut first_flags = None;
        if flags & 0x04 != 0 {
            first_flags = Some(reader.u32().ok_or(damaged)?);
        }
        if run.track_id != track.id && flags & SIZES == 0 {
            let size = u64::from(count).saturating_mul(u64::from(run.defaults.size_bytes));
            offset = offset.checked_add(size).ok_or(damaged)?;
            continue;
        }
        if count > 0 && flags & FIELDS == 0 && run.defaults.size_bytes == 0 {
            // Any number of samples out of no bytes at all.
            return Err(damaged);
        }
        for _ in 0..count {
            let line = Line::read(&mut reader, flags, run.defaults).ok_or(damaged)?;
            let sample_flags = first_flags.take().unwrap_or(line.flags);
            if run.track_id == track.id {
                track.push(offset, line, sample_flags)?;
            }
            offset = offset
                .checked_add(u64::from(line.size_bytes))
                .ok_or(damaged)?;
            if offset > track.file_bytes {
                return Ok(offset);
            }
        }
    }
    Ok(offset)
}

impl Sought<'_> {
    fn push(&mut self, offset: u64, line: Line, flags: u32) -> Result<(), Unreadable> {
        /// `sample_is_non_sync_sample`, and `sample_depends_on` = 1 (§8.8.3.1).
        const NOT_SYNC: u32 = 0x0101_0000;
        let count = u32::try_from(self.samples.len()).unwrap_or(u32::MAX);
        if count >= MAX_SAMPLES {
            return Err(Unreadable::TooMany(u64::from(count).saturating_add(1)));
        }
        let sample = RawSample {
            offset,
            size_bytes: line.size_bytes,
            duration: sane_delta(line.duration),
            dts: self.next_dts,
            cts: line.cts,
            is_sync: flags & NOT_SYNC == 0,
        };
        self.next_dts = sample.end();
        self.samples.push(sample);
        Ok(())
    }
}

/// One line of a `trun` (ISO/IEC 14496-12 §8.8.8), with what it does not tell filled in.
#[derive(Clone, Copy)]
struct Line {
    duration: u32,
    size_bytes: u32,
    flags: u32,
    cts: i64,
}

impl Line {
    fn read(reader: &mut Reader<'_>, flags: u32, defaults: Defaults) -> Option<Self> {
        let mut line = Self {
            duration: defaults.duration,
            size_bytes: defaults.size_bytes,
            flags: defaults.flags,
            cts: 0,
        };
        if flags & 0x100 != 0 {
            line.duration = reader.u32()?;
        }
        if flags & 0x200 != 0 {
            line.size_bytes = reader.u32()?;
        }
        if flags & 0x400 != 0 {
            line.flags = reader.u32()?;
        }
        if flags & 0x800 != 0 {
            // Version 0 says unsigned, but writers put signed numbers there too.
            line.cts = i64::from(reader.i32()?);
        }
        Some(line)
    }
}
