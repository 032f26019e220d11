//! Training: fits a model to a table, evaluates it on held-out rows, and reports the findings.

use serde::{Deserialize, Serialize};

use super::{
    additive,
    drift::{self, Drift},
    inputs::as_f64,
    leakage::{self, Leak},
    logistic,
    metrics::{Interval, Metrics, intervals, log_loss},
    model::{FORMAT, Model, Parts},
    newton::probability,
    options::{Learner, Options, TrainError, Verdict},
    select::{self, Excluded, Exclusion},
    split::{Sides, Split},
    table::Table,
    terms::Fitted,
};

/// The result of training.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The model.
    pub model: Model,
    /// The findings.
    pub report: Report,
    /// The predictions for the held-out rows, in the table's order (by time: oldest first).
    pub held_back: Vec<HeldBack>,
}

/// A held-out row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HeldBack {
    /// The index of the row in the table.
    pub row: usize,
    /// The outcome of the row.
    pub outcome: bool,
    /// The probability by the model, even if the model turned out to be no better than the base rate.
    pub probability: f64,
}

/// The findings of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The number of rows.
    pub rows: usize,
    /// The rate of positive outcomes.
    pub base_rate: f64,
    /// The evaluation of the model.
    pub evaluation: Evaluation,
    /// The evaluation of the same learner with the other split: by time if the rows were split at random, and vice
    /// versa. `None` if it was not requested, or the rows do not allow it.
    pub other: Option<Evaluation>,
    /// The columns that are features.
    pub features: Vec<String>,
    /// The columns that are not features, and the reasons.
    pub excluded: Vec<Excluded>,
    /// Columns with unusable cells (numbers that are not finite, text among numbers), which are missing, and their
    /// number.
    pub unusable: Vec<(String, usize)>,
    /// Columns with suspected leakage, the most certain first.
    pub leakage: Vec<Leak>,
    /// The drift over time, if the order is known.
    pub drift: Option<Drift>,
}

/// The evaluation of a model on held-out rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The split.
    pub split: Split,
    /// The number of training rows.
    pub trained_on: usize,
    /// The rate of positive outcomes in the training rows.
    pub base_rate: f64,
    /// The metrics on the held-out rows.
    pub metrics: Metrics,
    /// The interval of the area under the ROC curve.
    pub auc_interval: Option<Interval>,
    /// The interval of the log-loss.
    pub log_loss_interval: Option<Interval>,
    /// The log-loss of predicting the base rate of the training rows for every row.
    pub base_log_loss: f64,
    /// The verdict on whether the model is reliable.
    pub verdict: Verdict,
}

/// The minimum number of outcomes for an evaluation, whatever the caller's minimum.
const LEAST_OUTCOMES: usize = 30;
const LEAST_OF_EACH: usize = 10;
/// The minimum number of positive and of negative outcomes on each side of a split.
const LEAST_OF_EACH_SIDE: usize = 3;

/// Trains a model on the training rows of a table, and evaluates it on the held-out rows.
///
/// The only randomness comes from `options.seed`, and no clock is read: the same table and options give the same model,
/// bit for bit. The cost grows with rows × columns², and with the cube of the number of coefficients (at most about
/// 500): half a second for 32,000 rows of 15 columns.
pub fn train(table: &Table, options: &Options) -> Result<Trained, TrainError> {
    check(table, options)?;
    let by_chance = Split::Random { seed: options.seed };
    let ordered = table.by_time().is_some();
    let split = options.split.unwrap_or(if ordered { Split::Time } else { by_chance });
    let sides = divide(table, split)?;
    let (features, mut excluded) = select::select(table, &sides.training, options);
    if features.is_empty() {
        return Err(TrainError::NoFeatures);
    }
    let (model, evaluation, probabilities) = attempt(table, &features, split, &sides, options);

    let other_split = if split == Split::Time { Some(by_chance) } else { ordered.then_some(Split::Time) };
    let other = other_split.filter(|_| options.both_ways).and_then(|split| {
        let sides = divide(table, split).ok()?;
        let (features, _) = select::select(table, &sides.training, options);
        (!features.is_empty()).then(|| attempt(table, &features, split, &sides, options).1)
    });

    let used = |column: &str| model.columns().any(|used| used == column);
    let name = |place: &usize| table.columns()[*place].name.clone();
    // A learner can find a column uninformative, such as the logistic one for numbers that are constant except where
    // missing.
    let unread = features.iter().map(name).filter(|column| !used(column));
    excluded.extend(unread.map(|column| Excluded { column, why: Exclusion::Constant }));
    let came = table.outcome().iter().filter(|outcome| **outcome).count();
    let unusable = table.columns().iter().filter(|column| column.unusable > 0);
    let is_silent = |one: &&Excluded| matches!(one.why, Exclusion::Empty | Exclusion::Constant);
    let silent: Vec<usize> = excluded
        .iter()
        .filter(is_silent)
        .filter_map(|one| table.position(&one.column))
        .filter(|place| !features.contains(place))
        .collect();
    let report = Report {
        rows: table.rows(),
        base_rate: as_f64(came) / as_f64(table.rows()),
        evaluation,
        other,
        features: model.columns().map(str::to_owned).collect(),
        excluded,
        unusable: unusable.map(|column| (column.name.clone(), column.unusable)).collect(),
        leakage: leakage::warnings(table, &features, &silent),
        drift: drift::look(table, &features),
    };
    let held_back = sides
        .held_back
        .iter()
        .zip(probabilities)
        .map(|(row, probability)| HeldBack { row: *row, outcome: table.outcome()[*row], probability })
        .collect();
    Ok(Trained { model, report, held_back })
}

