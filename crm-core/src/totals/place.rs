//! How far totals have come: a place in the feed, and what was read from it and is not computed yet, because lists may not
//! show it or the time was up. So neither a busy shard nor a clock that is ahead nor a tenant with much to do keeps the
//! feed waiting.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    CONSUMER, micros,
    touched::{self, Touched},
};
use crate::{
    engine::Engine,
    error::Error,
    store::{FeedPage, FeedPlace, StoreError},
    value::{Id, Time},
};

/// Records that wait at most. Beyond it no more is read, so that a place stays small enough to be kept (a page adds at
/// most 4,100 of some 60 bytes).
const MAX_WAITING: usize = 1_000;
/// How long a run has the place to itself; it takes it anew while it works. Half of it is more than a record takes, and
/// than clocks differ by.
pub(super) const LEASE: Duration = Duration::from_mins(1);
/// How long after it was recorded a change may be told first, where a transaction of the embedder's held it back.
const LATE: Duration = Duration::from_hours(1);

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

/// What totals keep for themselves with their place.
#[derive(Debug, Default, Serialize, Deserialize)]
struct State {
    #[serde(default)]
    waiting: Vec<Waiting>,
    /// What a newer program keeps besides.
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

/// How far totals have come.
#[derive(Debug)]
pub(super) struct Place {
    /// The place in the feed; its state is that of [`Place::waiting`] only once it is kept.
    pub(super) at: FeedPlace,
    /// What was read and is to be computed, the longest waiting first.
    pub(super) waiting: Vec<Waiting>,
    rest: serde_json::Map<String, serde_json::Value>,
}

impl Place {
    /// The place as it was kept.
    ///
    /// # Errors
    /// [`Error::Damaged`] where what waits cannot be read: a newer program knows it, and goes on there.
    pub(super) fn read(at: FeedPlace) -> Result<Self, Error> {
        let state = at.state.clone().map_or_else(|| Ok(State::default()), serde_json::from_value);
        let State { waiting, rest } = state.map_err(|error| unreadable(&error))?;
        Ok(Self { at, waiting, rest })
    }

    /// The place as it is kept: nothing besides that of the feed where nothing waits.
    pub(super) fn to_keep(&self) -> Result<FeedPlace, Error> {
        let state = State { waiting: self.waiting.clone(), rest: self.rest.clone() };
        let is_empty = state.waiting.is_empty() && state.rest.is_empty();
        let state =
            if is_empty { None } else { Some(serde_json::to_value(state).map_err(|error| unreadable(&error))?) };
        Ok(FeedPlace { state, taken_until: None, ..self.at.clone() })
    }

    /// Notes that the feed had no more at a moment. Moves on by an hour at least, so that this alone is rarely written.
    pub(super) fn settle(&mut self, at: Time) {
        let (late, settled) = (micros(LATE), self.at.settled);
        if self.waiting.is_empty() && settled.plus_micros(2 * late) < at {
            self.at.settled = at.plus_micros(-late);
        }
    }

    /// True where something waits that lists show by now.
    pub(super) fn is_ripe(&self, now: Time) -> bool {
        self.waiting.iter().any(|waiting| waiting.until <= now)
    }

    /// True where more of the feed may be read.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.iter().map(|waiting| waiting.touched.len()).sum::<usize>() < MAX_WAITING
    }

    /// Takes in a page that was read at a moment. A change waits until lists show it, by when it was recorded; one whose
    /// writer's clock is ahead no longer than one that was recorded as it was read.
    pub(super) fn take(&mut self, page: FeedPage, now: Time, lag: Duration) {
        let lag = micros(lag);
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
        self.at.cursor = Some(page.cursor);
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
    StoreError::corrupt(format!("the place of totals in the feed: {error}")).into()
}

/// The place as the store has it, and this run's right to move it: one run works at a time, so that none writes a total
/// that is older than what another has seen. Of a run that was killed the right ends by itself.
pub(super) struct Lease<'a> {
    engine: &'a Engine,
    /// False for a run whose caller keeps the place.
    is_shared: bool,
    /// As it was kept last.
    pub(super) kept: FeedPlace,
    /// True where another run has taken the place.
    pub(super) is_lost: bool,
}

impl<'a> Lease<'a> {
    pub(super) const fn new(engine: &'a Engine, is_shared: bool, kept: FeedPlace) -> Self {
        Self { engine, is_shared, kept, is_lost: false }
    }

    /// True where another run works. A time further away than any lease is of a clock that is wrong.
    pub(super) fn is_taken(&self) -> bool {
        let now = self.engine.clock.now();
        let longest = now.plus_micros(2 * micros(LEASE));
        self.is_shared && self.kept.taken_until.is_some_and(|until| now < until && until <= longest)
    }

    /// True while the place is this run's for half a lease at least; takes it where it is not.
    pub(super) async fn hold(&mut self) -> Result<bool, Error> {
        let enough = self.engine.clock.now().plus_micros(micros(LEASE) / 2);
        if self.is_shared && !self.is_lost && self.kept.taken_until.is_none_or(|until| until < enough) {
            self.put(self.kept.clone(), true).await?;
        }
        Ok(!self.is_lost)
    }

    /// True where the time ran out since [`Lease::hold`]: another run may have begun meanwhile.
    pub(super) fn is_over(&self) -> bool {
        self.is_shared && self.kept.taken_until.is_none_or(|until| until <= self.engine.clock.now())
    }

    /// Keeps how far the run has come, and gives the place back where it does not go on.
    pub(super) async fn keep(&mut self, place: FeedPlace, goes_on: bool) -> Result<(), Error> {
        let place = FeedPlace { fence: self.kept.fence, ..place };
        if !self.is_shared {
            self.kept = place;
        } else if goes_on || place != self.kept {
            self.put(place, goes_on).await?;
        }
        Ok(())
    }

    async fn put(&mut self, place: FeedPlace, goes_on: bool) -> Result<(), Error> {
        let taken_until = goes_on.then(|| self.engine.clock.now().plus_micros(micros(LEASE)));
        let (place, was) = (FeedPlace { taken_until, ..place }, self.kept.fence);
        if self.engine.store.keep_feed_place(CONSUMER, &place, was).await? {
            self.kept = FeedPlace { fence: was + 1, ..place };
        } else {
            self.is_lost = true;
        }
        Ok(())
    }
}
