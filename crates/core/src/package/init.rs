//! The init segment: a `moov` made anew from what matters, so that equal encoder settings
//! give equal bytes over all chunks.

use mp4_atom::{
    Atom, Avc1, Codec, Dinf, Dref, Encode, FourCC, Ftyp, Hdlr, Mdhd, Mdia, Minf, Moov, Mp4a, Mvex,
    Mvhd, Smhd, Stbl, Stco, Stsd, Tkhd, Trak, Trex, Url, Vmhd,
};

use super::segment::TRACK_ID;
use super::{Encoded, PackageError};
use crate::digest::sha256_hex;

/// The init segment of a rendition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitSegment {
    /// The file `init.mp4`.
    pub bytes: Vec<u8>,
    /// SHA-256 of the bytes, in hex.
    pub sha256: String,
    /// RFC 6381, such as `avc1.640028`.
    pub codecs: String,
}

/// The init segment of an encoder's output: no dates, no edit list, no measured bitrate, no
/// metadata.
///
/// # Errors
/// [`PackageError::Track`] for anything but H.264 and AAC.
pub fn init_segment(encoded: &Encoded<'_>) -> Result<InitSegment, PackageError> {
    let other = || PackageError::Track("neither H.264 nor AAC".to_owned());
    let (trak, codecs) = if let Codec::Avc1(avc1) = &encoded.codec {
        (video_track(avc1, encoded.timescale), avc1_string(avc1))
    } else if let Codec::Mp4a(mp4a) = &encoded.codec {
        let object_type = mp4a_string(mp4a).ok_or_else(other)?;
        (audio_track(mp4a, encoded.timescale), object_type)
    } else {
        return Err(other());
    };
    let moov = Moov {
        mvhd: Mvhd {
            creation_time: 0,
            modification_time: 0,
            timescale: encoded.timescale,
            duration: 0,
            rate: 1.into(),
            volume: 1.into(),
            matrix: mp4_atom::Matrix::default(),
            next_track_id: TRACK_ID + 1,
        },
        mvex: Some(Mvex {
            mehd: None,
            trex: vec![Trex {
                track_id: TRACK_ID,
                default_sample_description_index: 1,
                default_sample_duration: 0,
                default_sample_size: 0,
                default_sample_flags: 0,
            }],
        }),
        trak: vec![trak],
        ..Moov::default()
    };
    let mut bytes = Vec::new();
    put(&brands(), &mut bytes)?;
    put(&moov, &mut bytes)?;
    let sha256 = sha256_hex(&bytes);
    Ok(InitSegment {
        bytes,
        sha256,
        codecs,
    })
}

/// Writes one box.
pub(super) fn put(atom: &impl Atom, bytes: &mut Vec<u8>) -> Result<(), PackageError> {
    atom.encode(bytes)
        .map_err(|error| PackageError::Write(error.to_string()))
}

fn brands() -> Ftyp {
    Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: vec![
            FourCC::new(b"iso6"),
            FourCC::new(b"cmfc"),
            FourCC::new(b"mp41"),
        ],
    }
}

fn video_track(avc1: &Avc1, timescale: u32) -> Trak {
    let mut entry = Avc1 {
        avcc: avc1.avcc.clone(),
        colr: avc1.colr.clone(),
        pasp: avc1.pasp.clone(),
        ..Avc1::default()
    };
    entry.visual.data_reference_index = 1;
    (entry.visual.width, entry.visual.height) = (avc1.visual.width, avc1.visual.height);
    let header = Tkhd {
        width: avc1.visual.width.into(),
        height: avc1.visual.height.into(),
        ..track_header()
    };
    let minf = Minf {
        vmhd: Some(Vmhd::default()),
        ..media_information(entry.into())
    };
    track(header, timescale, *b"vide", minf)
}

fn audio_track(mp4a: &Mp4a, timescale: u32) -> Trak {
    let mut entry = Mp4a {
        audio: mp4a.audio.clone(),
        esds: mp4a.esds.clone(),
        btrt: None,
        taic: None,
    };
    entry.audio.data_reference_index = 1;
    // Measured by the encoder, so it may differ from chunk to chunk; 0 is "not said".
    entry.esds.es_desc.dec_config.max_bitrate = 0;
    entry.esds.es_desc.dec_config.avg_bitrate = 0;
    let header = Tkhd {
        volume: 1.into(),
        ..track_header()
    };
    let minf = Minf {
        smhd: Some(Smhd::default()),
        ..media_information(entry.into())
    };
    track(header, timescale, *b"soun", minf)
}

fn track_header() -> Tkhd {
    Tkhd {
        track_id: TRACK_ID,
        enabled: true,
        in_movie: true,
        ..Tkhd::default()
    }
}

fn media_information(entry: Codec) -> Minf {
    Minf {
        dinf: Dinf {
            dref: Dref {
                entries: vec![Url::default().into()],
            },
        },
        stbl: Stbl {
            stsd: Stsd {
                codecs: vec![entry],
            },
            stco: Some(Stco::default()),
            ..Stbl::default()
        },
        ..Minf::default()
    }
}

fn track(tkhd: Tkhd, timescale: u32, handler: [u8; 4], minf: Minf) -> Trak {
    Trak {
        tkhd,
        mdia: Mdia {
            mdhd: Mdhd {
                creation_time: 0,
                modification_time: 0,
                timescale,
                duration: 0,
                language: "und".to_owned(),
            },
            hdlr: Hdlr {
                handler: handler.into(),
                name: "CatTube".to_owned(),
            },
            minf,
        },
        ..Trak::default()
    }
}

/// RFC 6381 §3.3: profile, constraints, level.
fn avc1_string(avc1: &Avc1) -> String {
    format!(
        "avc1.{:02x}{:02x}{:02x}",
        avc1.avcc.avc_profile_indication,
        avc1.avcc.profile_compatibility,
        avc1.avcc.avc_level_indication
    )
}

/// RFC 6381 §3.3: MPEG-4 audio (object type 0x40) and its audio object type.
fn mp4a_string(mp4a: &Mp4a) -> Option<String> {
    let config = &mp4a.esds.es_desc.dec_config;
    let specific = config.dec_specific.as_ref()?;
    (config.object_type_indication == 0x40).then(|| format!("mp4a.40.{}", specific.profile))
}
