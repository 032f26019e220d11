//! Warnings of target leakage: columns that appear to contain the outcome because they were filled in after it.
//!
//! A change log proves leakage. In a bare table it can only be suspected, by rules that do not depend on column names:
//! a column that ranks the outcomes very well on its own, a column whose presence alone does, and a value that all but
//! determines the outcome. A warning prompts the question of when a column is filled in; a legitimate column can be as
//! strong. A column that was filled in afterwards and has little predictive power passes these rules.

use serde::{Deserialize, Serialize};

use super::{
    inputs::{Coding, Input, Ready, as_f64, learn_bins, learn_column_levels},
    random::Random,
    table::{Column, Table, Values},
};

/// The certainty of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suspicion {
    /// Strong for a single column: verify when it is filled in.
    Possible,
    /// Implausibly strong, or proven by the change log.
    Likely,
}

/// The evidence of leakage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeakReason {
    /// The column alone ranks the outcomes well.
    RanksAlone {
        /// The cross-validated area under the ROC curve of this column alone.
        auc: f64,
    },
    /// The presence of a value in the column ranks the outcomes well.
    FilledTells {
        /// The area under the ROC curve of the column's presence alone.
        auc: f64,
        /// The rate of positive outcomes among rows with a value.
        filled: f64,
        /// The rate of positive outcomes among rows without a value.
        missing: f64,
    },
    /// With this value, the rarer outcome is all but certain.
    Proof {
        /// The value.
        value: String,
        /// The number of rows with the value.
        rows: usize,
        /// The rate of the rarer outcome among them.
        rate: f64,
    },
    /// According to the change log, the column was filled in or changed after the outcome was known.
    WrittenAfter {
        /// The share of the rows with a value for which this holds.
        share: f64,
    },
}

/// A column with suspected leakage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leak {
    /// The name of the column.
    pub column: String,
    /// The certainty.
    pub suspicion: Suspicion,
    /// The evidence.
    pub reasons: Vec<LeakReason>,
}

/// The lower bound of a single column's area under the ROC curve from which leakage is possible.
const POSSIBLE: f64 = 0.67;
/// The lower bound from which leakage is likely.
const LIKELY: f64 = 0.78;
/// The lower bound for the presence of a value, which is a weaker ranking.
const FILLED: f64 = 0.6;
/// The lower bound of the rate from which a value all but determines the outcome.
const PROOF: f64 = 0.96;
/// The minimum share of the rows with such a value.
const NO_RARITY: f64 = 0.01;
/// The shares of rows written after the outcome from which leakage is possible and likely.
const WRITTEN: f64 = 0.05;
const MOSTLY_WRITTEN: f64 = 0.25;
/// The quantile of the confidence bounds: 97.5 %.
const SURELY: f64 = 1.96;
const BINS: usize = 20;
const FOLDS: usize = 5;
/// The rate of each code is shrunk to the base rate by this many rows.
const HELD: f64 = 5.0;

/// Returns the evidence of the change log for a column.
fn written_after(column: &Column) -> Option<(Suspicion, LeakReason)> {
    let known = column.known_after.filter(|known| known.filled > 0)?;
    let share = as_f64(known.after) / as_f64(known.filled);
    let sure = if share >= MOSTLY_WRITTEN { Suspicion::Likely } else { Suspicion::Possible };
    (share >= WRITTEN).then_some((sure, LeakReason::WrittenAfter { share }))
}

/// Returns the warnings for these columns, each alone, over all rows. The silent columns, which are constant, are
/// checked against the change log only.
pub(super) fn warnings(table: &Table, columns: &[usize], silent: &[usize]) -> Vec<Leak> {
    let rows: Vec<usize> = (0..table.rows()).collect();
    let folds: Vec<usize> = rows.iter().map(|row| Random::new(*row as u64).below(FOLDS)).collect();
    let levels = learn_column_levels(table, columns, &rows, 1, 1000);
    let mut leaks: Vec<(f64, Leak)> = Vec::new();
    for (place, levels) in columns.iter().zip(levels) {
        let column = &table.columns()[*place];
        let coding = match (&column.values, levels) {
            (Values::Number(numbers), _) => learn_bins(numbers, &rows, BINS),
            (Values::Category(_), levels) => levels.expect("categories have levels"),
        };
        let input = Input { column: column.name.clone(), coding };
        let Ready::Codes(codes) = input.coding.ready(Some(column), &rows) else { continue };
        let counts = Counts::of(&codes, &folds, table.outcome(), input.coding.width());
        let (suspicion, mut reasons) = look_at(&counts, &input.coding);
        let mut suspicion = suspicion;
        if let Some((sure, reason)) = written_after(column) {
            suspicion = suspicion.max(sure);
            reasons.insert(0, reason);
        }
        if !reasons.is_empty() {
            leaks.push((counts.auc_alone(), Leak { column: input.column, suspicion, reasons }));
        }
    }
    // A column that is always empty before the outcome is no feature, but the change log still proves leakage.
    for column in silent.iter().map(|place| &table.columns()[*place]) {
        if let Some((suspicion, reason)) = written_after(column) {
            leaks.push((0.5, Leak { column: column.name.clone(), suspicion, reasons: vec![reason] }));
        }
    }
    leaks.sort_by(|(a, one), (b, two)| two.suspicion.cmp(&one.suspicion).then(b.total_cmp(a)));
    leaks.into_iter().map(|(_, leak)| leak).collect()
}

