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
