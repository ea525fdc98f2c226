//! A nominal frame rate out of frame times.

use std::collections::BTreeMap;

use cattube_contract::media::Rational;

/// Rates that cameras and films have.
const KNOWN: [(u32, u32); 14] = [
    (24_000, 1_001),
    (24, 1),
    (25, 1),
    (30_000, 1_001),
    (30, 1),
    (48, 1),
    (50, 1),
    (60_000, 1_001),
    (60, 1),
    (90, 1),
    (100, 1),
    (120_000, 1_001),
    (120, 1),
    (240, 1),
];

/// What is said when nothing is known.
pub(crate) const FALLBACK: Rational = Rational { num: 30, den: 1 };

/// A clock of fewer ticks a second cannot say well when the other track begins.
const COARSE: u32 = 500;

/// A coarse clock's ticks are divided into so many.
const REFINEMENT: u32 = 1_000;

/// Frames more than this need not be counted to find the most common distance.
const ENOUGH: usize = 10_000;

/// The ticks a second to count in, and how many of them are one of the file's.
pub(crate) fn refined(timescale: u32) -> (u32, u32) {
    if timescale < COARSE {
        (timescale.saturating_mul(REFINEMENT), REFINEMENT)
    } else {
        (timescale, 1)
    }
}

/// The nominal rate of frames at these times (rising, in ticks), within 1 to 240.
///
/// The most common distance decides. Where all distances are equal it is exact; else a
/// known rate that the distance stands for after rounding to ticks is meant.
pub(crate) fn nominal(times: &[i64], timescale: u32) -> Rational {
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    for pair in times.windows(2).take(ENOUGH) {
        if let [a, b] = pair
            && let Ok(gap @ 1..) = u32::try_from(b.saturating_sub(*a))
        {
            let count = counts.entry(gap).or_default();
            *count = count.saturating_add(1);
        }
    }
    let Some((gap, _)) = counts.iter().max_by_key(|(_, count)| **count) else {
        return FALLBACK;
    };
    if counts.len() > 1
        && let Some(known) = snap(timescale, *gap, mean_gap(&counts))
    {
        return known;
    }
    clamp(timescale, *gap)
}

/// The mean of the distances under one and a half of the commonest, in 1/1000 tick.
fn mean_gap(counts: &BTreeMap<u32, u32>) -> u64 {
    let commonest = counts
        .iter()
        .max_by_key(|(_, count)| **count)
        .map_or(1, |(gap, _)| *gap);
    let usual = counts
        .iter()
        .filter(|(gap, _)| **gap < commonest.saturating_mul(3) / 2);
    let (sum, count) = usual.fold((0_u64, 0_u64), |(sum, total), (gap, count)| {
        let gap_sum = u64::from(*gap).saturating_mul(u64::from(*count));
        (
            sum.saturating_add(gap_sum),
            total.saturating_add(u64::from(*count)),
        )
    });
    sum.saturating_mul(1_000).checked_div(count).unwrap_or(0)
}

/// The known rate whose distance is within a tick of `gap` and nearest to the mean.
fn snap(timescale: u32, gap: u32, mean_milliticks: u64) -> Option<Rational> {
    KNOWN
        .iter()
        .filter_map(|(num, den)| {
            let exact = u64::from(timescale)
                .saturating_mul(u64::from(*den))
                .saturating_mul(1_000)
                .checked_div(u64::from(*num))?;
            let off = exact.abs_diff(u64::from(gap).saturating_mul(1_000));
            (off < 1_000).then_some((
                exact.abs_diff(mean_milliticks),
                Rational {
                    num: *num,
                    den: *den,
                },
            ))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, rate)| rate)
}

/// The rate of frames that last so many nanoseconds; a known rate within 1/2,000 of it is
/// meant.
pub(crate) fn from_ns(frame_ns: u64) -> Rational {
    let off = |(num, den): (u32, u32)| {
        let exact = 1_000_000_000_u64
            .saturating_mul(u64::from(den))
            .checked_div(u64::from(num))?;
        Some(exact.abs_diff(frame_ns))
    };
    KNOWN
        .iter()
        .filter_map(|(num, den)| Some((off((*num, *den))?, *num, *den)))
        .min_by_key(|(off, ..)| *off)
        .filter(|(off, ..)| off.saturating_mul(2_000) < frame_ns)
        .map_or_else(
            || u32::try_from(frame_ns).map_or(clamp(0, 1), |ns| clamp(1_000_000_000, ns)),
            |(_, num, den)| Rational { num, den },
        )
}

