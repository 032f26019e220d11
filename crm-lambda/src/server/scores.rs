//! Keeping scores up to date for every tenant: by the ticker of crm-local and by the schedule of the Lambda function.

use std::time::Duration;

use crm_core::{Crm, Error, value::Id};

/// Tenants that are read together.
const PAGE: usize = 100;

/// What a round over all tenants came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Records that were scored.
    pub scored: u64,
    /// Those of them whose score was not what it is now.
    pub written: u64,
    /// True where the time was up before everything was done.
    pub more: bool,
}

/// Scores what is due of every tenant, one after the other, until the time is up: each has at least a page of its own, so
/// that a tenant with much to do keeps none waiting for ever. What cannot be done of one tenant is told and stops no other.
///
/// # Errors
/// What the store says where the tenants cannot be read.
pub async fn keep(crm: &Crm, budget: Duration) -> Result<Round, Error> {
    let until = crm.now().micros().saturating_add(i64::try_from(budget.as_micros()).unwrap_or(i64::MAX));
    let mut round = Round::default();
    let mut after: Option<Id> = None;
    loop {
        let tenants = crm.tenants(after, PAGE).await?;
        for &tenant in &tenants {
            let left = u64::try_from(until.saturating_sub(crm.now().micros())).unwrap_or_default();
            match crm.score_keeper().sweep(tenant, Duration::from_micros(left)).await {
                Ok(swept) => {
                    round.scored += swept.scored;
                    round.written += swept.written;
                    round.more |= swept.more;
                    for (record, error) in swept.failed {
                        tracing::warn!(%tenant, %record, %error, "a score could not be written: the record keeps the one it has");
                    }
                    for (model, faults) in swept.broken {
                        tracing::warn!(%tenant, %model, %faults, "a scoring model makes no sense any more");
                    }
                }
                Err(error) => tracing::warn!(%tenant, %error, "scores wait"),
            }
        }
        after = tenants.last().copied();
        if tenants.len() < PAGE {
            return Ok(round);
        }
    }
}
