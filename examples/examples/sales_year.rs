//! Imports a sales team's year with its history, and reports on it.
//!
//! `cargo run --release -p examples --example sales_year -- [PATH] [--store
//! memory|postgres://…|dynamodb://host:port/table]`
//!
//! PATH is a directory with `sales_pipeline.csv`, `accounts.csv`, `products.csv` and `sales_teams.csv`. Without it, a
//! year is generated from a seed. If the program is killed and run again on the same store, it continues where it
//! stopped.

use std::{
    io::{ErrorKind, Write as _},
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use crm_core::Crm;
use examples::sales_year::{
    self, Failure, generating,
    importing::{Import, Pace, Progress},
    json, reading, stores, tables,
};
use indicatif::{ProgressBar, ProgressStyle};

/// Imports a sales team's year into a CRM and reports on it.
#[derive(Debug, Parser)]
struct Args {
    /// The directory with the year's CSV files. Without it, a year is generated from a seed.
    path: Option<PathBuf>,
    /// The store: memory, postgres://… or dynamodb://host:port/table.
    #[arg(long, default_value = "memory")]
    store: String,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
    /// The slug of the organization to import into.
    #[arg(long, default_value = "sales-year")]
    organization: String,
    /// The seed of a generated year.
    #[arg(long, default_value_t = 2017)]
    seed: u64,
    /// The number of deals in a generated year.
    #[arg(long, default_value_t = 8800)]
    deals: usize,
    /// The number of records per batch.
    #[arg(long, default_value_t = Pace::default().batch)]
    batch: NonZeroUsize,
    /// The number of concurrent batches.
    #[arg(long, default_value_t = Pace::default().in_flight)]
    in_flight: NonZeroUsize,
}

/// A progress bar on standard error, hidden if that is not a terminal.
struct Bar(ProgressBar);

impl Progress for Bar {
    fn expect(&self, records: u64) {
        self.0.set_length(records);
    }
    fn step(&self, records: u64) {
        self.0.inc(records);
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("sales_year: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Failure> {
    let year = match &args.path {
        Some(folder) => reading::read(folder)?,
        None => generating::generate(args.seed, args.deals),
    };
    let crm = Crm::shared(stores::open(&args.store).await?);
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} records  {per_sec}  {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    let pace = Pace { batch: args.batch, in_flight: args.in_flight };
    let (import, report) = sales_year::run(&crm, &args.organization, &year, pace, &Bar(bar.clone())).await?;
    bar.finish_and_clear();
    tell(&import);
    let shown = if args.json { format!("{:#}", json::report(&report)) } else { tables::report(&report) };
    match writeln!(std::io::stdout(), "{shown}") {
        // The reader of the output has closed the pipe.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Prints a summary of the import to standard error.
fn tell(import: &Import) {
    eprintln!("{} records made, {} there already, {} faults", import.created, import.already, import.faults.len());
    for fault in &import.faults {
        eprintln!("{fault}");
    }
}
