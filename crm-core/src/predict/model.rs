//! A trained model: a plain value that scores rows and explains each score.
//!
//! A model is self-contained and its JSON round-trips exactly. Deserialization fails if the parts are inconsistent, so
//! an imported model can always score rows, whatever its quality.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    inputs::{Coding, Input, One, Ready, as_f64},
    metrics::Metrics,
    newton::probability,
    options::{Learner, Verdict},
    pairs::Side,
    split::Split,
    table::{Cell, Table},
};

/// The format that this version writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// A term of the log-odds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// A weight for each standard deviation of a number above the mean.
    Linear {
        /// The index of the input.
        input: usize,
        /// Log-odds per standard deviation.
        weight: f64,
    },
    /// A weight for each bin or level of a column.
    Shape {
        /// The index of the input.
        input: usize,
        /// The log-odds of each code.
        values: Vec<f64>,
    },
    /// An additional weight for each combination of two values.
    Pair {
        /// The side whose groups are the rows of the grid.
        one: Side,
        /// The side whose groups are the columns of the grid.
        two: Side,
        /// The log-odds of each cell, row by row.
        values: Vec<f64>,
    },
}

/// The parts of a model, not validated. [`Model`] is validated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// The format: [`FORMAT`].
    pub format: u32,
    /// The learner that trained the model.
    pub learner: Learner,
    /// The number of training rows.
    pub trained_on: usize,
    /// The rate of positive outcomes in the training rows.
    pub base_rate: f64,
    /// The log-odds of the average training row, before any term.
    pub intercept: f64,
    /// The inputs: columns and their encodings.
    pub inputs: Vec<Input>,
    /// The terms, in the order of summation.
    pub terms: Vec<Term>,
    /// The split into training and held-out rows.
    pub split: Split,
    /// The metrics on the held-out rows.
    pub held_back: Metrics,
    /// The verdict on whether the model is reliable.
    pub verdict: Verdict,
}

/// A validated model. It is cheap to evaluate and takes some tens of kilobytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Model {
    parts: Parts,
}

/// The error of an invalid model or row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The model was written by a newer version, or is in no known format.
    #[error("the model has format {0}, but only formats up to {FORMAT} are supported")]
    Format(u32),
    /// The parts are inconsistent.
    #[error("the model is inconsistent: {0}")]
    Broken(String),
    /// The number of cells of a row differs from the number of inputs.
    #[error("{found} cells were given, but the model has {expected} inputs")]
    Width {
        /// The number of cells.
        found: usize,
        /// The number of inputs.
        expected: usize,
    },
}

/// The contribution of one term to the log-odds of a row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Contribution<'a> {
    /// The name of the column.
    pub column: &'a str,
    /// The other column, for the interaction of two columns.
    pub with: Option<&'a str>,
    /// The log-odds relative to the average training row.
    pub log_odds: f64,
}

/// A prediction and its contributions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction<'a> {
    /// `true` if the model is better than the base rate. Otherwise the probability is the base rate and there are no
    /// contributions.
    pub confident: bool,
    /// The log-odds of the average row.
    pub base: f64,
    /// The contributions, in the model's order.
    pub contributions: Vec<Contribution<'a>>,
    /// The sum of `base` and the contributions, added in this order, bit for bit.
    pub log_odds: f64,
    /// 1 / (1 + e^−log-odds), computed with libm.
    pub probability: f64,
}

/// Rows encoded for one model, which can be scored repeatedly.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    rows: usize,
    /// The scores or codes of each term.
    terms: Vec<Ready>,
}

impl Prepared {
    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// The effect of a term on scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Strength<'a> {
    /// The name of the column.
    pub column: &'a str,
    /// The other column of a pair.
    pub with: Option<&'a str>,
    /// The mean absolute contribution over the rows, in log-odds.
    pub mean: f64,
}

/// A weight of a model, with labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Weight {
    /// The name of the column.
    pub column: String,
    /// The other column of a pair.
    pub with: Option<String>,
    /// A human-readable description of the values that have this weight.
    pub values: String,
    /// The weight in log-odds.
    pub weight: f64,
}

/// A weight that differs between two models.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeightChange {
    /// The name of the column.
    pub column: String,
    /// The other column of a pair.
    pub with: Option<String>,
    /// A human-readable description of the values that have this weight.
    pub values: String,
    /// The weight in the first model; `None` if it has none.
    pub first: Option<f64>,
    /// The weight in the second model; `None` if it has none.
    pub second: Option<f64>,
}

