//! The duration of stays, some of which have not ended.
//!
//! Excluding open stays would make every stage appear faster than it is, since long stays are the ones still open; so
//! would counting an open stay as if it ended today. The quartiles are therefore those of the product-limit curve: E.
//! L. Kaplan and P. Meier, "Nonparametric Estimation from Incomplete Observations", Journal of the American Statistical
//! Association 53 (1958), 457–481. An open stay is right-censored at its current duration.

use serde::Serialize;

/// The duration of the stays that began in the period.
///
/// The quartiles are those of the survival curve S(t), the share of stays that last longer than t, by the Kaplan–Meier
/// estimator: the product, over all times t at which stays ended, of (n − d) ÷ n, with n stays that had lasted until
/// t, d of which ended then. A quartile is the first t at which S has fallen to it. If S remains at exactly that share
/// until the next stay ends, the quartile is the midpoint of the two times, so that without open stays the median is
/// the ordinary one. `None` if S never falls that far, because too few stays have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TimeInStage {
    /// Stays that ended before the end of the follow-up.
    pub finished: u64,
    /// Stays that were still open at the end of the follow-up.
    pub open: u64,
    /// The duration within which a quarter of the stays ended, in microseconds.
    pub lower_quartile_micros: Option<i64>,
    /// The duration within which half of the stays ended, in microseconds.
    pub median_micros: Option<i64>,
    /// The duration within which three quarters of the stays ended, in microseconds.
    pub upper_quartile_micros: Option<i64>,
    /// Stays that are excluded because they begin in the future.
    pub left_out: u64,
}

/// The duration of a stay, up to the end of the follow-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lasted {
    pub(super) micros: i64,
    /// `false` if the stay ended then. At the same time, ended stays are ordered before open ones.
    pub(super) open: bool,
}

/// The tolerance for the rounding of a product of a million ratios.
const ROUNDING: f64 = 1e-9;

/// A share of the curve to find.
#[derive(Clone, Copy, Debug)]
struct Level {
    share: f64,
    /// The time since when the curve is at exactly this share.
    flat_since: Option<i64>,
    found: Option<i64>,
}

impl Level {
    const fn new(share: f64) -> Self {
        Self { share, flat_since: None, found: None }
    }

    /// Lowers the curve to `surviving` at a time.
    fn step(&mut self, micros: i64, surviving: f64) {
        if self.found.is_some() {
            return;
        }
        if (surviving - self.share).abs() <= ROUNDING {
            self.flat_since = Some(micros);
        } else if surviving < self.share {
            // Both are non-negative, so this cannot overflow.
            self.found = Some(self.flat_since.map_or(micros, |since| since + (micros - since) / 2));
        }
    }

    fn micros(&self) -> Option<i64> {
        self.found.or(self.flat_since)
    }
}

/// Returns the median and the quartiles of stays, in any order. O(n log n).
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

    /// Remission of leukaemia under 6-mercaptopurine, in weeks, `true` if censored: Freireich and others, Blood 21
    /// (1963). The median of 23 weeks is the textbook value; the lower quartile of 13 is that of R's
    /// `quantile(survfit(…))`, which has no upper one.
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
        // Of two of the three that last until 5, one ends: 2 ÷ 3 of the curve remain, not 1 ÷ 2.
        assert_eq!(quartiles(&[(5, true), (5, false), (9, false)]), [Some(5), Some(9), Some(9)]);
    }
}
