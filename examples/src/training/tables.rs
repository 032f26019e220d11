//! The training report as text tables for salespeople.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use crm_core::predict::{
    Coding, Evaluation, Exclusion, LeakReason, Learner, Report, Split, Suspicion, Trained, Weight,
};

use super::reading::Reading;

/// The number of columns described in detail.
const TOP: usize = 12;

/// Returns the whole report; with `every_weight` including each weight of the model.
pub fn report(name: &str, reading: &Reading, trained: &Trained, seconds: f64, every_weight: bool) -> String {
    let report = &trained.report;
    let mut all = String::new();
    let _ = writeln!(
        all,
        "{name}: {} rows, {} came out as `{}`.",
        count(report.rows),
        percent(report.base_rate),
        reading.positive
    );
    if reading.without_outcome > 0 {
        let _ = writeln!(all, "{} rows without an outcome were left out.", count(reading.without_outcome));
    }
    let _ = writeln!(all, "\n{}\n", verdict(trained));
    warnings(&mut all, reading, report);
    let _ = writeln!(all, "How good it is, on rows that it has not seen\n{}\n", figures(report));
    let _ = writeln!(all, "Of those that it gave …\n{}\n", calibration(&report.evaluation));
    if trained.model.is_confident() {
        let _ = writeln!(all, "What counts most\n{}\n", columns(reading, trained));
    }
    if every_weight {
        let _ =
            writeln!(all, "Every weight, in log-odds against the average row\n{}\n", weights(&trained.model.weights()));
    }
    let _ = writeln!(all, "Columns\n{}\n", types(trained));
    let learner = match trained.model.parts().learner {
        Learner::Additive => "a shape for each column and a few pairs of columns".to_owned(),
        Learner::Logistic { c } => format!("plain logistic regression, C = {c}"),
    };
    let _ = writeln!(all, "Learned in {seconds:.2} s: {learner}.");
    all
}

fn verdict(trained: &Trained) -> String {
    let evaluation = &trained.report.evaluation;
    let metrics = &evaluation.metrics;
    if !trained.model.is_confident() {
        return format!(
            "NO BETTER THAN THE BASE RATE. These columns do not tell who converts: on {} rows that it had not seen, the \
             model was no better than saying {} of everyone. It gives no scores.",
            count(metrics.rows),
            percent(evaluation.base_rate)
        );
    }
    format!(
        "BETTER THAN THE BASE RATE. Of the tenth with the highest scores {} came true, of all {}. Of two rows, one good \
         and one not, it ranks the good one first {} of the time.",
        percent(metrics.top_tenth),
        percent(metrics.rate()),
        metrics.auc.map_or_else(|| "–".to_owned(), percent)
    )
}

fn warnings(all: &mut String, reading: &Reading, report: &Report) {
    for leak in &report.leakage {
        let sure = if leak.suspicion == Suspicion::Likely { "WARNING: " } else { "Please check: " };
        let reasons: Vec<String> = leak.reasons.iter().map(reason).collect();
        let _ = writeln!(
            all,
            "{sure}`{}` {}. Is it filled in only after the outcome is known? Then leave it out (--drop).",
            leak.column,
            reasons.join(", and ")
        );
    }
    if let Some(drift) = &report.drift {
        if drift.base_rate_moved {
            let _ = writeln!(
                all,
                "WARNING: drift. In the older seven tenths of the rows {} came true, in the newest three tenths {}: \
                 probabilities learned from the past will be off.",
                percent(drift.before),
                percent(drift.after)
            );
        }
        for column in &drift.columns {
            let _ = writeln!(
                all,
                "Drift: the values of `{}` have moved (stability index {:.2}; from 0.25 on it counts).",
                column.column, column.stability
            );
        }
    }
    for (column, cells) in &report.unusable {
        let _ = writeln!(all, "{} cells of `{column}` are no usable numbers and count as missing.", count(*cells));
    }
    for (column, name, rows) in &reading.suspicious {
        let _ = writeln!(
            all,
            "`{column}` is `{name}` in {} rows. If that means that nothing was entered, say --missing '{name}'.",
            count(*rows)
        );
    }
    if !all.ends_with("\n\n") {
        all.push('\n');
    }
}

