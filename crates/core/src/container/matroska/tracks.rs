//! The `Tracks` element.

use cattube_contract::event::RejectionCode;
use cattube_contract::media::{DynamicRange, Rational, Rotation};

use super::ebml::{child, child_unsigned, children, id, whole_float};
use crate::container::{IndexError, codec, rate, vui};

/// A picture track.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Video {
    pub(super) number: u64,
    pub(super) stream: u32,
    pub(super) codec: &'static str,
    pub(super) width_px: u32,
    pub(super) height_px: u32,
    pub(super) pixel_aspect: Rational,
    pub(super) rotation: Rotation,
    pub(super) dynamic_range: DynamicRange,
    /// Nanoseconds a frame, if told.
    pub(super) frame_ns: Option<u64>,
}

/// A sound track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Audio {
    pub(super) number: u64,
    pub(super) stream: u32,
    pub(super) codec: &'static str,
    pub(super) sample_rate_hz: u32,
}

/// What every entry has.
struct Entry<'a> {
    body: &'a [u8],
    number: u64,
    stream: u32,
    is_default: bool,
    codec_id: String,
    codec_private: &'a [u8],
}

const VIDEO_TYPE: u64 = 1;
const AUDIO_TYPE: u64 = 2;

/// Codec ids longer than this are cut.
const MAX_CODEC_ID_BYTES: usize = 64;

/// Tracks behind this many are not looked at.
const MAX_TRACKS: usize = 256;

/// The first enabled picture track.
pub(super) fn video(tracks: &[u8]) -> Result<Video, IndexError> {
    let entry = entries(tracks, VIDEO_TYPE).next().ok_or_else(|| {
        let count = children(tracks)
            .filter(|element| element.id == id::TRACK_ENTRY)
            .count();
        IndexError::rejected(
            RejectionCode::NoVideoTrack,
            format!("The file has no video track among its {count} tracks."),
        )
    })?;
    let unsupported = |reason| IndexError::rejected(RejectionCode::UnsupportedCodec, reason);
    if is_encrypted(entry.body) {
        return Err(unsupported(
            "The video track is encrypted; only unprotected video can be read.".to_owned(),
        ));
    }
    let codec = video_codec(&entry).ok_or_else(|| {
        unsupported(format!(
            "The video codec `{}` is not supported.",
            entry.codec_id.escape_default()
        ))
    })?;
    let picture = child(entry.body, id::VIDEO).unwrap_or_default();
    let side = |id| {
        child_unsigned(picture, id)
            .and_then(|side| u32::try_from(side).ok())
            .unwrap_or(0)
    };
    let usability = match codec {
        "h264" => vui::from_avcc(entry.codec_private),
        "hevc" => vui::from_hvcc(entry.codec_private),
        _ => None,
    }
    .unwrap_or_default();
    let transfer = child(picture, id::COLOUR)
        .and_then(|colour| child_unsigned(colour, id::TRANSFER))
        .and_then(|transfer| u32::try_from(transfer).ok())
        .filter(|transfer| *transfer != 2)
        .or(usability.transfer);
    let (width_px, height_px) = (side(id::PIXEL_WIDTH), side(id::PIXEL_HEIGHT));
    Ok(Video {
        number: entry.number,
        stream: entry.stream,
        codec,
        width_px,
        height_px,
        pixel_aspect: pixel_aspect(picture, width_px, height_px)
            .or(usability.pixel_aspect)
            .unwrap_or(Rational { num: 1, den: 1 }),
        rotation: rotation(picture),
        dynamic_range: vui::dynamic_range(transfer.unwrap_or(0)),
        frame_ns: child_unsigned(entry.body, id::DEFAULT_DURATION).filter(|ns| *ns > 0),
    })
}

