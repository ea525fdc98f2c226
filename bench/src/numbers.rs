//! Small arithmetic, and figures for people.

/// For ratios and prices: beyond 2^53 the last digits are lost, and nobody reads them.
#[allow(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "figures for people; nothing is decided by them"
)]
pub fn real(number: u64) -> f64 {
    number as f64
}

/// A length in ticks, of a range that is not backwards.
pub fn ticks(number: i64) -> f64 {
    real(u64::try_from(number).unwrap_or(0))
}

/// How many there are.
pub fn length<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

/// The middle one, or the mean of the middle two; 0 of nothing.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let upper = sorted.get(half).copied().unwrap_or(0.0);
    if sorted.len() % 2 == 1 {
        return upper;
    }
    let lower = half.checked_sub(1).and_then(|place| sorted.get(place));
    f64::midpoint(lower.copied().unwrap_or(0.0), upper)
}

/// The smallest and the largest.
pub fn spread(figures: &[f64]) -> (f64, f64) {
    let smallest = figures.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (smallest, largest)
}

/// `1.034 (1.031-1.040)`: the median and the spread.
pub fn middle(figures: &[f64]) -> String {
    let (smallest, largest) = spread(figures);
    format!("{:.3} ({smallest:.3}-{largest:.3})", median(figures))
}

/// Bytes in MiB.
pub fn mib(bytes: u64) -> f64 {
    real(bytes) / 1_048_576.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        for (figures, expected) in [
            (vec![], 0.0),
            (vec![3.0], 3.0),
            (vec![4.0, 1.0], 2.5),
            (vec![9.0, 1.0, 2.0], 2.0),
        ] {
            assert!((median(&figures) - expected).abs() < 1e-9, "{figures:?}");
        }
        assert_eq!(middle(&[1.0, 1.2, 1.1]), "1.100 (1.000-1.200)");
    }
}
