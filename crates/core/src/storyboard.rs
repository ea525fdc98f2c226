//! The seek preview: one picture of small tiles and its WebVTT.

use cattube_contract::plan::Plan;

/// How many tiles a storyboard has at most.
pub const MAX_TILES: usize = 100;

/// Why no storyboard could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoryboardError {
    /// See the text.
    #[error("storyboard: {0}")]
    Picture(String),
}

/// Picks at most `max` of the times, evenly, in order.
#[must_use]
pub fn choose(pts: &[i64], max: usize) -> Vec<i64> {
    let _ = (pts, max);
    todo!()
}

/// The sprite: thumbnails (shifted ticks, JPEG) in film order, in rows of ten.
pub fn compose(
    thumbnails: &[(i64, Vec<u8>)],
    width_px: u32,
    height_px: u32,
) -> Result<Vec<u8>, StoryboardError> {
    let _ = (thumbnails, width_px, height_px);
    todo!()
}

/// The times of the tiles: `chosen` in shifted ticks, `duration_ticks` of the film.
#[must_use]
pub fn webvtt(plan: &Plan, chosen: &[i64], duration_ticks: i64) -> String {
    let _ = (plan, chosen, duration_ticks);
    todo!()
}
