//! Writes the boxes of a small fragmented MP4 (ISO/IEC 14496-12).
//!
//! By hand, since the sample entry is copied byte for byte from the master, whatever codec
//! it describes, and so is its `ftyp`.

/// Appends a box: its size, its four letters and what `body` writes.
pub(super) fn boxed(out: &mut Vec<u8>, kind: [u8; 4], body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&kind);
    body(out);
    let size = u32::try_from(out.len().saturating_sub(start)).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(start..).and_then(<[u8]>::first_chunk_mut::<4>) {
        *field = size.to_be_bytes();
    }
}

/// Appends a box with a version and flags.
pub(super) fn full(
    out: &mut Vec<u8>,
    kind: [u8; 4],
    version: u8,
    flags: u32,
    body: impl FnOnce(&mut Vec<u8>),
) {
    boxed(out, kind, |out| {
        u32s(out, &[(u32::from(version) << 24) | (flags & 0x00ff_ffff)]);
        body(out);
    });
}

/// Appends numbers of 32 bits.
pub(super) fn u32s(out: &mut Vec<u8>, values: &[u32]) {
    for value in values {
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Appends numbers of 16 bits.
pub(super) fn u16s(out: &mut Vec<u8>, values: &[u16]) {
    for value in values {
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Appends the head of an `mdat` whose body of `size_bytes` follows.
pub(super) fn mdat_head(out: &mut Vec<u8>, size_bytes: u64) {
    u32s(out, &[1]);
    out.extend_from_slice(b"mdat");
    out.extend_from_slice(&size_bytes.saturating_add(16).to_be_bytes());
}

/// What a `moov` needs to know of its one track.
pub(super) struct MovieHead<'a> {
    pub(super) is_video: bool,
    pub(super) timescale: u32,
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    /// An `stsd` box.
    pub(super) sample_description: &'a [u8],
}

/// The track's number.
pub(super) const TRACK_ID: u32 = 1;

/// One, as a 16.16 fixed-point number.
const ONE: u32 = 0x0001_0000;

/// No turning, no mirroring.
const IDENTITY: [u32; 9] = [ONE, 0, 0, 0, ONE, 0, 0, 0, 0x4000_0000];

/// Appends a `moov` without samples: they follow in fragments. It has no edit list and no
/// display matrix: the worker turns the picture as the plan says.
pub(super) fn moov(out: &mut Vec<u8>, head: &MovieHead<'_>) {
    boxed(out, *b"moov", |out| {
        full(out, *b"mvhd", 0, 0, |out| {
            u32s(out, &[0, 0, head.timescale, 0, ONE]);
            // volume 1.0, reserved
            u16s(out, &[0x0100, 0]);
            u32s(out, &[0, 0]);
            u32s(out, &IDENTITY);
            u32s(out, &[0; 6]);
            u32s(out, &[TRACK_ID.saturating_add(1)]);
        });
        boxed(out, *b"trak", |out| trak(out, head));
        boxed(out, *b"mvex", |out| {
            full(out, *b"trex", 0, 0, |out| {
                u32s(out, &[TRACK_ID, 1, 0, 0, 0]);
            });
        });
    });
}

fn trak(out: &mut Vec<u8>, head: &MovieHead<'_>) {
    // enabled, in movie
    full(out, *b"tkhd", 0, 3, |out| {
        u32s(out, &[0, 0, TRACK_ID, 0, 0, 0, 0]);
        // layer, alternate group, volume, reserved
        u16s(out, &[0, 0, if head.is_video { 0 } else { 0x0100 }, 0]);
        u32s(out, &IDENTITY);
        u32s(out, &[head.width_px << 16, head.height_px << 16]);
    });
    boxed(out, *b"mdia", |out| {
        full(out, *b"mdhd", 0, 0, |out| {
            u32s(out, &[0, 0, head.timescale, 0]);
            // language "und"
            u16s(out, &[0x55c4, 0]);
        });
        full(out, *b"hdlr", 0, 0, |out| {
            u32s(out, &[0]);
            out.extend_from_slice(if head.is_video { b"vide" } else { b"soun" });
            u32s(out, &[0; 3]);
            out.push(0);
        });
        boxed(out, *b"minf", |out| minf(out, head));
    });
}

fn minf(out: &mut Vec<u8>, head: &MovieHead<'_>) {
    if head.is_video {
        full(out, *b"vmhd", 0, 1, |out| u16s(out, &[0; 4]));
    } else {
        full(out, *b"smhd", 0, 0, |out| u16s(out, &[0; 2]));
    }
    boxed(out, *b"dinf", |out| {
        full(out, *b"dref", 0, 0, |out| {
            u32s(out, &[1]);
            // The data is in this file.
            full(out, *b"url ", 0, 1, |_| {});
        });
    });
    boxed(out, *b"stbl", |out| {
        out.extend_from_slice(head.sample_description);
        full(out, *b"stts", 0, 0, |out| u32s(out, &[0]));
        full(out, *b"stsc", 0, 0, |out| u32s(out, &[0]));
        full(out, *b"stsz", 0, 0, |out| u32s(out, &[0, 0]));
        full(out, *b"stco", 0, 0, |out| u32s(out, &[0]));
    });
}
