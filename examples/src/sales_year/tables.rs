//! The report as text tables.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use crm_core::{reports::Figures, value::Decimal};

use super::reporting::{By, YearReport};

/// The number of groups shown of tables that can have hundreds.
const TOP: usize = 10;

/// Returns the whole report.
pub fn report(year: &YearReport) -> String {
    let mut all = String::new();
    let overall = &year.sales.overall;
    let _ = writeln!(
        all,
        "{} deals of {} agents with {} accounts. {} won of {} closed: {}. Won value {}. Velocity {} a day.\n",
        overall.deals,
        year.agents.len(),
        year.accounts,
        overall.won,
        overall.won + overall.lost,
        percent(overall.win_rate),
        won_value(overall),
        year.velocity().map_or_else(dash, |speed| format!("{speed:.0} {}", year.sales.base_currency)),
    );
    let show = |all: &mut String, title: &str, table: &Table| {
        let _ = writeln!(all, "{title}\n{table}\n");
    };
    show(&mut all, "By quarter of closing", &closed(year, By::Quarter, "quarter"));
    show(&mut all, "By agent", &groups(year.groups(By::Agent), "agent"));
    show(&mut all, "By manager", &groups(year.groups(By::Manager), "manager"));
    show(&mut all, "By region", &groups(year.groups(By::Region), "region"));
    show(&mut all, "By product", &groups(year.groups(By::Product), "product"));
    show(&mut all, "By sector", &groups(year.groups(By::Sector), "sector"));
    show(&mut all, "By country", &groups(year.groups(By::Country), "country"));
    let mut accounts = year.groups(By::Account);
    accounts.sort_by_key(|(_, figures)| std::cmp::Reverse(sum(figures)));
    accounts.truncate(TOP);
    show(&mut all, "The accounts that bought most", &groups(accounts, "account"));
    show(&mut all, "Sales cycle in days", &cycles(year));
    show(&mut all, "Open pipeline at list prices", &pipeline(year));
    show(&mut all, "Cohorts by the quarter in which they were engaged", &cohorts(year));
    if let Some(days) = year.ages.days {
        let older: Vec<String> =
            year.ages.older_than.iter().map(|older| format!("{} for more than {}", older.deals, older.days)).collect();
        let _ = writeln!(
            all,
            "On {} {} deals were engaging, for {:.1} days on average (median {}); {}.",
            year.ages.on,
            days.n,
            days.mean,
            days.median,
            older.join(", ")
        );
    }
    for rate in &year.sales.missing_rates {
        let _ = writeln!(
            all,
            "Not in the sums: {} {} of {} deals, for want of a rate.",
            rate.sum, rate.currency, rate.amounts
        );
    }
    all
}

fn dash() -> String {
    "–".to_owned()
}

fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(dash, |rate| format!("{:.1} %", rate * 100.0))
}

fn sum(figures: &Figures) -> Decimal {
    figures.won_value.in_base.as_ref().map_or(Decimal::ZERO, |value| value.sum)
}

fn won_value(figures: &Figures) -> String {
    thousands(sum(figures))
}

/// Formats an amount as `1 234 567`.
fn thousands(amount: Decimal) -> String {
    let text = amount.to_string();
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let digits = whole.trim_start_matches('-').len();
    let mut shown = String::new();
    for (at, digit) in whole.trim_start_matches('-').chars().enumerate() {
        if at > 0 && (digits - at).is_multiple_of(3) {
            shown.push('\u{202f}');
        }
        shown.push(digit);
    }
    let sign = if whole.starts_with('-') { "-" } else { "" };
    format!("{sign}{shown}{rest}")
}

fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(headings);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn groups(groups: Vec<(&str, &Figures)>, called: &str) -> Table {
    let mut table = table(&[called, "deals", "won", "lost", "open", "win rate", "won value", "average", "cycle, days"]);
    for (name, figures) in groups {
        let average = figures.won_value.in_base.as_ref().map(|value| value.average.to_f64());
        table.add_row([
            name.to_owned(),
            figures.deals.to_string(),
            figures.won.to_string(),
            figures.lost.to_string(),
            figures.open.to_string(),
            percent(figures.win_rate),
            won_value(figures),
            average.map_or_else(dash, |average| format!("{average:.0}")),
            figures.cycle.won.map_or_else(dash, |won| format!("{:.1}", won.mean)),
        ]);
    }
    table
}

fn closed(year: &YearReport, by: By, called: &str) -> Table {
    let mut table = table(&[called, "won", "lost", "win rate", "won value"]);
    for (name, figures) in year.groups(by) {
        table.add_row([
            name.to_owned(),
            figures.won.to_string(),
            figures.lost.to_string(),
            percent(figures.win_rate),
            won_value(figures),
        ]);
    }
    table
}

fn cycles(year: &YearReport) -> Table {
    let mut table = table(&["", "deals", "mean", "median", "least", "most"]);
    let cycle = year.sales.overall.cycle;
    for (name, spread) in [("won", cycle.won), ("lost", cycle.lost), ("closed", cycle.closed)] {
        if let Some(days) = spread {
            table.add_row([
                name.to_owned(),
                days.n.to_string(),
                format!("{:.1}", days.mean),
                days.median.to_string(),
                days.min.to_string(),
                days.max.to_string(),
            ]);
        }
    }
    table
}

fn pipeline(year: &YearReport) -> Table {
    let mut table = table(&["stage", "deals", "value", "weighted"]);
    let total = ("all", &year.pipeline.total);
    for (name, open) in year.pipeline.stages.iter().map(|stage| (stage.name.as_str(), &stage.open)).chain([total]) {
        let of = |sums: &crm_core::reports::Sums| sums.in_base.as_ref().map_or_else(dash, |value| thousands(value.sum));
        table.add_row([name.to_owned(), open.deals.to_string(), of(&open.value), of(&open.weighted)]);
    }
    table
}

fn cohorts(year: &YearReport) -> Table {
    let mut table = table(&["engaged in", "deals", "won", "lost", "still open"]);
    for (name, figures) in year.groups(By::Cohort) {
        table.add_row([
            name.to_owned(),
            figures.deals.to_string(),
            figures.won.to_string(),
            figures.lost.to_string(),
            figures.open.to_string(),
        ]);
    }
    table
}
