//! Which columns are features: not those that are empty or constant, and not those that look like identifiers, contact
//! details or free text.
//!
//! It goes by the values, since it knows no column's name. Personal names of which many rows share each cannot be told
//! from categories; who makes the table leaves such columns out.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{
    inputs::as_f64,
    table::{Categories, Column, Table, Values},
};

/// Why a column is no feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// The caller said so.
    Asked,
    /// No row has a value.
    Empty,
    /// All training rows are alike.
    Constant,
    /// Nearly every row has a value of its own, or it is a running number.
    Identifier,
    /// The values are e-mail addresses.
    Email,
    /// The values are phone numbers.
    Phone,
    /// The values are sentences.
    FreeText,
}

/// A column that is no feature, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// The column.
    pub column: String,
    /// Why.
    pub why: Exclusion,
}

/// With fewer values, that all differ says nothing.
const ENOUGH: usize = 20;
/// Numbers from here on that are all whole and all different are numbered things: phones, customers, invoices.
const LONG_NUMBER: f64 = 1e6;
/// A running number may be out of step in this share of the rows.
const NEARLY_NONE: f64 = 0.1;

/// The places of the features, and the other columns with why.
pub(super) fn select(table: &Table, training: &[usize], asked: &[String]) -> (Vec<usize>, Vec<Excluded>) {
    let mut features = Vec::new();
    let mut excluded = Vec::new();
    for (place, column) in table.columns().iter().enumerate() {
        let why = if asked.contains(&column.name) { Some(Exclusion::Asked) } else { look_at(column, training) };
        match why {
            None => features.push(place),
            Some(why) => excluded.push(Excluded { column: column.name.clone(), why }),
        }
    }
    (features, excluded)
}

fn look_at(column: &Column, training: &[usize]) -> Option<Exclusion> {
    match &column.values {
        Values::Number(numbers) => look_at_numbers(numbers, training),
        Values::Category(categories) => look_at_names(categories, training),
    }
}

fn look_at_numbers(numbers: &[f64], training: &[usize]) -> Option<Exclusion> {
    let known: Vec<f64> = numbers.iter().copied().filter(|number| !number.is_nan()).collect();
    if known.is_empty() {
        return Some(Exclusion::Empty);
    }
    let first = numbers[*training.first()?];
    if training.iter().all(|row| numbers[*row].total_cmp(&first).is_eq()) {
        return Some(Exclusion::Constant);
    }
    let whole = known.iter().all(|number| number.fract() == 0.0);
    let different = || known.iter().map(|number| number.to_bits()).collect::<HashSet<_>>().len() == known.len();
    let runs = || {
        let rising = as_f64(known.windows(2).filter(|two| two[0] < two[1]).count()) / as_f64(known.len() - 1);
        !(NEARLY_NONE..1.0 - NEARLY_NONE).contains(&rising)
    };
    let long = || known.iter().all(|number| *number >= LONG_NUMBER);
    (known.len() >= ENOUGH && whole && (runs() || long()) && different()).then_some(Exclusion::Identifier)
}

fn look_at_names(categories: &Categories, training: &[usize]) -> Option<Exclusion> {
    let known = categories.codes.iter().filter(|code| **code != Categories::MISSING).count();
    if known == 0 {
        return Some(Exclusion::Empty);
    }
    let first = categories.codes[*training.first()?];
    if training.iter().all(|row| categories.codes[*row] == first) {
        return Some(Exclusion::Constant);
    }
    let levels = &categories.levels;
    let most = |is: fn(&str) -> bool| levels.iter().filter(|level| is(level)).count() * 2 > levels.len();
    if most(is_email) {
        return Some(Exclusion::Email);
    }
    if levels.len() < ENOUGH {
        return None;
    }
    if most(is_phone) {
        return Some(Exclusion::Phone);
    }
    let count = as_f64(levels.len());
    let words = levels.iter().map(|level| as_f64(level.split_whitespace().count())).sum::<f64>() / count;
    if words > 8.0 || (words > 4.0 && levels.len() * 2 > known) {
        return Some(Exclusion::FreeText);
    }
    (levels.len() * 2 > known).then_some(Exclusion::Identifier)
}

