//! Gaps: changes that the feed dropped before a follower read them, delivered from the history of each tenant.

use serde::{Deserialize, Serialize};

use crate::{
    engine::runtime::Engine,
    model::{
        change::Change,
        error::Error,
        store::{LogPosition, LogQuery},
        value::{Id, Time},
    },
};

/// The time before the settled time from which the log is delivered again, to cover differences between clocks.
const MARGIN: i64 = 10 * 60 * 1_000_000;
/// The maximum number of pages read at once: one for each tenant without changes.
const PAGES: usize = 100;

/// How far a gap has been delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Gap {
    /// The exclusive upper bound: the feed delivers later changes, from its beginning.
    until: Time,
    /// The tenants up to this one are done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    done: Option<Id>,
    /// The current tenant, and the position in its log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    within: Option<(Id, LogPosition)>,
}

impl Gap {
    /// Creates a gap that was detected now.
    pub(super) fn noticed(engine: &Engine) -> Self {
        let until = engine.clock.now().plus_micros(engine.max_clock_skew);
        Self { until, done: None, within: None }
    }

    /// Reads up to `limit` further changes recorded since a time. Returns `None` if all are delivered, otherwise the
    /// rest of the gap. At least one tenant is read.
    pub(super) async fn read(
        mut self,
        engine: &Engine,
        since: Time,
        limit: usize,
        told: &mut Vec<(Id, Change)>,
        until: Time,
    ) -> Result<Option<Self>, Error> {
        for _ in 0..PAGES {
            let (tenant, after) = match self.within.take() {
                Some((tenant, after)) => (tenant, Some(after)),
                None => match engine.store.tenants(self.done, 1).await?.first() {
                    Some(tenant) => (*tenant, None),
                    None => return Ok(None),
                },
            };
            let query = LogQuery {
                tenant,
                from: since.plus_micros(-MARGIN),
                until: self.until,
                descending: false,
                after,
                limit: limit - told.len(),
            };
            let page = engine.store.log(&query).await?;
            match page.changes.last().filter(|_| page.more) {
                Some(last) => self.within = Some((tenant, position(last))),
                None => self.done = Some(tenant),
            }
            told.extend(page.changes.into_iter().map(|change| (tenant, change)));
            if told.len() >= limit || engine.clock.now() >= until {
                break;
            }
        }
        Ok(Some(self))
    }
}

fn position(change: &Change) -> LogPosition {
    LogPosition { time: change.recorded_at, record: change.record, group: change.group, version: change.version }
}
