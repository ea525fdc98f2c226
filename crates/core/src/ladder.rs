//! Which sizes a video is made in, at what peak and at which H.264 level.

use cattube_contract::media::Rational;
use cattube_contract::plan::{Quality, Rendition};
use cattube_contract::size::{STANDARD_SIZES, Sizes};

/// The x264 preset of every rendition.
pub const PRESET: &str = "veryfast";

/// The decoder's buffer holds this many seconds of the peak (x264's usual advice).
pub(crate) const BUFFER_SECONDS: u64 = 2;

/// The rate factor of every rendition: x264's own default, visually close to the master.
pub const DEFAULT_CRF: u8 = 23;

/// The source's own size is worth making when it is more than this many per cent taller
/// than the tallest other size that fits.
const NATIVE_MARGIN_PERCENT: u64 = 10;

/// Peaks at 30 frames a second: (pixels, bits a second), between which is interpolated.
/// The 16:9 sizes of the standard ladder, near the upper bounds of Apple's HLS advice.
const PEAKS: [(u64, u64); 7] = [
    (25_600, 200_000),
    (230_400, 900_000),
    (409_920, 1_600_000),
    (921_600, 3_500_000),
    (2_073_600, 6_000_000),
    (3_686_400, 11_000_000),
    (8_294_400, 20_000_000),
];

/// Frames that x264's `veryfast` keeps in the decoded picture buffer (B-pyramid).
const BUFFERED_FRAMES: u64 = 4;

/// Limits of one level, ITU-T H.264 table A-1.
struct Level {
    times_ten: u32,
    /// `MaxMBPS`: macroblocks a second.
    per_second: u64,
    /// `MaxFS`: macroblocks a frame.
    frame: u64,
    /// `MaxDpbMbs`: macroblocks in the decoded picture buffer.
    buffered: u64,
    /// `MaxBR`: kilobits a second, before High profile's factor of 1.25.
    kbps: u64,
    /// `MaxCPB`: kilobits of buffer, before High profile's factor of 1.25.
    buffer_kbits: u64,
}

const fn level(
    times_ten: u32,
    per_second: u64,
    frame: u64,
    buffered: u64,
    kbps: u64,
    buffer_kbits: u64,
) -> Level {
    Level {
        times_ten,
        per_second,
        frame,
        buffered,
        kbps,
        buffer_kbits,
    }
}

/// ITU-T H.264 table A-1, without level 1b.
const LEVELS: [Level; 19] = [
    level(10, 1_485, 99, 396, 64, 175),
    level(11, 3_000, 396, 900, 192, 500),
    level(12, 6_000, 396, 2_376, 384, 1_000),
    level(13, 11_880, 396, 2_376, 768, 2_000),
    level(20, 11_880, 396, 2_376, 2_000, 2_000),
    level(21, 19_800, 792, 4_752, 4_000, 4_000),
    level(22, 20_250, 1_620, 8_100, 4_000, 4_000),
    level(30, 40_500, 1_620, 8_100, 10_000, 10_000),
    level(31, 108_000, 3_600, 18_000, 14_000, 14_000),
    level(32, 216_000, 5_120, 20_480, 20_000, 20_000),
    level(40, 245_760, 8_192, 32_768, 20_000, 25_000),
    level(41, 245_760, 8_192, 32_768, 50_000, 62_500),
    level(42, 522_240, 8_704, 34_816, 50_000, 62_500),
    level(50, 589_824, 22_080, 110_400, 135_000, 135_000),
    level(51, 983_040, 36_864, 184_320, 240_000, 240_000),
    level(52, 2_073_600, 36_864, 184_320, 240_000, 240_000),
    level(60, 4_177_920, 139_264, 696_320, 240_000, 240_000),
    level(61, 8_355_840, 139_264, 696_320, 480_000, 480_000),
    level(62, 16_711_680, 139_264, 696_320, 800_000, 800_000),
];

/// The sizes chosen for a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    /// What is made, tallest first; never empty.
    pub renditions: Vec<Rendition>,
    /// Short sides in pixels that were asked for and that the source cannot fill.
    pub skipped_sizes: Vec<u32>,
}

