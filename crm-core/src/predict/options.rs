//! What training is asked for, what it refuses, and when a model may be relied on.

use serde::{Deserialize, Serialize};

use super::{inputs::as_f64, metrics::log_loss, split::Split};

/// What learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learner {
    /// A smooth shape for each column and a few pairs of columns.
    #[default]
    Additive,
    /// Plain logistic regression: numbers linear in their standard scores, categories one-hot.
    Logistic {
        /// The inverse of the L2 penalty's strength, more than 0; 1 is usual.
        c: f64,
    },
}

/// How many outcomes training needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minimum {
    /// In all.
    pub outcomes: usize,
    /// Of those that came true, and of those that did not.
    pub of_each: usize,
}

impl Default for Minimum {
    fn default() -> Self {
        Self { outcomes: 100, of_each: 30 }
    }
}

/// What training is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Which rows are held back to judge the model; `None`: by time where the table knows it, and else by chance.
    pub split: Option<Split>,
    /// What learns.
    pub learner: Learner,
    /// Columns that are never to be features.
    pub exclude: Vec<String>,
    /// Columns that are features although they look like identifiers, contact details or free text: of a declared amount
    /// it is known that it is one. `exclude` goes before.
    pub keep: Vec<String>,
    /// How many outcomes it takes. Less than 30 and 10 of each is taken for that: below it nothing can be judged.
    pub minimum: Minimum,
    /// Whether the other way of dividing (by time, or by chance) is tried and reported besides, which doubles the time.
    pub both_ways: bool,
    /// How many resamplings give the intervals; 0 for none.
    pub resamplings: usize,
    /// What chance there is comes from this.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            split: None,
            learner: Learner::default(),
            exclude: Vec::new(),
            keep: Vec::new(),
            minimum: Minimum::default(),
            both_ways: true,
            resamplings: 200,
            seed: 0,
        }
    }
}

/// Why no model was trained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// There is no row at all.
    #[error("there are no outcomes to learn from")]
    NoOutcomes,
    /// There are too few.
    #[error("there are {found} outcomes, and training needs {needed}")]
    TooFewOutcomes {
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// All outcomes are alike, or nearly.
    #[error("{found} outcomes are {}, and training needs {needed} of each kind", if *.came_true { "positive" } else { "negative" })]
    TooFewOfOneKind {
        /// Of which kind.
        came_true: bool,
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// Divided like this, the rows to train on or those held back hold too few of one kind.
    #[error("divided this way, {} rows hold {positives} positive and {negatives} negative outcomes", if *.held_back { "the held-back" } else { "the training" })]
    OneSided {
        /// Which rows.
        held_back: bool,
        /// How many of them came true.
        positives: usize,
        /// How many did not.
        negatives: usize,
    },
    /// The rows are to be divided by time, and their order is not known.
    #[error("the rows cannot be divided by time: their order is not known")]
    OrderUnknown,
    /// A column is to be excluded or kept that is not there.
    #[error("there is no column `{0}` to exclude or to keep")]
    UnknownColumn(String),
    /// No column can be a feature.
    #[error("no column can be a feature")]
    NoFeatures,
    /// The penalty's inverse strength is no positive number.
    #[error("`c` must be more than 0, and is {0}")]
    Penalty(f64),
}

/// Whether a model may be relied on: whether it does better on held-back rows than the base rate of the training rows, and
/// by enough to act on.
///
/// For each held-back row the log-loss of saying the base rate, less that of the model, is what the model gains. It is
/// confident where the mean gain exceeds 2.326 of its standard errors (of models that know nothing, about one in a hundred
/// would), and is a fiftieth or more of the log-loss of the base rate: with thousands of rows even what nobody could act on
/// is surely more than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether it is better than the base rate.
    pub confident: bool,
    /// The mean gain, in nats a row.
    pub gain: f64,
    /// Its standard error.
    pub error: f64,
    /// The gain as a share of the log-loss of the base rate.
    pub share: f64,
}

/// The quantile of the normal distribution beyond which lies one in a hundred.
const ONE_IN_A_HUNDRED: f64 = 2.326;
/// The least share of the base rate's log-loss that is worth acting on.
const WORTH: f64 = 0.02;

impl Verdict {
    pub(super) fn of(outcome: &[bool], probability: &[f64], base_rate: f64) -> Self {
        let base = |outcome: &bool| log_loss(*outcome, base_rate);
        let gains = || {
            let pairs = outcome.iter().zip(probability);
            pairs.map(|(outcome, probability)| base(outcome) - log_loss(*outcome, *probability))
        };
        let rows = as_f64(outcome.len());
        let gain = gains().sum::<f64>() / rows;
        let variance = gains().map(|one| (one - gain) * (one - gain)).sum::<f64>() / (rows - 1.0).max(1.0);
        let error = (variance / rows).sqrt();
        let share = gain / (outcome.iter().map(base).sum::<f64>() / rows);
        Self { confident: gain > ONE_IN_A_HUNDRED * error && share >= WORTH, gain, error, share }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many rows of which every other came true, and a model that gives what happened this probability.
    fn verdict(rows: usize, given: impl Fn(usize) -> f64) -> Verdict {
        let outcome: Vec<bool> = (0..rows).map(|row| row % 2 == 0).collect();
        let probability: Vec<f64> =
            (0..rows).map(|row| if outcome[row] { given(row) } else { 1.0 - given(row) }).collect();
        Verdict::of(&outcome, &probability, 0.5)
    }

    #[test]
    fn a_gain_must_be_sure_and_worth_it() {
        assert!(!verdict(1000, |_| 0.5).confident, "it says the base rate");
        assert!(!verdict(1000, |_| 0.4).confident, "it is worse");
        let good = verdict(1000, |row| if row % 5 == 0 { 0.3 } else { 0.7 });
        assert!(good.confident && good.share > 0.1, "{good:?}");
        // The same gain in fewer rows may be luck.
        let lucky = verdict(10, |row| if row % 5 == 0 { 0.3 } else { 0.7 });
        assert!(!lucky.confident && (lucky.share - good.share).abs() < 1e-12, "{lucky:?}");
        // Sure, and too little.
        let little = verdict(100_000, |row| if row % 10 < 4 { 0.48 } else { 0.52 });
        assert!(little.gain > 10.0 * little.error && !little.confident, "{little:?}");
    }

    #[test]
    fn errors_name_what_is_wrong() {
        let one_kind = TrainError::TooFewOfOneKind { came_true: false, found: 29, needed: 30 };
        assert_eq!(one_kind.to_string(), "29 outcomes are negative, and training needs 30 of each kind");
    }
}