/// The reduced fraction; `None` if a part is 0 or does not fit.
pub(crate) fn reduce(num: u64, den: u64) -> Option<Rational> {
    let (mut a, mut b) = (num, den);
    while let Some(rest) = a.checked_rem(b) {
        a = b;
        b = rest;
    }
    let reduced = Rational {
        num: u32::try_from(num.checked_div(a)?).ok()?,
        den: u32::try_from(den.checked_div(a)?).ok()?,
    };
    (reduced.num > 0 && reduced.den > 0).then_some(reduced)
}

/// The reduced fraction, or the nearer bound of 1 to 240.
pub(crate) fn clamp(num: u32, den: u32) -> Rational {
    if den == 0 || num < den {
        return Rational { num: 1, den: 1 };
    }
    if u64::from(num) > u64::from(den).saturating_mul(240) {
        return Rational { num: 240, den: 1 };
    }
    reduce(u64::from(num), u64::from(den)).unwrap_or(FALLBACK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(num: u32, den: u32) -> Rational {
        Rational { num, den }
    }

    #[test]
    fn exact_distances_are_exact_and_rounded_ones_snap() {
        let exact: Vec<i64> = (0..100).map(|n| n * 1_001).collect();
        assert_eq!(nominal(&exact, 30_000), rate(30_000, 1_001));
        let odd: Vec<i64> = (0..100).map(|n| n * 7).collect();
        assert_eq!(nominal(&odd, 90), rate(90, 7));
        let millis = |num: i64, den: i64| -> Vec<i64> {
            (0..300)
                .map(|n| (n * 1_000 * den + num / 2) / num)
                .collect()
        };
        assert_eq!(nominal(&millis(30, 1), 1_000), rate(30, 1));
        assert_eq!(nominal(&millis(30_000, 1_001), 1_000), rate(30_000, 1_001));
        assert_eq!(nominal(&millis(24_000, 1_001), 1_000), rate(24_000, 1_001));
        assert_eq!(nominal(&millis(60, 1), 1_000), rate(60, 1));
        assert_eq!(from_ns(33_366_667), rate(30_000, 1_001));
        assert_eq!(from_ns(41_708_333), rate(24_000, 1_001));
        assert_eq!(from_ns(40_000_000), rate(25, 1));
        assert_eq!(from_ns(u64::MAX), rate(1, 1));
        assert_eq!(from_ns(1), rate(240, 1));
        assert_eq!(reduce(1_920 * 1_080, 1_440 * 1_080), Some(rate(4, 3)));
        assert_eq!(reduce(0, 1), None);
        assert_eq!(nominal(&[5], 1_000), FALLBACK);
        assert_eq!(nominal(&[0, 1, 2], 1_000_000), rate(240, 1));
        assert_eq!(nominal(&[0, 5_000], 1_000), rate(1, 1));
    }

    #[test]
    fn the_commonest_distance_decides_and_the_mean_chooses_between_neighbours() {
        // Of 1,000 ticks a second: distances of 33 and 34 are 30 or 29.97 frames by their mean,
        // and a pause does not count.
        assert_eq!(mean_gap(&BTreeMap::from([(33, 2), (34, 1)])), 33_333);
        assert_eq!(
            mean_gap(&BTreeMap::from([(40, 5), (60, 1), (59, 1)])),
            43_166
        );
        assert_eq!(mean_gap(&BTreeMap::new()), 0);
        assert_eq!(snap(1_000, 33, 33_333), Some(rate(30, 1)));
        assert_eq!(snap(1_000, 33, 33_367), Some(rate(30_000, 1_001)));
        assert_eq!(snap(1_000, 70, 70_000), None);
        // Nearer than a tick, and no less.
        assert_eq!(snap(1_000, 41, 41_000), Some(rate(24, 1)));
        assert_eq!(refined(499), (499_000, 1_000));
        assert_eq!(refined(500), (500, 1));
        assert_eq!(clamp(240, 1), rate(240, 1));
        assert_eq!(clamp(481, 2), rate(240, 1));
        assert_eq!(clamp(480, 2), rate(240, 1));
        assert_eq!(clamp(479, 2), rate(479, 2));
        assert_eq!(clamp(3, 3), rate(1, 1));
        assert_eq!(clamp(5, 0), rate(1, 1));
        assert_eq!(from_ns(20_000_000), rate(50, 1));
        // A known rate is meant within a two-thousandth.
        assert_eq!(from_ns(40_019_000), rate(25, 1));
        assert_ne!(from_ns(40_021_000), rate(25, 1));
        assert_eq!(reduce(u64::from(u32::MAX) + 1, 1), None);
        assert_eq!(reduce(7, 0), None);
        // Times that stand still or go back are no distance.
        assert_eq!(nominal(&[0, 0, 40, 40, 80], 1_000), rate(25, 1));
    }
}
