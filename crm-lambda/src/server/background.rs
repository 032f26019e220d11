//! Background work: a round of the CRM's worker, run by crm-local at an interval and by the function `Worker` on
//! Lambda.

use std::time::Duration;

use crm_core::{Crm, worker::Report};

use super::stores::Opened;

/// Runs a round of the worker on a store.
pub async fn work(crm: &Crm, store: &Opened, budget: Duration) -> Report {
    crm.worker().lists_lag(store.lists_lag()).run(budget).await
}

/// Describes the failures of a round, one per part.
pub fn failures(report: &Report) -> Option<String> {
    let all: Vec<String> = report.failed().map(|(part, error)| format!("{part}: {error}")).collect();
    Some(all.join("; ")).filter(|text| !text.is_empty())
}

/// Describes the result of a round.
pub fn summary(report: &Report) -> String {
    let done = report.parts.iter().filter_map(|(part, round)| Some((part, round.as_ref().ok()?)));
    let counts = done
        .flat_map(|(part, round)| round.counts.iter().map(move |(what, number)| format!("{part}: {number} {what}")));
    let mut all: Vec<String> = counts.collect();
    if all.is_empty() {
        all.push("nothing was to be done".to_owned());
    }
    if report.more {
        all.push("more is to be done".to_owned());
    }
    all.join(", ")
}
