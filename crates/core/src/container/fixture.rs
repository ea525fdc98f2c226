//! Tiny files for tests.

use super::{IndexError, MasterIndex, SparseBytes, index};

/// Calls [`index`] until it is done, as a planner does, and counts the reads.
pub(crate) fn drive(file: &[u8]) -> (Result<MasterIndex, IndexError>, usize) {
    let size = u64::try_from(file.len()).unwrap();
    let mut bytes = SparseBytes::new(size);
    for reads in 0.. {
        assert!(reads < 10_000, "the index never comes to an end");
        match index(&bytes) {
            Err(IndexError::Need(range)) => {
                assert!(range.start < range.end && range.end <= size, "{range:?}");
                assert!(bytes.get(range.clone()).is_err(), "{range:?} is known");
                let start = usize::try_from(range.start).unwrap();
                let end = usize::try_from(range.end).unwrap();
                bytes.insert(range.start, file[start..end].to_vec());
            }
            other => return (other, reads),
        }
    }
    unreachable!()
}

/// A box.
pub(crate) fn atom(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [&size.to_be_bytes()[..], &kind, body].concat()
}

/// A box with version and flags.
pub(crate) fn full(kind: [u8; 4], version: u8, body: &[u8]) -> Vec<u8> {
    atom(kind, &[&[version, 0, 0, 0][..], body].concat())
}

/// Numbers of 32 bits.
pub(crate) fn words(values: &[u32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect()
}

pub(crate) const UPRIGHT: [i32; 4] = [0x1_0000, 0, 0, 0x1_0000];

/// A track: every sample is a chunk of its own.
#[derive(Clone)]
pub(crate) struct TrackSpec {
    pub(crate) handler: [u8; 4],
    pub(crate) entry: Vec<u8>,
    pub(crate) timescale: u32,
    pub(crate) turn: [i32; 4],
    pub(crate) samples: Vec<SampleSpec>,
    /// Length in ticks of the movie (1,000 a second), media time.
    pub(crate) edits: Vec<(u32, i32)>,
}

/// A packet: its bytes are its payload.
#[derive(Clone)]
pub(crate) struct SampleSpec {
    pub(crate) bytes: Vec<u8>,
    pub(crate) duration: u32,
    pub(crate) shift: i32,
    pub(crate) is_sync: bool,
}

pub(crate) fn video_entry(kind: [u8; 4], width: u16, height: u16, boxes: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 24];
    body.extend(width.to_be_bytes());
    body.extend(height.to_be_bytes());
    body.extend([0; 50]);
    body.extend(boxes);
    atom(kind, &body)
}

pub(crate) fn audio_entry(kind: [u8; 4], rate: u32) -> Vec<u8> {
    let mut body = vec![0; 16];
    body.extend([0, 2, 0, 16, 0, 0, 0, 0]);
    body.extend((rate << 16).to_be_bytes());
    atom(kind, &body)
}

/// `count` pictures of `duration` ticks, every `group`-th a key frame.
pub(crate) fn video_track(count: usize, timescale: u32, duration: u32, group: usize) -> TrackSpec {
    TrackSpec {
        handler: *b"vide",
        entry: video_entry(*b"vp09", 640, 360, &[]),
        timescale,
        turn: UPRIGHT,
        samples: (0..count)
            .map(|place| SampleSpec {
                bytes: vec![u8::try_from(place % 251).unwrap(); 10 + place % 7],
                duration,
                shift: 0,
                is_sync: place % group == 0,
            })
            .collect(),
        edits: Vec::new(),
    }
}

/// `count` packets of AAC's length.
pub(crate) fn audio_track(count: usize, rate: u32) -> TrackSpec {
    TrackSpec {
        handler: *b"soun",
        entry: audio_entry(*b"mp4a", rate),
        timescale: rate,
        turn: UPRIGHT,
        samples: (0..count)
            .map(|place| SampleSpec {
                bytes: vec![u8::try_from(place % 251).unwrap(); 5],
                duration: 1_024,
                shift: 0,
                is_sync: true,
            })
            .collect(),
        edits: Vec::new(),
    }
}

/// `ftyp`, `mdat`, `moov`: the tracks' packets follow each other in turn.
pub(crate) fn mp4(tracks: &[TrackSpec]) -> Vec<u8> {
    let mut file = atom(*b"ftyp", b"isom\0\0\0\0isom");
    let mut data = Vec::new();
    let mut offsets = vec![Vec::new(); tracks.len()];
    let longest = tracks
        .iter()
        .map(|track| track.samples.len())
        .max()
        .unwrap_or(0);
    for place in 0..longest {
        for (track, offsets) in tracks.iter().zip(&mut offsets) {
            if let Some(sample) = track.samples.get(place) {
                offsets.push(u32::try_from(file.len() + 8 + data.len()).unwrap());
                data.extend(&sample.bytes);
            }
        }
    }
    file.extend(atom(*b"mdat", &data));
    let mut moov = full(*b"mvhd", 0, &words(&[0, 0, 1_000, 0]));
    for ((track, offsets), id) in tracks.iter().zip(&offsets).zip(1..) {
        moov.extend(trak(track, offsets, id));
    }
    file.extend(atom(*b"moov", &moov));
    file
}

