//! Metrics of predicted probabilities against outcomes that the model has not seen.

use serde::{Deserialize, Serialize};

use super::{inputs::as_f64, random::Random};

/// A 95 % bootstrap interval of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end: the 2.5 % quantile of the resamplings.
    pub low: f64,
    /// The upper end: the 97.5 % quantile.
    pub high: f64,
}

/// A calibration bin: a tenth of the range of probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// The lower end, inclusive.
    pub from: f64,
    /// The upper end, exclusive except in the last bin.
    pub to: f64,
    /// The number of rows with a probability in the bin.
    pub rows: usize,
    /// The mean probability of these rows.
    pub mean_probability: f64,
    /// The rate of positive outcomes among these rows.
    pub rate: f64,
}

/// The quality of the probabilities of some rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// The number of rows.
    pub rows: usize,
    /// The number of rows with a positive outcome.
    pub positives: usize,
    /// The area under the ROC curve: the probability that a random positive row is ranked above a random negative one,
    /// with ties as one half. 0.5 is random, 1 perfect. `None` if all outcomes are equal.
    pub auc: Option<f64>,
    /// Average precision: Σ (recall − previous recall) · precision over falling thresholds. The rate of positive
    /// outcomes is random, 1 perfect. `None` without positive outcomes.
    pub pr_auc: Option<f64>,
    /// The rate of positive outcomes in the tenth of the rows with the highest probabilities; 0 for fewer than ten
    /// rows.
    pub top_tenth: f64,
    /// The mean of −ln(the probability of the actual outcome).
    pub log_loss: f64,
    /// The mean squared difference of probability and outcome.
    pub brier: f64,
    /// The expected calibration error: the mean over the rows of the difference between rate and mean probability of
    /// their bin.
    pub ece: f64,
    /// The calibration bins that contain rows.
    pub calibration: Vec<CalibrationBin>,
}

impl Metrics {
    /// Returns the rate of positive outcomes.
    pub fn rate(&self) -> f64 {
        as_f64(self.positives) / as_f64(self.rows.max(1))
    }

    /// Computes the metrics of probabilities. Both slices have the same length and are not empty; otherwise everything
    /// is 0.
    pub fn of(outcome: &[bool], probability: &[f64]) -> Self {
        let rows = as_f64(outcome.len().max(1));
        let pairs = || outcome.iter().zip(probability);
        let calibration = calibration(outcome, probability);
        let ranking = Ranking::of(probability);
        Self {
            rows: outcome.len(),
            positives: outcome.iter().filter(|outcome| **outcome).count(),
            auc: ranking.auc(outcome, None),
            pr_auc: ranking.average_precision(outcome),
            top_tenth: ranking.top_tenth(outcome),
            log_loss: pairs().map(|(outcome, probability)| log_loss(*outcome, *probability)).sum::<f64>() / rows,
            brier: pairs()
                .map(|(outcome, probability)| {
                    let distance = f64::from(u8::from(*outcome)) - probability;
                    distance * distance
                })
                .sum::<f64>()
                / rows,
            ece: calibration.iter().map(|bin| as_f64(bin.rows) * (bin.rate - bin.mean_probability).abs()).sum::<f64>()
                / rows,
            calibration,
        }
    }
}

/// Returns −ln of the probability of the actual outcome, which is at least 10⁻¹⁵.
pub(super) fn log_loss(outcome: bool, probability: f64) -> f64 {
    -libm::log((if outcome { probability } else { 1.0 - probability }).max(1e-15))
}

fn calibration(outcome: &[bool], probability: &[f64]) -> Vec<CalibrationBin> {
    let mut bins = [(0_usize, 0_usize, 0.0); 10];
    for (outcome, probability) in outcome.iter().zip(probability) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 10")]
        let place = (((probability * 10.0).max(0.0)) as usize).min(9);
        bins[place].0 += 1;
        bins[place].1 += usize::from(*outcome);
        bins[place].2 += probability;
    }
    let bin = |(place, (rows, came, sum)): (usize, &(usize, usize, f64))| CalibrationBin {
        from: as_f64(place) / 10.0,
        to: as_f64(place + 1) / 10.0,
        rows: *rows,
        mean_probability: sum / as_f64(*rows),
        rate: as_f64(*came) / as_f64(*rows),
    };
    bins.iter().enumerate().filter(|(_, bin)| bin.0 > 0).map(bin).collect()
}

/// Rows by ascending probability, in groups of equal ones. It is sorted once for all resamplings of the rows.
pub(super) struct Ranking {
    order: Vec<u32>,
    /// The end of each group in `order`.
    ends: Vec<usize>,
}

impl Ranking {
    #[expect(clippy::cast_possible_truncation, reason = "held-back rows are below 2³²")]
    pub(super) fn of(probability: &[f64]) -> Self {
        let mut order: Vec<u32> = (0..probability.len() as u32).collect();
        order.sort_unstable_by(|a, b| probability[*a as usize].total_cmp(&probability[*b as usize]));
        let value = |at: usize| probability[order[at] as usize];
        let ends = (1..=order.len()).filter(|at| *at == order.len() || value(*at) > value(at - 1)).collect();
        Self { order, ends }
    }