/// Chooses the renditions of a source of `width_px` by `height_px` upright, square pixels.
/// A size is the short side; nothing is ever made larger than the source. In place of listed
/// sizes that the source cannot fill stands its own, where that is worth making.
#[must_use]
pub fn choose_renditions(
    width_px: u32,
    height_px: u32,
    frame_rate: Rational,
    sizes: &Sizes,
) -> Ladder {
    let native = width_px.min(height_px);
    let (mut chosen, skipped_sizes): (Vec<u32>, Vec<u32>) = match sizes {
        Sizes::Auto => (auto_sizes(native), Vec::new()),
        Sizes::Listed(listed) => listed_sizes(native, listed),
    };
    if chosen.is_empty() {
        chosen.push(native);
    }
    let mut renditions: Vec<Rendition> = chosen
        .into_iter()
        .map(|short| rendition(width_px, height_px, short, frame_rate))
        .collect();
    renditions.sort_by_key(|made| std::cmp::Reverse(made.width_px.min(made.height_px)));
    renditions.dedup_by(|a, b| a.name == b.name);
    Ladder {
        renditions,
        skipped_sizes,
    }
}

/// The even box (width, height) in pixels of a thumbnail of an upright picture: the aspect
/// fitted into 160×90, or 90×160 if it is taller than wide.
#[must_use]
pub fn thumbnail_box(width_px: u32, height_px: u32) -> (u32, u32) {
    if width_px >= height_px {
        fit(width_px, height_px, 160, 90)
    } else {
        fit(width_px, height_px, 90, 160)
    }
}

/// The largest even box of the aspect within `max_width` by `max_height`, never larger than
/// the picture.
pub(crate) fn fit(width_px: u32, height_px: u32, max_width: u32, max_height: u32) -> (u32, u32) {
    let (width, height) = (width_px.max(1), height_px.max(1));
    let by_width = scaled(height, max_width, width);
    let (w, h) = if by_width <= max_height {
        (max_width, by_width)
    } else {
        (scaled(width, max_height, height), max_height)
    };
    (even(w.min(width)), even(h.min(height)))
}

fn auto_sizes(native: u32) -> Vec<u32> {
    let mut sizes: Vec<u32> = STANDARD_SIZES
        .into_iter()
        .filter(|size| *size <= native)
        .collect();
    if is_native_worth_making(native, &sizes) {
        sizes.insert(0, native);
    }
    sizes
}

/// What is made of a list, and what of it the source cannot fill. A list that fits is made as
/// it stands.
fn listed_sizes(native: u32, listed: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let (mut sizes, skipped): (Vec<u32>, Vec<u32>) =
        listed.iter().partition(|size| **size <= native);
    if !skipped.is_empty() && is_native_worth_making(native, &sizes) {
        sizes.push(native);
    }
    (sizes, skipped)
}

/// Whether the source's own size shows enough more than the tallest of `sizes`.
fn is_native_worth_making(native: u32, sizes: &[u32]) -> bool {
    let tallest = sizes.iter().copied().max().unwrap_or(0);
    u64::from(native) * 100 > u64::from(tallest) * (100 + NATIVE_MARGIN_PERCENT)
}

fn rendition(width_px: u32, height_px: u32, short: u32, frame_rate: Rational) -> Rendition {
    let (width, height) = if width_px >= height_px {
        (scaled(width_px, short, height_px), short)
    } else {
        (short, scaled(height_px, short, width_px))
    };
    let (width_px, height_px) = (even(width), even(height));
    let max_bitrate_bps = peak_bps(width_px, height_px, frame_rate);
    Rendition {
        name: format!("{}p", width_px.min(height_px)),
        width_px,
        height_px,
        max_bitrate_bps,
        level_times_ten: level_times_ten(width_px, height_px, frame_rate, max_bitrate_bps),
        quality: Quality::Crf(DEFAULT_CRF),
    }
}

