//! The training data: columns of numbers or categories, one outcome for each row, and the order of the rows.
//!
//! A table is built row by row from cells, independently of their origin. A missing value is an ordinary value. Numbers
//! that are not finite and text in numeric columns are missing, and are counted.

use std::collections::HashMap;

/// A borrowed value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// A missing value.
    Missing,
    /// A number; one that is not finite is missing.
    Number(f64),
    /// The name of a category. The empty text is missing.
    Text(&'a str),
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers with a meaningful order and distance.
    Number,
    /// Names from a set.
    Category,
}

/// The order of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Unknown order: rows cannot be held out by time, and drift cannot be detected.
    #[default]
    Unknown,
    /// By time, the oldest first.
    OldestFirst,
    /// By time, the newest first.
    NewestFirst,
}

/// The information of a change log on how often a column was written after the outcome was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AfterOutcome {
    /// The number of rows in which the column has a value.
    pub filled: usize,
    /// The number of rows in which that value was filled in or changed only after the outcome was known.
    pub after: usize,
}

/// The values of a column, one for each row.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers; a missing one is NaN, and all others are finite.
    Number(Vec<f64>),
    /// Categories.
    Category(Categories),
}

/// Names from a set, stored as codes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Categories {
    /// The names in the order of first appearance.
    pub levels: Vec<String>,
    /// The index of each row's name in `levels`, or [`Categories::MISSING`].
    pub codes: Vec<u32>,
}

impl Categories {
    /// The code of a row without a value.
    pub const MISSING: u32 = u32::MAX;
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The name, unique in the table.
    pub name: String,
    /// The values.
    pub values: Values,
    /// The number of unusable cells, which are missing: numbers that are not finite, and text in a numeric column.
    pub unusable: usize,
    /// The information of the change log, if available.
    pub known_after: Option<AfterOutcome>,
}

/// Columns, and an outcome for each row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    outcome: Vec<bool>,
    order: Order,
}

/// The error of building a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// The number of cells of a row differs from the number of columns.
    #[error("row {row} has {found} cells, but there are {expected} columns")]
    Width {
        /// The row, starting at 0.
        row: usize,
        /// The number of cells.
        found: usize,
        /// The number of columns.
        expected: usize,
    },
    /// Two columns have the same name.
    #[error("there are two columns named `{0}`")]
    DuplicateColumn(String),
    /// The named column does not exist.
    #[error("there is no column named `{0}`")]
    UnknownColumn(String),
}

impl Table {
    /// Returns the columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the outcomes, one for each row.
    pub fn outcome(&self) -> &[bool] {
        &self.outcome
    }

    /// Returns the order of the rows.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.outcome.len()
    }

    /// Returns the index of the column with a name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Returns the rows from the oldest to the newest; `None` if the order is unknown.
    pub(super) fn by_time(&self) -> Option<Vec<usize>> {
        match self.order {
            Order::Unknown => None,
            Order::OldestFirst => Some((0..self.rows()).collect()),
            Order::NewestFirst => Some((0..self.rows()).rev().collect()),
        }
    }
}

/// Builds a [`Table`] row by row. Each takes time proportional to its cells.
#[derive(Debug)]
pub struct TableBuilder {
    table: Table,
    places: Vec<HashMap<String, u32>>,
}

impl TableBuilder {
    /// Creates a builder with these columns and no rows.
    pub fn new<N: Into<String>>(columns: impl IntoIterator<Item = (N, Kind)>) -> Result<Self, TableError> {
        let mut table = Table::default();
        for (name, kind) in columns {
            let name = name.into();
            if table.position(&name).is_some() {
                return Err(TableError::DuplicateColumn(name));
            }
            let values = match kind {
                Kind::Number => Values::Number(Vec::new()),
                Kind::Category => Values::Category(Categories::default()),
            };
            table.columns.push(Column { name, values, unusable: 0, known_after: None });
        }
        let places = table.columns.iter().map(|_| HashMap::new()).collect();
        Ok(Self { table, places })
    }

    /// Adds a row: a cell for each column, in their order, and its outcome.
    pub fn push(&mut self, cells: &[Cell<'_>], outcome: bool) -> Result<(), TableError> {
        let expected = self.table.columns.len();
        if cells.len() != expected {
            return Err(TableError::Width { row: self.table.rows(), found: cells.len(), expected });
        }
        for ((column, places), cell) in self.table.columns.iter_mut().zip(&mut self.places).zip(cells) {
            match &mut column.values {
                Values::Number(numbers) => {
                    let (number, usable) = number_of(*cell);
                    column.unusable += usize::from(!usable);
                    numbers.push(number);
                }
                Values::Category(categories) => {
                    let (code, usable) = match cell {
                        Cell::Missing => (Categories::MISSING, true),
                        Cell::Text(text) => (code_of(categories, places, text), true),
                        Cell::Number(number) if number.is_finite() => {
                            (code_of(categories, places, &number.to_string()), true)
                        }
                        Cell::Number(_) => (Categories::MISSING, false),
                    };
                    column.unusable += usize::from(!usable);
                    categories.codes.push(code);
                }
            }
        }
        self.table.outcome.push(outcome);
        Ok(())
    }

    /// Sets the order of the rows.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.table.order = order;
        self
    }

    /// Sets how often a column was written only after the outcome was known.
    pub fn known_after(&mut self, name: &str, known: AfterOutcome) -> Result<(), TableError> {
        let place = self.table.position(name).ok_or_else(|| TableError::UnknownColumn(name.to_owned()))?;
        self.table.columns[place].known_after = Some(known);
        Ok(())
    }

    /// Returns the table.
    pub fn build(self) -> Table {
        self.table
    }
}

/// Returns the number in a cell (NaN if missing), and whether the cell is usable as a number.
pub(super) fn number_of(cell: Cell<'_>) -> (f64, bool) {
    match cell {
        // Minus zero and zero are the same value.
        Cell::Number(number) if number.is_finite() => (number + 0.0, true),
        Cell::Number(_) => (f64::NAN, false),
        Cell::Text(text) => (f64::NAN, text.is_empty()),
        Cell::Missing => (f64::NAN, true),
    }
}

fn code_of(categories: &mut Categories, places: &mut HashMap<String, u32>, text: &str) -> u32 {
    if text.is_empty() {
        return Categories::MISSING;
    }
    if let Some(code) = places.get(text) {
        return *code;
    }
    let code = u32::try_from(categories.levels.len()).unwrap_or(Categories::MISSING);
    categories.levels.push(text.to_owned());
    places.insert(text.to_owned(), code);
    code
}