/// The differences between two models.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Columns that only the first model reads.
    pub only_first: Vec<String>,
    /// Columns that only the second model reads.
    pub only_second: Vec<String>,
    /// Weights that differ, by column and values.
    pub weights: Vec<WeightChange>,
    /// Both intercepts.
    pub intercept: (f64, f64),
    /// Both base rates.
    pub base_rate: (f64, f64),
    /// Both areas under the ROC curve on held-out rows, which can be different rows.
    pub auc: (Option<f64>, Option<f64>),
    /// Both log-losses on held-out rows.
    pub log_loss: (f64, f64),
}

impl Comparison {
    /// Returns `true` if both models give every row the same score.
    pub fn same_scores(&self) -> bool {
        let same = |(first, second): (f64, f64)| first.to_bits() == second.to_bits();
        self.only_first.is_empty() && self.only_second.is_empty() && self.weights.is_empty() && same(self.intercept)
    }
}

impl Model {
    /// Returns the parts of the model.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Returns the columns of the model, in the order in which [`Model::predict`] expects their cells.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.parts.inputs.iter().map(|input| input.column.as_str())
    }

    /// Creates a model from the parts of a learner, without validation.
    pub(super) fn of(parts: Parts) -> Self {
        Self { parts }
    }

    /// Stores the evaluation.
    pub(super) fn judge(&mut self, held_back: Metrics, verdict: Verdict) {
        self.parts.held_back = held_back;
        self.parts.verdict = verdict;
    }

    /// Returns `true` if the model is better than the base rate.
    pub fn is_confident(&self) -> bool {
        self.parts.verdict.confident
    }

    /// Scores one row, with a cell for each of [`Model::columns`], and explains the score. A number in a categorical
    /// column is read as its text. Text in a numeric column and numbers that are not finite are missing. An unknown
    /// name counts as no information (logistic: as none of the names).
    pub fn predict(&self, cells: &[Cell<'_>]) -> Result<Prediction<'_>, ModelError> {
        let inputs = &self.parts.inputs;
        if cells.len() != inputs.len() {
            return Err(ModelError::Width { found: cells.len(), expected: inputs.len() });
        }
        if !self.is_confident() {
            let base = self.base_log_odds();
            let contributions = Vec::new();
            let probability = self.parts.base_rate;
            return Ok(Prediction { confident: false, base, contributions, log_odds: base, probability });
        }
        let ready: Vec<One> = inputs.iter().zip(cells).map(|(input, cell)| input.coding.one(*cell)).collect();
        let code = |input: usize| match ready[input] {
            One::Code(code) => code,
            One::Score(_) => 0,
        };
        let column = |input: usize| inputs[input].column.as_str();
        let base = self.parts.intercept;
        let mut log_odds = base;
        let mut contributions = Vec::with_capacity(self.parts.terms.len());
        for term in &self.parts.terms {
            let contribution = match term {
                Term::Linear { input, weight } => {
                    let score = if let One::Score(score) = ready[*input] { score } else { 0.0 };
                    Contribution { column: column(*input), with: None, log_odds: weight * score }
                }
                Term::Shape { input, values } => {
                    Contribution { column: column(*input), with: None, log_odds: values[usize::from(code(*input))] }
                }
                Term::Pair { one, two, values } => Contribution {
                    column: column(one.input),
                    with: Some(column(two.input)),
                    log_odds: values[usize::from(cell(one, two, code(one.input), code(two.input)))],
                },
            };
            log_odds += contribution.log_odds;
            contributions.push(contribution);
        }
        Ok(Prediction { confident: true, base, contributions, log_odds, probability: probability(log_odds) })
    }

    /// Encodes all rows of a table. Columns are found by name; a column that is absent or of the other kind is missing.
    pub fn prepare(&self, table: &Table) -> Prepared {
        let rows: Vec<usize> = (0..table.rows()).collect();
        self.prepare_rows(table, &rows)
    }

    pub(super) fn prepare_rows(&self, table: &Table, rows: &[usize]) -> Prepared {
        let column = |input: &Input| table.position(&input.column).map(|place| &table.columns()[place]);
        let inputs: Vec<Ready> =
            self.parts.inputs.iter().map(|input| input.coding.ready(column(input), rows)).collect();
        let codes = |input: usize| match &inputs[input] {
            Ready::Codes(codes) => codes.as_slice(),
            Ready::Scores(_) => &[],
        };
        let of_term = |term: &Term| match term {
            Term::Linear { input, .. } | Term::Shape { input, .. } => inputs[*input].clone(),
            Term::Pair { one, two, .. } => {
                let pairs = codes(one.input).iter().zip(codes(two.input));
                Ready::Codes(pairs.map(|(a, b)| cell(one, two, *a, *b)).collect())
            }
        };
        Prepared { rows: rows.len(), terms: self.parts.terms.iter().map(of_term).collect() }
    }

    /// Returns the log-odds of prepared rows, bit for bit those of [`Model::predict`], in tens of nanoseconds per row.
    pub fn score(&self, prepared: &Prepared) -> Vec<f64> {
        if self.is_confident() { self.tried(prepared) } else { vec![self.base_log_odds(); prepared.rows] }
    }

    /// Returns the probabilities of prepared rows, bit for bit those of [`Model::predict`].
    pub fn probabilities(&self, prepared: &Prepared) -> Vec<f64> {
        if !self.is_confident() {
            return vec![self.parts.base_rate; prepared.rows];
        }
        let mut scores = self.tried(prepared);
        for score in &mut scores {
            *score = probability(*score);
        }
        scores
    }

    /// Returns the log-odds, whether or not the model is reliable.
    pub(super) fn tried(&self, prepared: &Prepared) -> Vec<f64> {
        let mut sums = vec![self.parts.intercept; prepared.rows];
        for (term, ready) in self.parts.terms.iter().zip(&prepared.terms) {
            match (term, ready) {
                (Term::Linear { weight, .. }, Ready::Scores(scores)) => {
                    sums.iter_mut().zip(scores).for_each(|(sum, score)| *sum += weight * score);
                }
                (Term::Shape { values, .. } | Term::Pair { values, .. }, Ready::Codes(codes)) => {
                    sums.iter_mut().zip(codes).for_each(|(sum, code)| *sum += values[usize::from(*code)]);
                }
                // Unreachable for validated parts.
                _ => {}
            }
        }
        sums
    }

    fn base_log_odds(&self) -> f64 {
        let rate = self.parts.base_rate;
        libm::log(rate / (1.0 - rate))
    }

    /// Returns the effect of each term on scores: its mean absolute contribution over these rows.
    pub fn strengths(&self, prepared: &Prepared) -> Vec<Strength<'_>> {
        let name = |input: usize| self.parts.inputs[input].column.as_str();
        let rows = as_f64(prepared.rows.max(1));
        let strength = |(term, ready): (&Term, &Ready)| {
            let (column, with, sum) = match (term, ready) {
                (Term::Linear { input, weight }, Ready::Scores(scores)) => {
                    (name(*input), None, scores.iter().map(|score| (weight * score).abs()).sum())
                }
                (Term::Shape { input, values }, Ready::Codes(codes)) => {
                    (name(*input), None, codes.iter().map(|code| values[usize::from(*code)].abs()).sum())
                }
                (Term::Pair { one, two, values }, Ready::Codes(codes)) => {
                    let sum = codes.iter().map(|code| values[usize::from(*code)].abs()).sum();
                    (name(one.input), Some(name(two.input)), sum)
                }
                // Unreachable for validated parts.
                (Term::Linear { input, .. } | Term::Shape { input, .. }, _) => (name(*input), None, 0.0),
                (Term::Pair { one, two, .. }, _) => (name(one.input), Some(name(two.input)), 0.0),
            };
            Strength { column, with, mean: sum / rows }
        };
        self.parts.terms.iter().zip(&prepared.terms).map(strength).collect()
    }

    /// Returns all weights, term by term.
    pub fn weights(&self) -> Vec<Weight> {
        let inputs = &self.parts.inputs;
        let name = |input: usize| inputs[input].column.clone();
        let mut all = Vec::new();
        for term in &self.parts.terms {
            match term {
                Term::Linear { input, weight } => {
                    let values = inputs[*input].coding.label(0);
                    all.push(Weight { column: name(*input), with: None, values, weight: *weight });
                }
                Term::Shape { input, values } => {
                    for (code, weight) in values.iter().enumerate() {
                        let values = inputs[*input].coding.label(code);
                        all.push(Weight { column: name(*input), with: None, values, weight: *weight });
                    }
                }
                Term::Pair { one, two, values } => {
                    let side = |side: &Side| {
                        let coding = &inputs[side.input].coding;
                        (0..side.size).map(|group| label(side, coding, group)).collect::<Vec<_>>()
                    };
                    let (rows, columns) = (side(one), side(two));
                    for (cell, weight) in values.iter().enumerate() {
                        let (row, column) = (&rows[cell / columns.len()], &columns[cell % columns.len()]);
                        all.push(Weight {
                            column: name(one.input),
                            with: Some(name(two.input)),
                            values: format!("{row} × {column}"),
                            weight: *weight,
                        });
                    }
                }
            }
        }
        all
    }

    /// Compares this model with another.
    pub fn compare(&self, other: &Self) -> Comparison {
        let only = |one: &Self, two: &Self| -> Vec<String> {
            one.columns().filter(|column| two.columns().all(|other| other != *column)).map(str::to_owned).collect()
        };
        let named = |model: &Self| -> BTreeMap<_, _> {
            let weights = model.weights().into_iter();
            weights.map(|weight| ((weight.column, weight.with, weight.values), weight.weight)).collect()
        };
        let (firsts, mut seconds) = (named(self), named(other));
        let mut changes: BTreeMap<_, _> = BTreeMap::new();
        for (name, first) in firsts {
            let second = seconds.remove(&name);
            if second.map(f64::to_bits) != Some(first.to_bits()) {
                changes.insert(name, (Some(first), second));
            }
        }
        changes.extend(seconds.into_iter().map(|(name, second)| (name, (None, Some(second)))));
        let weights = changes
            .into_iter()
            .map(|((column, with, values), (first, second))| WeightChange { column, with, values, first, second })
            .collect();
        let (one, two) = (&self.parts, &other.parts);
        Comparison {
            only_first: only(self, other),
            only_second: only(other, self),
            weights,
            intercept: (one.intercept, two.intercept),
            base_rate: (one.base_rate, two.base_rate),
            auc: (one.held_back.auc, two.held_back.auc),
            log_loss: (one.held_back.log_loss, two.held_back.log_loss),
        }
    }
}

