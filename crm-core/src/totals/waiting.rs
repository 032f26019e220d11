//! What totals were told and have not computed yet, because lists may not show it or the time was up: the state that is kept
//! with their place. So neither a busy shard nor a clock that is ahead nor a tenant with much to do keeps the feed waiting.

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

/// What of one tenant waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Waiting {
    #[serde(rename = "t")]
    pub(super) tenant: Id,
    /// From when on lists show what it was made of.
    #[serde(rename = "u")]
    pub(super) until: Time,
    #[serde(rename = "w")]
    pub(super) touched: Touched,
}

/// What waits, of all tenants.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct WaitingList {
    /// The longest waiting first.
    #[serde(default)]
    pub(super) waiting: Vec<Waiting>,
    /// What a newer program keeps besides.
    #[serde(flatten)]
    rest: serde_json::Map<String, Json>,
}

impl WaitingList {
    /// As it was kept.
    ///
    /// # Errors
    /// [`Error::Damaged`] where what waits cannot be read: a newer program knows it, and goes on there.
    pub(super) fn read(state: Option<&Json>) -> Result<Self, Error> {
        state.map_or_else(|| Ok(Self::default()), |state| Self::deserialize(state).map_err(|error| unreadable(&error)))
    }

    /// As it is kept: nothing where nothing waits.
    pub(super) fn to_keep(&self) -> Result<Option<Json>, Error> {
        if self.waiting.is_empty() && self.rest.is_empty() {
            return Ok(None);
        }
        serde_json::to_value(self).map(Some).map_err(|error| unreadable(&error))
    }

    /// True where something waits that lists show by now.
    pub(super) fn is_ripe(&self, now: Time) -> bool {
        self.waiting.iter().any(|waiting| waiting.until <= now)
    }

    /// Takes in changes that were told at a moment. A change waits until lists show it, by when it was recorded; one whose
    /// writer's clock is ahead no longer than one that was recorded as it was told.
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

    /// Puts back what was taken out and not begun, before all else.
    pub(super) fn go_first(&mut self, rest: impl Iterator<Item = Waiting>) {
        self.waiting = rest.chain(std::mem::take(&mut self.waiting)).collect();
    }

    /// What lists show by now, taken out.
    pub(super) fn ripe(&mut self, now: Time) -> Vec<Waiting> {
        self.waiting.extract_if(.., |waiting| waiting.until <= now).collect()
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    StoreError::corrupt(format!("what waits of totals: {error}")).into()
}
