//! Reads the year from CSV files. A faulty row is reported with its line and column and does not stop the others.

use std::{collections::HashSet, fs::File, io::Read as _, path::Path};

use crm_core::value::{Date, Decimal};
use csv::{ReaderBuilder, StringRecord};

use super::{
    Failure,
    rows::{Account, Agent, Deal, Product, RowFault, Stage, Year},
};

/// The file of the deals.
pub const DEALS: &str = "sales_pipeline.csv";
/// The file of the accounts.
pub const ACCOUNTS: &str = "accounts.csv";
/// The file of the agents.
pub const AGENTS: &str = "sales_teams.csv";
/// The file of the products.
pub const PRODUCTS: &str = "products.csv";

/// The columns of the deals, in the order in which they are read.
pub const DEAL_HEADINGS: &[&str] =
    &["opportunity_id", "sales_agent", "product", "account", "deal_stage", "engage_date", "close_date", "close_value"];
/// The columns of the accounts.
pub const ACCOUNT_HEADINGS: &[&str] =
    &["account", "sector", "year_established", "revenue", "employees", "office_location", "subsidiary_of"];
/// The columns of the agents.
pub const AGENT_HEADINGS: &[&str] = &["sales_agent", "manager", "regional_office"];
const PRODUCT_HEADINGS: &[&str] = &["product", "sales_price"];

/// Reads the four files of a directory.
///
/// # Errors
/// [`Failure::Data`] if a file or a column is missing. Faulty rows are in [`Year::faults`].
pub fn read(folder: &Path) -> Result<Year, Failure> {
    let mut year = Year::default();
    let mut faults = Vec::new();
    year.products = rows(folder, PRODUCTS, PRODUCT_HEADINGS, &mut faults, |row, seen| {
        Ok(Product { name: row.key(0, seen)?, list_price: row.needed_number(1)? })
    })?;
    year.agents = rows(folder, AGENTS, AGENT_HEADINGS, &mut faults, |row, seen| {
        Ok(Agent { line: row.line, name: row.key(0, seen)?, manager: row.needed(1)?, region: row.needed(2)? })
    })?;
    year.accounts = rows(folder, ACCOUNTS, ACCOUNT_HEADINGS, &mut faults, |row, seen| {
        let millions: Option<Decimal> = row.parsed(3, "a number of millions")?;
        let revenue = millions.map(|millions| millions.times(Decimal::from(1_000_000)));
        Ok(Account {
            line: row.line,
            name: row.key(0, seen)?,
            sector: row.text(1),
            founded: row.parsed(2, "a year")?,
            revenue: revenue.transpose().map_err(|error| row.fault(3, error.to_string()))?,
            employees: row.parsed(4, "a whole number")?,
            country: row.text(5),
            parent: row.text(6),
        })
    })?;
    let names = Names {
        products: year.products.iter().map(|product| product.name.as_str()).collect(),
        agents: year.agents.iter().map(|agent| agent.name.as_str()).collect(),
        accounts: year.accounts.iter().map(|account| account.name.as_str()).collect(),
    };
    year.deals = rows(folder, DEALS, DEAL_HEADINGS, &mut faults, |row, seen| names.deal(row, seen))?;
    year.faults = faults;
    Ok(year)
}

/// The names that a deal may refer to.
struct Names<'a> {
    products: HashSet<&'a str>,
    agents: HashSet<&'a str>,
    accounts: HashSet<&'a str>,
}

impl Names<'_> {
    fn deal(&self, row: &Row<'_>, seen: &mut HashSet<String>) -> Result<Deal, RowFault> {
        let known = |names: &HashSet<&str>, at: usize, name: String, file: &str| {
            if names.contains(name.as_str()) {
                Ok(name)
            } else {
                Err(row.fault(at, format!("`{name}` is not in {file}")))
            }
        };
        let account = row.text(3).map(|name| known(&self.accounts, 3, name, ACCOUNTS)).transpose()?;
        Ok(Deal {
            line: row.line,
            id: row.key(0, seen)?,
            agent: known(&self.agents, 1, row.needed(1)?, AGENTS)?,
            product: known(&self.products, 2, product(row.needed(2)?), PRODUCTS)?,
            account,
            stage: stage(row)?,
        })
    }
}

/// Corrects the only misspelling in the data.
fn product(name: String) -> String {
    if name == "GTXPro" { "GTX Pro".to_owned() } else { name }
}

