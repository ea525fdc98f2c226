//! What kind of file it is, by its first bytes and never by its name.

use cattube_contract::event::RejectionCode;

use super::{Container, IndexError, SparseBytes};

/// So many bytes are looked at, and fetched at first: a `moov` in front often fits.
const FRONT_BYTES: u64 = 64 << 10;

/// Decides what the file is.
pub(super) fn sniff(bytes: &SparseBytes) -> Result<Container, IndexError> {
    if bytes.size_bytes() == 0 {
        return Err(IndexError::rejected(
            RejectionCode::Empty,
            "The file is empty.",
        ));
    }
    let front = bytes.get(0..FRONT_BYTES)?;
    container(&front).ok_or_else(|| refusal(&front))
}

/// A box of this kind begins an MP4 or QuickTime file.
fn begins_mp4(front: &[u8]) -> bool {
    const FIRST: [&[u8]; 12] = [
        b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"moof", b"uuid",
        b"sidx", b"udta",
    ];
    front.get(4..8).is_some_and(|kind| FIRST.contains(&kind))
}

fn container(front: &[u8]) -> Option<Container> {
    const ASF: &[u8] = &[
        0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce,
        0x6c,
    ];
    const MXF: &[u8] = &[0x06, 0x0e, 0x2b, 0x34, 0x02, 0x05, 0x01, 0x01];
    if begins_mp4(front) && !is_picture_brand(front) {
        return Some(Container::Mp4);
    }
    if front.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) {
        return Some(Container::Matroska);
    }
    let is_riff = front.starts_with(b"RIFF") || front.starts_with(b"RF64");
    if is_riff && front.get(8..11) == Some(b"AVI") {
        return Some(Container::Other("avi"));
    }
    for (magic, format) in [
        (&b"FLV\x01"[..], "flv"),
        (b"OggS", "ogg"),
        (ASF, "asf"),
        (MXF, "mxf"),
        (&[0, 0, 1, 0xba], "mpeg"),
        (&[0, 0, 1, 0xb3], "mpegvideo"),
    ] {
        if front.starts_with(magic) {
            return Some(Container::Other(format));
        }
    }
    is_transport_stream(front).then_some(Container::Other("mpegts"))
}

/// HEIF and AVIF pictures are boxes too.
fn is_picture_brand(front: &[u8]) -> bool {
    const PICTURES: [&[u8]; 8] = [
        b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"hevc", b"crx ",
    ];
    front.get(4..8) == Some(b"ftyp")
        && front
            .get(8..12)
            .is_some_and(|brand| PICTURES.contains(&brand))
}

/// A sync byte at the head of several packets of 188 bytes (192 with a time code in front,
/// 204 with a checksum behind), perhaps after a part of one.
fn is_transport_stream(front: &[u8]) -> bool {
    const PACKETS: usize = 5;
    [188_usize, 192, 204].iter().any(|packet| {
        (0..*packet).any(|start| {
            let mut heads = front.iter().skip(start).step_by(*packet).take(PACKETS);
            heads.len() == PACKETS && heads.all(|byte| *byte == 0x47)
        })
    })
}

fn refusal(front: &[u8]) -> IndexError {
    if let Some(script) = script(front) {
        return IndexError::rejected(
            RejectionCode::Playlist,
            format!("The file is {script}: it names other files instead of holding a video."),
        );
    }
    let looks_like = KNOWN
        .iter()
        .find(|(magic, _)| front.starts_with(magic))
        .map(|(_, name)| *name)
        .or_else(|| is_picture_brand(front).then_some("a HEIF or AVIF picture"))
        .or_else(|| riff(front))
        .or_else(|| is_text(front).then_some("text"))
        .unwrap_or("no known kind of file");
    IndexError::rejected(
        RejectionCode::NotAVideo,
        format!("The file is not a video: it looks like {looks_like}."),
    )
}

const KNOWN: &[(&[u8], &str)] = &[
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"8BPS", "a Photoshop picture"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"ID3", "an MP3 sound file"),
    (b"\xff\xfb", "an MP3 sound file"),
    (b"\xff\xf3", "an MP3 sound file"),
    (b"\xff\xf1", "an AAC sound file"),
    (b"fLaC", "a FLAC sound file"),
    (b"FORM", "an AIFF sound file"),
    (b"SQLite format 3", "a database"),
];