fn trak(track: &TrackSpec, offsets: &[u32], id: u32) -> Vec<u8> {
    let [a, b, c, d] = track.turn.map(i32::cast_unsigned);
    let mut tkhd = words(&[0, 0, id, 0, 0, 0, 0, 0, 0]);
    tkhd.extend(words(&[
        a,
        b,
        0,
        c,
        d,
        0,
        0,
        0,
        0x4000_0000,
        640 << 16,
        360 << 16,
    ]));
    let mut tkhd = full(*b"tkhd", 0, &tkhd);
    tkhd[11] = 1;
    let count = |length: usize| u32::try_from(length).unwrap();
    let stbl = [
        full(*b"stsd", 0, &[words(&[1]), track.entry.clone()].concat()),
        table(
            *b"stts",
            track.samples.iter().flat_map(|s| [1, s.duration]),
            2,
        ),
        table(
            *b"ctts",
            track
                .samples
                .iter()
                .flat_map(|s| [1, s.shift.cast_unsigned()]),
            2,
        ),
        table(*b"stsc", [1, 1, 1], 3),
        full(
            *b"stsz",
            0,
            &[
                words(&[0, count(track.samples.len())]),
                words(
                    &track
                        .samples
                        .iter()
                        .map(|s| count(s.bytes.len()))
                        .collect::<Vec<_>>(),
                ),
            ]
            .concat(),
        ),
        table(*b"stco", offsets.iter().copied(), 1),
        table(
            *b"stss",
            (1..)
                .zip(&track.samples)
                .filter(|(_, sample)| sample.is_sync)
                .map(|(number, _)| number),
            1,
        ),
    ]
    .concat();
    let hdlr = [words(&[0]), track.handler.to_vec(), words(&[0; 3]), vec![0]].concat();
    let mdia = [
        full(*b"mdhd", 0, &words(&[0, 0, track.timescale, 0, 0])),
        full(*b"hdlr", 0, &hdlr),
        atom(*b"minf", &atom(*b"stbl", &stbl)),
    ]
    .concat();
    let edits = track
        .edits
        .iter()
        .flat_map(|(length, time)| [*length, time.cast_unsigned(), 0x1_0000]);
    let edit_box = if track.edits.is_empty() {
        Vec::new()
    } else {
        atom(*b"edts", &table(*b"elst", edits, 3))
    };
    atom(*b"trak", &[tkhd, edit_box, atom(*b"mdia", &mdia)].concat())
}

fn table(kind: [u8; 4], values: impl IntoIterator<Item = u32>, width: usize) -> Vec<u8> {
    let values: Vec<u32> = values.into_iter().collect();
    let count = u32::try_from(values.len() / width).unwrap();
    full(kind, 0, &[words(&[count]), words(&values)].concat())
}

/// An EBML element of a size below 2^28.
pub(crate) fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let id = id.to_be_bytes();
    let skip = id.iter().take_while(|byte| **byte == 0).count();
    let size = u32::try_from(body.len()).unwrap() | 0x1000_0000;
    [&id[skip..], &size.to_be_bytes(), body].concat()
}

/// A WebM file of `count` pictures 40 ms apart, in clusters of `group`, with cues.
pub(crate) fn webm(count: u32, group: u32) -> Vec<u8> {
    webm_after_sound(&[], count, group)
}

/// The same after sound: clusters of one block of 20 ms and so many bytes each.
pub(crate) fn webm_after_sound(sound: &[usize], count: u32, group: u32) -> Vec<u8> {
    let number = |id, value: u32| element(id, &value.to_be_bytes());
    let picture = [number(0xb0, 640), number(0xba, 360)].concat();
    let entry = [
        number(0xd7, 1),
        number(0x83, 1),
        element(0x86, b"V_VP9"),
        element(0xe0, &picture),
    ]
    .concat();
    let mut tracks = element(0xae, &entry);
    if !sound.is_empty() {
        let entry = [number(0xd7, 2), number(0x83, 2), element(0x86, b"A_OPUS")];
        tracks.extend(element(0xae, &entry.concat()));
    }
    let front = [
        element(0x1549_a966, &number(0x2a_d7b1, 1_000_000)),
        element(0x1654_ae6b, &tracks),
    ]
    .concat();
    // A seek head of one seek, of known size.
    let seek_head = |position: u32| {
        let seek = [number(0x53ab, 0x1c53_bb6b), number(0x53ac, position)].concat();
        element(0x114d_9b74, &element(0x4dbb, &seek))
    };
    let mut body = [seek_head(0), front].concat();
    let mut cues = Vec::new();
    let mut start_ms = 0;
    for bytes in sound {
        let block = element(0xa3, &[vec![0x82, 0, 0, 0x80], vec![7; *bytes]].concat());
        let cluster = [number(0xe7, start_ms), block].concat();
        body.extend(element(0x1f43_b675, &cluster));
        start_ms += 20;
    }
    for first in (0..count).step_by(usize::try_from(group).unwrap()) {
        let place = u32::try_from(body.len()).unwrap();
        let positions = [number(0xf7, 1), number(0xf1, place), number(0xf0, 8)].concat();
        cues.extend(element(
            0xbb,
            &[
                number(0xb3, start_ms + first * 40),
                element(0xb7, &positions),
            ]
            .concat(),
        ));
        let mut cluster = number(0xe7, start_ms + first * 40);
        for picture in first..count.min(first + group) {
            let shift = u16::try_from((picture - first) * 40).unwrap();
            let flags = if picture == first { 0x80 } else { 0 };
            let head = [&[0x81][..], &shift.to_be_bytes(), &[flags]].concat();
            cluster.extend(element(0xa3, &[head, vec![7; 20]].concat()));
        }
        body.extend(element(0x1f43_b675, &cluster));
    }
    let cues_at = u32::try_from(body.len()).unwrap();
    let seek_head = seek_head(cues_at);
    body[..seek_head.len()].copy_from_slice(&seek_head);
    body.extend(element(0x1c53_bb6b, &cues));
    [
        element(0x1a45_dfa3, &element(0x4282, b"webm")),
        element(0x1853_8067, &body),
    ]
    .concat()
}
