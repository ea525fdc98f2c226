//! Made-up files of an encoder, as ffmpeg lays them out, for tests.

use mp4_atom::{
    Atom, Avc1, Avcc, Codec, Encode, FourCC, Mdhd, Mdia, Mfhd, Minf, Moof, Moov, Mvex, Mvhd, Stbl,
    Stco, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry,
};

/// A sample: presentation time, duration, whether it is a key frame. Its one byte is its
/// place in decode order.
pub(super) type Made = (i64, u32, bool);

fn boxed(atom: &impl Atom) -> Vec<u8> {
    let mut bytes = Vec::new();
    atom.encode(&mut bytes).unwrap();
    bytes
}

fn moov(codec: Codec, timescale: u32) -> Moov {
    Moov {
        mvhd: Mvhd {
            creation_time: 1,
            modification_time: 2,
            timescale: 1_000,
            duration: 0,
            rate: 1.into(),
            volume: 1.into(),
            matrix: mp4_atom::Matrix::default(),
            next_track_id: 2,
        },
        mvex: Some(Mvex {
            mehd: None,
            trex: vec![Trex {
                track_id: 1,
                default_sample_description_index: 1,
                ..Trex::default()
            }],
        }),
        trak: vec![Trak {
            tkhd: Tkhd {
                track_id: 1,
                ..Tkhd::default()
            },
            mdia: Mdia {
                mdhd: Mdhd {
                    creation_time: 3,
                    modification_time: 4,
                    timescale,
                    duration: 0,
                    language: "und".to_owned(),
                },
                minf: Minf {
                    stbl: Stbl {
                        stsd: Stsd {
                            codecs: vec![codec],
                        },
                        stco: Some(Stco::default()),
                        ..Stbl::default()
                    },
                    ..Minf::default()
                },
                ..Mdia::default()
            },
            ..Trak::default()
        }],
        ..Moov::default()
    }
}

/// H.264 High at level 4.0 in 64×36.
pub(super) fn avc1() -> Codec {
    let mut entry = Avc1 {
        avcc: Avcc::new(&[0x67, 0x64, 0x00, 0x28, 1, 2, 3], &[0x68, 9]).unwrap(),
        ..Avc1::default()
    };
    (entry.visual.width, entry.visual.height) = (64, 36);
    entry.into()
}

/// AAC-LC in stereo of 48 kHz.
pub(super) fn mp4a(bitrate_bps: u32) -> Codec {
    use mp4_atom::esds;
    mp4_atom::Mp4a {
        audio: mp4_atom::Audio {
            data_reference_index: 1,
            channel_count: 2,
            sample_size: 16,
            sample_rate: 48_000.into(),
        },
        esds: mp4_atom::Esds {
            es_desc: esds::EsDescriptor {
                es_id: 1,
                depends_on_es_id: None,
                url: None,
                ocr_es_id: None,
                stream_priority: 0,
                dec_config: esds::DecoderConfig {
                    object_type_indication: 0x40,
                    stream_type: 5,
                    up_stream: 0,
                    buffer_size_db: mp4_atom::u24::default(),
                    max_bitrate: bitrate_bps,
                    avg_bitrate: bitrate_bps,
                    dec_specific: Some(esds::DecoderSpecific {
                        profile: 2,
                        freq_index: 3,
                        chan_conf: 2,
                        raw: vec![0x11, 0x90],
                    }),
                },
                sl_config: esds::SLConfig::default(),
            },
        },
        btrt: None,
        taic: None,
    }
    .into()
}

/// A file of one fragment; decode times are whatever, durations as given.
pub(super) fn file(codec: Codec, timescale: u32, samples: &[Made]) -> Vec<u8> {
    let mut bytes = boxed(&moov(codec, timescale));
    let base = samples.iter().map(|sample| sample.0).min().unwrap_or(0);
    let mut dts = base;
    let entries: Vec<TrunEntry> = samples
        .iter()
        .map(|&(pts, duration, is_sync)| {
            let cts = pts - dts;
            dts += i64::from(duration);
            TrunEntry {
                duration: Some(duration),
                size: Some(1),
                flags: Some(if is_sync { 0x0200_0000 } else { 0x0101_0000 }),
                cts: Some(cts),
            }
        })
        .collect();
    let mut moof = Moof {
        mfhd: Mfhd { sequence_number: 1 },
        traf: vec![Traf {
            tfhd: Tfhd {
                track_id: 1,
                default_base_is_moof: true,
                ..Tfhd::default()
            },
            tfdt: Some(Tfdt {
                base_media_decode_time: u64::try_from(base).unwrap(),
            }),
            trun: vec![Trun {
                data_offset: Some(0),
                samples: entries.into(),
            }],
            ..Traf::default()
        }],
    };
    let offset = i32::try_from(boxed(&moof).len() + 8).unwrap();
    moof.traf[0].trun[0].data_offset = Some(offset);
    bytes.extend(boxed(&moof));
    let payload: Vec<u8> = (0..samples.len())
        .map(|place| u8::try_from(place % 251).unwrap())
        .collect();
    mp4_atom::Header {
        kind: FourCC::new(b"mdat"),
        size: Some(payload.len()),
    }
    .encode(&mut bytes)
    .unwrap();
    bytes.extend(payload);
    bytes
}
