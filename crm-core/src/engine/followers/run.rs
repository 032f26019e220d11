//! What a follower is given with what it is told.

use std::time::Duration;

use serde_json::Value as Json;

use super::{Followed, lease::Lease, reason};
use crate::{
    crm::Crm,
    model::{
        error::Error,
        value::{Id, Ref, Time},
    },
};

/// What a follower is given with what it is told: the CRM, its time, its place, and a report to write into.
pub struct Run<'a> {
    pub(super) crm: &'a Crm,
    pub(super) until: Time,
    pub(super) lists_lag: Duration,
    pub(super) lease: Lease<'a>,
    pub(super) state: Option<Json>,
    /// True once what was told is in the state.
    pub(super) has_accepted: bool,
    pub(super) followed: Followed,
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("until", &self.until).field("state", &self.state).finish_non_exhaustive()
    }
}

impl<'a> Run<'a> {
    /// The CRM.
    pub const fn crm(&self) -> &'a Crm {
        self.crm
    }

    /// Until when the follower has time, by the CRM's clock. It does at least a piece, however late it is.
    pub const fn until(&self) -> Time {
        self.until
    }

    /// True where the time is up.
    pub fn is_over(&self) -> bool {
        self.crm.now() >= self.until
    }

    /// How long the store's lists may take to show a commit. What is computed from lists waits so long after a change.
    pub const fn lists_lag(&self) -> Duration {
        self.lists_lag
    }

    /// What the follower kept with its place.
    pub const fn state(&self) -> Option<&Json> {
        self.state.as_ref()
    }

    /// Puts a state in place of the kept one. What was told counts as followed from here on: it is not told again, even where
    /// [`follow`](super::Follower::follow) then fails. `None` says that everything that was told is done with; while there is a
    /// state, nothing counts as settled, and a gap in the feed is told again from further back. A state of more than
    /// [`FULL`](Run::FULL) bytes as JSON is told nothing more until it is smaller.
    pub fn accept(&mut self, state: Option<Json>) {
        self.state = state;
        self.has_accepted = true;
    }

    /// From how many bytes on a state is full.
    pub const FULL: usize = 64 * 1024;

    /// True while the place is this run's for 30 seconds at least; takes it, or extends the lease, where it is not. Held where
    /// something is told; where nothing is, it is to be called before something is done. To be called again while following
    /// takes long. False where another run has the place: then end.
    ///
    /// # Errors
    /// What the store says.
    pub async fn hold(&mut self) -> Result<bool, Error> {
        self.lease.hold().await
    }

    /// True where the lease ran out since [`Run::hold`], as of a process that slept: another run may have done later what this
    /// one does now.
    pub(crate) fn is_late(&self) -> bool {
        self.lease.is_over()
    }

    /// True where another run has the place.
    pub(crate) const fn is_lost(&self) -> bool {
        self.lease.is_lost
    }

    /// Counts something that was done, for the report.
    pub fn count(&mut self, what: &'static str, number: u64) {
        if number > 0 {
            *self.followed.counts.entry(what).or_default() += number;
        }
    }

    /// How many were counted of something in this run.
    pub fn counted(&self, what: &str) -> u64 {
        self.followed.count(what)
    }

    /// Notes, in the log and in the report, what could not be done of a record.
    pub fn failed(&mut self, tenant: Id, record: Ref, error: Error) {
        let (follower, why) = (self.lease.consumer, reason(&error));
        tracing::warn!(follower, %tenant, %record, why, "a record could not be followed");
        self.followed.failed.push((tenant, record, error));
    }
}
