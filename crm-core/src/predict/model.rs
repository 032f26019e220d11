//! A trained model: a plain value that scores rows and explains each score.
//!
//! It holds everything that a score needs, reads back from JSON exactly as it was written, and refuses to be read where
//! its parts do not fit together, so that an imported one can be trusted to answer (if not to be right).

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

/// One term of the sum that is the log-odds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// So much for each standard deviation of a number above the mean.
    Linear {
        /// The place of the input.
        input: usize,
        /// Log-odds a standard deviation.
        weight: f64,
    },
    /// So much for each bin or level of one column.
    Shape {
        /// The place of the input.
        input: usize,
        /// Log-odds of each code.
        values: Vec<f64>,
    },
    /// So much besides for two values together.
    Pair {
        /// The side whose groups are the rows of the grid.
        one: Side,
        /// The side whose groups are its columns.
        two: Side,
        /// Log-odds of each cell, row by row.
        values: Vec<f64>,
    },
}

/// What a model consists of. [`Model`] is one whose parts have been checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// Which format this is: [`FORMAT`].
    pub format: u32,
    /// What learned it.
    pub learner: Learner,
    /// How many rows it was trained on.
    pub trained_on: usize,
    /// The share of those that came true.
    pub base_rate: f64,
    /// The log-odds of the average row of training, before any term.
    pub intercept: f64,
    /// The columns that it reads, and how.
    pub inputs: Vec<Input>,
    /// What is added, in this order.
    pub terms: Vec<Term>,
    /// How the rows were divided that judged it.
    pub split: Split,
    /// How good it was on the rows that were held back.
    pub held_back: Metrics,
    /// Whether it may be relied on.
    pub verdict: Verdict,
}

/// A model whose parts fit together. It is cheap to score with, and costs some tens of kilobytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct Model {
    parts: Parts,
}

/// Why parts are no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// It was written by a newer version, or is none of ours.
    #[error("this is a model of format {0}, and formats up to {FORMAT} are read")]
    Format(u32),
    /// A part does not fit the others.
    #[error("the model does not fit together: {0}")]
    Broken(String),
    /// A row has another number of cells than the model has inputs.
    #[error("{found} cells were given, and the model has {expected} inputs")]
    Width {
        /// Cells given.
        found: usize,
        /// Inputs there are.
        expected: usize,
    },
}

/// What one term adds to the log-odds of a row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Contribution<'a> {
    /// The column.
    pub column: &'a str,
    /// The other column, where it is what both values together add to what each adds alone.
    pub with: Option<&'a str>,
    /// How much it adds, against the average row of training.
    pub log_odds: f64,
}

/// A score and what it is made of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction<'a> {
    /// Whether the model is better than the base rate. Where it is not, the probability is the base rate and nothing
    /// contributes.
    pub confident: bool,
    /// Log-odds of the average row.
    pub base: f64,
    /// What each term adds, in the model's order.
    pub contributions: Vec<Contribution<'a>>,
    /// `base` and the contributions, added up one after the other in this order: bit for bit.
    pub log_odds: f64,
    /// 1 / (1 + e^−log-odds), by libm.
    pub probability: f64,
}

/// Rows made ready for one model, to be scored as often as one likes.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    rows: usize,
    /// For each term its scores or codes.
    terms: Vec<Ready>,
}

impl Prepared {
    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// How much a term moves scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Strength<'a> {
    /// The column.
    pub column: &'a str,
    /// The other column of a pair.
    pub with: Option<&'a str>,
    /// The mean over rows of |what it adds|, in log-odds.
    pub mean: f64,
}

/// A weight of a model, named.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Weight {
    /// The column.
    pub column: String,
    /// The other column of a pair.
    pub with: Option<String>,
    /// For which values it counts, to be read by people.
    pub values: String,
    /// Log-odds.
    pub weight: f64,
}

/// A weight that two models do not share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeightChange {
    /// The column.
    pub column: String,
    /// The other column of a pair.
    pub with: Option<String>,
    /// For which values it counts.
    pub values: String,
    /// In the first model; `None` where it has no such weight.
    pub first: Option<f64>,
    /// In the second.
    pub second: Option<f64>,
}

/// How two models differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Columns that only the first reads.
    pub only_first: Vec<String>,
    /// Columns that only the second reads.
    pub only_second: Vec<String>,
    /// Weights that differ, by column and values.
    pub weights: Vec<WeightChange>,
    /// Both intercepts.
    pub intercept: (f64, f64),
    /// Both base rates.
    pub base_rate: (f64, f64),
    /// Both areas under the ROC curve on held-back rows, which need not be the same rows.
    pub auc: (Option<f64>, Option<f64>),
    /// Both log-losses on held-back rows.
    pub log_loss: (f64, f64),
}

impl Comparison {
    /// Whether both give every row the same score.
    pub fn same_scores(&self) -> bool {
        let same = |(first, second): (f64, f64)| first.to_bits() == second.to_bits();
        self.only_first.is_empty() && self.only_second.is_empty() && self.weights.is_empty() && same(self.intercept)
    }
}

impl Model {
    /// What it consists of.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The columns that it reads, in the order in which [`Model::predict`] takes their cells.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.parts.inputs.iter().map(|input| input.column.as_str())
    }

    /// A model of parts that a learner has made.
    pub(super) fn of(parts: Parts) -> Self {
        Self { parts }
    }

    /// Keeps how it did.
    pub(super) fn judge(&mut self, held_back: Metrics, verdict: Verdict) {
        self.parts.held_back = held_back;
        self.parts.verdict = verdict;
    }

    /// Whether it is better than the base rate.
    pub fn is_confident(&self) -> bool {
        self.parts.verdict.confident
    }

    /// Scores one row and explains it: a cell for each of [`Model::columns`]. A number where a name is due is read as
    /// its text; a text where a number is due, and a number that is not finite, as missing; a name that training has not
    /// seen counts as nothing is known of it (logistic: as none of the names).
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

    /// Makes all rows of a table ready. Columns are found by name; one that is not there, or is of the other kind, is
    /// read as missing.
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

    /// The log-odds of prepared rows: the same bits as [`Model::predict`]'s. Tens of nanoseconds a row.
    pub fn score(&self, prepared: &Prepared) -> Vec<f64> {
        if self.is_confident() { self.tried(prepared) } else { vec![self.base_log_odds(); prepared.rows] }
    }

    /// The probabilities of prepared rows, likewise.
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

    /// The log-odds as they are, whether or not they may be relied on.
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
                // Parts that were checked do not go astray.
                _ => {}
            }
        }
        sums
    }

    fn base_log_odds(&self) -> f64 {
        let rate = self.parts.base_rate;
        libm::log(rate / (1.0 - rate))
    }

    /// How much each term moves a score: the mean of what it adds to these rows, whichever way.
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
                // Parts that were checked do not go astray.
                (Term::Linear { input, .. } | Term::Shape { input, .. }, _) => (name(*input), None, 0.0),
                (Term::Pair { one, two, .. }, _) => (name(one.input), Some(name(two.input)), 0.0),
            };
            Strength { column, with, mean: sum / rows }
        };
        self.parts.terms.iter().zip(&prepared.terms).map(strength).collect()
    }

    /// Every weight, term by term.
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

    /// How it differs from another one.
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

/// What the codes of a group mean together.
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