fn reason(reason: &LeakReason) -> String {
    match reason {
        LeakReason::RanksAlone { auc } => {
            format!("alone ranks the good one of two first {} of the time", percent(*auc))
        }
        LeakReason::FilledTells { filled, missing, .. } => {
            format!(
                "tells by being filled in ({} came true, {} where it is missing)",
                percent(*filled),
                percent(*missing)
            )
        }
        LeakReason::Proof { value, rows, rate } => {
            format!("is as good as proof with the value `{value}` ({} of {} rows)", percent(*rate), count(*rows))
        }
        LeakReason::WrittenAfter { share } => {
            format!("was written after the outcome in {} of the rows", percent(*share))
        }
    }
}

fn figures(report: &Report) -> Table {
    let both: Vec<&Evaluation> = std::iter::once(&report.evaluation).chain(&report.other).collect();
    let mut table = table(&[]);
    let mut heading = vec![String::new()];
    heading.extend(both.iter().map(|one| match one.split {
        Split::Time => "the newest rows".to_owned(),
        Split::Random { seed } => format!("at random (seed {seed})"),
        Split::Fnv => "by the hash of the row".to_owned(),
    }));
    heading.push("perfect".to_owned());
    heading.push("worthless".to_owned());
    table.set_header(heading);
    let mut row = |name: &str, of: &dyn Fn(&Evaluation) -> String, perfect: &str, worthless: String| {
        let mut cells = vec![name.to_owned()];
        cells.extend(both.iter().map(|one| of(one)));
        cells.extend([perfect.to_owned(), worthless]);
        table.add_row(cells);
    };
    let first = both[0];
    row(
        "trained on, judged on",
        &|one| format!("{}, {}", count(one.trained_on), count(one.metrics.rows)),
        "",
        String::new(),
    );
    row(
        "ranks right (ROC AUC)",
        &|one| {
            let within = one.auc_interval.map_or_else(String::new, |at| format!(" ({:.3}–{:.3})", at.low, at.high));
            format!("{}{within}", number(one.metrics.auc))
        },
        "1",
        "0.5".to_owned(),
    );
    row("finds them (PR AUC)", &|one| number(one.metrics.pr_auc), "1", format!("{:.4}", first.metrics.rate()));
    row(
        "surprise (log-loss)",
        &|one| format!("{:.4}", one.metrics.log_loss),
        "0",
        format!("{:.4}", first.base_log_loss),
    );
    row("distance (Brier)", &|one| format!("{:.4}", one.metrics.brier), "0", String::new());
    row("off by (calibration error)", &|one| percent(one.metrics.ece), "0 %", String::new());
    row("best tenth", &|one| percent(one.metrics.top_tenth), "", percent(first.metrics.rate()));
    row(
        "verdict",
        &|one| if one.verdict.confident { "better than the base rate" } else { "no better" }.to_owned(),
        "",
        String::new(),
    );
    table
}

fn calibration(evaluation: &Evaluation) -> Table {
    let mut table = table(&["a chance of", "rows", "on average", "came true"]);
    for bin in &evaluation.metrics.calibration {
        table.add_row([
            format!("{:.0}–{:.0} %", bin.from * 100.0, bin.to * 100.0),
            count(bin.rows),
            percent(bin.mean_probability),
            percent(bin.rate),
        ]);
    }
    align(table)
}

/// The columns, strongest first: how much each moves a score, and its values that speak for and against.
fn columns(reading: &Reading, trained: &Trained) -> Table {
    let model = &trained.model;
    let mut strengths = model.strengths(&model.prepare(&reading.table));
    strengths.sort_by(|one, two| two.mean.total_cmp(&one.mean));
    let weights = model.weights();
    let mut table = table(&["column", "moves a score by", "speaks for", "speaks against"]);
    for strength in strengths.iter().filter(|strength| strength.mean > 0.0).take(TOP) {
        let mut own: Vec<&Weight> = weights
            .iter()
            .filter(|one| one.column == strength.column && one.with.as_deref() == strength.with && one.weight != 0.0)
            .collect();
        own.sort_by(|one, two| two.weight.total_cmp(&one.weight));
        let told =
            |one: Option<&&Weight>| one.map_or_else(String::new, |one| format!("{} ({:+.2})", one.values, one.weight));
        let name =
            strength.with.map_or_else(|| strength.column.to_owned(), |with| format!("{} × {with}", strength.column));
        let (best, worst) = (own.first(), own.last().filter(|_| own.len() > 1));
        table.add_row([name, format!("{:.2}", strength.mean), told(best), told(worst)]);
    }
    table
}

