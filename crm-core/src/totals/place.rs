//! How far totals have come: a place in the feed, and what was read from it and is not computed yet, because lists may not
//! show it or the time was up. So neither a busy shard nor a clock that is ahead nor a tenant with much to do keeps the
//! feed waiting.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::touched::{self, Touched};
use crate::{
    store::{FeedCursor, FeedPage},
    value::{Id, Time},
};

/// Records that wait at most. Beyond it no more is read, so that a place stays small enough to be kept (a page adds at
/// most 4,100 of some 60 bytes).
const MAX_WAITING: usize = 1_000;

/// What of one tenant waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waiting {
    #[serde(rename = "t")]
    pub(super) tenant: Id,
    /// From when on lists show what it was made of.
    #[serde(rename = "u")]
    pub(super) until: Time,
    #[serde(rename = "w")]
    pub(super) touched: Touched,
}

/// How far totals have come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// What was read of the feed.
    #[serde(rename = "feed")]
    pub(super) feed: Option<FeedCursor>,
    /// What was read and is to be computed, the longest waiting first.
    pub(super) waiting: Vec<Waiting>,
}

impl Place {
    /// The place that a cursor names: one of ours, or one of the feed itself.
    pub(super) fn read(cursor: Option<&FeedCursor>) -> Self {
        let Some(cursor) = cursor else { return Self::default() };
        serde_json::from_str(&cursor.0).unwrap_or_else(|_| Self { feed: Some(cursor.clone()), waiting: Vec::new() })
    }

    /// The cursor that names it: that of the feed where nothing waits.
    pub(super) fn cursor(&self) -> Option<FeedCursor> {
        if self.waiting.is_empty() {
            return self.feed.clone();
        }
        // Plain data always has a JSON form.
        serde_json::to_string(self).ok().map(FeedCursor)
    }

    /// True where more of the feed may be read.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.iter().map(|waiting| waiting.touched.len()).sum::<usize>() < MAX_WAITING
    }

    /// Takes in a page that was read at a moment. A change waits until lists show it, by when it was recorded; one whose
    /// writer's clock is ahead no longer than one that was recorded as it was read.
    pub(super) fn take(&mut self, page: FeedPage, now: Time, lag: Duration) {
        let lag = super::micros(lag);
        let mut news: Vec<Waiting> = Vec::new();
        for (tenant, change) in page.changes.iter().filter(|(_, change)| touched::matters(change)) {
            let until = change.recorded_at.min(now).plus_micros(lag);
            let at = news.iter().position(|waiting| waiting.tenant == *tenant).unwrap_or_else(|| {
                news.push(Waiting { tenant: *tenant, until, touched: Touched::default() });
                news.len() - 1
            });
            news[at].until = news[at].until.max(until);
            news[at].touched.add(change);
        }
        self.waiting.extend(news);
        self.feed = Some(page.cursor);
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