fn riff(front: &[u8]) -> Option<&'static str> {
    if !front.starts_with(b"RIFF") {
        return None;
    }
    match front.get(8..12)? {
        b"WAVE" => Some("a WAV sound file"),
        b"WEBP" => Some("a WebP picture"),
        _ => None,
    }
}

/// What a playlist or script is, if it is one.
fn script(front: &[u8]) -> Option<&'static str> {
    if !is_text(front) {
        return None;
    }
    let text = String::from_utf8_lossy(front.get(..4_096).unwrap_or(front));
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let lower = text.to_ascii_lowercase();
    let is_xml = lower.starts_with('<');
    let markup = [
        ("<mpd", "a DASH manifest"),
        ("<smil", "a SMIL playlist"),
        ("<asx", "an ASX playlist"),
        ("<smoothstreamingmedia", "a Smooth Streaming manifest"),
        ("xspf", "an XSPF playlist"),
    ];
    let first = [
        ("#extm3u", "an M3U playlist"),
        ("#ext-x-", "an M3U playlist"),
        ("#extinf", "an M3U playlist"),
        ("ffconcat", "a concat script"),
        ("[playlist]", "a PLS playlist"),
        ("[reference]", "an ASX playlist"),
        ("rtsptext", "an RTSP reference"),
        ("rtsp://", "a list of addresses"),
        ("http://", "a list of addresses"),
        ("https://", "a list of addresses"),
        ("file:", "a list of files"),
        ("v=0", "an SDP description"),
    ];
    let in_markup = markup.iter().find(|(tag, _)| is_xml && lower.contains(tag));
    let in_front = first.iter().find(|(start, _)| lower.starts_with(start));
    let concat = || {
        let is_line = |line: &str| {
            let line = line.trim_start();
            line.starts_with("file '") || line.starts_with("file \"") || line.starts_with("file /")
        };
        lower
            .lines()
            .take(64)
            .any(is_line)
            .then_some("a concat script")
    };
    in_front
        .or(in_markup)
        .map(|(_, name)| *name)
        .or_else(concat)
}

