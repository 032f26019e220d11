//! The selection of features. Columns that are empty or constant, and columns that look like identifiers, contact
//! details or free text, are excluded.
//!
//! The selection considers values only, not column names. Personal names that are each shared by many rows cannot be
//! distinguished from categories; omit such columns from the table.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{
    inputs::{Ready, as_f64, learn_bins, learn_column_levels},
    options::Options,
    pairs::spread,
    table::{Categories, Column, Table, Values},
};

/// The reason why a column is not a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// Excluded by the caller.
    Asked,
    /// No row has a value.
    Empty,
    /// All training rows have the same value.
    Constant,
    /// Nearly every row has a distinct value, or the values are sequential numbers.
    Identifier,
    /// The values are email addresses.
    Email,
    /// The values are phone numbers.
    Phone,
    /// The values are sentences.
    FreeText,
    /// The columns exceed the limit, and this one alone has less predictive power than the others.
    Weak,
}

impl Exclusion {
    /// Returns `true` if the reason was inferred from the values.
    fn is_a_guess(self) -> bool {
        matches!(self, Self::Identifier | Self::Email | Self::Phone | Self::FreeText)
    }
}

/// A column that is not a feature, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// The name of the column.
    pub column: String,
    /// The reason.
    pub why: Exclusion,
}

/// The minimum number of values from which distinct ones are significant.
const ENOUGH: usize = 20;
/// Numbers of at least this size that are all whole and distinct are identifiers: phones, customers, invoices.
const LONG_NUMBER: f64 = 1e6;
/// The limit of features: the cost grows with their square, and with the cube of their weights.
const MOST_FEATURES: usize = 64;
/// The number of bins, and the rows of a name, when columns are compared.
const COARSE: usize = 10;
/// The tolerated share of rows that are out of sequence, or that repeat an identifier.
const NEARLY_NONE: f64 = 0.1;

/// Returns the indexes of the features, and the other columns with the reasons.
pub(super) fn select(table: &Table, training: &[usize], options: &Options) -> (Vec<usize>, Vec<Excluded>) {
    let mut features = Vec::new();
    let mut excluded = Vec::new();
    for (place, column) in table.columns().iter().enumerate() {
        let why =
            if options.exclude.contains(&column.name) { Some(Exclusion::Asked) } else { look_at(column, training) };
        let kept = options.keep.contains(&column.name);
        match why.filter(|why| !(kept && why.is_a_guess())) {
            None => features.push(place),
            Some(why) => excluded.push(Excluded { column: column.name.clone(), why }),
        }
    }
    for place in weakest(table, &features, training) {
        features.retain(|feature| *feature != place);
        excluded.push(Excluded { column: table.columns()[place].name.clone(), why: Exclusion::Weak });
    }
    (features, excluded)
}

/// Returns the features beyond the limit, those with the least predictive power alone.
fn weakest(table: &Table, features: &[usize], training: &[usize]) -> Vec<usize> {
    if features.len() <= MOST_FEATURES {
        return Vec::new();
    }
    let outcome: Vec<f64> = training.iter().map(|row| f64::from(u8::from(table.outcome()[*row]))).collect();
    let levels = learn_column_levels(table, features, training, COARSE, usize::MAX);
    let mut strength: Vec<(f64, usize)> = features
        .iter()
        .zip(levels)
        .map(|(place, levels)| {
            let column = &table.columns()[*place];
            let coding = match (&column.values, levels) {
                (Values::Number(numbers), _) => learn_bins(numbers, training, COARSE),
                (Values::Category(_), levels) => levels.expect("categories have levels"),
            };
            match coding.ready(Some(column), training) {
                Ready::Codes(codes) => (spread(&codes, &outcome), *place),
                Ready::Scores(_) => unreachable!("bins and levels have codes"),
            }
        })
        .collect();
    strength.sort_by(|one, two| two.0.total_cmp(&one.0).then(one.1.cmp(&two.1)));
    strength.drain(MOST_FEATURES..).map(|(_, place)| place).collect()
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
    let different = || {
        let numbers: HashSet<u64> = known.iter().map(|number| number.to_bits()).collect();
        as_f64(numbers.len()) >= (1.0 - NEARLY_NONE) * as_f64(known.len())
    };
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

/// Returns `true` for at least seven digits with only the punctuation of phone numbers, except dates.
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
    use crate::predict::{Cell, Kind, TableBuilder, random::Random};

    /// Returns the exclusion of a column with these values.
    fn of(kind: Kind, cells: &[Cell<'_>]) -> Option<Exclusion> {
        let mut builder = TableBuilder::new([("x", kind)]).unwrap();
        for cell in cells {
            builder.push(&[*cell], true).unwrap();
        }
        let all: Vec<usize> = (0..cells.len()).collect();
        select(&builder.build(), &all, &Options::default()).1.first().map(|excluded| excluded.why)
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
        // Shared addresses are addresses too.
        assert_eq!(texts(|at| format!("a{}@example.com", at % 4)), Some(Exclusion::Email));
        assert_eq!(texts(|at| format!("+49 (30) 123-{at:04}")), Some(Exclusion::Phone));
        assert_eq!(texts(|at| format!("7927b2df-{at:04x}")), Some(Exclusion::Identifier));
        assert_eq!(texts(|at| format!("called on day {at} and left word")), Some(Exclusion::FreeText));
        // Dates that rows share are categories, not phone numbers.
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

    /// The weakest columns beyond the limit are excluded, and inferred exclusions can be overridden.
    #[test]
    fn there_are_limits_and_exceptions() {
        let names: Vec<String> = (0..70).map(|at| format!("column {at}")).collect();
        let mut columns: Vec<(&str, Kind)> = names.iter().map(|name| (name.as_str(), Kind::Category)).collect();
        columns.push(("amount", Kind::Number));
        let mut builder = TableBuilder::new(columns).unwrap();
        for row in 0..400_u32 {
            let came = row * 7919 % 401 < 200;
            // Column 69 determines the outcome; the others are random.
            let value = |at: u32| if at == 69 { came } else { Random::new(u64::from(row * 100 + at)).below(2) == 0 };
            let mut cells: Vec<Cell<'_>> = (0..70).map(|at| Cell::Text(if value(at) { "yes" } else { "no" })).collect();
            cells.push(Cell::Number(2e6 + f64::from(row * 17 % 401)));
            builder.push(&cells, came).unwrap();
        }
        let table = builder.build();
        let all: Vec<usize> = (0..400).collect();
        let (features, excluded) = select(&table, &all, &Options::default());
        assert_eq!(features.len(), MOST_FEATURES);
        assert!(features.contains(&69));
        assert_eq!(excluded.iter().filter(|one| one.why == Exclusion::Weak).count(), 6);
        assert_eq!(excluded[0], Excluded { column: "amount".into(), why: Exclusion::Identifier });
        let keep = Options { keep: vec!["amount".into()], ..Options::default() };
        assert!(select(&table, &all, &keep).1.iter().all(|one| one.why == Exclusion::Weak));
        let both = Options { exclude: keep.keep.clone(), ..keep };
        assert_eq!(select(&table, &all, &both).1[0].why, Exclusion::Asked);
    }

    #[test]
    fn one_value_or_none_is_not_constant() {
        let cells: Vec<Cell<'_>> =
            (0..60).map(|at| if at % 3 == 0 { Cell::Missing } else { Cell::Text("x") }).collect();
        assert_eq!(of(Kind::Category, &cells), None);
    }
}
