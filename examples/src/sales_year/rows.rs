//! A year as plain rows, each knowing the line it came from.

use std::fmt;

use crm_core::value::{Date, Decimal};

/// Everything that is brought in.
#[derive(Clone, Debug, Default)]
pub struct Year {
    /// The customers.
    pub accounts: Vec<Account>,
    /// What is sold.
    pub products: Vec<Product>,
    /// Who sells.
    pub agents: Vec<Agent>,
    /// What was and may be sold.
    pub deals: Vec<Deal>,
    /// Rows that could not be read.
    pub faults: Vec<RowFault>,
}

/// A customer.
#[derive(Clone, Debug)]
pub struct Account {
    /// The line of its row, the heading being line 1.
    pub line: u64,
    /// What it is called: its key.
    pub name: String,
    /// What it does.
    pub sector: Option<String>,
    /// When it was founded.
    pub founded: Option<i64>,
    /// What it earns a year, in dollars.
    pub revenue: Option<Decimal>,
    /// How many work there.
    pub employees: Option<i64>,
    /// In which country it is.
    pub country: Option<String>,
    /// The account above it.
    pub parent: Option<String>,
}

/// Something that is sold.
#[derive(Clone, Debug)]
pub struct Product {
    /// What it is called: its key.
    pub name: String,
    /// What it costs, in dollars.
    pub list_price: Decimal,
}

/// Somebody who sells.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The line of the row.
    pub line: u64,
    /// Their name: their key.
    pub name: String,
    /// The name of their manager.
    pub manager: String,
    /// The office their manager's team belongs to.
    pub region: String,
}

/// How far a deal has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nobody has talked to the customer yet.
    Prospecting,
    /// One talks.
    Engaging {
        /// Since when.
        since: Date,
    },
    /// It was sold.
    Won {
        /// Since when one talked.
        since: Date,
        /// When it was sold.
        on: Date,
        /// For how much, in dollars.
        value: Decimal,
    },
    /// It was not.
    Lost {
        /// Since when one talked.
        since: Date,
        /// When it was given up.
        on: Date,
        /// What it was worth then, in dollars.
        value: Decimal,
    },
}

/// A sale that happened or may happen.
#[derive(Clone, Debug)]
pub struct Deal {
    /// The line of its row.
    pub line: u64,
    /// Its key.
    pub id: String,
    /// The name of whoever works on it.
    pub agent: String,
    /// The name of the product.
    pub product: String,
    /// The name of the account, where it is known.
    pub account: Option<String>,
    /// How far it has come.
    pub stage: Stage,
}

/// A row that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// Of which file.
    pub file: &'static str,
    /// On which line, the heading being line 1.
    pub line: u64,
    /// In which column, by number from 1 and heading, where it is one.
    pub column: Option<(usize, &'static str)>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if let Some((number, heading)) = self.column {
            write!(f, ":{number} ({heading})")?;
        }
        write!(f, ": {}", self.message)
    }
}
