//! Reads a CSV file as a training table. The types of the columns are guessed, and the guesses are reported.

use std::{collections::BTreeMap, io::Read};

use crm_core::predict::{Cell, Kind, Order, Table, TableBuilder, TableError};

/// Values that count as missing, in addition to the empty cell.
const MISSING: [&str; 7] = ["NA", "N/A", "n/a", "NULL", "null", "NaN", "nan"];
/// Names that often mean a missing value. They are reported and kept.
const SUSPICIOUS: [&str; 14] = [
    "select",
    "please select",
    "choose",
    "unknown",
    "not specified",
    "not provided",
    "undefined",
    "none",
    "missing",
    "tbd",
    "-",
    "--",
    "?",
    ".",
];
/// Values of the outcome that are assumed to be successes.
const POSITIVE: [&str; 8] = ["1", "true", "yes", "y", "won", "converted", "closed won", "success"];

/// The input options.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The column of the outcome.
    pub outcome: String,
    /// The value that counts as a success. Common values are detected.
    pub positive: Option<String>,
    /// The column separator.
    pub separator: u8,
    /// Additional values that count as missing.
    pub missing: Vec<String>,
    /// The order of the rows.
    pub order: Order,
}

/// A table and the observations made while reading it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The table.
    pub table: Table,
    /// The value of the outcome that counts as a success.
    pub positive: String,
    /// The number of rows left out because they have no outcome.
    pub without_outcome: usize,
    /// The position in the file of each row of the table, starting with 0 after the header.
    pub places: Vec<usize>,
    /// Columns with a value that often means missing: column, value, number of rows.
    pub suspicious: Vec<(String, String, usize)>,
}

/// The reason why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// The file is not valid CSV.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// The requested column does not exist.
    #[error("there is no column `{asked}`; there are {}", .there.join(", "))]
    NoColumn {
        /// The requested column.
        asked: String,
        /// The existing columns.
        there: Vec<String>,
    },
    /// The successful outcome cannot be determined.
    #[error("say with --positive which of these is the good outcome: {}", .0.join(", "))]
    Positive(Vec<String>),
    /// The table is invalid.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Reads a whole file.
pub fn read(from: impl Read, asked: &Asked) -> Result<Reading, ReadingError> {
    let mut reader = csv::ReaderBuilder::new().delimiter(asked.separator).trim(csv::Trim::All).from_reader(from);
    let heading: Vec<String> =
        reader.headers()?.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
    let place = |name: &str| {
        let no_column = || ReadingError::NoColumn { asked: name.to_owned(), there: heading.clone() };
        heading.iter().position(|column| column == name).ok_or_else(no_column)
    };
    let outcome = place(&asked.outcome)?;
    let rows = reader.records().collect::<Result<Vec<_>, _>>()?;
    let missing =
        |value: &str| value.is_empty() || MISSING.contains(&value) || asked.missing.iter().any(|one| one == value);

    let positive = positive(rows.iter().map(|row| &row[outcome]).filter(|value| !missing(value)), asked)?;
    let is_number = |at: usize| {
        let mut values = rows.iter().map(|row| &row[at]).filter(|value| !missing(value)).peekable();
        values.peek().is_some() && values.all(|value| value.parse::<f64>().is_ok())
    };
    let columns: Vec<(usize, Kind)> = (0..heading.len())
        .filter(|at| *at != outcome)
        .map(|at| (at, if is_number(at) { Kind::Number } else { Kind::Category }))
        .collect();
    let mut builder =
        TableBuilder::new(columns.iter().map(|(at, kind)| (heading[*at].as_str(), *kind)))?.order(asked.order);
    let mut places = Vec::new();
    let mut suspicious: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for (number, row) in rows.iter().enumerate().filter(|(_, row)| !missing(&row[outcome])) {
        let cell = |(at, kind): &(usize, Kind)| match (&row[*at], kind) {
            (value, _) if missing(value) => Cell::Missing,
            (value, Kind::Number) => value.parse().map_or(Cell::Missing, Cell::Number),
            (value, Kind::Category) => Cell::Text(value),
        };
        let cells: Vec<Cell<'_>> = columns.iter().map(cell).collect();
        for (at, _) in &columns {
            if SUSPICIOUS.contains(&row[*at].to_lowercase().as_str()) && !missing(&row[*at]) {
                *suspicious.entry((*at, &row[*at])).or_default() += 1;
            }
        }
        builder.push(&cells, row[outcome] == positive)?;
        places.push(number);
    }
    let suspicious =
        suspicious.into_iter().map(|((at, name), rows)| (heading[at].clone(), name.to_owned(), rows)).collect();
    Ok(Reading { table: builder.build(), positive, without_outcome: rows.len() - places.len(), places, suspicious })
}

/// Returns the successful outcome: the requested one, or the only common one of two.
fn positive<'a>(outcomes: impl Iterator<Item = &'a str>, asked: &Asked) -> Result<String, ReadingError> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(outcome).or_default() += 1;
    }
    let usual = |name: &&&str| POSITIVE.contains(&name.to_lowercase().as_str());
    let found = match &asked.positive {
        Some(asked) => counts.keys().find(|name| *name == asked),
        None if counts.len() <= 2 => counts.keys().find(usual),
        None => None,
    };
    found.map(|name| (*name).to_owned()).ok_or_else(|| {
        let mut names: Vec<(&str, usize)> = counts.iter().map(|(name, count)| (*name, *count)).collect();
        names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        ReadingError::Positive(names.iter().take(12).map(|(name, count)| format!("{name} ({count})")).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(positive: Option<&str>) -> Asked {
        Asked {
            outcome: "won".into(),
            positive: positive.map(str::to_owned),
            separator: b';',
            missing: vec!["Select".into()],
            order: Order::Unknown,
        }
    }

    #[test]
    fn types_are_guessed_and_gaps_are_gaps() {
        let text = "\u{feff}size;won;source;note\n1.5;yes;Select;x\n;no;web;-\nNA;;web;x\n2;no;unknown;x\n";
        let reading = read(text.as_bytes(), &asked(None)).expect("it is a table");
        let kinds: Vec<bool> = reading
            .table
            .columns()
            .iter()
            .map(|column| matches!(column.values, crm_core::predict::Values::Number(_)))
            .collect();
        assert_eq!(kinds, [true, false, false]);
        assert_eq!((reading.positive.as_str(), reading.without_outcome), ("yes", 1));
        assert_eq!((reading.table.outcome(), reading.places), ([true, false, false].as_slice(), vec![0, 1, 3]));
        let suspicious = [("note".into(), "-".into(), 1), ("source".into(), "unknown".into(), 1)];
        assert_eq!(reading.suspicious.len(), 2);
        assert!(suspicious.iter().all(|one| reading.suspicious.contains(one)), "{:?}", reading.suspicious);
    }

    #[test]
    fn what_cannot_be_told_is_asked_for() {
        let text = "won;x\nmaybe;1\nno;2\nno;3\n";
        let error = read(text.as_bytes(), &asked(None)).expect_err("neither is usual");
        assert_eq!(error.to_string(), "say with --positive which of these is the good outcome: no (2), maybe (1)");
        assert!(read(text.as_bytes(), &asked(Some("maybe"))).is_ok());
        assert!(read(text.as_bytes(), &asked(Some("often"))).is_err(), "no row has it");
        let error = read("a;b\n1;2\n".as_bytes(), &asked(None)).expect_err("there is no such column");
        assert_eq!(error.to_string(), "there is no column `won`; there are a, b");
    }
}
