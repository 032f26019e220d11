//! What is done in the background, by the ticker of crm-local and by the function `Worker` on Lambda: a round of the CRM's worker.

use std::time::Duration;

use crm_core::{Crm, worker::Report};

use super::stores::Opened;

/// A round of the worker on a store.
pub async fn work(crm: &Crm, store: &Opened, budget: Duration) -> Report {
    crm.worker().lists_lag(store.lists_lag()).run(budget).await
}

/// What failed of a round, in words: a part each.
pub fn failures(report: &Report) -> Option<String> {
    let all: Vec<String> = report.failed().map(|(part, error)| format!("{part}: {error}")).collect();
    Some(all.join("; ")).filter(|text| !text.is_empty())
}

/// What a round came to, in words.
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
