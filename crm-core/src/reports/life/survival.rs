//! How long a stay takes, where some stays have not ended yet.
//!
//! To leave out what has not ended would make every stage look quicker than it is, since it is the long stays that are
//! not over yet; to count an open stay as if it ended today would too. So the quartiles are those of the product-limit
//! curve: E. L. Kaplan and P. Meier, "Nonparametric Estimation from Incomplete Observations", Journal of the American
//! Statistical Association 53 (1958), 457–481. An open stay counts as one that lasts at least as long as it has lasted.

use serde::Serialize;

/// How long the stays that began in the period took.
///
/// The quartiles are of the curve S(t), the share of stays that last longer than t, by Kaplan and Meier's formula:
/// the product, over all moments t at which stays ended, of (n − d) ÷ n, where n stays had lasted so long and d of them
/// ended then. A quartile is the first t at which S has come down to it; where S stands at exactly that share until the
/// next stay ends, the middle between the two, so that without open stays the median is the ordinary one. `None` where
/// S never comes down so far: too few stays have ended to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TimeInStage {
    /// Stays that ended within the observation.
    pub finished: u64,
    /// Stays that had not ended by its end.
    pub open: u64,
    /// By then a quarter of the stays has ended, in microseconds.
    pub lower_quartile_micros: Option<i64>,
    /// By then half of the stays have ended, in microseconds.
    pub median_micros: Option<i64>,
    /// By then three quarters of the stays have ended, in microseconds.
    pub upper_quartile_micros: Option<i64>,
    /// Stays that are in no figure here because they are said to begin after now.
    pub left_out: u64,
}

/// How long one stay lasted, or has lasted by the end of the observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lasted {
    pub(super) micros: i64,
    /// `false` where it ended then: at the same moment, what ends comes before what was watched no longer.
    pub(super) open: bool,
}

/// What a product of a million ratios may be off by.
const ROUNDING: f64 = 1e-9;

/// A share that the curve comes down to.
#[derive(Clone, Copy, Debug)]
struct Level {
    share: f64,
    /// Since when the curve stands at exactly this share.
    flat_since: Option<i64>,
    found: Option<i64>,
}

impl Level {
    const fn new(share: f64) -> Self {
        Self { share, flat_since: None, found: None }
    }

    /// The curve comes down to `surviving` at a moment.
    fn step(&mut self, micros: i64, surviving: f64) {
        if self.found.is_some() {
            return;
        }
        if (surviving - self.share).abs() <= ROUNDING {
            self.flat_since = Some(micros);
        } else if surviving < self.share {
            // Not negative, and so no overflow.
            self.found = Some(self.flat_since.map_or(micros, |since| since + (micros - since) / 2));
        }
    }

    fn micros(&self) -> Option<i64> {
        self.found.or(self.flat_since)
    }
}

/// Median and quartiles of some stays, in any order. O(n log n).
#[allow(clippy::cast_precision_loss)] // a count of stays is far below 2^53
pub(super) fn time_in_stage(mut stays: Vec<Lasted>) -> TimeInStage {
    stays.sort_unstable();
    let mut levels = [Level::new(0.75), Level::new(0.5), Level::new(0.25)];
    let mut surviving = 1.0_f64;
    let mut at = 0;
    while at < stays.len() {
        let micros = stays[at].micros;
        let there = stays.len() - at;
        let same = stays[at..].iter().take_while(|stay| stay.micros == micros);
        let (ended, watched) = same.fold((0, 0), |(ended, all), stay| (ended + usize::from(!stay.open), all + 1));
        if ended > 0 {
            surviving *= (there - ended) as f64 / there as f64;
            for level in &mut levels {
                level.step(micros, surviving);
            }
        }
        at += watched;
    }
    let open = stays.iter().filter(|stay| stay.open).count() as u64;
    let [lower, median, upper] = levels.map(|level| level.micros());
    TimeInStage {
        finished: stays.len() as u64 - open,
        open,
        lower_quartile_micros: lower,
        median_micros: median,
        upper_quartile_micros: upper,
        left_out: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(stays: &[(i64, bool)]) -> TimeInStage {
        time_in_stage(stays.iter().map(|&(micros, open)| Lasted { micros, open }).collect())
    }

    fn quartiles(stays: &[(i64, bool)]) -> [Option<i64>; 3] {
        let found = times(stays);
        [found.lower_quartile_micros, found.median_micros, found.upper_quartile_micros]
    }

    #[test]
    fn of_no_stays_and_of_open_ones_alone_nothing_is_known() {
        assert_eq!(times(&[]), TimeInStage::default());
        assert_eq!(times(&[(5, true), (7, true)]), TimeInStage { open: 2, ..TimeInStage::default() });
    }

    #[test]
    fn without_open_stays_the_median_is_the_ordinary_one() {
        let ended = |all: &[i64]| -> Vec<(i64, bool)> { all.iter().map(|&micros| (micros, false)).collect() };
        assert_eq!(quartiles(&ended(&[9])), [Some(9); 3]);
        assert_eq!(quartiles(&ended(&[9, 1, 5])), [Some(1), Some(5), Some(9)]);
        assert_eq!(quartiles(&ended(&[10, 1, 2, 4])), [Some(1), Some(3), Some(7)]);
        let hundred: Vec<i64> = (1..=100).collect();
        assert_eq!(quartiles(&ended(&hundred)), [Some(25), Some(50), Some(75)]);
        assert_eq!(quartiles(&ended(&[3, 3, 3, 3])), [Some(3); 3]);
    }

    /// Remission of leukaemia under 6-mercaptopurine, in weeks, `true` where it still went on: Freireich and others,
    /// Blood 21 (1963). The median of 23 weeks is in every textbook; the lower quartile of 13 is R's
    /// `quantile(survfit(…))`, and there is no upper one.
    #[test]
    fn a_textbooks_open_observations_give_the_textbooks_median() {
        let weeks = [6, 6, 6, 7, 10, 13, 16, 22, 23].map(|week| (week, false));
        let open = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35].map(|week| (week, true));
        let all = [weeks.as_slice(), open.as_slice()].concat();
        assert_eq!(quartiles(&all), [Some(13), Some(23), None]);
        let found = times(&all);
        assert_eq!((found.finished, found.open), (9, 12));
    }

    #[test]
    fn an_open_stay_makes_the_median_later_and_never_earlier() {
        assert_eq!(quartiles(&[(1, false), (2, false), (3, false)])[1], Some(2));
        assert_eq!(quartiles(&[(1, false), (2, false), (3, false), (50, true)])[1], Some(2));
        assert_eq!(quartiles(&[(1, false), (2, false), (3, false), (50, true), (60, true)])[1], Some(3));
    }

    #[test]
    fn at_one_moment_what_ends_comes_before_what_is_watched_no_longer() {
        // Two of three still there at 5, one of which ends: 2 ÷ 3 of the curve are left, not 1 ÷ 2.
        assert_eq!(quartiles(&[(5, true), (5, false), (9, false)]), [Some(5), Some(9), Some(9)]);
    }
}