/// The first enabled sound track of a known codec, those marked as default before others.
pub(super) fn audio(tracks: &[u8]) -> Option<Audio> {
    let known = || {
        entries(tracks, AUDIO_TYPE).filter_map(|entry| {
            let codec = codec::audio_by_matroska(&entry.codec_id)?;
            (!is_encrypted(entry.body)).then_some((codec, entry))
        })
    };
    let (codec, entry) = known()
        .find(|(_, entry)| entry.is_default)
        .or_else(|| known().next())?;
    let sound = child(entry.body, id::AUDIO).unwrap_or_default();
    let rate = child(sound, id::SAMPLING_FREQUENCY).and_then(whole_float);
    Some(Audio {
        number: entry.number,
        stream: entry.stream,
        codec,
        sample_rate_hz: rate
            .and_then(|rate| u32::try_from(rate).ok())
            .filter(|rate| *rate > 0)
            // RFC 9559 §5.1.4.1.29.1
            .unwrap_or(8_000),
    })
}

fn entries(tracks: &[u8], kind: u64) -> impl Iterator<Item = Entry<'_>> {
    let of_kind = children(tracks)
        .filter(|element| element.id == id::TRACK_ENTRY)
        .take(MAX_TRACKS)
        .map(|element| element.body)
        .filter(move |body| child_unsigned(body, id::TRACK_TYPE) == Some(kind));
    (0_u32..).zip(of_kind).filter_map(|(stream, body)| {
        let is_enabled = child_unsigned(body, id::FLAG_ENABLED) != Some(0);
        let codec_id = child(body, id::CODEC_ID).unwrap_or_default();
        let codec_id = codec_id.get(..MAX_CODEC_ID_BYTES).unwrap_or(codec_id);
        is_enabled.then_some(Entry {
            body,
            number: child_unsigned(body, id::TRACK_NUMBER)?,
            stream,
            is_default: child_unsigned(body, id::FLAG_DEFAULT) != Some(0),
            codec_id: String::from_utf8_lossy(codec_id)
                .trim_end_matches('\0')
                .to_owned(),
            codec_private: child(body, id::CODEC_PRIVATE).unwrap_or_default(),
        })
    })
}

fn is_encrypted(entry: &[u8]) -> bool {
    let encodings = child(entry, id::CONTENT_ENCODINGS).unwrap_or_default();
    children(encodings)
        .filter(|element| element.id == id::CONTENT_ENCODING)
        .any(|encoding| child(encoding.body, id::CONTENT_ENCRYPTION).is_some())
}

