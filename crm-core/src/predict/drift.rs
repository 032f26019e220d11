//! Drift: whether the newest rows are still like the older ones, in how often things come true and in their columns.

use serde::{Deserialize, Serialize};

use super::{
    inputs::{Ready, as_f64, learn_bins, learn_column_levels},
    table::{Table, Values},
};

/// How the newest three tenths of the rows differ from the seven tenths before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The base rate of the older rows.
    pub before: f64,
    /// The base rate of the newest.
    pub after: f64,
    /// How many standard errors they are apart.
    pub deviations: f64,
    /// Whether that is to be warned of: no chance, and a tenth or more of the older rate.
    pub base_rate_moved: bool,
    /// The base rate of each tenth of the rows, the oldest first.
    pub tenths: Vec<f64>,
    /// The columns whose values have moved, the farthest first.
    pub columns: Vec<ColumnDrift>,
}

/// A column whose values have moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// The column.
    pub column: String,
    /// The population stability index, Σ (after − before) · ln(after / before) over its bins or levels: below 0.1 is
    /// usual, and from 0.25 on a column is named here.
    pub stability: f64,
}

/// The index from which a column is named.
const MOVED: f64 = 0.25;
/// Apart by chance once in a thousand.
const NO_CHANCE: f64 = 3.29;
const BINS: usize = 10;
const MOST_LEVELS: usize = 1000;

/// Compares the newest rows with the older ones; `None` where the order is not known, or there is nothing to compare.
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

    // A name that one row in a hundred has not is pooled.
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
        // What so many rows give where nothing has moved.
        let chance = as_f64(coding.width()) * (1.0 / as_f64(older.len()) + 1.0 / as_f64(newer.len()));
        if stability >= MOVED && stability >= 3.0 * chance {
            moved.push(ColumnDrift { column: column.name.clone(), stability });
        }
    }
    moved.sort_by(|one, two| two.stability.total_cmp(&one.stability));
    let base_rate_moved = deviations.abs() > NO_CHANCE && (after - before).abs() >= 0.1 * before;
    Some(Drift { before, after, deviations, base_rate_moved, tenths, columns: moved })
}