fn check(table: &Table, options: &Options) -> Result<(), TrainError> {
    if let Learner::Logistic { c } = options.learner
        && !(c > 0.0 && c.is_finite() && (1.0 / c).is_finite())
    {
        return Err(TrainError::Penalty(c));
    }
    if let Some(unknown) = options.exclude.iter().chain(&options.keep).find(|name| table.position(name).is_none()) {
        return Err(TrainError::UnknownColumn(unknown.clone()));
    }
    let rows = table.rows();
    if rows == 0 {
        return Err(TrainError::NoOutcomes);
    }
    let needed = options.minimum.outcomes.max(LEAST_OUTCOMES);
    if rows < needed {
        return Err(TrainError::TooFewOutcomes { found: rows, needed });
    }
    let needed = options.minimum.of_each.max(LEAST_OF_EACH);
    let positives = table.outcome().iter().filter(|outcome| **outcome).count();
    for (came_true, found) in [(true, positives), (false, rows - positives)] {
        if found < needed {
            return Err(TrainError::TooFewOfOneKind { came_true, found, needed });
        }
    }
    Ok(())
}

fn divide(table: &Table, split: Split) -> Result<Sides, TrainError> {
    let sides = split.divide(table).ok_or(TrainError::OrderUnknown)?;
    for (held_back, rows) in [(false, &sides.training), (true, &sides.held_back)] {
        let positives = rows.iter().filter(|row| table.outcome()[**row]).count();
        let negatives = rows.len() - positives;
        if positives.min(negatives) < LEAST_OF_EACH_SIDE {
            return Err(TrainError::OneSided { held_back, positives, negatives });
        }
    }
    Ok(sides)
}

/// Fits on one side and evaluates on the other.
fn attempt(
    table: &Table,
    features: &[usize],
    split: Split,
    sides: &Sides,
    options: &Options,
) -> (Model, Evaluation, Vec<f64>) {
    let Fitted { intercept, inputs, terms } = match options.learner {
        Learner::Additive => additive::fit(table, features, &sides.training),
        Learner::Logistic { c } => logistic::fit(table, features, &sides.training, c),
    };
    let trained_on = sides.training.len();
    let came = sides.training.iter().filter(|row| table.outcome()[**row]).count();
    let base_rate = as_f64(came) / as_f64(trained_on);
    let outcome: Vec<bool> = sides.held_back.iter().map(|row| table.outcome()[*row]).collect();
    let no_verdict = Verdict { confident: true, gain: 0.0, error: 0.0, share: 0.0 };
    let parts = Parts {
        format: FORMAT,
        learner: options.learner,
        trained_on,
        base_rate,
        intercept,
        inputs,
        terms,
        split,
        held_back: Metrics::of(&[], &[]),
        verdict: no_verdict,
    };
    let mut model = Model::of(parts);
    let prepared = model.prepare_rows(table, &sides.held_back);
    let probabilities: Vec<f64> = model.tried(&prepared).into_iter().map(probability).collect();
    let metrics = Metrics::of(&outcome, &probabilities);
    let verdict = Verdict::of(&outcome, &probabilities, base_rate);
    model.judge(metrics.clone(), verdict);
    let (auc_interval, log_loss_interval) =
        intervals(&outcome, &probabilities, options.resamplings, options.seed).unzip();
    let base_log_loss =
        outcome.iter().map(|outcome| log_loss(*outcome, base_rate)).sum::<f64>() / as_f64(outcome.len());
    let evaluation =
        Evaluation { split, trained_on, base_rate, metrics, auc_interval, log_loss_interval, base_log_loss, verdict };
    (model, evaluation, probabilities)
}