/// `side × numerator / denominator`, rounded down.
fn scaled(side: u32, numerator: u32, denominator: u32) -> u32 {
    let scaled = u64::from(side) * u64::from(numerator) / u64::from(denominator.max(1));
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

/// Rounded down to even, at least 2: what 4:2:0 pictures need.
fn even(side: u32) -> u32 {
    (side & !1).max(2)
}

/// The peak in bits a second, by pixels and frame rate: 1.0 at 30 and 1.5 at 60 frames a
/// second, since neighbouring frames grow alike.
fn peak_bps(width_px: u32, height_px: u32, frame_rate: Rational) -> u64 {
    let pixels = u64::from(width_px) * u64::from(height_px);
    let milli_fps = u64::from(frame_rate.num) * 1_000 / u64::from(frame_rate.den.max(1));
    let per_mille = (500 + milli_fps / 60).clamp(750, 2_500);
    let at_30 = peak_at_30(pixels);
    (at_30.saturating_mul(per_mille) / 1_000_000 * 1_000).max(1_000)
}

/// Between two points of [`PEAKS`] on their line, beyond the last on the last line.
fn peak_at_30(pixels: u64) -> u64 {
    let mut peak = 0;
    for pair in PEAKS.windows(2) {
        let [(low_px, low_bps), (high_px, high_bps)] = *pair else {
            continue;
        };
        let beyond = pixels.saturating_sub(low_px);
        peak = low_bps + beyond.saturating_mul(high_bps - low_bps) / (high_px - low_px);
        if pixels <= high_px {
            break;
        }
    }
    peak
}

/// The lowest level of ITU-T H.264 annex A that allows the size, the rate and the peak.
fn level_times_ten(width_px: u32, height_px: u32, frame_rate: Rational, peak_bps: u64) -> u32 {
    let macroblocks = |side: u32| u64::from(side.div_ceil(16));
    let (wide, high) = (macroblocks(width_px), macroblocks(height_px));
    let frame = wide * high;
    let per_second = frame
        .saturating_mul(u64::from(frame_rate.num))
        .div_ceil(u64::from(frame_rate.den.max(1)));
    let fits = |level: &&Level| {
        let side_limit = 8 * level.frame;
        // High profile's cpbBrVclFactor is 1,250 bits per unit (table A-2).
        frame <= level.frame
            && wide * wide <= side_limit
            && high * high <= side_limit
            && per_second <= level.per_second
            && frame * BUFFERED_FRAMES <= level.buffered
            && peak_bps <= level.kbps * 1_250
            && peak_bps * BUFFER_SECONDS <= level.buffer_kbits * 1_250
    };
    LEVELS.iter().find(fits).map_or(62, |level| level.times_ten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FPS_30: Rational = Rational { num: 30, den: 1 };

    fn names(ladder: &Ladder) -> Vec<&str> {
        ladder
            .renditions
            .iter()
            .map(|made| made.name.as_str())
            .collect()
    }

    #[test]
    fn auto_takes_what_fits() {
        for (width, height, expected) in [
            (
                3840,
                2160,
                vec!["2160p", "1440p", "1080p", "720p", "480p", "360p"],
            ),
            (1920, 1080, vec!["1080p", "720p", "480p", "360p"]),
            (1080, 1920, vec!["1080p", "720p", "480p", "360p"]),
            (1280, 800, vec!["800p", "720p", "480p", "360p"]),
            (1280, 790, vec!["720p", "480p", "360p"]),
            (320, 240, vec!["240p"]),
            (641, 361, vec!["360p"]),
            (1, 1, vec!["2p"]),
            (0, 0, vec!["2p"]),
        ] {
            let ladder = choose_renditions(width, height, FPS_30, &Sizes::Auto);
            assert_eq!(names(&ladder), expected, "{width}x{height}");
        }
    }

    #[test]
    fn sizes_above_the_source_are_skipped_and_told() {
        let listed = |sizes: &[u32]| Sizes::listed(sizes.to_vec()).unwrap();
        let ladder = choose_renditions(1280, 720, FPS_30, &listed(&[2160, 1080, 720, 360]));
        assert_eq!(names(&ladder), ["720p", "360p"]);
        assert_eq!(ladder.skipped_sizes, [2160, 1080]);
        let ladder = choose_renditions(639, 359, FPS_30, &listed(&[360]));
        assert_eq!(names(&ladder), ["358p"]);
        assert_eq!(
            (
                ladder.renditions[0].width_px,
                ladder.renditions[0].height_px
            ),
            (638, 358)
        );
        assert_eq!(ladder.skipped_sizes, [360]);
    }

    #[test]
    fn the_sources_own_size_stands_for_listed_ones_that_it_cannot_fill() {
        for (width, height, sizes, expected) in [
            (1920, 1080, vec![2160, 360], vec!["1080p", "360p"]),
            (1080, 1920, vec![2160, 360], vec!["1080p", "360p"]),
            (
                3840,
                1600,
                vec![2160, 1080, 720],
                vec!["1600p", "1080p", "720p"],
            ),
            (1920, 1080, vec![2160, 1080], vec!["1080p"]),
            (1920, 1080, vec![2160, 1440], vec!["1080p"]),
            // By ten per cent it is not worth making, by more it is.
            (1280, 792, vec![1080, 720], vec!["720p"]),
            (1280, 794, vec![1080, 720], vec!["794p", "720p"]),
            // A list that fits is made as it stands.
            (3840, 2160, vec![1080, 480], vec!["1080p", "480p"]),
        ] {
            let listed = Sizes::listed(sizes.clone()).unwrap();
            let ladder = choose_renditions(width, height, FPS_30, &listed);
            let text = format!("{width}x{height} {sizes:?}");
            assert_eq!(names(&ladder), expected, "{text}");
            let native = width.min(height);
            let above: Vec<u32> = sizes.into_iter().filter(|size| *size > native).collect();
            assert_eq!(ladder.skipped_sizes, above, "{text}");
        }
    }

    #[test]
    fn peaks_and_levels_are_sane() {
        let fps_60 = Rational { num: 60, den: 1 };
        let fps_2997 = Rational {
            num: 30_000,
            den: 1_001,
        };
        for (width, height, rate, bps, level) in [
            (1920, 1080, FPS_30, 6_000_000, 40),
            (1920, 1080, fps_2997, 5_999_000, 40),
            (1920, 1080, fps_60, 9_000_000, 42),
            (3840, 2160, FPS_30, 20_000_000, 51),
            (3840, 2160, fps_60, 30_000_000, 52),
            (1280, 720, FPS_30, 3_500_000, 31),
            (640, 360, FPS_30, 900_000, 30),
            (7680, 4320, FPS_30, 68_600_000, 60),
        ] {
            let made = &choose_renditions(width, height, rate, &Sizes::Auto).renditions[0];
            let text = format!("{width}x{height} {rate:?}");
            assert!(
                made.max_bitrate_bps.abs_diff(bps) <= bps / 50,
                "{text}: {made:?}"
            );
            assert_eq!(made.level_times_ten, level, "{text}");
        }
    }

    #[test]
    fn thumbnails_fit_their_box() {
        assert_eq!(thumbnail_box(1920, 1080), (160, 90));
        assert_eq!(thumbnail_box(1080, 1920), (90, 160));
        assert_eq!(thumbnail_box(640, 480), (120, 90));
        assert_eq!(thumbnail_box(4000, 2), (160, 2));
        assert_eq!(thumbnail_box(0, 0), (2, 2));
    }

    proptest! {
        #[test]
        fn a_ladder_never_upscales_and_keeps_the_aspect(
            width in 2_u32..9_000, height in 2_u32..9_000,
            num in 1_u32..240_000, den in 1_u32..1_002,
            listed in proptest::option::of(proptest::collection::vec(144_u32..4_321, 1..10)),
        ) {
            let sizes = listed.map_or(Sizes::Auto, |list| Sizes::listed(list).unwrap());
            let ladder = choose_renditions(width, height, Rational { num, den }, &sizes);
            prop_assert!(!ladder.renditions.is_empty());
            let mut seen = std::collections::BTreeSet::new();
            for made in &ladder.renditions {
                let (w, h) = (made.width_px, made.height_px);
                prop_assert!(w <= width && h <= height && w % 2 == 0 && h % 2 == 0);
                prop_assert!(w >= 2 && h >= 2);
                prop_assert_eq!(&made.name, &format!("{}p", w.min(h)));
                prop_assert!(seen.insert(made.name.clone()));
                // The short side is exact; the long one loses less than its rounding.
                let exact_long = u64::from(width.max(height)) * u64::from(w.min(h));
                let long = u64::from(w.max(h)) * u64::from(width.min(height));
                let slack = u64::from(width.max(height)) * 2 + u64::from(width.min(height)) * 2;
                prop_assert!(long.abs_diff(exact_long) <= slack, "{}x{} of {}x{}", w, h, width, height);
                prop_assert!(made.max_bitrate_bps > 0);
                prop_assert!((10..=62).contains(&made.level_times_ten));
            }
            prop_assert!(ladder.skipped_sizes.iter().all(|size| *size > width.min(height)));
        }

        #[test]
        fn any_numbers_make_a_ladder(width: u32, height: u32, num: u32, den: u32) {
            let ladder = choose_renditions(width, height, Rational { num, den }, &Sizes::Auto);
            prop_assert!(!ladder.renditions.is_empty());
            let _ = thumbnail_box(width, height);
        }
    }

    #[test]
    fn a_level_ends_where_the_standard_ends_it() {
        let fps = |num| Rational { num, den: 1 };
        // Macroblocks a frame, and a second: level 3.1 has 3,600 and 108,000.
        assert_eq!(level_times_ten(1280, 720, fps(30), 1), 31);
        assert_eq!(
            level_times_ten(
                1280,
                720,
                Rational {
                    num: 30_001,
                    den: 1_000
                },
                1
            ),
            32
        );
        assert_eq!(level_times_ten(1280, 736, fps(1), 1), 32);
        // No side beyond the root of eight times the frame: 113 macroblocks of 1,620 (3.0).
        assert_eq!(level_times_ten(113 * 16, 16, fps(1), 1), 22);
        assert_eq!(level_times_ten(114 * 16, 16, fps(1), 1), 31);
        assert_eq!(level_times_ten(16, 113 * 16, fps(1), 1), 22);
        assert_eq!(level_times_ten(16, 114 * 16, fps(1), 1), 31);
        // Four frames in the buffer: level 2.1 has 4,752 macroblocks, and frames of 792.
        assert_eq!(level_times_ten(16 * 22, 16 * 36, fps(1), 1), 21);
        assert_eq!(level_times_ten(16 * 33, 16 * 36, fps(1), 1), 22);
        // Level 1.1 holds 900, so frames of 225 are the largest, though it allows 396.
        assert_eq!(level_times_ten(16 * 15, 16 * 15, fps(1), 1), 11);
        assert_eq!(level_times_ten(16 * 15, 16 * 16, fps(1), 1), 12);
        // The peak: 10,000 units of 1,250 bits at level 3.0, and two seconds of it buffered
        // where that is less.
        let peak = |bps| level_times_ten(640, 368, fps(30), bps);
        let most = LEVELS[7].buffer_kbits * 1_250 / BUFFER_SECONDS;
        let most = most.min(LEVELS[7].kbps * 1_250);
        assert_eq!((peak(most), peak(most + 1)), (30, 31));
        let (kbps, buffer) = (LEVELS[10].kbps * 1_250, LEVELS[10].buffer_kbits * 1_250);
        let most = kbps.min(buffer / BUFFER_SECONDS);
        let large = |bps| level_times_ten(1920, 1088, fps(30), bps);
        assert_eq!((large(most), large(most + 1)), (40, 41));
        // Beyond the last.
        assert_eq!(level_times_ten(16_384, 16_384, fps(240), 1), 62);
        assert_eq!(level_times_ten(0, 0, Rational { num: 0, den: 0 }, 0), 10);
    }
}
