//! The encoding of columns for models: numbers as standard scores or bins, categories as codes.
//!
//! All encodings are learned from the training rows alone and stored in the model, so that every later row is encoded
//! in the same way.

use serde::{Deserialize, Serialize};

use super::table::{Categories, Cell, Column, Table, Values, number_of};

/// An input of a model: a column and its encoding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The name of the column.
    pub column: String,
    /// The encoding of its values.
    pub coding: Coding,
}

/// The encoding of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// A number as a standard score: its distance from the mean in standard deviations.
    Standard {
        /// The replacement for missing values: the median of the training rows.
        median: f64,
        /// The mean of the training rows, after replacing missing values.
        mean: f64,
        /// Their population standard deviation.
        deviation: f64,
    },
    /// A number as the bin that contains it. Bin `i` ends with `edges[i]` (inclusive); the last is open and is followed
    /// by one for missing values.
    Bins {
        /// The upper ends, ascending.
        edges: Vec<f64>,
    },
    /// A category as its index in a list, which is followed by one code for all other names and one for missing values.
    Levels {
        /// The names, sorted.
        levels: Vec<String>,
        /// The number of rarer names of the training rows that are pooled as other names.
        pooled: usize,
    },
}

/// The encoded values of one column: standard scores or codes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ready {
    Scores(Vec<f64>),
    Codes(Vec<u16>),
}

impl Coding {
    /// Returns the number of codes; 0 for standard scores.
    pub(super) fn width(&self) -> usize {
        match self {
            Self::Standard { .. } => 0,
            Self::Bins { edges } => edges.len() + 2,
            Self::Levels { levels, .. } => levels.len() + 2,
        }
    }

    /// Returns `true` if neighbouring codes are similar.
    pub(super) fn is_ordered(&self) -> bool {
        matches!(self, Self::Bins { .. })
    }

    /// Returns a human-readable label of a code.
    pub(super) fn label(&self, code: usize) -> String {
        match self {
            Self::Standard { .. } => "per standard deviation".to_owned(),
            Self::Bins { edges } => match code {
                _ if code > edges.len() => "missing".to_owned(),
                _ if edges.is_empty() => "any number".to_owned(),
                0 => format!("≤ {}", edges[0]),
                _ if code == edges.len() => format!("> {}", edges[code - 1]),
                _ => format!("> {} to {}", edges[code - 1], edges[code]),
            },
            Self::Levels { levels, .. } => match code.checked_sub(levels.len()) {
                None => levels[code].clone(),
                Some(0) => "any other".to_owned(),
                Some(_) => "missing".to_owned(),
            },
        }
    }

    /// Returns the standard score of a number (NaN is missing).
    fn score(median: f64, mean: f64, deviation: f64, number: f64) -> f64 {
        ((if number.is_nan() { median } else { number }) - mean) / deviation
    }

    fn bin(edges: &[f64], number: f64) -> u16 {
        let bin = if number.is_nan() { edges.len() + 1 } else { edges.partition_point(|edge| *edge < number) };
        code(bin)
    }

    fn level(levels: &[String], name: &str) -> u16 {
        code(levels.binary_search_by(|level| level.as_str().cmp(name)).unwrap_or(levels.len()))
    }

    /// Encodes one cell.
    pub(super) fn one(&self, cell: Cell<'_>) -> One {
        match self {
            Self::Standard { median, mean, deviation } => {
                One::Score(Self::score(*median, *mean, *deviation, number_of(cell).0))
            }
            Self::Bins { edges } => One::Code(Self::bin(edges, number_of(cell).0)),
            Self::Levels { levels, .. } => One::Code(match cell {
                Cell::Text("") | Cell::Missing => code(levels.len() + 1),
                Cell::Text(name) => Self::level(levels, name),
                Cell::Number(number) if number.is_finite() => Self::level(levels, &number.to_string()),
                Cell::Number(_) => code(levels.len() + 1),
            }),
        }
    }

    /// Encodes these rows of a column. A column of the other kind is encoded as missing.
    pub(super) fn ready(&self, column: Option<&Column>, rows: &[usize]) -> Ready {
        let values = column.map(|column| &column.values);
        match self {
            Self::Standard { median, mean, deviation } => {
                let score = |number| Self::score(*median, *mean, *deviation, number);
                Ready::Scores(match values {
                    Some(Values::Number(numbers)) => rows.iter().map(|row| score(numbers[*row])).collect(),
                    _ => vec![score(f64::NAN); rows.len()],
                })
            }
            Self::Bins { edges } => Ready::Codes(match values {
                Some(Values::Number(numbers)) => rows.iter().map(|row| Self::bin(edges, numbers[*row])).collect(),
                _ => vec![code(edges.len() + 1); rows.len()],
            }),
            Self::Levels { levels, .. } => {
                let missing = code(levels.len() + 1);
                Ready::Codes(match values {
                    Some(Values::Category(categories)) => {
                        let codes: Vec<u16> = categories.levels.iter().map(|name| Self::level(levels, name)).collect();
                        let of = |row: &usize| match categories.codes[*row] {
                            Categories::MISSING => missing,
                            at => codes[at as usize],
                        };
                        rows.iter().map(of).collect()
                    }
                    _ => vec![missing; rows.len()],
                })
            }
        }
    }
}

