//! How large pictures may be, as they are stored and as they are shown.

use cattube_contract::event::RejectionCode;
use cattube_contract::media::Rational;

use super::IndexError;

/// Longest side of a picture that is accepted, in pixels: H.264's and HEVC's decoders and x264
/// stop there too.
const MAX_SIDE_PX: u32 = 16_384;

/// Most pixels of a picture that are accepted, and that ffmpeg may decode: 8K of 8192×4320
/// and a little.
pub(crate) const MAX_PIXELS: u64 = 36_000_000;

/// The width in square pixels of a picture whose own are of `pixel_aspect`, rounded down.
pub(super) fn square_width_px(width_px: u32, pixel_aspect: Rational) -> u32 {
    let square = u64::from(width_px) * u64::from(pixel_aspect.num);
    let square = square / u64::from(pixel_aspect.den.max(1));
    u32::try_from(square).unwrap_or(u32::MAX).max(1)
}

/// Refuses pictures that are too large to decode safely, as they are stored, or to encode, as
/// they are shown, or of no size.
pub(super) fn checked_size(
    width_px: u32,
    height_px: u32,
    pixel_aspect: Rational,
) -> Result<(), IndexError> {
    let pixels = u64::from(width_px).saturating_mul(u64::from(height_px));
    if pixels == 0 {
        return Err(IndexError::rejected(
            RejectionCode::Malformed,
            "The video track does not say how large its pictures are.",
        ));
    }
    let shown_width_px = width_px.max(square_width_px(width_px, pixel_aspect));
    let shown = u64::from(shown_width_px).saturating_mul(u64::from(height_px));
    if shown_width_px.max(height_px) > MAX_SIDE_PX || shown > MAX_PIXELS {
        return Err(IndexError::rejected(
            RejectionCode::TooLarge,
            format!(
                "The pictures are {shown_width_px}×{height_px} pixels; at most {MAX_SIDE_PX} on \
                 a side and {MAX_PIXELS} in all are accepted."
            ),
        ));
    }
    Ok(())
}
