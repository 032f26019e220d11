//! The lease on a follower's position.

use std::time::Duration;

use crate::{
    engine::runtime::Engine,
    model::{
        error::Error,
        store::{FeedPlace, MAX_PLACE_BYTES},
        value::Time,
    },
};

/// The duration of a lease; it is renewed during work. Half of it exceeds the time needed for a record and the
/// differences between clocks.
pub(super) const LEASE: Duration = Duration::from_mins(1);

/// A duration in microseconds.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The stored position, and this run's right to move it. One run works at a time, so that none overwrites newer results
/// with older ones. The lease of a run that was killed expires.
pub(super) struct Lease<'a> {
    engine: &'a Engine,
    pub(super) consumer: &'a str,
    /// `false` if the caller keeps the position.
    is_shared: bool,
    /// The position as it was stored last.
    pub(super) kept: FeedPlace,
    /// `true` if another run has taken the lease.
    pub(super) is_lost: bool,
}

impl<'a> Lease<'a> {
    pub(super) const fn new(engine: &'a Engine, consumer: &'a str, is_shared: bool, kept: FeedPlace) -> Self {
        Self { engine, consumer, is_shared, kept, is_lost: false }
    }

    /// `true` if another run holds the lease. An expiry further ahead than any lease comes from a wrong clock and is
    /// ignored.
    pub(super) fn is_taken(&self) -> bool {
        let now = self.engine.clock.now();
        let longest = now.plus_micros(2 * micros(LEASE));
        self.is_shared && self.kept.taken_until.is_some_and(|until| now < until && until <= longest)
    }

    /// `true` if this run holds the lease for at least half its duration; acquires it if needed.
    pub(super) async fn hold(&mut self) -> Result<bool, Error> {
        let enough = self.engine.clock.now().plus_micros(micros(LEASE) / 2);
        if self.is_shared && !self.is_lost && self.kept.taken_until.is_none_or(|until| until < enough) {
            self.put(self.kept.clone(), true).await?;
        }
        Ok(!self.is_lost)
    }

    /// `true` if the lease expired since [`Lease::hold`]: another run may have begun.
    pub(super) fn is_over(&self) -> bool {
        self.is_shared && self.kept.taken_until.is_none_or(|until: Time| until <= self.engine.clock.now())
    }

    /// Stores the position, and releases the lease unless the run continues.
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
