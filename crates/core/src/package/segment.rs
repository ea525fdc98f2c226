//! Writes one CMAF segment: `styp`, `moof`, `mdat`.

use mp4_atom::{
    Encode, FourCC, Header, Mfhd, Moof, Styp, Tfdt, Tfhd, Traf, Trun, TrunEntry, TrunSamples,
};

use super::init::put;
use super::{Encoded, PackageError, Sample};

/// The only track of every file of ours.
pub(super) const TRACK_ID: u32 = 1;

/// Decoding can begin here: `sample_depends_on` nothing (ISO/IEC 14496-12 §8.8.3.1).
const SYNC: u32 = 0x0200_0000;
/// Depends on others, no sync sample.
const DEPENDENT: u32 = 0x0101_0000;

/// One finished segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Presentation time of its first frame, in shifted ticks.
    pub start_pts: i64,
    /// Its length in ticks.
    pub duration_ticks: i64,
    /// Frames of video, packets of audio.
    pub frame_count: u32,
    /// The file: `styp`, `moof`, `mdat`.
    pub bytes: Vec<u8>,
}

/// A sample with the times that it is given for good.
pub(super) struct TimedSample<'a> {
    pub sample: &'a Sample,
    /// Decode time in ticks.
    pub dts: i64,
    /// Until the next sample's decode time.
    pub duration_ticks: u32,
}

/// Writes samples (in decode order, not empty) that present from `start_pts` on.
pub(super) fn write_segment(
    encoded: &Encoded<'_>,
    samples: &[TimedSample<'_>],
    start_pts: i64,
    duration_ticks: i64,
) -> Result<Segment, PackageError> {
    let first = samples.first().ok_or(PackageError::Empty)?;
    let mut moof = fragment(encoded, samples, start_pts, first.dts)?;
    let mut bytes = Vec::new();
    put(&brands(), &mut bytes)?;
    let before = bytes.len();
    put(&moof, &mut bytes)?;
    // The samples begin behind the moof and the mdat's header of 8 bytes.
    let data_offset = i32::try_from(bytes.len() - before + 8)
        .map_err(|_| PackageError::Write("a moof of over 2 GiB".to_owned()))?;
    for run in moof.traf.iter_mut().flat_map(|traf| &mut traf.trun) {
        run.data_offset = Some(data_offset);
    }
    bytes.truncate(before);
    put(&moof, &mut bytes)?;
    put_samples(encoded, samples, &mut bytes)?;
    Ok(Segment {
        start_pts,
        duration_ticks,
        frame_count: u32::try_from(samples.len())
            .map_err(|_| PackageError::Write("too many samples".to_owned()))?,
        bytes,
    })
}

fn brands() -> Styp {
    Styp {
        major_brand: FourCC::new(b"msdh"),
        minor_version: 0,
        compatible_brands: vec![
            FourCC::new(b"msdh"),
            FourCC::new(b"msix"),
            FourCC::new(b"cmfs"),
        ],
    }
}

fn put_samples(
    encoded: &Encoded<'_>,
    samples: &[TimedSample<'_>],
    bytes: &mut Vec<u8>,
) -> Result<(), PackageError> {
    let size: usize = samples.iter().map(|timed| timed.sample.bytes.len()).sum();
    if u32::try_from(size.saturating_add(8)).is_err() {
        return Err(PackageError::Write("a segment of over 4 GiB".to_owned()));
    }
    Header {
        kind: FourCC::new(b"mdat"),
        size: Some(size),
    }
    .encode(bytes)
    .map_err(|error| PackageError::Write(error.to_string()))?;
    for timed in samples {
        let sample = encoded.file.get(timed.sample.bytes.clone());
        bytes.extend_from_slice(sample.unwrap_or_default());
    }
    Ok(())
}

fn fragment(
    encoded: &Encoded<'_>,
    samples: &[TimedSample<'_>],
    start_pts: i64,
    first_dts: i64,
) -> Result<Moof, PackageError> {
    let time = |reason| PackageError::Time {
        at_pts: start_pts,
        reason,
    };
    let base = u64::try_from(first_dts).map_err(|_| time("a decode time before 0"))?;
    let last = samples.last().ok_or(PackageError::Empty)?;
    let same_duration = samples
        .iter()
        .all(|timed| timed.duration_ticks == last.duration_ticks);
    let same_flags = samples
        .iter()
        .all(|timed| timed.sample.is_sync == last.sample.is_sync);
    let unordered = samples.iter().all(|timed| timed.sample.pts == timed.dts);
    let entries = samples.iter().map(|timed| {
        Ok(TrunEntry {
            duration: (!same_duration).then_some(timed.duration_ticks),
            size: Some(
                u32::try_from(timed.sample.bytes.len())
                    .map_err(|_| time("a sample of over 4 GiB"))?,
            ),
            flags: (!same_flags).then_some(flags(timed.sample)),
            cts: (!unordered).then_some(timed.sample.pts.saturating_sub(timed.dts)),
        })
    });
    Ok(Moof {
        mfhd: Mfhd {
            sequence_number: sequence_number(start_pts, encoded.timescale),
        },
        traf: vec![Traf {
            tfhd: Tfhd {
                track_id: TRACK_ID,
                default_sample_duration: same_duration.then_some(last.duration_ticks),
                default_sample_flags: same_flags.then_some(flags(last.sample)),
                default_base_is_moof: true,
                ..Tfhd::default()
            },
            tfdt: Some(Tfdt {
                base_media_decode_time: base,
            }),
            trun: vec![Trun {
                data_offset: Some(0),
                samples: TrunSamples::Explicit(entries.collect::<Result<_, PackageError>>()?),
            }],
            ..Traf::default()
        }],
    })
}

fn flags(sample: &Sample) -> u32 {
    if sample.is_sync { SYNC } else { DEPENDENT }
}

/// Fragments must be numbered upwards; the start in milliseconds needs no knowledge of the
/// other chunks.
fn sequence_number(start_pts: i64, timescale: u32) -> u32 {
    let millis = i128::from(start_pts) * 1_000 / i128::from(timescale.max(1));
    u32::try_from(millis.saturating_add(1).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_numbered_by_their_start_in_milliseconds() {
        assert_eq!(sequence_number(0, 90_000), 1);
        assert_eq!(sequence_number(90_000, 90_000), 1_001);
        assert_eq!(sequence_number(180_090, 90_000), 2_002);
        assert_eq!(sequence_number(-90_000, 90_000), 1);
        assert_eq!(sequence_number(i64::MAX, 1), u32::MAX);
        assert_eq!(sequence_number(5, 0), 5_001);
    }
}