fn cell(one: &Side, two: &Side, a: u16, b: u16) -> u16 {
    one.group(a) * two.size + two.group(b)
}

/// Returns the combined label of the codes of a group.
fn label(side: &Side, coding: &Coding, group: u16) -> String {
    let codes: Vec<usize> = (0..side.groups.len()).filter(|code| side.groups[*code] == group).collect();
    match coding {
        Coding::Bins { edges } => {
            let (Some(first), Some(last)) = (codes.first(), codes.iter().rfind(|code| **code <= edges.len())) else {
                return coding.label(edges.len() + 1);
            };
            match (first.checked_sub(1).map(|before| edges[before]), edges.get(*last)) {
                (None, None) => "any number".to_owned(),
                (None, Some(to)) => format!("≤ {to}"),
                (Some(from), None) => format!("> {from}"),
                (Some(from), Some(to)) => format!("> {from} to {to}"),
            }
        }
        _ if codes.len() == 1 => coding.label(codes[0]),
        _ => "the rest".to_owned(),
    }
}

impl From<Model> for Parts {
    fn from(model: Model) -> Self {
        model.parts
    }
}

impl TryFrom<Parts> for Model {
    type Error = ModelError;

    fn try_from(parts: Parts) -> Result<Self, ModelError> {
        if parts.format != FORMAT {
            return Err(ModelError::Format(parts.format));
        }
        let broken = |what: String| Err(ModelError::Broken(what));
        if !(parts.base_rate > 0.0 && parts.base_rate < 1.0) {
            return broken(format!("a base rate of {}", parts.base_rate));
        }
        if !parts.intercept.is_finite() {
            return broken("an intercept that is no number".to_owned());
        }
        for input in &parts.inputs {
            if let Err(what) = check_coding(&input.coding) {
                return broken(format!("`{}`: {what}", input.column));
            }
        }
        for (place, term) in parts.terms.iter().enumerate() {
            if let Err(what) = check_term(term, &parts.inputs) {
                return broken(format!("term {place}: {what}"));
            }
        }
        Ok(Self { parts })
    }
}