fn stage(row: &Row<'_>) -> Result<Stage, RowFault> {
    let closed = || -> Result<(Date, Date, Decimal), RowFault> {
        let (since, on) = (row.needed_date(5)?, row.needed_date(6)?);
        if on < since {
            return Err(row.fault(6, format!("{on} is before the engage_date {since}")));
        }
        Ok((since, on, row.needed_number(7)?))
    };
    Ok(match row.needed(4)?.as_str() {
        "Prospecting" => Stage::Prospecting,
        "Engaging" => Stage::Engaging { since: row.needed_date(5)? },
        "Won" => closed().map(|(since, on, value)| Stage::Won { since, on, value })?,
        "Lost" => closed().map(|(since, on, value)| Stage::Lost { since, on, value })?,
        other => {
            return Err(row.fault(4, format!("`{other}` is no stage: Prospecting, Engaging, Won or Lost")));
        }
    })
}

/// A row with its cells in the order of the requested columns.
struct Row<'a> {
    file: &'static str,
    line: u64,
    headings: &'static [&'static str],
    /// The position of each column in the file.
    columns: &'a [usize],
    cells: &'a StringRecord,
}

impl Row<'_> {
    fn text(&self, at: usize) -> Option<String> {
        let cell = self.cells.get(self.columns[at]).unwrap_or_default().trim();
        (!cell.is_empty()).then(|| cell.to_owned())
    }

    fn needed(&self, at: usize) -> Result<String, RowFault> {
        self.text(at).ok_or_else(|| self.fault(at, "is needed".to_owned()))
    }

    /// The key of the row, which no earlier row had.
    fn key(&self, at: usize, seen: &mut HashSet<String>) -> Result<String, RowFault> {
        let key = self.needed(at)?;
        if seen.insert(key.clone()) { Ok(key) } else { Err(self.fault(at, format!("`{key}` is there twice"))) }
    }

    fn parsed<T: std::str::FromStr>(&self, at: usize, what: &str) -> Result<Option<T>, RowFault> {
        let parse = |text: String| text.parse().map_err(|_| self.fault(at, format!("`{text}` is not {what}")));
        self.text(at).map(parse).transpose()
    }

    fn needed_date(&self, at: usize) -> Result<Date, RowFault> {
        self.needed(at)?;
        self.parsed(at, "a day such as 2017-03-01")?.ok_or_else(|| self.fault(at, "is needed".to_owned()))
    }

    fn needed_number(&self, at: usize) -> Result<Decimal, RowFault> {
        self.parsed(at, "a number such as 1234.50")?.ok_or_else(|| self.fault(at, "is needed".to_owned()))
    }

    fn fault(&self, at: usize, message: String) -> RowFault {
        let column = Some((self.columns[at] + 1, self.headings[at]));
        RowFault { file: self.file, line: self.line, column, message }
    }
}

/// The rows of a file, and the faults of those that could not be read.
fn rows<T>(
    folder: &Path,
    file: &'static str,
    headings: &'static [&'static str],
    faults: &mut Vec<RowFault>,
    mut parse: impl FnMut(&Row<'_>, &mut HashSet<String>) -> Result<T, RowFault>,
) -> Result<Vec<T>, Failure> {
    let unusable = |why: String| Failure::Data(format!("{}: {why}", folder.join(file).display()));
    let mut bytes = Vec::new();
    File::open(folder.join(file))
        .and_then(|mut opened| opened.read_to_end(&mut bytes))
        .map_err(|error| unusable(error.to_string()))?;
    // Spreadsheets write a byte order mark before the first column name.
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(text);
    let found = reader.headers().map_err(|error| unusable(error.to_string()))?.clone();
    let column = |heading: &&str| found.iter().position(|cell| cell.trim() == *heading);
    let columns: Vec<usize> = headings
        .iter()
        .map(|heading| column(heading).ok_or_else(|| unusable(format!("has no column `{heading}`"))))
        .collect::<Result<_, _>>()?;
    let (mut all, mut seen) = (Vec::new(), HashSet::new());
    for record in reader.records() {
        let cells = match record {
            Ok(cells) => cells,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                faults.push(RowFault { file, line, column: None, message: error.to_string() });
                continue;
            }
        };
        let line = cells.position().map_or(0, csv::Position::line);
        if cells.len() != found.len() {
            let message = format!("has {} cells where the heading has {}", cells.len(), found.len());
            faults.push(RowFault { file, line, column: None, message });
            continue;
        }
        match parse(&Row { file, line, headings, columns: &columns, cells: &cells }, &mut seen) {
            Ok(row) => all.push(row),
            Err(fault) => faults.push(fault),
        }
    }
    Ok(all)
}