fn look_at(counts: &Counts, coding: &Coding) -> (Suspicion, Vec<LeakReason>) {
    let mut suspicion = Suspicion::Possible;
    let mut reasons = Vec::new();
    let auc = counts.auc_alone();
    let surely = auc - SURELY * counts.auc_error(auc);
    if surely >= POSSIBLE {
        reasons.push(LeakReason::RanksAlone { auc });
        if surely >= LIKELY {
            suspicion = Suspicion::Likely;
        }
    }
    let width = counts.all.len();
    let missing = counts.all[width - 1];
    let filled = counts.all[..width - 1].iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    if missing.0 > 0 && filled.0 > 0 {
        let rate = |(rows, came): (usize, usize)| as_f64(came) / as_f64(rows);
        let mut two = [cell(rate(filled), filled), cell(rate(missing), missing)];
        let auc = area(&mut two);
        if auc - SURELY * counts.auc_error(auc) >= FILLED {
            reasons.push(LeakReason::FilledTells { auc, filled: rate(filled), missing: rate(missing) });
        }
    }
    // Only the rarer outcome counts: almost any value nearly determines a common one.
    let rarer = |(rows, came): (usize, usize)| if counts.came * 2 <= counts.rows { came } else { rows - came };
    let proof = |count: (usize, usize)| {
        as_f64(count.0) >= NO_RARITY * as_f64(counts.rows) && surely_above(rarer(count), count.0) >= PROOF
    };
    let rate = |count: (usize, usize)| as_f64(rarer(count)) / as_f64(count.0);
    if missing.0 > 0 && proof(filled) {
        reasons.push(LeakReason::Proof { value: "any value".to_owned(), rows: filled.0, rate: rate(filled) });
        suspicion = Suspicion::Likely;
    } else if let Some((code, count)) =
        (0..width).zip(&counts.all).filter(|(_, count)| proof(**count)).max_by_key(|(_, count)| count.0)
    {
        reasons.push(LeakReason::Proof { value: coding.label(code), rows: count.0, rate: rate(*count) });
        suspicion = Suspicion::Likely;
    }
    (suspicion, reasons)
}

/// Counts of rows and of positive outcomes by code: in total, and by fold.
struct Counts {
    rows: usize,
    came: usize,
    all: Vec<(usize, usize)>,
    folds: Vec<Vec<(usize, usize)>>,
}

impl Counts {
    fn of(codes: &[u16], folds: &[usize], outcome: &[bool], width: usize) -> Self {
        let mut by_fold = vec![vec![(0, 0); width]; FOLDS];
        for ((code, fold), outcome) in codes.iter().zip(folds).zip(outcome) {
            let count = &mut by_fold[*fold][usize::from(*code)];
            count.0 += 1;
            count.1 += usize::from(*outcome);
        }
        let all = (0..width)
            .map(|code| by_fold.iter().fold((0, 0), |sum, fold| (sum.0 + fold[code].0, sum.1 + fold[code].1)))
            .collect();
        let came = outcome.iter().filter(|outcome| **outcome).count();
        Self { rows: outcome.len(), came, all, folds: by_fold }
    }

    /// Returns the area under the ROC curve if the rows of each fold are ranked by the rates of the other folds.
    fn auc_alone(&self) -> f64 {
        let base = as_f64(self.came) / as_f64(self.rows);
        let mut cells = Vec::new();
        for fold in &self.folds {
            for (all, own) in self.all.iter().zip(fold).filter(|(_, own)| own.0 > 0) {
                let (rows, came) = (as_f64(all.0 - own.0), as_f64(all.1 - own.1));
                cells.push(cell((came + HELD * base) / (rows + HELD), *own));
            }
        }
        area(&mut cells)
    }

    /// Returns the standard error of an area under the curve over these rows (Hanley and `McNeil`, 1982).
    fn auc_error(&self, auc: f64) -> f64 {
        let (yes, no) = (as_f64(self.came), as_f64(self.rows - self.came));
        if yes == 0.0 || no == 0.0 {
            return f64::INFINITY;
        }
        let (one, two) = (auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc));
        let square = auc * auc;
        let variance = auc * (1.0 - auc) + (yes - 1.0) * (one - square) + (no - 1.0) * (two - square);
        (variance.max(0.0) / (yes * no)).sqrt()
    }
}

/// Rows with equal rank.
struct Ranked {
    score: f64,
    yes: f64,
    no: f64,
}

fn cell(score: f64, (rows, came): (usize, usize)) -> Ranked {
    Ranked { score, yes: as_f64(came), no: as_f64(rows - came) }
}

fn area(cells: &mut [Ranked]) -> f64 {
    cells.sort_by(|one, two| one.score.total_cmp(&two.score));
    let (mut below, mut won, mut came) = (0.0, 0.0, 0.0);
    for alike in cells.chunk_by(|one, two| one.score.total_cmp(&two.score).is_eq()) {
        let (yes, no) = alike.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.yes, sum.1 + one.no));
        won += yes * (below + 0.5 * no);
        below += no;
        came += yes;
    }
    if came > 0.0 && below > 0.0 { won / (came * below) } else { 0.5 }
}

/// Returns the lower confidence bound of a rate (Wilson, 1927).
fn surely_above(came: usize, rows: usize) -> f64 {
    let (rows, square) = (as_f64(rows), SURELY * SURELY);
    let rate = as_f64(came) / rows;
    let middle = rate + square / (2.0 * rows);
    let width = SURELY * (rate * (1.0 - rate) / rows + square / (4.0 * rows * rows)).sqrt();
    (middle - width) / (1.0 + square / rows)
}
