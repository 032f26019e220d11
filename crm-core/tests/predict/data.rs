//! The real data, and tables made in the test.

use std::path::{Path, PathBuf};

use crm_core::predict::{Cell, Kind, Order, Table, TableBuilder};

/// The folder of the data, where it is here. Without it a test says so and does nothing, unless `CRM_REQUIRE_DATA` is set:
/// then it fails.
pub fn folder(name: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("CRM_TEST_DATA").map_or_else(beside, PathBuf::from).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("CRM_REQUIRE_DATA").is_some_and(|value| value != "0" && !value.is_empty());
    assert!(!required, "{} is missing, and CRM_REQUIRE_DATA is set", folder.display());
    println!("skipped: there is no {}", folder.display());
    None
}

/// The features that a seller knows before the outcome.
pub const XEDU_CLEAN: [&str; 20] = [
    "TotalVisits",
    "Total Time Spent on Website",
    "Page Views Per Visit",
    "Lead Origin",
    "Lead Source",
    "Do Not Email",
    "Do Not Call",
    "Country",
    "Specialization",
    "How did you hear about X Education",
    "Search",
    "Newspaper Article",
    "X Education Forums",
    "Newspaper",
    "Digital Advertisement",
    "Through Recommendations",
    "City",
    "A free copy of Mastering The Interview",
    "What is your current occupation",
    "What matters most to you in choosing a course",
];

/// A file as a table: a column is of numbers where all its values are.
pub fn read(path: &Path, separator: u8, outcome: (&str, &str), used: impl Fn(&str) -> bool, order: Order) -> Table {
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_path(path).expect("the file is there");
    let heading = reader.headers().expect("a heading").clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    // "Select" is what a form shows before anything is chosen.
    let missing = |value: &str| value.is_empty() || value == "Select";
    let is_number = |at: usize| rows.iter().all(|row| missing(&row[at]) || row[at].parse::<f64>().is_ok());
    let columns: Vec<(usize, Kind)> = (0..heading.len())
        .filter(|at| &heading[*at] != outcome.0 && used(&heading[*at]))
        .map(|at| (at, if is_number(at) { Kind::Number } else { Kind::Category }))
        .collect();
    let named = columns.iter().map(|(at, kind)| (heading[*at].to_owned(), *kind));
    let mut builder = TableBuilder::new(named).expect("no two columns have one name").order(order);
    let result = heading.iter().position(|name| name == outcome.0).expect("the outcome is there");
    for row in &rows {
        let cell = |(at, kind): &(usize, Kind)| match (&row[*at], kind) {
            (value, _) if missing(value) => Cell::Missing,
            (value, Kind::Number) => Cell::Number(value.parse().expect("it is a number")),
            (value, Kind::Category) => Cell::Text(value),
        };
        let cells: Vec<Cell<'_>> = columns.iter().map(cell).collect();
        builder.push(&cells, &row[result] == outcome.1).expect("it fits");
    }
    builder.build()
}

/// Leads of a seller of courses, the newest first.
pub fn xedu(used: impl Fn(&str) -> bool) -> Option<Table> {
    let path = folder("xedu")?.join("Leads.csv");
    Some(read(&path, b',', ("Converted", "1"), used, Order::NewestFirst))
}

/// Customers of a bank that were called, the oldest first.
pub fn bank(used: impl Fn(&str) -> bool) -> Option<Table> {
    let path = folder("bank")?.join("bank-full.csv");
    Some(read(&path, b';', ("y", "yes"), used, Order::OldestFirst))
}

/// A number from 0 to 1 that looks like chance and is always the same.
pub fn chance(row: u32, salt: u32) -> f64 {
    f64::from(bits(row, salt)) / f64::from(u32::MAX)
}

fn bits(row: u32, salt: u32) -> u32 {
    let mut state =
        u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(salt).wrapping_mul(0xd1b5_4a32_d192_ed03);
    for _ in 0..3 {
        state = (state ^ (state >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
    }
    u32::try_from(state >> 32).expect("the upper half")
}

/// A number below `sides`, likewise.
pub fn dice(row: u32, salt: u32, sides: usize) -> usize {
    bits(row, salt) as usize % sides
}

/// Leads as a small tenant has them: what is known of each, and whether it came true, by a law that is no sum of single
/// columns alone.
pub fn leads(rows: u32) -> Table {
    let columns =
        [("visits", Kind::Number), ("minutes", Kind::Number), ("source", Kind::Category), ("size", Kind::Category)];
    let mut builder = TableBuilder::new(columns).expect("no two columns have one name").order(Order::OldestFirst);
    for row in 0..rows {
        let visits = (chance(row, 1) * 12.0).floor();
        let minutes = chance(row, 2) * 90.0;
        let source = ["web", "fair", "referral", "cold"][dice(row, 3, 4)];
        let size = ["small", "middle", "large"][dice(row, 4, 3)];
        let together = if source == "fair" && size == "large" { 3.0 } else { 0.0 };
        let worth = if source == "referral" { 1.5 } else { 0.0 };
        let log_odds = worth + together + 2.0 * (visits / 6.0 - 1.0) - (minutes / 45.0 - 1.0).powi(2) * 2.0 - 0.5;
        let minutes = if chance(row, 5) < 0.1 { Cell::Missing } else { Cell::Number(minutes) };
        let came = chance(row, 6) < 1.0 / (1.0 + (-log_odds).exp());
        builder.push(&[Cell::Number(visits), minutes, Cell::Text(source), Cell::Text(size)], came).expect("it fits");
    }
    builder.build()
}