fn check_coding(coding: &Coding) -> Result<(), &'static str> {
    let fits = match coding {
        Coding::Standard { median, mean, deviation } => {
            median.is_finite() && mean.is_finite() && deviation.is_finite() && *deviation > 0.0
        }
        Coding::Bins { edges } => edges.iter().all(|edge| edge.is_finite()) && edges.is_sorted_by(|one, two| one < two),
        Coding::Levels { levels, .. } => levels.is_sorted_by(|one, two| one < two),
    };
    if !fits {
        return Err("numbers or names that are out of order");
    }
    if coding.width() > usize::from(u16::MAX) { Err("too many names") } else { Ok(()) }
}

fn check_term(term: &Term, inputs: &[Input]) -> Result<(), &'static str> {
    let width = |input: usize| inputs.get(input).map(|input| input.coding.width()).ok_or("an input that is not there");
    let (fits, values) = match term {
        Term::Linear { input, weight } => (width(*input)? == 0, std::slice::from_ref(weight)),
        Term::Shape { input, values } => (width(*input)? > 0 && width(*input)? == values.len(), values.as_slice()),
        Term::Pair { one, two, values } => {
            let side = |side: &Side| -> Result<bool, &'static str> {
                let groups_fit = side.groups.iter().all(|group| *group < side.size);
                Ok(width(side.input)? > 0 && width(side.input)? == side.groups.len() && groups_fit)
            };
            let cells = usize::from(one.size) * usize::from(two.size);
            (side(one)? && side(two)? && cells == values.len() && u16::try_from(cells).is_ok(), values.as_slice())
        }
    };
    if !fits {
        return Err("weights that do not fit their inputs");
    }
    if values.iter().all(|value| value.is_finite()) { Ok(()) } else { Err("a weight that is no number") }
}
