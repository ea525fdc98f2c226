//! Writes a small MP4 master: a picture a second, and perhaps sound.

use super::TIMESCALE;

/// A box.
fn atom(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [&size.to_be_bytes()[..], &kind, body].concat()
}

/// A box with version and flags.
fn full(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    atom(kind, &[&[0, 0, 0, 0][..], body].concat())
}

/// Numbers of 32 bits.
fn words(values: &[u32]) -> Vec<u8> {
    let bytes = values.iter().flat_map(|value| value.to_be_bytes());
    bytes.collect()
}

fn table(kind: [u8; 4], values: impl IntoIterator<Item = u32>, width: usize) -> Vec<u8> {
    let values: Vec<u32> = values.into_iter().collect();
    let count = u32::try_from(values.len() / width).unwrap();
    full(kind, &[words(&[count]), words(&values)].concat())
}

struct Track {
    handler: [u8; 4],
    entry: Vec<u8>,
    timescale: u32,
    packet_ticks: u32,
    packets: Vec<Vec<u8>>,
}

fn pictures(count: usize, width_px: u16, height_px: u16) -> Track {
    let mut entry = vec![0; 24];
    entry.extend(width_px.to_be_bytes());
    entry.extend(height_px.to_be_bytes());
    entry.extend([0; 50]);
    Track {
        handler: *b"vide",
        entry: atom(*b"vp09", &entry),
        timescale: TIMESCALE,
        packet_ticks: TIMESCALE,
        packets: (0..count).map(|place| vec![1, place as u8]).collect(),
    }
}

fn sound(count: usize) -> Track {
    let mut entry = vec![0; 16];
    entry.extend([0, 2, 0, 16, 0, 0, 0, 0]);
    entry.extend((48_000_u32 << 16).to_be_bytes());
    Track {
        handler: *b"soun",
        entry: atom(*b"mp4a", &entry),
        timescale: 48_000,
        packet_ticks: 1_024,
        packets: (0..count).map(|place| vec![2, place as u8]).collect(),
    }
}

/// A master of so many pictures, in one size or two, that is `padding` bytes longer than it
/// has to be.
pub(super) fn master(seconds: usize, wide: bool, has_sound: bool, padding: usize) -> Vec<u8> {
    let (width_px, height_px) = if wide { (8_000, 480) } else { (32, 18) };
    let mut tracks = vec![pictures(seconds, width_px, height_px)];
    if has_sound {
        tracks.push(sound(12));
    }
    let mut file = atom(*b"ftyp", b"isom\0\0\0\0isom");
    if padding > 0 {
        file.extend(atom(*b"free", &vec![0; padding]));
    }
    let mut data = Vec::new();
    let mut offsets = Vec::new();
    for track in &tracks {
        let mut places = Vec::new();
        for packet in &track.packets {
            places.push(u32::try_from(file.len() + 8 + data.len()).unwrap());
            data.extend(packet);
        }
        offsets.push(places);
    }
    file.extend(atom(*b"mdat", &data));
    let mut moov = full(*b"mvhd", &words(&[0, 0, 1_000, 0]));
    for ((track, offsets), id) in tracks.iter().zip(&offsets).zip(1..) {
        moov.extend(trak(track, offsets, id));
    }
    file.extend(atom(*b"moov", &moov));
    file
}

fn trak(track: &Track, offsets: &[u32], id: u32) -> Vec<u8> {
    let one = 0x1_0000;
    let mut tkhd = words(&[0, 0, id, 0, 0, 0, 0, 0, 0]);
    tkhd.extend(words(&[
        one,
        0,
        0,
        0,
        one,
        0,
        0,
        0,
        0x4000_0000,
        32 << 16,
        18 << 16,
    ]));
    let mut tkhd = full(*b"tkhd", &tkhd);
    tkhd[11] = 1;
    let count = u32::try_from(track.packets.len()).unwrap();
    let sizes = track.packets.iter().map(|packet| packet.len() as u32);
    let sizes: Vec<u32> = [0, count].into_iter().chain(sizes).collect();
    let stbl = [
        full(*b"stsd", &[words(&[1]), track.entry.clone()].concat()),
        table(*b"stts", [count, track.packet_ticks], 2),
        table(*b"stsc", [1, 1, 1], 3),
        full(*b"stsz", &words(&sizes)),
        table(*b"stco", offsets.iter().copied(), 1),
        table(*b"stss", 1..=count, 1),
    ]
    .concat();
    let hdlr = [words(&[0]), track.handler.to_vec(), words(&[0; 3]), vec![0]].concat();
    let mdia = [
        full(*b"mdhd", &words(&[0, 0, track.timescale, 0, 0])),
        full(*b"hdlr", &hdlr),
        atom(*b"minf", &atom(*b"stbl", &stbl)),
    ]
    .concat();
    atom(*b"trak", &[tkhd, atom(*b"mdia", &mdia)].concat())
}