/// One encoded value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum One {
    Score(f64),
    Code(u16),
}

/// The learners limit the number of codes, so this does not saturate.
fn code(place: usize) -> u16 {
    u16::try_from(place).unwrap_or(u16::MAX)
}

/// Returns the mean and deviation of the training rows; `None` if all are equal or none has a value.
pub(super) fn learn_standard(numbers: &[f64], rows: &[usize]) -> Option<Coding> {
    let mut known: Vec<f64> = rows.iter().map(|row| numbers[*row]).filter(|number| !number.is_nan()).collect();
    known.sort_unstable_by(f64::total_cmp);
    let median = match known.len() {
        0 => return None,
        count if count % 2 == 1 => known[count / 2],
        count => f64::midpoint(known[count / 2 - 1], known[count / 2]),
    };
    let filled = || rows.iter().map(|row| if numbers[*row].is_nan() { median } else { numbers[*row] });
    let first = filled().next()?;
    if filled().all(|number| number.total_cmp(&first).is_eq()) {
        return None;
    }
    let count = as_f64(rows.len());
    // Scaled first, so that numbers near the maximum do not overflow.
    let mean = filled().map(|number| number / count).sum::<f64>();
    let largest = filled().map(|number| (number - mean).abs()).fold(0.0, f64::max);
    if largest == 0.0 || !largest.is_finite() {
        return None;
    }
    let variance =
        filled().map(|number| ((number - mean) / largest) * ((number - mean) / largest)).sum::<f64>() / count;
    let deviation = largest * variance.sqrt();
    (deviation > 0.0 && deviation.is_finite()).then_some(Coding::Standard { median, mean, deviation })
}

/// Returns at most `most` bins with about equal numbers of training rows; equal numbers share a bin.
pub(super) fn learn_bins(numbers: &[f64], rows: &[usize], most: usize) -> Coding {
    let mut known: Vec<f64> = rows.iter().map(|row| numbers[*row]).filter(|number| !number.is_nan()).collect();
    known.sort_unstable_by(f64::total_cmp);
    let mut runs: Vec<(f64, usize)> = Vec::new();
    for number in &known {
        match runs.last_mut() {
            Some((last, count)) if last.total_cmp(number).is_eq() => *count += 1,
            _ => runs.push((*number, 1)),
        }
    }
    let mut edges = Vec::new();
    let (mut held, mut left, mut bins) = (0, known.len(), most);
    for (at, (number, count)) in runs.iter().enumerate() {
        let alone = runs.len() <= most;
        // A value frequent enough to fill a bin gets its own.
        if !alone && held > 0 && bins > 1 && *count * bins >= left {
            edges.push(runs[at - 1].0);
            left -= held;
            bins -= 1;
            held = 0;
        }
        held += count;
        if (alone || held * bins >= left) && at + 1 < runs.len() && bins > 1 {
            edges.push(*number);
            left -= held;
            bins -= 1;
            held = 0;
        }
    }
    Coding::Bins { edges }
}

/// Returns the names of the categories among these columns (`None` for numbers): those with at least `least` training
/// rows, or more if that is required to keep the total at `most`. The others are pooled.
pub(super) fn learn_column_levels(
    table: &Table,
    columns: &[usize],
    rows: &[usize],
    least: usize,
    most: usize,
) -> Vec<Option<Coding>> {
    let counts: Vec<Option<Vec<(usize, &str)>>> = columns
        .iter()
        .map(|column| match &table.columns()[*column].values {
            Values::Number(_) => None,
            Values::Category(categories) => Some(count(categories, rows)),
        })
        .collect();
    let mut all: Vec<usize> = counts.iter().flatten().flatten().map(|(count, _)| *count).collect();
    all.sort_unstable_by(|one, two| two.cmp(one));
    let least = least.max(all.get(most).map_or(0, |first_left_out| first_left_out + 1));
    let kept = |counts: Vec<(usize, &str)>| {
        let seen = counts.len();
        let frequent = counts.into_iter().filter(|(count, _)| *count >= least);
        let mut levels: Vec<String> = frequent.map(|(_, name)| name.to_owned()).collect();
        levels.sort_unstable();
        let pooled = seen - levels.len();
        Coding::Levels { levels, pooled }
    };
    counts.into_iter().map(|counts| counts.map(kept)).collect()
}

/// Returns the number of rows for each name that occurs.
fn count<'a>(categories: &'a Categories, rows: &[usize]) -> Vec<(usize, &'a str)> {
    let mut counts = vec![0; categories.levels.len()];
    for row in rows {
        if let Some(count) = counts.get_mut(categories.codes[*row] as usize) {
            *count += 1;
        }
    }
    let seen = counts.into_iter().zip(&categories.levels).filter(|(count, _)| *count > 0);
    seen.map(|(count, name)| (count, name.as_str())).collect()
}

/// Converts a count to a number, exactly below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "counts of rows are below 2⁵³")]
pub(super) fn as_f64(count: usize) -> f64 {
    count as f64
}
