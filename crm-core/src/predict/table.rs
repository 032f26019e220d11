//! What a model is trained on: columns of numbers or categories, one outcome a row, and what is known of their order.
//!
//! A table is built row by row from cells and knows nothing of where they come from. A missing value is an ordinary
//! value. A number that is not finite, and a text where a number is due, are missing and counted.

use std::collections::HashMap;

/// One value of a row, borrowed from wherever it lives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing is known.
    Missing,
    /// A number; one that is not finite counts as missing.
    Number(f64),
    /// A category by its name. The empty text is missing.
    Text(&'a str),
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers, whose order and distance mean something.
    Number,
    /// Names out of a set.
    Category,
}

/// In which order the rows are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// In none that is known: nothing can be held back by time, and no drift be seen.
    #[default]
    Unknown,
    /// By time, the oldest first.
    OldestFirst,
    /// By time, the newest first.
    NewestFirst,
}

/// What a change log tells of a column, and a bare table cannot: how often it was written after the outcome was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AfterOutcome {
    /// Rows in which the column has a value.
    pub filled: usize,
    /// Rows in which that value was filled in, or was changed, only after the outcome was known.
    pub after: usize,
}

/// The values of a column, one a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Numbers; missing is NaN, and no other is not finite.
    Number(Vec<f64>),
    /// Categories.
    Category(Categories),
}

/// Names out of a set, kept as codes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Categories {
    /// The names in order of first appearance.
    pub levels: Vec<String>,
    /// For each row the place of its name in `levels`, or [`Categories::MISSING`].
    pub codes: Vec<u32>,
}

impl Categories {
    /// The code of a row without a value.
    pub const MISSING: u32 = u32::MAX;
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name, unique in the table.
    pub name: String,
    /// Its values.
    pub values: Values,
    /// Cells that held something unusable, which is missing: numbers that are not finite, texts in a column of numbers.
    pub unusable: usize,
    /// What the change log knows of it, where there is one.
    pub known_after: Option<AfterOutcome>,
}

/// Columns and an outcome a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    outcome: Vec<bool>,
    order: Order,
}

/// A row that does not fit its table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A row has another number of cells than the table has columns.
    #[error("row {row} has {found} cells, and there are {expected} columns")]
    Width {
        /// The row, from 0.
        row: usize,
        /// How many cells it has.
        found: usize,
        /// How many columns there are.
        expected: usize,
    },
    /// Two columns have one name.
    #[error("there are two columns named `{0}`")]
    DuplicateColumn(String),
    /// A column is named that is not there.
    #[error("there is no column named `{0}`")]
    UnknownColumn(String),
}

impl Table {
    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The outcomes, one a row.
    pub fn outcome(&self) -> &[bool] {
        &self.outcome
    }

    /// In which order the rows are.
    pub fn order(&self) -> Order {
        self.order
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.outcome.len()
    }

    /// The place of a column, by its name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The rows from the oldest to the newest, where their order is known.
    pub(super) fn by_time(&self) -> Option<Vec<usize>> {
        match self.order {
            Order::Unknown => None,
            Order::OldestFirst => Some((0..self.rows()).collect()),
            Order::NewestFirst => Some((0..self.rows()).rev().collect()),
        }
    }
}

/// Makes a [`Table`] row by row, each in time proportional to its cells.
#[derive(Debug)]
pub struct TableBuilder {
    table: Table,
    places: Vec<HashMap<String, u32>>,
}

impl TableBuilder {
    /// A table with these columns and no rows yet.
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

    /// Says in which order the rows are.
    #[must_use]
    pub fn order(mut self, order: Order) -> Self {
        self.table.order = order;
        self
    }

    /// Says of a column how often it was written only after the outcome was known.
    pub fn known_after(&mut self, name: &str, known: AfterOutcome) -> Result<(), TableError> {
        let place = self.table.position(name).ok_or_else(|| TableError::UnknownColumn(name.to_owned()))?;
        self.table.columns[place].known_after = Some(known);
        Ok(())
    }

    /// The table.
    pub fn build(self) -> Table {
        self.table
    }
}

/// The number of a cell (NaN is missing), and whether the cell was usable where a number is due.
pub(super) fn number_of(cell: Cell<'_>) -> (f64, bool) {
    match cell {
        // Minus zero and zero are one value.
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
