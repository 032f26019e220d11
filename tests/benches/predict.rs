//! Predictive scoring in numbers: quality on real leads and customers, compared with plain logistic regression, and
//! speed. `scripts/score-table` runs it and prints its table. Without the data it says so and measures speed on
//! generated rows.
//!
//! `cargo bench -p tests --bench predict`

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Instant,
};

use crm_core::predict::{Difference, Evaluation, Learner, Options, Order, Split, Table, Trained, difference, train};
use examples::training::{
    made_up,
    reading::{self, Asked},
};

const PLAIN: Learner = Learner::Logistic { c: 1.0 };

/// The columns of xedu that are only known after the outcome.
const XEDU_AFTERWARDS: [&str; 11] = [
    "Tags",
    "Lead Quality",
    "Lead Profile",
    "Last Activity",
    "Last Notable Activity",
    "Asymmetrique Activity Index",
    "Asymmetrique Profile Index",
    "Asymmetrique Activity Score",
    "Asymmetrique Profile Score",
    "Prospect ID",
    "Lead Number",
];

fn read(path: &Path, separator: u8, outcome: &str, order: Order) -> Table {
    let asked = Asked { outcome: outcome.into(), positive: None, separator, missing: vec!["Select".into()], order };
    reading::read(File::open(path).expect("the file is there"), &asked).expect("it is a table").table
}

fn trained(table: &Table, learner: Learner, split: Split, exclude: &[&str]) -> Trained {
    let exclude = exclude.iter().map(|name| (*name).to_owned()).collect();
    let options = Options { split: Some(split), learner, exclude, both_ways: false, ..Options::default() };
    train(table, &options).expect("it trains")
}

fn row(name: &str, split: &str, learner: &str, found: &Evaluation) {
    let metrics = &found.metrics;
    let at = found.auc_interval.expect("it resamples");
    println!(
        "| {name} | {split} | {learner} | {:.4} ({:.3}–{:.3}) | {:.4} | {:.4} | {:.4} | {:.4} | {:.1} % | {} |",
        metrics.auc.unwrap_or(f64::NAN),
        at.low,
        at.high,
        metrics.pr_auc.unwrap_or(f64::NAN),
        metrics.log_loss,
        metrics.brier,
        metrics.ece,
        metrics.top_tenth * 100.0,
        if found.verdict.confident { "better" } else { "no better" },
    );
}

/// Trains both learners on one split of a table and compares them on the same rows.
fn both(name: &str, table: &Table, (split, said): (Split, &str), exclude: &[&str]) -> Difference {
    let [one, two] = [PLAIN, Learner::Additive].map(|learner| trained(table, learner, split, exclude));
    row(name, said, "plain", &one.report.evaluation);
    row(name, said, "default", &two.report.evaluation);
    let outcome: Vec<bool> = one.held_back.iter().map(|row| row.outcome).collect();
    let of = |trained: &Trained| trained.held_back.iter().map(|row| row.probability).collect::<Vec<_>>();
    difference(&outcome, &of(&one), &of(&two), 1000, 0).expect("the same rows")
}

fn quality(data: &Path) {
    let xedu = read(&data.join("xedu/Leads.csv"), b',', "Converted", Order::NewestFirst);
    let bank = read(&data.join("bank/bank-full.csv"), b';', "y", Order::OldestFirst);
    println!(
        "| rows | held back | learner | ROC AUC (95 %) | PR AUC | log-loss | Brier | ECE | best tenth | verdict |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let splits = [(Split::Fnv, "by hash"), (Split::Time, "the newest")];
    let mut gains = Vec::new();
    for split in splits {
        gains.push(("xedu, clean", split.1, both("xedu, clean", &xedu, split, &XEDU_AFTERWARDS)));
        gains.push(("bank, no duration", split.1, both("bank, no duration", &bank, split, &["duration"])));
    }
    println!("\n| the default against plain | held back | ROC AUC | 95 % | log-loss | 95 % |");
    println!("|---|---|---|---|---|---|");
    for (name, split, gain) in gains {
        let (auc, loss) = (gain.auc_interval, gain.log_loss_interval);
        println!(
            "| {name} | {split} | {:+.4} | {:+.4} to {:+.4} | {:+.4} | {:+.4} to {:+.4} |",
            gain.auc, auc.low, auc.high, gain.log_loss, loss.low, loss.high
        );
    }
    println!("\n| columns that seem to know the outcome | |\n|---|---|");
    for (name, table) in [("xedu, all columns", &xedu), ("bank, all columns", &bank)] {
        let report = trained(table, PLAIN, Split::Fnv, &[]).report;
        let leaks: Vec<String> = report
            .leakage
            .iter()
            .map(|leak| format!("{} ({:?})", leak.column, leak.suspicion).to_lowercase())
            .collect();
        println!("| {name} | {} |", leaks.join(", "));
        if let Some(drift) = report.drift.filter(|drift| drift.base_rate_moved) {
            println!("| {name}: drift | {:.1} % to {:.1} % |", drift.before * 100.0, drift.after * 100.0);
        }
    }
    println!();
}

/// The minimum of five runs in seconds, because other load only adds time.
#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
fn seconds(mut work: impl FnMut()) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        work();
        least = least.min(start.elapsed().as_secs_f64());
    }
    least
}

fn rate(rows: usize, seconds: f64) -> f64 {
    f64::from(u32::try_from(rows).expect("some thousands")) / seconds
}

fn speed(name: &str, table: &Table, split: Split, exclude: &[&str]) {
    for (learner, said) in [(PLAIN, "plain"), (Learner::Additive, "default")] {
        let found = trained(table, learner, split, exclude);
        let model = &found.model;
        let training = seconds(|| drop(std::hint::black_box(trained(table, learner, split, exclude))));
        let prepared = model.prepare(table);
        let preparing = seconds(|| drop(std::hint::black_box(model.prepare(table))));
        let scoring = seconds(|| drop(std::hint::black_box(model.probabilities(&prepared))));
        let cells = vec![crm_core::predict::Cell::Missing; model.columns().len()];
        let explaining = seconds(|| {
            for _ in 0..10_000 {
                drop(std::hint::black_box(model.predict(std::hint::black_box(&cells))));
            }
        });
        let rows = found.report.evaluation.trained_on;
        println!("predict.{name}.{said}.train_{rows}_rows_seconds {training:.3}");
        println!("predict.{name}.{said}.prepare_rows_per_second {:.0}", rate(table.rows(), preparing));
        println!("predict.{name}.{said}.score_rows_per_second {:.0}", rate(table.rows(), scoring));
        println!("predict.{name}.{said}.explain_rows_per_second {:.0}", rate(10_000, explaining));
        let written = serde_json::to_string(model).expect("it is written").len();
        println!("predict.{name}.{said}.model_bytes {written}");
    }
}

fn main() {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let data = std::env::var_os("CRM_TEST_DATA").map_or_else(beside, PathBuf::from);
    if data.join("xedu").is_dir() && data.join("bank").is_dir() {
        quality(&data);
        let bank = read(&data.join("bank/bank-full.csv"), b';', "y", Order::OldestFirst);
        speed("bank", &bank, Split::Fnv, &["duration"]);
    } else {
        println!("there is no {}: speed on rows that are made up", data.display());
        let asked = Asked {
            outcome: "converted".into(),
            positive: None,
            separator: b',',
            missing: Vec::new(),
            order: Order::OldestFirst,
        };
        let reading = reading::read(made_up::leads(45_000, 1).as_bytes(), &asked).expect("it is a table");
        speed("made_up", &reading.table, Split::Fnv, &["last activity"]);
    }
}