    /// Returns the area under the ROC curve, with each row weighted by `times` (default: once).
    pub(super) fn auc(&self, outcome: &[bool], times: Option<&[u32]>) -> Option<f64> {
        let (mut below, mut won, mut came) = (0.0, 0.0, 0.0);
        let mut from = 0;
        for end in &self.ends {
            let (mut yes, mut no) = (0_u64, 0_u64);
            for row in &self.order[from..*end] {
                let row = *row as usize;
                let times = u64::from(times.map_or(1, |times| times[row]));
                if outcome[row] {
                    yes += times;
                } else {
                    no += times;
                }
            }
            let (yes, no) = (count(yes), count(no));
            won += yes * (below + 0.5 * no);
            below += no;
            came += yes;
            from = *end;
        }
        (came > 0.0 && below > 0.0).then(|| won / (came * below))
    }

    fn average_precision(&self, outcome: &[bool]) -> Option<f64> {
        let positives = outcome.iter().filter(|outcome| **outcome).count();
        let (mut sum, mut found, mut looked_at) = (0.0, 0, 0);
        for (group, end) in self.ends.iter().enumerate().rev() {
            let from = if group == 0 { 0 } else { self.ends[group - 1] };
            let new = self.order[from..*end].iter().filter(|row| outcome[**row as usize]).count();
            found += new;
            looked_at += end - from;
            sum += as_f64(new) * as_f64(found) / as_f64(looked_at);
        }
        (positives > 0).then(|| sum / as_f64(positives))
    }

    fn top_tenth(&self, outcome: &[bool]) -> f64 {
        let top = &self.order[self.order.len() - self.order.len() / 10..];
        as_f64(top.iter().filter(|row| outcome[**row as usize]).count()) / as_f64(top.len().max(1))
    }
}

/// Returns how often each row is drawn in a sample of equal size with replacement.
fn resample(rows: usize, random: &mut Random) -> Vec<u32> {
    let mut times = vec![0; rows];
    for _ in 0..rows {
        times[random.below(rows)] += 1;
    }
    times
}

/// Returns the middle 95 %.
fn interval(mut figures: Vec<f64>) -> Option<Interval> {
    figures.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| figures.get((figures.len() * share / 1000).min(figures.len() - 1)).copied();
    if figures.is_empty() { None } else { Some(Interval { low: at(25)?, high: at(975)? }) }
}

/// Returns the mean over the rows, each weighted by how often it was drawn.
fn mean(figures: &[f64], times: &[u32]) -> f64 {
    let sum: f64 = figures.iter().zip(times).map(|(figure, times)| figure * f64::from(*times)).sum();
    sum / as_f64(figures.len())
}

/// Returns the intervals of the area under the ROC curve and of the log-loss (percentile bootstrap).
pub(super) fn intervals(
    outcome: &[bool],
    probability: &[f64],
    resamplings: usize,
    seed: u64,
) -> Option<(Interval, Interval)> {
    let ranking = Ranking::of(probability);
    let losses: Vec<f64> = outcome.iter().zip(probability).map(|(one, two)| log_loss(*one, *two)).collect();
    let mut random = Random::new(seed);
    let (mut areas, mut means) = (Vec::new(), Vec::new());
    for _ in 0..resamplings {
        let times = resample(outcome.len(), &mut random);
        areas.extend(ranking.auc(outcome, Some(&times)));
        means.push(mean(&losses, &times));
    }
    Some((interval(areas)?, interval(means)?))
}

/// The improvement of one model over another on the same rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The area under the ROC curve of the second model minus that of the first.
    pub auc: f64,
    /// The interval of `auc`.
    pub auc_interval: Interval,
    /// The log-loss of the second model minus that of the first: below 0 is better.
    pub log_loss: f64,
    /// The interval of `log_loss`.
    pub log_loss_interval: Interval,
}

