//! Changes that totals have received but not processed yet, because lists may not show them or the time was up. They
//! form the state that is stored with the position, so that neither a busy shard nor a clock that is ahead nor a tenant
//! with much work holds up the feed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::touched::Touched;
use crate::{
    engine::followers::micros,
    model::{
        change::Change,
        error::Error,
        store::StoreError,
        value::{Id, Time},
    },
};

/// The waiting changes of one tenant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    #[serde(rename = "t")]
    pub(super) tenant: Id,
    /// The time from which lists show the changes.
    #[serde(rename = "u")]
    pub(super) until: Time,
    #[serde(rename = "w")]
    pub(super) touched: Touched,
}

/// The waiting changes of all tenants.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct WaitingList {
    /// The longest waiting first.
    #[serde(default)]
    pub(super) waiting: Vec<Waiting>,
    /// Members written by a newer program.
    #[serde(flatten)]
    rest: serde_json::Map<String, Json>,
}

impl WaitingList {
    /// Reads the stored state.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it cannot be read: it is left to the newer program that wrote it.
    pub(super) fn read(state: Option<&Json>) -> Result<Self, Error> {
        state.map_or_else(|| Ok(Self::default()), |state| Self::deserialize(state).map_err(|error| unreadable(&error)))
    }

    /// Returns the state to store; `None` if nothing is waiting.
    pub(super) fn to_keep(&self) -> Result<Option<Json>, Error> {
        if self.waiting.is_empty() && self.rest.is_empty() {
            return Ok(None);
        }
        serde_json::to_value(self).map(Some).map_err(|error| unreadable(&error))
    }

    /// `true` if changes are waiting that lists now show.
    pub(super) fn is_ripe(&self, now: Time) -> bool {
        self.waiting.iter().any(|waiting| waiting.until <= now)
    }

    /// Adds changes received at `now`. Each waits until lists show it, counted from the time at which it was recorded,
    /// or from now if the clock of its writer is ahead.
    pub(super) fn take(&mut self, told: &[(Id, Change)], now: Time, lag: Duration) {
        let lag = micros(lag);
        let mut news: Vec<Waiting> = Vec::new();
        for (tenant, change) in told {
            let until = change.recorded_at.min(now).plus_micros(lag);
            let at = news.iter().position(|waiting| waiting.tenant == *tenant).unwrap_or_else(|| {
                news.push(Waiting { tenant: *tenant, until, touched: Touched::default() });
                news.len() - 1
            });
            news[at].until = news[at].until.max(until);
            news[at].touched.add(change);
        }
        self.waiting.extend(news);
    }

    /// Puts unprocessed entries back in front of all others.
    pub(super) fn go_first(&mut self, rest: impl Iterator<Item = Waiting>) {
        self.waiting = rest.chain(std::mem::take(&mut self.waiting)).collect();
    }

    /// Removes and returns the changes that lists now show.
    pub(super) fn ripe(&mut self, now: Time) -> Vec<Waiting> {
        self.waiting.extract_if(.., |waiting| waiting.until <= now).collect()
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    StoreError::corrupt(format!("what waits of totals: {error}")).into()
}
