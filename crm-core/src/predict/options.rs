//! The options of training, the errors of training, and the criterion for a reliable model.

use serde::{Deserialize, Serialize};

use super::{inputs::as_f64, metrics::log_loss, split::Split};

/// The learning algorithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learner {
    /// An additive model: a smooth shape for each column and interactions of a few pairs of columns.
    #[default]
    Additive,
    /// Plain logistic regression: numbers linear in their standard scores, categories one-hot.
    Logistic {
        /// The inverse of the L2 penalty's strength, greater than 0; the usual value is 1.
        c: f64,
    },
}

/// The number of outcomes that training requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minimum {
    /// The total number of outcomes.
    pub outcomes: usize,
    /// The number of positive and of negative outcomes.
    pub of_each: usize,
}

impl Default for Minimum {
    fn default() -> Self {
        Self { outcomes: 100, of_each: 30 }
    }
}

/// The options of training.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The split into training and held-out rows; `None`: by time if the table's order is known, and otherwise random.
    pub split: Option<Split>,
    /// The learning algorithm.
    pub learner: Learner,
    /// Columns that are never features.
    pub exclude: Vec<String>,
    /// Columns that are features although their values look like identifiers, contact details or free text, such as
    /// amounts that are declared as such. `exclude` takes precedence.
    pub keep: Vec<String>,
    /// The required number of outcomes. Values below 30 in total and 10 of each count as these, below which nothing can
    /// be evaluated.
    pub minimum: Minimum,
    /// `true` to evaluate and report the other split (by time, or random) too, which doubles the duration.
    pub both_ways: bool,
    /// The number of bootstrap resamplings for the intervals; 0 for none.
    pub resamplings: usize,
    /// The seed of all randomness.
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

/// The error of training.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TrainError {
    /// There are no rows.
    #[error("there are no outcomes to learn from")]
    NoOutcomes,
    /// There are too few outcomes.
    #[error("there are {found} outcomes, but training requires {needed}")]
    TooFewOutcomes {
        /// The number of outcomes.
        found: usize,
        /// The required number.
        needed: usize,
    },
    /// All or nearly all outcomes are equal.
    #[error("{found} outcomes are {}, but training requires {needed} of each class", if *.came_true { "positive" } else { "negative" })]
    TooFewOfOneKind {
        /// `true` if the positive outcomes are too few, `false` if the negative ones are.
        came_true: bool,
        /// The number of these outcomes.
        found: usize,
        /// The required number.
        needed: usize,
    },
    /// After the split, the training rows or the held-out rows have too few outcomes of one kind.
    #[error("divided this way, {} rows hold {positives} positive and {negatives} negative outcomes", if *.held_back { "the held-back" } else { "the training" })]
    OneSided {
        /// `true` for the held-out rows, `false` for the training rows.
        held_back: bool,
        /// The number of positive outcomes.
        positives: usize,
        /// The number of negative outcomes.
        negatives: usize,
    },
    /// A split by time was requested, but the order of the rows is unknown.
    #[error("the rows cannot be divided by time: their order is not known")]
    OrderUnknown,
    /// `exclude` or `keep` names a column that does not exist.
    #[error("there is no column `{0}` to exclude or to keep")]
    UnknownColumn(String),
    /// No column is usable as a feature.
    #[error("no column can be a feature")]
    NoFeatures,
    /// The penalty's inverse strength is not a positive number.
    #[error("`c` must be greater than 0, but is {0}")]
    Penalty(f64),
}

/// The verdict on a model, which is reliable if it is better on held-out rows than the base rate of the training rows, by
/// enough to act on.
///
/// The gain of a held-out row is the log-loss of predicting the base rate minus that of the model. The model is
/// confident if the mean gain exceeds 2.326 of its standard errors (about one in a hundred uninformative models would)
/// and is at least a fiftieth of the log-loss of the base rate: with thousands of rows, gains too small to act on are
/// significant too.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// `true` if the model is better than the base rate.
    pub confident: bool,
    /// The mean gain, in nats per row.
    pub gain: f64,
    /// The standard error of the gain.
    pub error: f64,
    /// The gain as a share of the log-loss of the base rate.
    pub share: f64,
}

/// The 99 % quantile of the normal distribution.
const ONE_IN_A_HUNDRED: f64 = 2.326;
/// The minimum gain, as a share of the base rate's log-loss.
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

    /// Evaluates a model on rows with alternating outcomes; `given` is the probability of each row's actual outcome.
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
        // The same gain in fewer rows can be chance.
        let lucky = verdict(10, |row| if row % 5 == 0 { 0.3 } else { 0.7 });
        assert!(!lucky.confident && (lucky.share - good.share).abs() < 1e-12, "{lucky:?}");
        // Significant, but too small.
        let little = verdict(100_000, |row| if row % 10 < 4 { 0.48 } else { 0.52 });
        assert!(little.gain > 10.0 * little.error && !little.confident, "{little:?}");
    }

    #[test]
    fn errors_name_what_is_wrong() {
        let one_kind = TrainError::TooFewOfOneKind { came_true: false, found: 29, needed: 30 };
        assert_eq!(one_kind.to_string(), "29 outcomes are negative, but training requires 30 of each class");
    }
}
