//! Words for media: rationals, rotation, dynamic range. Ticks are integers of a timescale.

use serde::{Deserialize, Serialize};

/// A fraction, such as a frame rate (30000/1001) or a pixel's shape. `den` is never 0 in
/// values of ours; parsers check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rational {
    /// Numerator.
    pub num: u32,
    /// Denominator.
    pub den: u32,
}

/// How far the picture must be turned clockwise to stand upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// Upright as stored.
    #[default]
    None,
    /// 90° clockwise.
    Clockwise90,
    /// Upside down.
    Half,
    /// 270° clockwise.
    Clockwise270,
}

impl Rotation {
    /// Whether width and height change places.
    #[must_use]
    pub fn swaps_sides(self) -> bool {
        matches!(self, Self::Clockwise90 | Self::Clockwise270)
    }
}

/// What the master's samples mean in light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DynamicRange {
    /// Standard dynamic range (BT.709, BT.601 or not said).
    #[default]
    Sdr,
    /// SMPTE ST 2084, "HDR10".
    Pq,
    /// ARIB STD-B67, hybrid log-gamma.
    Hlg,
}

/// A half-open range [start, end) in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TickRange {
    /// The first tick inside.
    pub start: i64,
    /// The first tick after.
    pub end: i64,
}
