//! Training: from a table to a model, judged on rows that it has not seen, and a report of what was found.

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

/// What training yields.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The model.
    pub model: Model,
    /// What was found.
    pub report: Report,
    /// What the model says of each row that was held back, in the table's order (by time: oldest first).
    pub held_back: Vec<HeldBack>,
}

/// A row that was held back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HeldBack {
    /// The row's place in the table.
    pub row: usize,
    /// What came of it.
    pub outcome: bool,
    /// What the model gave it, also where the model turned out to be no better than the base rate.
    pub probability: f64,
}

/// What training found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// How many rows there were.
    pub rows: usize,
    /// The share of them that came true.
    pub base_rate: f64,
    /// The model, judged.
    pub evaluation: Evaluation,
    /// The same learner, judged the other way: in time order where the rows were divided by chance, and the reverse.
    /// `None` where it was not asked for, or the rows do not allow it.
    pub other: Option<Evaluation>,
    /// The columns that are features.
    pub features: Vec<String>,
    /// Those that are not, and why.
    pub excluded: Vec<Excluded>,
    /// Columns with unusable cells (numbers that are not finite, texts among numbers), which count as missing.
    pub unusable: Vec<(String, usize)>,
    /// Columns that seem to know the outcome, the surest first.
    pub leakage: Vec<Leak>,
    /// What has moved over time, where the order is known.
    pub drift: Option<Drift>,
}

/// How a model did on rows that were held back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// How the rows were divided.
    pub split: Split,
    /// How many rows it was trained on.
    pub trained_on: usize,
    /// The share of those that came true.
    pub base_rate: f64,
    /// How good it was.
    pub metrics: Metrics,
    /// Where its area under the ROC curve lies.
    pub auc_interval: Option<Interval>,
    /// Where its log-loss lies.
    pub log_loss_interval: Option<Interval>,
    /// The log-loss of saying the base rate of the training rows of every row.
    pub base_log_loss: f64,
    /// Whether it may be relied on.
    pub verdict: Verdict,
}

/// Fewer than these cannot be judged, whatever the caller's minimum.
const LEAST_OUTCOMES: usize = 30;
const LEAST_OF_EACH: usize = 10;
/// What each side of a division needs of each kind.
const LEAST_OF_EACH_SIDE: usize = 3;

/// Trains a model on the rows of a table that are not held back, and judges it on those that are.
///
/// It uses no chance but what comes from `options.seed`, and no clock: the same table and options give the same model,
/// bit for bit. Work grows with rows × columns², and with the cube of the number of coefficients (at most some 500): half
/// a second for 32,000 rows of 15 columns.
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
    // A learner may find that a column says nothing to it: numbers alike but for missing ones, to the logistic one.
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

/// Learns from one side and judges on the other.
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
