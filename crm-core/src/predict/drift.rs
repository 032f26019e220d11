//! Drift: whether the newest rows differ from the older ones in their base rate or in the values of their columns.

use serde::{Deserialize, Serialize};

use super::{
    inputs::{Ready, as_f64, learn_bins, learn_column_levels},
    table::{Table, Values},
};

/// The difference between the newest three tenths of the rows and the seven tenths before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The base rate of the older rows.
    pub before: f64,
    /// The base rate of the newest rows.
    pub after: f64,
    /// The difference of the two rates, in standard errors.
    pub deviations: f64,
    /// `true` if the difference is significant and at least a tenth of the older rate.
    pub base_rate_moved: bool,
    /// The base rate of each tenth of the rows, the oldest first.
    pub tenths: Vec<f64>,
    /// The columns whose distribution has drifted, the largest drift first.
    pub columns: Vec<ColumnDrift>,
}

/// A column whose distribution has drifted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// The name of the column.
    pub column: String,
    /// The population stability index, Σ (after − before) · ln(after / before) over bins or levels. Below 0.1 is
    /// common; columns are listed from 0.25.
    pub stability: f64,
}

/// The index from which a column is listed.
const MOVED: f64 = 0.25;
/// The quantile of the normal distribution that is exceeded by chance once in a thousand.
const NO_CHANCE: f64 = 3.29;
const BINS: usize = 10;
const MOST_LEVELS: usize = 1000;

/// Compares the newest rows with the older ones. Returns `None` if the order is unknown or there is nothing to compare.
pub(super) fn look(table: &Table, columns: &[usize]) -> Option<Drift> {
    let mut older = table.by_time()?;
    let all = older.clone();
    let newer = older.split_off(table.rows() * 7 / 10);
    if older.is_empty() || newer.is_empty() {
        return None;
    }
    let came = |rows: &[usize]| as_f64(rows.iter().filter(|row| table.outcome()[**row]).count());
    let rate = |rows: &[usize]| came(rows) / as_f64(rows.len());
    let (before, after) = (rate(&older), rate(&newer));
    let both = rate(&all);
    let error = (both * (1.0 - both) * (1.0 / as_f64(older.len()) + 1.0 / as_f64(newer.len()))).sqrt();
    let deviations = if error > 0.0 { (after - before) / error } else { 0.0 };
    let tenths = (0..10)
        .map(|tenth| &all[all.len() * tenth / 10..all.len() * (tenth + 1) / 10])
        .filter(|rows| !rows.is_empty())
        .map(rate)
        .collect();

    // Names with less than one row in a hundred are pooled.
    let levels = learn_column_levels(table, columns, &older, (older.len() / 100).max(1), MOST_LEVELS);
    let mut moved: Vec<ColumnDrift> = Vec::new();
    for (place, levels) in columns.iter().zip(levels) {
        let column = &table.columns()[*place];
        let coding = match (&column.values, levels) {
            (Values::Number(numbers), _) => learn_bins(numbers, &older, BINS),
            (Values::Category(_), levels) => levels.expect("categories have levels"),
        };
        let shares = |rows: &[usize]| -> Vec<f64> {
            let mut counts = vec![0_usize; coding.width()];
            if let Ready::Codes(codes) = coding.ready(Some(column), rows) {
                for code in codes {
                    counts[usize::from(code)] += 1;
                }
            }
            let whole = as_f64(rows.len()) + 0.5 * as_f64(counts.len());
            counts.into_iter().map(|count| (as_f64(count) + 0.5) / whole).collect()
        };
        let (one, two) = (shares(&older), shares(&newer));
        let stability = one.iter().zip(&two).map(|(one, two)| (two - one) * libm::log(two / one)).sum::<f64>();
        // The index expected for this many rows without any drift.
        let chance = as_f64(coding.width()) * (1.0 / as_f64(older.len()) + 1.0 / as_f64(newer.len()));
        if stability >= MOVED && stability >= 3.0 * chance {
            moved.push(ColumnDrift { column: column.name.clone(), stability });
        }
    }
    moved.sort_by(|one, two| two.stability.total_cmp(&one.stability));
    let base_rate_moved = deviations.abs() > NO_CHANCE && (after - before).abs() >= 0.1 * before;
    Some(Drift { before, after, deviations, base_rate_moved, tenths, columns: moved })
}
