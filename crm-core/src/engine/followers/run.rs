//! The context of a run of a follower.

use std::time::Duration;

use serde_json::Value as Json;

use super::{Followed, lease::Lease, reason};
use crate::{
    engine::crm::Crm,
    model::{
        error::Error,
        value::{Id, Ref, Time},
    },
};

/// The context of a run of a follower: the CRM, the available time, the position, and the report.
pub struct Run<'a> {
    pub(super) crm: &'a Crm,
    pub(super) until: Time,
    pub(super) lists_lag: Duration,
    pub(super) lease: Lease<'a>,
    pub(super) state: Option<Json>,
    /// `true` once the delivered changes are part of the state.
    pub(super) has_accepted: bool,
    pub(super) followed: Followed,
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("until", &self.until).field("state", &self.state).finish_non_exhaustive()
    }
}

impl<'a> Run<'a> {
    /// Returns the CRM.
    pub const fn crm(&self) -> &'a Crm {
        self.crm
    }

    /// Returns the end of the available time, by the CRM's clock. A follower does at least one piece of work, however
    /// late it is.
    pub const fn until(&self) -> Time {
        self.until
    }

    /// Returns `true` if the time is up.
    pub fn is_over(&self) -> bool {
        self.crm.now() >= self.until
    }

    /// Returns how long the store's lists may lag behind a commit. Computations from lists wait that long after a
    /// change.
    pub const fn lists_lag(&self) -> Duration {
        self.lists_lag
    }

    /// Returns the state that the follower stored with its position.
    pub const fn state(&self) -> Option<&Json> {
        self.state.as_ref()
    }

    /// Replaces the stored state. The delivered changes then count as processed and are not delivered again, even if
    /// [`follow`](super::Follower::follow) fails afterwards. `None` means that all delivered changes are done. While
    /// there is a state, the settled time does not advance, and a gap in the feed is delivered from further back. While
    /// a state exceeds [`FULL`](Run::FULL) bytes as JSON, no further changes are delivered.
    pub fn accept(&mut self, state: Option<Json>) {
        self.state = state;
        self.has_accepted = true;
    }

    /// The size of a full state in bytes.
    pub const FULL: usize = 64 * 1024;

    /// Returns `true` if this run holds the position for at least another 30 seconds; acquires or extends the lease if
    /// needed. The lease is held when changes are delivered. Without changes, call this before doing work, and again
    /// during long work. If it returns `false`, another run holds the position: return.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn hold(&mut self) -> Result<bool, Error> {
        self.lease.hold().await
    }

    /// `true` if the lease expired since [`Run::hold`], for example because the process was suspended: another run may
    /// have written newer results.
    pub(crate) fn is_late(&self) -> bool {
        self.lease.is_over()
    }

    /// `true` if another run holds the position.
    pub(crate) const fn is_lost(&self) -> bool {
        self.lease.is_lost
    }

    /// Adds to a counter of the report.
    pub fn count(&mut self, what: &'static str, number: u64) {
        if number > 0 {
            *self.followed.counts.entry(what).or_default() += number;
        }
    }

    /// Returns a counter of this run.
    pub fn counted(&self, what: &str) -> u64 {
        self.followed.count(what)
    }

    /// Logs and reports an error of a record.
    pub fn failed(&mut self, tenant: Id, record: Ref, error: Error) {
        let (follower, why) = (self.lease.consumer, reason(&error));
        tracing::warn!(follower, %tenant, %record, why, "a record could not be followed");
        self.followed.failed.push((tenant, record, error));
    }
}