/// No byte that text does not have.
fn is_text(front: &[u8]) -> bool {
    let is_wide = front.starts_with(&[0xff, 0xfe]) || front.starts_with(&[0xfe, 0xff]);
    let is_control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c);
    is_wide || !front.iter().take(4_096).any(is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniffed(front: &[u8]) -> Result<Container, RejectionCode> {
        let mut bytes = SparseBytes::new(u64::try_from(front.len()).unwrap());
        bytes.insert(0, front.to_vec());
        sniff(&bytes).map_err(|error| {
            let IndexError::Rejected { code, .. } = error else {
                panic!("{error}");
            };
            code
        })
    }

    #[test]
    fn kinds_are_known_by_their_first_bytes() {
        let mut ts = vec![0; 188 * 8];
        ts.iter_mut().step_by(188).for_each(|byte| *byte = 0x47);
        let mut m2ts = vec![0; 192 * 8];
        m2ts.iter_mut()
            .skip(4)
            .step_by(192)
            .for_each(|byte| *byte = 0x47);
        for (front, container) in [
            (&b"\0\0\0\x18ftypmp42....."[..], Container::Mp4),
            (b"\0\0\0\x08wide\0\0\0\0mdat", Container::Mp4),
            (b"\x1a\x45\xdf\xa3....", Container::Matroska),
            (b"RIFF....AVI LIST", Container::Other("avi")),
            (b"FLV\x01....", Container::Other("flv")),
            (b"OggS....", Container::Other("ogg")),
            (b"\0\0\x01\xba....", Container::Other("mpeg")),
            (&ts, Container::Other("mpegts")),
            (&ts[60..], Container::Other("mpegts")),
            (&m2ts, Container::Other("mpegts")),
        ] {
            assert_eq!(sniffed(front), Ok(container));
        }
    }

    #[test]
    fn playlists_and_other_files_are_refused() {
        for text in [
            "#EXTM3U\n#EXT-X-VERSION:3\n",
            "\u{feff}#EXTM3U\n",
            "ffconcat version 1.0\nfile 'a.mp4'\n",
            "# my list\nfile '/etc/passwd'\n",
            "<?xml version=\"1.0\"?>\n<MPD xmlns=\"x\">",
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1",
            "[playlist]\nFile1=a.mp4",
            "<ASX version=\"3.0\">",
            "http://169.254.169.254/latest/meta-data/",
        ] {
            assert_eq!(
                sniffed(text.as_bytes()),
                Err(RejectionCode::Playlist),
                "{text}"
            );
        }
        for front in [
            &b"\xff\xd8\xff\xe0"[..],
            b"\x89PNG\r\n",
            b"PK\x03\x04",
            b"%PDF-1.7",
            b"hello",
            b"RIFF....WAVE",
            b"\0\0\0\x18ftypheic....",
            b"\x01\x02\x03",
        ] {
            assert_eq!(sniffed(front), Err(RejectionCode::NotAVideo), "{front:?}");
        }
        assert_eq!(sniffed(b""), Err(RejectionCode::Empty));
    }

    fn reason(front: &[u8]) -> String {
        let mut bytes = SparseBytes::new(u64::try_from(front.len()).unwrap());
        bytes.insert(0, front.to_vec());
        sniff(&bytes).unwrap_err().to_string()
    }

    #[test]
    fn what_it_looks_like_is_said() {
        for (front, words) in [
            (&b"RIFF....WAVEfmt "[..], "a WAV sound file"),
            (b"RIFF....WEBPVP8 ", "a WebP picture"),
            (b"RIFF....CDDA\0\0\0\0", "no known kind of file"),
            (b"XIFF....WAVE\0\0\0\0", "no known kind of file"),
            (b"\0\0\0\x18ftypavif....", "a HEIF or AVIF picture"),
            (b"ID3\x03\0", "an MP3 sound file"),
            (b"just text\tand more\r\n\x0c", "text"),
            (b"\xff\xfea\0b\0", "text"),
            (b"\xfe\xff\0a\0b", "text"),
            (b"text\x1fno", "no known kind of file"),
        ] {
            let reason = reason(front);
            assert!(reason.contains(words), "{front:?}: {reason}");
        }
        for (text, words) in [
            ("#EXT-X-VERSION:3", "an M3U playlist"),
            ("#EXTINF:4,", "an M3U playlist"),
            ("[Reference]\nRef1=x", "an ASX playlist"),
            ("RTSPtext\nrtsp://x", "an RTSP reference"),
            ("rtsp://x", "a list of addresses"),
            ("https://x", "a list of addresses"),
            ("file:/etc/passwd", "a list of files"),
            ("<smil>", "a SMIL playlist"),
            ("<SmoothStreamingMedia>", "a Smooth Streaming manifest"),
            (
                "<playlist xmlns=\"http://xspf.org/ns/0/\">",
                "an XSPF playlist",
            ),
            ("# x\n  file \"a\"", "a concat script"),
            ("# x\nfile /a", "a concat script"),
        ] {
            let reason = reason(text.as_bytes());
            assert!(reason.contains(words), "{text}: {reason}");
        }
        // A tag makes no playlist of what is no markup, and what is far down is not looked at.
        assert!(reason(b"about <smil> and xspf").contains("text"));
        let far = ["a\n".repeat(64), "file '/a'\n".to_owned()].concat();
        assert!(reason(far.as_bytes()).contains("looks like text"));
    }

    #[test]
    fn more_kinds_by_their_first_bytes() {
        let stream = |packet: usize, packets: usize, start: usize| {
            let mut bytes = vec![0; start + packet * packets];
            let heads = bytes.iter_mut().skip(start).step_by(packet);
            heads.for_each(|byte| *byte = 0x47);
            bytes
        };
        let ts = Ok(Container::Other("mpegts"));
        assert_eq!(sniffed(&stream(188, 5, 0)), ts);
        assert_eq!(sniffed(&stream(204, 5, 203)), ts);
        assert_eq!(sniffed(&stream(192, 5, 191)), ts);
        assert_eq!(sniffed(&stream(188, 4, 0)), Err(RejectionCode::NotAVideo));
        assert_eq!(sniffed(&stream(190, 8, 0)), Err(RejectionCode::NotAVideo));
        for (front, container) in [
            (&b"RF64....AVI LIST"[..], "avi"),
            (b"\0\0\x01\xb3....", "mpegvideo"),
            (b"\x06\x0e\x2b\x34\x02\x05\x01\x01..", "mxf"),
            (
                b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",
                "asf",
            ),
        ] {
            assert_eq!(sniffed(front), Ok(Container::Other(container)));
        }
    }
}
