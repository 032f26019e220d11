//! A year as plain rows, each with its line in the source file.

use std::fmt;

use crm_core::value::{Date, Decimal};

/// The data to import.
#[derive(Clone, Debug, Default)]
pub struct Year {
    /// The customers.
    pub accounts: Vec<Account>,
    /// The products.
    pub products: Vec<Product>,
    /// The agents.
    pub agents: Vec<Agent>,
    /// The deals, open and closed.
    pub deals: Vec<Deal>,
    /// The rows that could not be read.
    pub faults: Vec<RowFault>,
}

/// A customer.
#[derive(Clone, Debug)]
pub struct Account {
    /// The line of its row; the header is line 1.
    pub line: u64,
    /// The name, which is the key.
    pub name: String,
    /// The industry.
    pub sector: Option<String>,
    /// The year of foundation.
    pub founded: Option<i64>,
    /// The annual revenue in dollars.
    pub revenue: Option<Decimal>,
    /// The number of employees.
    pub employees: Option<i64>,
    /// The country.
    pub country: Option<String>,
    /// The name of the parent account.
    pub parent: Option<String>,
}

/// A product.
#[derive(Clone, Debug)]
pub struct Product {
    /// The name, which is the key.
    pub name: String,
    /// The list price in dollars.
    pub list_price: Decimal,
}

/// A sales agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The line of its row; the header is line 1.
    pub line: u64,
    /// The name, which is the key.
    pub name: String,
    /// The name of the manager.
    pub manager: String,
    /// The regional office of the manager's team.
    pub region: String,
}

/// The stage of a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The customer has not been contacted yet.
    Prospecting,
    /// The customer is being talked to.
    Engaging {
        /// The day of engagement.
        since: Date,
    },
    /// The deal was won.
    Won {
        /// The day of engagement.
        since: Date,
        /// The closing day.
        on: Date,
        /// The value in dollars.
        value: Decimal,
    },
    /// The deal was lost.
    Lost {
        /// The day of engagement.
        since: Date,
        /// The closing day.
        on: Date,
        /// The value at that time in dollars.
        value: Decimal,
    },
}

/// A deal, open or closed.
#[derive(Clone, Debug)]
pub struct Deal {
    /// The line of its row; the header is line 1.
    pub line: u64,
    /// The key.
    pub id: String,
    /// The name of the agent.
    pub agent: String,
    /// The name of the product.
    pub product: String,
    /// The name of the account, if known.
    pub account: Option<String>,
    /// The stage.
    pub stage: Stage,
}

/// A rejected row and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// The name of the file.
    pub file: &'static str,
    /// The line; the header is line 1.
    pub line: u64,
    /// The column by its number, starting with 1, and its name, if a single column is at fault.
    pub column: Option<(usize, &'static str)>,
    /// The fault and the accepted values.
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
