//! What is kept up to date in the background, by the ticker of crm-local and by the schedule of the Lambda function: the
//! totals that follow the change feed, then every tenant's scores.

use std::time::Duration;

use crm_core::{Crm, Error, value::Id};

use super::stores::Opened;

/// Tenants that are read together.
const PAGE: usize = 100;

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Changes that were followed.
    pub changes: u64,
    /// Records whose totals were not what they are now.
    pub totals: u64,
    /// Records that were scored.
    pub scored: u64,
    /// Those of them whose score was not what it is now.
    pub rescored: u64,
    /// True where the time was up before everything was done.
    pub more: bool,
}

/// Brings totals and scores up to date until the time is up; totals have half of it at most.
///
/// # Errors
/// What the store says where the feed or the tenants cannot be read. Of the two, the one that can be done is done.
pub async fn keep(crm: &Crm, store: &Opened, budget: Duration) -> Result<Round, Error> {
    let until = crm.now().micros().saturating_add(i64::try_from(budget.as_micros()).unwrap_or(i64::MAX));
    let mut round = Round::default();
    let totals = totals(crm, store, budget / 2, &mut round).await;
    scores(crm, until, &mut round).await?;
    totals.map(|()| round)
}

async fn totals(crm: &Crm, store: &Opened, budget: Duration, round: &mut Round) -> Result<(), Error> {
    let followed = crm.totals().lists_lag(store.lists_lag()).catch_up(budget).await?;
    round.changes = followed.changes;
    round.totals = followed.written;
    round.more |= followed.more;
    if followed.gap {
        tracing::warn!("the feed no longer knows how far totals had come: what it has forgotten moved no totals");
    }
    for (tenant, record, error) in followed.failed {
        tracing::warn!(%tenant, %record, %error, "totals could not be written: the record keeps those it has");
    }
    for (tenant, record, rate) in followed.without_rate {
        let currency = rate.currency;
        tracing::info!(%tenant, %record, %currency, "a total leaves deals out for want of a rate");
    }
    for (tenant, record, deals) in followed.out_of_range {
        tracing::warn!(%tenant, %record, deals, "a total leaves deals out whose amounts are too large to be summed");
    }
    Ok(())
}

/// Scores what is due of every tenant, one after the other, until the time is up: each has at least a page of its own, so
/// that a tenant with much to do keeps none waiting for ever. What cannot be done of one tenant is told and stops no other.
async fn scores(crm: &Crm, until: i64, round: &mut Round) -> Result<(), Error> {
    let mut after: Option<Id> = None;
    loop {
        let tenants = crm.tenants(after, PAGE).await?;
        for &tenant in &tenants {
            let left = u64::try_from(until.saturating_sub(crm.now().micros())).unwrap_or_default();
            match crm.score_keeper().sweep(tenant, Duration::from_micros(left)).await {
                Ok(swept) => {
                    round.scored += swept.scored;
                    round.rescored += swept.written;
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
            return Ok(());
        }
    }
}
