//! A CSV file as a table to train on: the types of its columns are guessed, and what was guessed is told.

use std::{collections::BTreeMap, io::Read};

use crm_core::predict::{Cell, Kind, Order, Table, TableBuilder, TableError};

/// What is taken for no value, besides nothing at all.
const MISSING: [&str; 7] = ["NA", "N/A", "n/a", "NULL", "null", "NaN", "nan"];
/// Names that often stand for no value: they are told, and kept.
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
/// Outcomes that are taken to be the good one.
const POSITIVE: [&str; 8] = ["1", "true", "yes", "y", "won", "converted", "closed won", "success"];

/// What to read, and how.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The column with the outcome.
    pub outcome: String,
    /// Its value that counts as a success; found where it is usual.
    pub positive: Option<String>,
    /// What separates the columns.
    pub separator: u8,
    /// More values that stand for none.
    pub missing: Vec<String>,
    /// In which order the rows are.
    pub order: Order,
}

/// A table, and what reading it showed.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The table.
    pub table: Table,
    /// The value of the outcome that counts as a success.
    pub positive: String,
    /// Rows left out, because they have no outcome.
    pub without_outcome: usize,
    /// For each row of the table its place in the file, from 0, the heading not counted.
    pub places: Vec<usize>,
    /// Columns with a name that often stands for no value: column, name, rows.
    pub suspicious: Vec<(String, String, usize)>,
}

/// Why a file is no table.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// It is no CSV.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// It has no such column.
    #[error("there is no column `{asked}`; there are {}", .there.join(", "))]
    NoColumn {
        /// What was asked for.
        asked: String,
        /// What there is.
        there: Vec<String>,
    },
    /// Which outcome is the good one cannot be told.
    #[error("say with --positive which of these is the good outcome: {}", .0.join(", "))]
    Positive(Vec<String>),
    /// The table refuses it.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Reads a file whole.
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

/// Which outcome is the good one: what was asked for, or the only one of two that is usual.
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
