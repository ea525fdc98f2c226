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

#[cfg(test)]
mod tests {
    use cattube_contract::media::{DynamicRange, Rational, Rotation};
    use cattube_contract::plan::{PlannedVideo, VideoEncoding};
    use cattube_contract::{OwnerId, VideoId};
    use proptest::prelude::*;

    use super::*;

    fn jpeg(width: u32, height: u32, level: u8) -> Vec<u8> {
        let picture = RgbImage::from_pixel(width, height, image::Rgb([level, level, level]));
        let mut bytes = Vec::new();
        JpegEncoder::new(&mut bytes).encode_image(&picture).unwrap();
        bytes
    }

    fn plan() -> Plan {
        Plan {
            video_id: VideoId::new(jiff::Timestamp::UNIX_EPOCH, 7),
            owner_id: OwnerId::of_subject("someone"),
            generation: 1,
            duration_ms: None,
            source_width_px: 320,
            source_height_px: 180,
            video: PlannedVideo {
                encoding: VideoEncoding {
                    timescale: 1_000,
                    shift_ticks: 10_000,
                    frame_rate: Rational { num: 25, den: 1 },
                    segment_ticks: 4_000,
                    rotation: Rotation::None,
                    dynamic_range: DynamicRange::Sdr,
                    renditions: Vec::new(),
                    thumbnail_ticks: 1_000,
                    thumbnail_width_px: 160,
                    thumbnail_height_px: 90,
                },
                chunks: Vec::new(),
            },
            audio: None,
            skipped_sizes: Vec::new(),
            job: None,
            slices: Vec::new(),
        }
    }

    #[test]
    fn tiles_stand_in_rows_of_ten() {
        let thumbnails: Vec<_> = (0..23)
            .map(|at: u8| (i64::from(at), jpeg(32, 18, at * 10)))
            .collect();
        let sprite = compose(&thumbnails, 32, 18).unwrap();
        let sprite = image::load_from_memory(&sprite).unwrap().into_luma8();
        assert_eq!(sprite.dimensions(), (320, 54));
        for at in 0..23_u32 {
            let level = sprite.get_pixel(at % 10 * 32 + 16, at / 10 * 18 + 9).0[0];
            assert!(u32::from(level).abs_diff(at * 10) < 4, "{at}: {level}");
        }
        let few = compose(&thumbnails[..3], 16, 8).unwrap();
        let few = image::load_from_memory(&few).unwrap();
        assert_eq!((few.width(), few.height()), (48, 8));
    }

    #[test]
    fn hostile_thumbnails_are_refused() {
        let refused = |bytes: Vec<u8>| {
            let error = compose(&[(7, bytes)], 32, 18).unwrap_err();
            assert!(
                matches!(error, StoryboardError::Thumbnail { pts: 7, .. }),
                "{error}"
            );
        };
        refused(Vec::new());
        refused(b"no picture at all".to_vec());
        refused(jpeg(2_000, 8, 9));
        let mut cut = jpeg(32, 18, 9);
        cut.truncate(100);
        refused(cut);
        // A head that promises 65,500 by 65,500 pixels.
        let mut huge = jpeg(32, 18, 9);
        let frame = huge
            .windows(2)
            .position(|pair| pair == [0xff, 0xc0])
            .unwrap();
        huge[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
        refused(huge);
        let one = (0, jpeg(2, 2, 0));
        for (thumbnails, width) in [
            (Vec::new(), 2),
            (vec![one.clone(); 101], 2),
            (vec![one.clone()], 0),
            (vec![one], 5_000),
        ] {
            assert_eq!(compose(&thumbnails, width, 2), Err(StoryboardError::Empty));
        }
    }

    #[test]
    fn the_times_cover_the_film_without_the_shift() {
        let text = webvtt(&plan(), &[10_040, 11_040, 13_500], 3_725_250);
        assert_eq!(
            text,
            "WEBVTT\n\n00:00:00.000 --> 00:00:01.040\nstoryboard.jpg#xywh=0,0,160,90\n\
             \n00:00:01.040 --> 00:00:03.500\nstoryboard.jpg#xywh=160,0,160,90\n\
             \n00:00:03.500 --> 01:02:05.250\nstoryboard.jpg#xywh=320,0,160,90\n"
        );
        assert_eq!(webvtt(&plan(), &[], 5), "WEBVTT\n");
    }

    proptest! {
        #[test]
        fn the_choice_is_bounded_ordered_and_even(count in 0_usize..2_000, max in 1_usize..120) {
            let all: Vec<i64> = (0..).take(count).collect();
            let chosen = choose(&all, max);
            prop_assert!(chosen.len() <= max);
            prop_assert_eq!(chosen.first(), all.first());
            prop_assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(count > max || chosen == all);
            // Never so few that over half of the tiles stand empty.
            prop_assert!(chosen.len() * 2 >= max.min(count));
        }

        #[test]
        fn no_bytes_make_the_composer_panic(
            bytes: Vec<u8>, at in any::<prop::sample::Index>(), value: u8,
        ) {
            let _ = compose(&[(0, bytes)], 32, 18);
            let mut changed = jpeg(32, 18, 100);
            let at = at.index(changed.len());
            changed[at] = value;
            let _ = compose(&[(0, changed)], 32, 18);
        }
    }
}