/// Compares the probabilities of two models for the same rows, with intervals from the same resamplings for both.
/// Returns `None` if the lengths differ, all outcomes are equal, or `resamplings` is 0.
pub fn difference(
    outcome: &[bool],
    first: &[f64],
    second: &[f64],
    resamplings: usize,
    seed: u64,
) -> Option<Difference> {
    if outcome.len() != first.len() || outcome.len() != second.len() {
        return None;
    }
    let (one, two) = (Ranking::of(first), Ranking::of(second));
    let losses: Vec<f64> = outcome
        .iter()
        .zip(first.iter().zip(second))
        .map(|(outcome, (first, second))| log_loss(*outcome, *second) - log_loss(*outcome, *first))
        .collect();
    let gap = |times: Option<&[u32]>| Some(two.auc(outcome, times)? - one.auc(outcome, times)?);
    let mut random = Random::new(seed);
    let (mut areas, mut means) = (Vec::new(), Vec::new());
    for _ in 0..resamplings {
        let times = resample(outcome.len(), &mut random);
        areas.extend(gap(Some(times.as_slice())));
        means.push(mean(&losses, &times));
    }
    Some(Difference {
        auc: gap(None)?,
        auc_interval: interval(areas)?,
        log_loss: losses.iter().sum::<f64>() / as_f64(losses.len()),
        log_loss_interval: interval(means)?,
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows are below 2⁵³")]
fn count(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOME: [bool; 4] = [false, false, true, true];
    const PROBABILITY: [f64; 4] = [0.1, 0.4, 0.35, 0.8];

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    /// The example in scikit-learn's documentation of `roc_auc_score` and `average_precision_score`.
    #[test]
    fn the_documented_example() {
        let metrics = Metrics::of(&OUTCOME, &PROBABILITY);
        near(metrics.auc.unwrap(), 0.75);
        near(metrics.pr_auc.unwrap(), 0.833_333_333_333_333_3);
        // (ln 0.9 + ln 0.6 + ln 0.35 + ln 0.8) / −4
        near(metrics.log_loss, 0.472_287_953_809_176_15);
        near(metrics.brier, (0.01 + 0.16 + 0.4225 + 0.04) / 4.0);
        // Each row is alone in its bin.
        near(metrics.ece, (0.1 + 0.4 + 0.65 + 0.2) / 4.0);
        assert_eq!((metrics.rows, metrics.positives, metrics.calibration.len()), (4, 2, 4));
    }

    #[test]
    fn equal_probabilities_count_half() {
        let metrics = Metrics::of(&[true, false, true, false], &[0.5, 0.5, 0.5, 0.2]);
        near(metrics.auc.unwrap(), 0.75);
        near(metrics.pr_auc.unwrap(), 2.0 / 3.0);
        let constant = Metrics::of(&OUTCOME, &[0.5; 4]);
        near(constant.auc.unwrap(), 0.5);
        near(constant.pr_auc.unwrap(), 0.5);
        near(constant.log_loss, std::f64::consts::LN_2);
        near(constant.ece, 0.0);
    }

    #[test]
    fn one_kind_of_outcome_has_no_area() {
        let metrics = Metrics::of(&[false, false], &[0.2, 0.3]);
        assert_eq!((metrics.auc, metrics.pr_auc), (None, None));
        assert_eq!(Metrics::of(&[true, true], &[0.2, 0.3]).pr_auc, Some(1.0));
        assert_eq!(Metrics::of(&[], &[]).rows, 0);
    }

    #[test]
    fn certainty_that_is_wrong_is_finite() {
        let metrics = Metrics::of(&[true, false], &[0.0, 1.0]);
        near(metrics.log_loss, 15.0 * std::f64::consts::LN_10);
        assert_eq!(metrics.auc, Some(0.0));
        assert_eq!(metrics.calibration.last().map(|bin| bin.rows), Some(1), "1 is in the last bin");
    }

    #[test]
    fn the_top_tenth_is_counted() {
        let probability: Vec<f64> = (0..20).map(|at| f64::from(at) / 20.0).collect();
        let outcome: Vec<bool> = (0..20).map(|at| at == 19 || at < 5).collect();
        near(Metrics::of(&outcome, &probability).top_tenth, 0.5);
    }

    /// The interval of a mean is known: ±1.96 standard errors.
    #[test]
    fn intervals_are_as_wide_as_they_should_be() {
        let outcome: Vec<bool> = (0..2000).map(|at| at % 4 == 0).collect();
        let probability: Vec<f64> = (0..2000).map(|at| if at % 3 == 0 { 0.5 } else { 0.25 }).collect();
        let losses: Vec<f64> = outcome.iter().zip(&probability).map(|(one, two)| log_loss(*one, *two)).collect();
        let mean = losses.iter().sum::<f64>() / 2000.0;
        let error = (losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / 2000.0 / 2000.0).sqrt();
        let (_, interval) = intervals(&outcome, &probability, 400, 7).unwrap();
        let width = (interval.high - interval.low) / (2.0 * 1.96 * error);
        assert!((0.85..1.15).contains(&width), "{width} of what it should be");
        assert!(interval.low < mean && mean < interval.high);
        assert_eq!(intervals(&outcome, &probability, 50, 7), intervals(&outcome, &probability, 50, 7));
        assert_eq!(intervals(&outcome, &probability, 0, 7), None);
    }

    #[test]
    fn a_difference_is_of_the_same_rows() {
        let outcome: Vec<bool> = (0..400).map(|at| at % 2 == 0).collect();
        let good: Vec<f64> = (0..400).map(|at| if (at % 2 == 0) == (at % 5 > 0) { 0.8 } else { 0.2 }).collect();
        let poor = vec![0.5; 400];
        let found = difference(&outcome, &poor, &good, 100, 1).unwrap();
        near(found.auc, 0.3);
        assert!(found.auc_interval.low > 0.2 && found.log_loss_interval.high < 0.0);
        let same = difference(&outcome, &good, &good, 100, 1).unwrap();
        assert_eq!(same.auc_interval, Interval { low: 0.0, high: 0.0 });
        assert_eq!(difference(&outcome, &poor, &good[1..], 100, 1), None);
    }
}