/// Some codecs are named by the four letters of AVI or QuickTime in their private bytes.
fn video_codec(entry: &Entry<'_>) -> Option<&'static str> {
    let letters = |from: usize| {
        let end = from.checked_add(4)?;
        <[u8; 4]>::try_from(entry.codec_private.get(from..end)?).ok()
    };
    match entry.codec_id.as_str() {
        "V_MS/VFW/FOURCC" => match &letters(16)?.map(|letter| letter.to_ascii_uppercase()) {
            b"H264" | b"AVC1" | b"X264" => Some("h264"),
            b"HEVC" | b"HEV1" | b"HVC1" => Some("hevc"),
            b"XVID" | b"DIVX" | b"DX50" | b"FMP4" | b"MP4V" => Some("mpeg4"),
            b"MJPG" => Some("mjpeg"),
            b"FFV1" => Some("ffv1"),
            b"WMV3" => Some("wmv3"),
            b"WVC1" => Some("vc1"),
            _ => None,
        },
        "V_QUICKTIME" => codec::video_by_fourcc(letters(4)?),
        known => codec::video_by_matroska(known),
    }
}

/// The display size against the stored size; `None` where they do not tell.
fn pixel_aspect(picture: &[u8], width_px: u32, height_px: u32) -> Option<Rational> {
    /// "Unknown" display unit (RFC 9559 §5.1.4.1.28.14).
    const UNKNOWN_UNIT: u64 = 4;
    let display_width = child_unsigned(picture, id::DISPLAY_WIDTH)?;
    let display_height = child_unsigned(picture, id::DISPLAY_HEIGHT)?;
    if child_unsigned(picture, id::DISPLAY_UNIT) == Some(UNKNOWN_UNIT) {
        return None;
    }
    rate::reduce(
        display_width.checked_mul(u64::from(height_px))?,
        display_height.checked_mul(u64::from(width_px))?,
    )
}

/// A quarter turn, which Matroska says as the roll of a rectangular projection, in degrees
/// counter-clockwise (RFC 9559 §5.1.4.1.28.45).
fn rotation(picture: &[u8]) -> Rotation {
    let projection = child(picture, id::PROJECTION).unwrap_or_default();
    if child_unsigned(projection, id::PROJECTION_TYPE).unwrap_or(0) != 0 {
        return Rotation::None;
    }
    match child(projection, id::PROJECTION_ROLL).and_then(whole_float) {
        Some(90 | -270) => Rotation::Clockwise270,
        Some(180 | -180) => Rotation::Half,
        Some(-90 | 270) => Rotation::Clockwise90,
        _ => Rotation::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::fixture::element;

    fn number(id: u32, value: u32) -> Vec<u8> {
        element(id, &value.to_be_bytes())
    }

    fn float(id: u32, value: f64) -> Vec<u8> {
        element(id, &value.to_be_bytes())
    }

    fn entry(kind: u64, codec: &str, more: &[Vec<u8>]) -> Vec<u8> {
        let mut body = number(id::TRACK_NUMBER, 7);
        body.extend(number(id::TRACK_TYPE, u32::try_from(kind).unwrap()));
        body.extend(element(id::CODEC_ID, codec.as_bytes()));
        body.extend(more.concat());
        element(id::TRACK_ENTRY, &body)
    }

    fn picture(more: &[Vec<u8>]) -> Vec<u8> {
        let size = [number(id::PIXEL_WIDTH, 640), number(id::PIXEL_HEIGHT, 360)];
        element(id::VIDEO, &[size.concat(), more.concat()].concat())
    }

    fn read(codec: &str, more: &[Vec<u8>]) -> Video {
        video(&entry(VIDEO_TYPE, codec, more)).unwrap()
    }

    #[test]
    fn pictures_are_named_by_their_id_or_by_four_letters() {
        let private = |bytes: &[u8]| element(id::CODEC_PRIVATE, bytes);
        let windows = |letters: &[u8]| {
            let private = private(&[&[0; 16][..], letters, &[0; 4]].concat());
            read("V_MS/VFW/FOURCC", &[picture(&[]), private]).codec
        };
        for (codec, all) in [
            ("h264", &[b"H264", b"avc1", b"x264"][..]),
            ("hevc", &[b"HEVC", b"hev1", b"HVC1"]),
            ("mpeg4", &[b"XVID", b"divx", b"DX50", b"FMP4", b"mp4v"]),
            ("mjpeg", &[b"MJPG"]),
            ("ffv1", &[b"FFV1"]),
            ("wmv3", &[b"WMV3"]),
            ("vc1", &[b"WVC1"]),
        ] {
            for letters in all {
                assert_eq!(windows(&letters[..]), codec);
            }
        }
        let unknown = [picture(&[]), private(&[0; 40])];
        let error = video(&entry(VIDEO_TYPE, "V_MS/VFW/FOURCC", &unknown)).unwrap_err();
        assert!(error.to_string().contains("V_MS/VFW/FOURCC"), "{error}");
        let quicktime = [picture(&[]), private(b"\0\0\0\x56SVQ3")];
        assert_eq!(read("V_QUICKTIME", &quicktime).codec, "svq3");
        // Names may end in zeros.
        assert_eq!(read("V_VP8\0\0", &[picture(&[])]).codec, "vp8");
    }

    #[test]
    fn shape_turn_and_light() {
        let with = |more: &[Vec<u8>]| read("V_VP9", &[picture(more)]);
        let square = Rational { num: 1, den: 1 };
        let plain = with(&[]);
        assert_eq!(
            (plain.width_px, plain.height_px, plain.number),
            (640, 360, 7)
        );
        assert_eq!((plain.pixel_aspect, plain.frame_ns), (square, None));
        let display = [
            number(id::DISPLAY_WIDTH, 640),
            number(id::DISPLAY_HEIGHT, 480),
        ];
        assert_eq!(with(&display).pixel_aspect, Rational { num: 3, den: 4 });
        let unit = |unit| [&display[..], &[number(id::DISPLAY_UNIT, unit)]].concat();
        assert_eq!(with(&unit(3)).pixel_aspect, Rational { num: 3, den: 4 });
        assert_eq!(with(&unit(4)).pixel_aspect, square);
        let turned = |kind: u32, roll: f64| {
            let projection = [
                number(id::PROJECTION_TYPE, kind),
                float(id::PROJECTION_ROLL, roll),
            ];
            with(&[element(id::PROJECTION, &projection.concat())]).rotation
        };
        for (roll, rotation) in [
            (90.0, Rotation::Clockwise270),
            (-270.0, Rotation::Clockwise270),
            (180.0, Rotation::Half),
            (-180.0, Rotation::Half),
            (-90.0, Rotation::Clockwise90),
            (270.0, Rotation::Clockwise90),
            (0.0, Rotation::None),
            (45.0, Rotation::None),
        ] {
            assert_eq!(turned(0, roll), rotation, "{roll}");
            assert_eq!(turned(1, roll), Rotation::None);
        }
        for (transfer, light) in [
            (16, DynamicRange::Pq),
            (18, DynamicRange::Hlg),
            (2, DynamicRange::Sdr),
        ] {
            let colour = element(id::COLOUR, &number(id::TRANSFER, transfer));
            assert_eq!(with(&[colour]).dynamic_range, light);
        }
        let lasting = |ns| read("V_VP9", &[picture(&[]), number(id::DEFAULT_DURATION, ns)]);
        assert_eq!(lasting(40_000_000).frame_ns, Some(40_000_000));
        assert_eq!(lasting(0).frame_ns, None);
    }

    fn encodings(kind: u32) -> Vec<u8> {
        let encoding = element(id::CONTENT_ENCODING, &element(kind, &[1]));
        element(id::CONTENT_ENCODINGS, &encoding)
    }

    #[test]
    fn encrypted_and_disabled_tracks_are_left_out() {
        let encrypted = [picture(&[]), encodings(id::CONTENT_ENCRYPTION)];
        let error = video(&entry(VIDEO_TYPE, "V_VP9", &encrypted)).unwrap_err();
        assert!(error.to_string().contains("encrypted"), "{error}");
        // Compressed is not encrypted.
        let compressed = [picture(&[]), encodings(0x5034)];
        assert_eq!(read("V_VP9", &compressed).codec, "vp9");
        let off = entry(
            VIDEO_TYPE,
            "V_VP8",
            &[picture(&[]), number(id::FLAG_ENABLED, 0)],
        );
        let on = entry(
            VIDEO_TYPE,
            "V_VP9",
            &[picture(&[]), number(id::FLAG_ENABLED, 1)],
        );
        let both = video(&[off.clone(), on].concat()).unwrap();
        assert_eq!((both.codec, both.stream), ("vp9", 1));
        let error = video(&off).unwrap_err().to_string();
        assert!(error.contains("among its 1 tracks"), "{error}");
    }

    #[test]
    fn sound_is_the_default_one_that_can_be_read() {
        let rate = |hz: f64| element(id::AUDIO, &float(id::SAMPLING_FREQUENCY, hz));
        let of = |codec: &str, more: &[Vec<u8>]| entry(AUDIO_TYPE, codec, more);
        let not_default = || number(id::FLAG_DEFAULT, 0);
        let tracks = [
            of("A_AC3", &[rate(48_000.0), not_default()]),
            of("A_SECRET", &[rate(8_000.0)]),
            of(
                "A_OPUS",
                &[rate(48_000.0), encodings(id::CONTENT_ENCRYPTION)],
            ),
            of("A_AAC", &[rate(44_100.0)]),
        ];
        let found = audio(&tracks.concat()).unwrap();
        let expected = Audio {
            number: 7,
            stream: 3,
            codec: "aac",
            sample_rate_hz: 44_100,
        };
        assert_eq!(found, expected);
        let found = audio(&tracks[..2].concat()).unwrap();
        assert_eq!((found.codec, found.stream), ("ac3", 0));
        assert_eq!(audio(&tracks[1]), None);
        assert_eq!(audio(&of("A_AAC", &[])).unwrap().sample_rate_hz, 8_000);
        assert_eq!(
            audio(&of("A_AAC", &[rate(0.0)])).unwrap().sample_rate_hz,
            8_000
        );
        assert_eq!(audio(&entry(VIDEO_TYPE, "A_AAC", &[])), None);
    }
}
