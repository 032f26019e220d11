//! The distribution of numbers of days: mean, median, minimum, maximum, sum.

use serde::Serialize;

/// The distribution of at least one number of days.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The number of values.
    pub n: u64,
    /// Sum ÷ n.
    pub mean: f64,
    /// The median; for an even number of values, the mean of the two middle values.
    pub median: f64,
    /// The minimum.
    pub min: i64,
    /// The maximum.
    pub max: i64,
    /// The sum.
    pub sum: i64,
}

impl Spread {
    /// Returns the distribution of some days, in any order; `None` if empty. O(n log n).
    pub(super) fn of(mut days: Vec<i64>) -> Option<Self> {
        days.sort_unstable();
        let (&min, &max) = (days.first()?, days.last()?);
        // Saturating: days of the years 1 to 9999 are below 4 million, so that this needs 10^12 deals.
        let sum = days.iter().fold(0_i64, |sum, &day| sum.saturating_add(day));
        let (low, high) = (days[(days.len() - 1) / 2], days[days.len() / 2]);
        Some(Self { n: days.len() as u64, mean: ratio(sum, days.len()), median: ratio(low + high, 2), min, max, sum })
    }
}

/// Returns a ratio of whole numbers, exact up to 2^53, which no count of days reaches.
#[allow(clippy::cast_precision_loss)]
fn ratio(a: i64, b: usize) -> f64 {
    a as f64 / b as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_there_is_none() {
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn the_median_of_an_odd_number_is_the_middle_one() {
        let spread = Spread::of(vec![9, 1, 5]).unwrap();
        assert_eq!(spread, Spread { n: 3, mean: 5.0, median: 5.0, min: 1, max: 9, sum: 15 });
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        let spread = Spread::of(vec![10, 1, 2, 4]).unwrap();
        assert_eq!((spread.median, spread.mean), (3.0, 4.25));
    }
}
