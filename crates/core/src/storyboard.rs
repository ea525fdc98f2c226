//! The seek preview: one picture of small tiles, and the WebVTT that says which tile is when.

use std::fmt::Write as _;
use std::io::Cursor;

use cattube_contract::plan::Plan;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{ImageFormat, ImageReader, Limits, RgbImage, imageops};

/// How many tiles a storyboard has at most.
pub const MAX_TILES: usize = 100;

/// Tiles in a row.
const COLUMNS: u32 = 10;

/// JPEG quality of the sprite: tiles are small and were compressed once already.
const QUALITY: u8 = 75;

/// The widest or tallest thumbnail that is read, in pixels: several times our own.
const MAX_SIDE_PX: u32 = 1_024;

/// Memory that one thumbnail's decoder may take, in bytes.
const MAX_DECODER_BYTES: u64 = 16 << 20;

/// Why no storyboard could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoryboardError {
    /// There is nothing to show.
    #[error("a storyboard without thumbnails, or of an empty or too large tile")]
    Empty,
    /// A thumbnail does not decode.
    #[error("the thumbnail at {pts}: {reason}")]
    Thumbnail {
        /// In shifted ticks.
        pts: i64,
        /// The decoder's words.
        reason: String,
    },
    /// The sprite does not encode.
    #[error("the storyboard's picture: {reason}")]
    Encode {
        /// The encoder's words.
        reason: String,
    },
}

/// Picks at most `max` of the times (shifted ticks, in order), evenly, the first always.
#[must_use]
pub fn choose(pts: &[i64], max: usize) -> Vec<i64> {
    let step = pts.len().div_ceil(max.max(1)).max(1);
    pts.iter().copied().step_by(step).take(max).collect()
}

/// The sprite as a JPEG: thumbnails (shifted ticks, JPEG) in film order, in rows of ten,
/// each a tile of `width_px` by `height_px`. A thumbnail of another size is fitted to it.
///
/// # Errors
/// [`StoryboardError`] for none, for over [`MAX_TILES`], and for one that is no sane JPEG.
pub fn compose(
    thumbnails: &[(i64, Vec<u8>)],
    width_px: u32,
    height_px: u32,
) -> Result<Vec<u8>, StoryboardError> {
    let count = u32::try_from(thumbnails.len().min(MAX_TILES + 1)).unwrap_or(u32::MAX);
    let too_many = thumbnails.is_empty() || thumbnails.len() > MAX_TILES;
    let sane = 1..=MAX_SIDE_PX;
    if too_many || !sane.contains(&width_px) || !sane.contains(&height_px) {
        return Err(StoryboardError::Empty);
    }
    let columns = count.min(COLUMNS);
    let rows = count.div_ceil(COLUMNS);
    let mut sprite = RgbImage::new(columns * width_px, rows * height_px);
    for ((pts, jpeg), place) in thumbnails.iter().zip(0_u32..) {
        let tile = decode(*pts, jpeg, width_px, height_px)?;
        let (x, y) = corner(place, width_px, height_px);
        imageops::replace(&mut sprite, &tile, i64::from(x), i64::from(y));
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode_image(&sprite)
        .map_err(|error| StoryboardError::Encode {
            reason: error.to_string(),
        })?;
    Ok(bytes)
}

/// The times of the tiles as WebVTT: `chosen` in shifted ticks, `duration_ticks` the film's
/// length. A tile stands from its own time (the first from the start) to the next one's.
#[must_use]
pub fn webvtt(plan: &Plan, chosen: &[i64], duration_ticks: i64) -> String {
    let encoding = &plan.video.encoding;
    let (width, height) = (encoding.thumbnail_width_px, encoding.thumbnail_height_px);
    let film = |pts: i64| pts.saturating_sub(encoding.shift_ticks);
    let mut text = String::from("WEBVTT\n");
    for (index, place) in (0..chosen.len()).zip(0_u32..) {
        let start = chosen
            .get(index)
            .filter(|_| index > 0)
            .map_or(0, |pts| film(*pts));
        let end = chosen
            .get(index + 1)
            .map_or(duration_ticks, |pts| film(*pts))
            .max(start);
        let (x, y) = corner(place, width, height);
        let _ = write!(
            text,
            "\n{} --> {}\nstoryboard.jpg#xywh={x},{y},{width},{height}\n",
            clock(start, encoding.timescale),
            clock(end, encoding.timescale),
        );
    }
    text
}

/// The upper left corner of a tile in pixels.
fn corner(place: u32, width_px: u32, height_px: u32) -> (u32, u32) {
    (
        (place % COLUMNS).saturating_mul(width_px),
        (place / COLUMNS).saturating_mul(height_px),
    )
}

/// A hostile child made the thumbnail: a JPEG, small, or nothing.
fn decode(
    pts: i64,
    jpeg: &[u8],
    width_px: u32,
    height_px: u32,
) -> Result<RgbImage, StoryboardError> {
    let mut reader = ImageReader::with_format(Cursor::new(jpeg), ImageFormat::Jpeg);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE_PX);
    limits.max_image_height = Some(MAX_SIDE_PX);
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    let picture = reader
        .decode()
        .map_err(|error| StoryboardError::Thumbnail {
            pts,
            reason: error.to_string(),
        })?;
    let picture = picture.into_rgb8();
    if picture.dimensions() == (width_px, height_px) {
        return Ok(picture);
    }
    Ok(imageops::resize(
        &picture,
        width_px,
        height_px,
        FilterType::Triangle,
    ))
}

/// Ticks as `hh:mm:ss.mmm`.
fn clock(ticks: i64, timescale: u32) -> String {
    let millis = i128::from(ticks.max(0)) * 1_000 / i128::from(timescale.max(1));
    let (seconds, millis) = (millis / 1_000, millis % 1_000);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    format!(
        "{:02}:{:02}:{seconds:02}.{millis:03}",
        minutes / 60,
        minutes % 60
    )
}