fn is_email(text: &str) -> bool {
    text.trim().rsplit_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !text.trim().contains(char::is_whitespace)
    })
}

/// Seven digits or more with nothing but what phone numbers are punctuated with, and no date.
fn is_phone(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let punctuated = text.chars().all(|char| char.is_ascii_digit() || " +-/().".contains(char));
    let parts: Vec<usize> = text.split(['-', '/', '.']).map(str::len).collect();
    let date = matches!(parts[..], [4, 1..=2, 1..=2] | [1..=2, 1..=2, 4]);
    digits >= 7 && punctuated && !date
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict::{Cell, Kind, TableBuilder};

    /// What is said of a column of these values.
    fn of(kind: Kind, cells: &[Cell<'_>]) -> Option<Exclusion> {
        let mut builder = TableBuilder::new([("x", kind)]).unwrap();
        for cell in cells {
            builder.push(&[*cell], true).unwrap();
        }
        let all: Vec<usize> = (0..cells.len()).collect();
        select(&builder.build(), &all, &[]).1.first().map(|excluded| excluded.why)
    }

    fn texts(text: impl Fn(u32) -> String) -> Option<Exclusion> {
        let texts: Vec<String> = (0..60).map(text).collect();
        let cells: Vec<Cell<'_>> = texts.iter().map(|text| Cell::Text(text)).collect();
        of(Kind::Category, &cells)
    }

    fn numbers(number: impl Fn(u32) -> f64) -> Option<Exclusion> {
        of(Kind::Number, &(0..60).map(|at| Cell::Number(number(at))).collect::<Vec<_>>())
    }

    #[test]
    fn columns_are_judged_by_their_values() {
        assert_eq!(texts(|at| format!("colour {}", at % 7)), None);
        assert_eq!(texts(|_| "always".into()), Some(Exclusion::Constant));
        assert_eq!(texts(|_| String::new()), Some(Exclusion::Empty));
        assert_eq!(texts(|at| format!("a{at}@example.com")), Some(Exclusion::Email));
        // An address that many share is one all the same.
        assert_eq!(texts(|at| format!("a{}@example.com", at % 4)), Some(Exclusion::Email));
        assert_eq!(texts(|at| format!("+49 (30) 123-{at:04}")), Some(Exclusion::Phone));
        assert_eq!(texts(|at| format!("7927b2df-{at:04x}")), Some(Exclusion::Identifier));
        assert_eq!(texts(|at| format!("called on day {at} and left word")), Some(Exclusion::FreeText));
        // A date that rows share is a category; it is not a phone number.
        assert_eq!(texts(|at| format!("2017-01-{:02}", at % 25 + 1)), None);
    }

    #[test]
    fn numbers_are_judged_by_their_values() {
        assert_eq!(numbers(f64::from), Some(Exclusion::Identifier), "a running number");
        assert_eq!(numbers(|at| -f64::from(at)), Some(Exclusion::Identifier), "one that runs backwards");
        assert_eq!(numbers(|at| 4_930_000_000.0 + f64::from(at * 17 % 60)), Some(Exclusion::Identifier), "phones");
        assert_eq!(numbers(|at| f64::from(at * 17 % 60)), None, "different ones in no order");
        assert_eq!(numbers(|at| f64::from(at) + 0.5), None, "measures");
        assert_eq!(numbers(|_| 3.0), Some(Exclusion::Constant));
        assert_eq!(numbers(|_| f64::INFINITY), Some(Exclusion::Empty));
    }

    #[test]
    fn one_value_or_none_is_not_constant() {
        let cells: Vec<Cell<'_>> =
            (0..60).map(|at| if at % 3 == 0 { Cell::Missing } else { Cell::Text("x") }).collect();
        assert_eq!(of(Kind::Category, &cells), None);
    }
}
