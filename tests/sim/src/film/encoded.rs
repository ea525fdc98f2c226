//! What ffmpeg would leave in its folder, told by its arguments alone: the films of the
//! simulator have a picture a second, so everything else follows.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use bytes::Bytes;
use cattube_core::encode::{AUDIO_FILE, FRAMES_FILE, POSTER_FILE, rendition_file};
use mp4_atom::{
    Atom, Avc1, Avcc, Codec, Encode, FourCC, Mdhd, Mdia, Mfhd, Minf, Moof, Moov, Mvex, Mvhd, Stbl,
    Stco, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry,
};

use super::TIMESCALE;

/// Files by their names.
pub type Files = BTreeMap<String, Bytes>;

/// Samples of a packet of AAC.
const PACKET: i64 = 1_024;

/// Packets of sound in every film that has any.
const PACKETS: i64 = 12;

/// A chunk's work as its arguments tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Film time, in ticks of the track.
    pub start: i64,
    /// Whether it is sound.
    pub is_sound: bool,
}

thread_local! {
    static MADE: RefCell<HashMap<String, (Asked, Files)>> = RefCell::default();
}

/// What a run with these arguments leaves, and which chunk it is about.
#[must_use]
pub fn outputs(args: &[String]) -> (Asked, Files) {
    let graph = value_of(args, "-filter_complex");
    MADE.with_borrow_mut(|made| {
        if let Some(found) = made.get(graph) {
            return found.clone();
        }
        let fresh = if args.iter().any(|arg| arg == AUDIO_FILE) {
            sound(graph)
        } else {
            pictures(graph)
        };
        made.insert(graph.to_owned(), fresh.clone());
        fresh
    })
}

fn value_of<'a>(args: &'a [String], name: &str) -> &'a str {
    let place = args.iter().position(|arg| arg == name);
    place.map_or("", |place| args[place + 1].as_str())
}

/// The number behind a mark in a filter graph.
fn number(graph: &str, mark: &str) -> Option<i64> {
    let (_, rest) = graph.split_once(mark)?;
    let end = rest.find(|letter: char| letter != '-' && !letter.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

fn pictures(graph: &str) -> (Asked, Files) {
    let tick = i64::from(TIMESCALE);
    let start = number(graph, "trim=start_pts=").unwrap_or(0);
    let end = number(graph, ":end_pts=").unwrap();
    let shift = number(graph, "setpts=PTS+(").unwrap();
    let mut files = Files::new();
    let mut frames = String::new();
    // One picture behind the end proves the seam.
    for pts in (start..=end).step_by(1_000) {
        let _ = writeln!(frames, "0, {pts}, {pts}, 1000, 2304, 0x{:08x}", pts + 1);
    }
    files.insert(FRAMES_FILE.to_owned(), frames.into());
    let samples: Vec<Made> = (start..end)
        .step_by(1_000)
        .map(|pts| (pts + shift, TIMESCALE))
        .collect();
    let mut place = 0;
    while graph.contains(&format!("[v{place}]")) {
        let bytes = file(avc1(), TIMESCALE, &samples);
        files.insert(rendition_file(place), bytes.into());
        place += 1;
    }
    files.insert(format!("t{}.jpg", start + shift), jpeg());
    if graph.contains("[poster]") {
        files.insert(POSTER_FILE.to_owned(), jpeg());
    }
    debug_assert!((end - start) % tick == 0);
    let asked = Asked {
        start,
        is_sound: false,
    };
    (asked, files)
}

fn sound(graph: &str) -> (Asked, Files) {
    let start = number(graph, "atrim=start_pts=").unwrap_or(0);
    let first = number(graph, "asetpts=N+(").unwrap_or(0);
    let packets = (-1..PACKETS).map(|place| (first + place * PACKET, 1_024));
    let bytes = file(mp4a(), 48_000, &packets.collect::<Vec<_>>());
    let asked = Asked {
        start,
        is_sound: true,
    };
    (asked, Files::from([(AUDIO_FILE.to_owned(), bytes.into())]))
}

fn jpeg() -> Bytes {
    thread_local! {
        static JPEG: Bytes = {
            let mut bytes = Vec::new();
            image::codecs::jpeg::JpegEncoder::new(&mut bytes)
                .encode_image(&image::RgbImage::new(16, 8))
                .unwrap();
            bytes.into()
        };
    }
    JPEG.with(Bytes::clone)
}

/// A sample: presentation time and duration. All are key frames.
type Made = (i64, u32);

fn boxed(atom: &impl Atom) -> Vec<u8> {
    let mut bytes = Vec::new();
    atom.encode(&mut bytes).unwrap();
    bytes
}

fn moov(codec: Codec, timescale: u32) -> Moov {
    Moov {
        mvhd: Mvhd {
            creation_time: 0,
            modification_time: 0,
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
                    creation_time: 0,
                    modification_time: 0,
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

fn avc1() -> Codec {
    let mut entry = Avc1 {
        avcc: Avcc::new(&[0x67, 0x64, 0x00, 0x28, 1, 2, 3], &[0x68, 9]).unwrap(),
        ..Avc1::default()
    };
    (entry.visual.width, entry.visual.height) = (32, 18);
    entry.into()
}

fn mp4a() -> Codec {
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
                    max_bitrate: 128_000,
                    avg_bitrate: 128_000,
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

/// A file of one fragment.
fn file(codec: Codec, timescale: u32, samples: &[Made]) -> Vec<u8> {
    let mut bytes = boxed(&moov(codec, timescale));
    let base = samples.first().map_or(0, |sample| sample.0);
    let entry = |&(_, duration): &Made| TrunEntry {
        duration: Some(duration),
        size: Some(1),
        flags: Some(0x0200_0000),
        cts: Some(0),
    };
    let entries: Vec<TrunEntry> = samples.iter().map(entry).collect();
    let mut moof = Moof {
        mfhd: Mfhd { sequence_number: 1 },
        traf: vec![Traf {
            tfhd: Tfhd {
                track_id: 1,
                default_base_is_moof: true,
                ..Tfhd::default()
            },
            tfdt: Some(Tfdt {
                base_media_decode_time: u64::try_from(base).unwrap_or(0),
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
    let payload: Vec<u8> = (0..samples.len()).map(|place| place as u8).collect();
    mp4_atom::Header {
        kind: FourCC::new(b"mdat"),
        size: Some(payload.len()),
    }
    .encode(&mut bytes)
    .unwrap();
    bytes.extend(payload);
    bytes
}
