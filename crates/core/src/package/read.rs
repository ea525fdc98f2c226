//! Reads a fragmented mp4 of one track, every offset and time checked.

use std::ops::Range;

use mp4_atom::{Atom, Codec, Decode, Header, Moof, Moov, Traf, Trun, TrunEntry};

use super::{Encoded, PackageError, Sample};

/// `sample_is_non_sync_sample`, ISO/IEC 14496-12 §8.8.3.1.
const NON_SYNC: u32 = 0x0001_0000;

/// What a sample is when neither its run nor its fragment says so.
#[derive(Clone, Copy)]
struct Defaults {
    duration: u32,
    size: u32,
    flags: u32,
}

struct Track {
    id: u32,
    timescale: u32,
    codec: Codec,
    defaults: Defaults,
}

/// Parses the encoder's file, fully checked: every sample lies inside the file, and no time
/// leaves 64 bits.
///
/// # Errors
/// [`PackageError::File`] for anything but one track's `moov` and whole fragments.
pub fn read_encoded(file: &[u8]) -> Result<Encoded<'_>, PackageError> {
    let mut track: Option<Track> = None;
    let mut samples = Vec::new();
    let mut offset = 0;
    while offset < file.len() {
        let (kind, atom) = atom_at(file, offset)?;
        let mut bytes = file.get(atom.clone()).unwrap_or_default();
        if kind == Moov::KIND {
            if track.is_some() {
                return Err(fail(offset, "a second moov"));
            }
            let moov = Moov::decode(&mut bytes).map_err(|error| fail(offset, error))?;
            track = Some(track_of(moov).ok_or_else(|| fail(offset, "expected one track"))?);
        } else if kind == Moof::KIND {
            let track = track
                .as_ref()
                .ok_or_else(|| fail(offset, "a fragment before the moov"))?;
            let moof = Moof::decode(&mut bytes).map_err(|error| fail(offset, error))?;
            for traf in &moof.traf {
                read_fragment(file, offset, track, traf, &mut samples)?;
            }
        }
        offset = atom.end;
    }
    let track = track.ok_or_else(|| fail(offset, "no moov"))?;
    Ok(Encoded {
        file,
        timescale: track.timescale,
        codec: track.codec,
        samples,
    })
}

fn fail(offset_bytes: usize, reason: impl std::fmt::Display) -> PackageError {
    PackageError::File {
        offset_bytes,
        reason: reason.to_string(),
    }
}

/// The kind and the whole span of the box at `offset`, which is inside the file.
fn atom_at(file: &[u8], offset: usize) -> Result<(mp4_atom::FourCC, Range<usize>), PackageError> {
    let rest = file.get(offset..).unwrap_or_default();
    let mut after_header = rest;
    let header = Header::decode(&mut after_header).map_err(|error| fail(offset, error))?;
    let header_bytes = rest.len() - after_header.len();
    let body_bytes = header.size.unwrap_or(after_header.len());
    if body_bytes > after_header.len() {
        return Err(fail(offset, "a box longer than the file"));
    }
    Ok((header.kind, offset..offset + header_bytes + body_bytes))
}

fn track_of(moov: Moov) -> Option<Track> {
    let mut tracks = moov.trak.into_iter();
    let (track, None) = (tracks.next()?, tracks.next()) else {
        return None;
    };
    let mut codecs = track.mdia.minf.stbl.stsd.codecs.into_iter();
    let (codec, None) = (codecs.next()?, codecs.next()) else {
        return None;
    };
    let id = track.tkhd.track_id;
    let extends = moov
        .mvex?
        .trex
        .into_iter()
        .find(|trex| trex.track_id == id)?;
    Some(Track {
        id,
        timescale: track.mdia.mdhd.timescale,
        codec,
        defaults: Defaults {
            duration: extends.default_sample_duration,
            size: extends.default_sample_size,
            flags: extends.default_sample_flags,
        },
    })
}

fn read_fragment(
    file: &[u8],
    moof_offset: usize,
    track: &Track,
    traf: &Traf,
    samples: &mut Vec<Sample>,
) -> Result<(), PackageError> {
    let head = &traf.tfhd;
    if head.track_id != track.id || !head.default_base_is_moof || head.base_data_offset.is_some() {
        return Err(fail(moof_offset, "a fragment of another kind"));
    }
    let defaults = Defaults {
        duration: head
            .default_sample_duration
            .unwrap_or(track.defaults.duration),
        size: head.default_sample_size.unwrap_or(track.defaults.size),
        flags: head.default_sample_flags.unwrap_or(track.defaults.flags),
    };
    let mut dts = traf
        .tfdt
        .as_ref()
        .and_then(|tfdt| i64::try_from(tfdt.base_media_decode_time).ok())
        .ok_or_else(|| fail(moof_offset, "a fragment without a time"))?;
    for run in &traf.trun {
        read_run(file, moof_offset, defaults, run, &mut dts, samples)?;
    }
    Ok(())
}

fn read_run(
    file: &[u8],
    moof_offset: usize,
    defaults: Defaults,
    run: &Trun,
    dts: &mut i64,
    samples: &mut Vec<Sample>,
) -> Result<(), PackageError> {
    let mut position = run
        .data_offset
        .and_then(|offset| isize::try_from(offset).ok())
        .and_then(|offset| moof_offset.checked_add_signed(offset))
        .ok_or_else(|| fail(moof_offset, "a run without its place"))?;
    for entry in &run.samples {
        let sample = read_sample(&entry, defaults, *dts, position)
            .filter(|sample| !sample.bytes.is_empty() && sample.bytes.end <= file.len())
            .ok_or_else(|| fail(moof_offset, "a sample outside the file or time"))?;
        position = sample.bytes.end;
        *dts = dts
            .checked_add(i64::from(sample.duration_ticks))
            .ok_or_else(|| fail(moof_offset, "a time outside 64 bits"))?;
        samples.push(sample);
    }
    Ok(())
}

fn read_sample(entry: &TrunEntry, defaults: Defaults, dts: i64, start: usize) -> Option<Sample> {
    let size = usize::try_from(entry.size.unwrap_or(defaults.size)).ok()?;
    Some(Sample {
        pts: dts.checked_add(entry.cts.unwrap_or(0))?,
        dts,
        duration_ticks: entry.duration.unwrap_or(defaults.duration),
        is_sync: entry.flags.unwrap_or(defaults.flags) & NON_SYNC == 0,
        bytes: start..start.checked_add(size)?,
    })
}
