//! Trains a predictive model on any CSV file with an outcome, and reports whether it is reliable.
//!
//! `cargo run --release -p examples --example train -- FILE.csv --outcome COLUMN [--positive VALUE] [--drop COL,COL]
//! [--separator ';'] [--missing VALUE,VALUE] [--split fnv|time|random] [--order oldest-first|newest-first|none]
//! [--learner additive|logistic] [--weights] [--json]`
//!
//! Without a file, leads are generated from a seed. By default rows are assumed to be in time order, oldest first.

use std::{fs::File, io::Write as _, path::PathBuf, process::ExitCode, time::Instant};

use clap::{Parser, ValueEnum};
use crm_core::predict::{Learner, Options, Order, Split, train};
use examples::training::{
    json, made_up,
    reading::{self, Asked},
    tables,
};

/// Trains a model on a CSV file and reports how good it is.
#[derive(Debug, Parser)]
struct Args {
    /// A CSV file with a header row. Without it, leads are generated from a seed.
    path: Option<PathBuf>,
    /// The column of the outcome.
    #[arg(long)]
    outcome: Option<String>,
    /// The value of the outcome that counts as a success. Common values are detected.
    #[arg(long)]
    positive: Option<String>,
    /// Columns to exclude from the features.
    #[arg(long, value_delimiter = ',')]
    drop: Vec<String>,
    /// The column separator.
    #[arg(long, default_value = ",")]
    separator: char,
    /// Additional values that count as missing, like the empty cell, NA, N/A, null and NaN.
    #[arg(long, value_delimiter = ',')]
    missing: Vec<String>,
    /// How the test rows are chosen.
    #[arg(long, value_enum, default_value = "random")]
    split: SplitBy,
    /// The seed of the random numbers.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The order of the rows in the file.
    #[arg(long, value_enum, default_value = "oldest-first")]
    order: FileOrder,
    /// The learning algorithm.
    #[arg(long, value_enum, default_value = "additive")]
    learner: By,
    /// The inverse regularization strength of logistic regression.
    #[arg(long, default_value_t = 1.0)]
    c: f64,
    /// Print every weight.
    #[arg(long)]
    weights: bool,
    /// Print the report as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SplitBy {
    /// By the FNV-1a hash of the row number.
    Fnv,
    /// The newest three tenths are the test rows.
    Time,
    /// At random, from a seed.
    Random,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FileOrder {
    /// By time, oldest first.
    OldestFirst,
    /// By time, newest first.
    NewestFirst,
    /// No order: rows carry no information about time.
    None,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// A generalized additive model: a shape per column and a few pairs.
    Additive,
    /// Plain logistic regression.
    Logistic,
}

fn run(args: Args) -> Result<String, Box<dyn std::error::Error>> {
    let order = match args.order {
        FileOrder::OldestFirst => Order::OldestFirst,
        FileOrder::NewestFirst => Order::NewestFirst,
        FileOrder::None => Order::Unknown,
    };
    let outcome = match (&args.outcome, &args.path) {
        (Some(outcome), _) => outcome.clone(),
        (None, None) => "converted".to_owned(),
        (None, Some(_)) => return Err("say with --outcome which column is the outcome".into()),
    };
    let separator = u8::try_from(args.separator).map_err(|_| "--separator must be a single byte")?;
    let asked = Asked { outcome, positive: args.positive, separator, missing: args.missing, order };
    let (name, reading) = match &args.path {
        Some(path) => {
            let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
            (path.display().to_string(), reading::read(file, &asked)?)
        }
        None => ("Leads that are made up".to_owned(), reading::read(made_up::leads(2000, 2026).as_bytes(), &asked)?),
    };
    let options = Options {
        split: Some(match args.split {
            SplitBy::Fnv => Split::Fnv,
            SplitBy::Time => Split::Time,
            SplitBy::Random => Split::Random { seed: args.seed },
        }),
        learner: match args.learner {
            By::Additive => Learner::Additive,
            By::Logistic => Learner::Logistic { c: args.c },
        },
        exclude: args.drop,
        seed: args.seed,
        ..Options::default()
    };
    #[expect(clippy::disallowed_methods, reason = "it tells how long training took")]
    let start = Instant::now();
    let trained = train(&reading.table, &options)?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(if args.json {
        format!("{}\n", serde_json::to_string_pretty(&json::report(&reading, &trained, seconds))?)
    } else {
        tables::report(&name, &reading, &trained, seconds, args.weights)
    })
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(text) => {
            // A reader that closes the pipe early is not an error.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("train: {error}");
            ExitCode::FAILURE
        }
    }
}
