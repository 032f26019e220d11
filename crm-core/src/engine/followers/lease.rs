//! The place of a follower as the store has it, and a run's right to move it.

use std::time::Duration;

use crate::{
    engine::runtime::Engine,
    model::{
        error::Error,
        store::{FeedPlace, MAX_PLACE_BYTES},
        value::Time,
    },
};

/// How long a run has the place to itself; it takes it anew while it works. Half of it is more than a record takes, and
/// than clocks differ by.
pub(super) const LEASE: Duration = Duration::from_mins(1);

/// A duration as the clock counts it.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The place as the store has it, and this run's right to move it: one run works at a time, so that none writes what is older
/// than what another has seen. Of a run that was killed the right ends by itself.
pub(super) struct Lease<'a> {
    engine: &'a Engine,
    pub(super) consumer: &'a str,
    /// False for a run whose caller keeps the place.
    is_shared: bool,
    /// As it was kept last.
    pub(super) kept: FeedPlace,
    /// True where another run has taken the place.
    pub(super) is_lost: bool,
}

impl<'a> Lease<'a> {
    pub(super) const fn new(engine: &'a Engine, consumer: &'a str, is_shared: bool, kept: FeedPlace) -> Self {
        Self { engine, consumer, is_shared, kept, is_lost: false }
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
        self.is_shared && self.kept.taken_until.is_none_or(|until: Time| until <= self.engine.clock.now())
    }

    /// Keeps how far the run has come, and gives the place back where it does not go on.
    pub(super) async fn keep(&mut self, place: FeedPlace, goes_on: bool) -> Result<(), Error> {
        let place = FeedPlace { fence: self.kept.fence, taken_until: None, ..place };
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
        if serde_json::to_vec(&place).map_or(usize::MAX, |json| json.len()) > MAX_PLACE_BYTES {
            return Err(Error::TooLarge { what: "the place of a follower", limit: MAX_PLACE_BYTES });
        }
        if self.engine.store.keep_feed_place(self.consumer, &place, was).await? {
            self.kept = FeedPlace { fence: was + 1, ..place };
        } else {
            self.is_lost = true;
        }
        Ok(())
    }
}