fn weights(weights: &[Weight]) -> Table {
    let mut table = table(&["column", "values", "weight"]);
    for one in weights {
        let name = one.with.as_ref().map_or_else(|| one.column.clone(), |with| format!("{} × {with}", one.column));
        table.add_row([name, one.values.clone(), format!("{:+.6}", one.weight)]);
    }
    table
}

fn types(trained: &Trained) -> Table {
    let mut table = table(&["column", "read as"]);
    for input in &trained.model.parts().inputs {
        let kind = match &input.coding {
            Coding::Standard { .. } => "number".to_owned(),
            Coding::Bins { edges } => format!("number, in {} bins", edges.len() + 1),
            Coding::Levels { levels, pooled: 0 } => format!("category of {}", levels.len()),
            Coding::Levels { levels, pooled } => {
                format!("category of {}, {pooled} rare ones taken together", levels.len())
            }
        };
        table.add_row([input.column.clone(), kind]);
    }
    for excluded in &trained.report.excluded {
        let why = match excluded.why {
            Exclusion::Asked => "left out, as asked",
            Exclusion::Empty => "left out: it is empty",
            Exclusion::Constant => "left out: it is always the same",
            Exclusion::Identifier => "left out: it looks like an identifier",
            Exclusion::Email => "left out: these are e-mail addresses",
            Exclusion::Phone => "left out: these are phone numbers",
            Exclusion::FreeText => "left out: these are sentences",
            Exclusion::Weak => "left out: there are many columns, and it says least",
        };
        table.add_row([excluded.column.clone(), why.to_owned()]);
    }
    table
}

fn table(heading: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    if !heading.is_empty() {
        table.set_header(heading.iter().map(|name| comfy_table::Cell::new(*name)));
    }
    table
}

fn align(mut table: Table) -> Table {
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn number(number: Option<f64>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| format!("{number:.4}"))
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Formats a count with thousands separators.
fn count(count: usize) -> String {
    let digits = count.to_string();
    let mut apart = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

#[cfg(test)]
mod tests {
    use crm_core::predict::{Options, Order, train};

    use super::*;
    use crate::training::{json, made_up, reading};

    /// The report on generated leads names the column that leaks the outcome and leaves out personal data, and its JSON
    /// has every test row.
    #[test]
    fn a_report_tells_what_matters() {
        let asked = reading::Asked {
            outcome: "converted".into(),
            positive: None,
            separator: b',',
            missing: Vec::new(),
            order: Order::OldestFirst,
        };
        let reading = reading::read(made_up::leads(1200, 1).as_bytes(), &asked).expect("it is a table");
        let trained = train(&reading.table, &Options::default()).expect("it trains");
        let text = report("leads", &reading, &trained, 0.1, true);
        for part in [
            "BETTER THAN THE BASE RATE",
            "WARNING: `last activity`",
            "`last activity` is `Select`",
            "e-mail addresses",
            "looks like an identifier",
            "the newest rows",
            "at random (seed 0)",
            "contract sent (+",
        ] {
            assert!(text.contains(part), "`{part}` is not in\n{text}");
        }
        let value = json::report(&reading, &trained, 0.1);
        assert_eq!(value["test"].as_array().map(Vec::len), Some(360));
        assert_eq!(value["leakage"][0]["column"], "last activity");
        for key in ["auc", "pr_auc", "log_loss", "brier", "ece", "base_rate", "seconds"] {
            assert!(value[key].is_f64(), "{key}");
        }
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }
}
