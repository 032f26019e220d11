//! Followers of the log of all tenants: they receive each change at least once, in no guaranteed order, from a position
//! that the store keeps.
//!
//! One loop (`drive`) reads the feed from the stored position and passes the changes to the follower. It holds a lease,
//! so that only one of several processes follows at a time, and stores the position by compare-and-set, so that a
//! process that was suspended does not move it back. Changes that the feed dropped after the position are delivered
//! from the history of each tenant (`gap`): nothing is lost, only late.

mod drive;
mod gap;
mod lease;
mod run;

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::model::{
    change::Change,
    error::Error,
    store::FeedPlace,
    value::{Id, Ref},
};
pub(crate) use drive::{drive, follow};
pub(crate) use lease::micros;
pub use run::Run;

/// Prefix of the names of built-in followers.
pub(crate) const RESERVED: &str = "crm.";

/// A follower of the log of all tenants. It belongs to the program, not to a user: it sees everything.
///
/// ```
/// # use crm_core::{Crm, Error, MemoryStore, change::Change, followers::{Follower, Run}, system::System, value::{Id, Kind}};
/// struct SearchIndex;
///
/// #[async_trait::async_trait]
/// impl Follower for SearchIndex {
///     fn name(&self) -> &str {
///         "acme.search"
///     }
///
///     fn wants(&self, change: &Change) -> bool {
///         change.record.kind == Kind::Lead
///     }
///
///     async fn follow(&self, _run: &mut Run<'_>, told: &[(Id, Change)]) -> Result<bool, Error> {
///         for (tenant, change) in told {
///             println!("index lead {} of {tenant} anew", change.record.id);
///         }
///         Ok(false)
///     }
/// }
///
/// # futures::executor::block_on(async {
/// let crm = Crm::builder(MemoryStore::new()).system(System::new("acme").follower(SearchIndex)).build();
/// let report = crm.worker().run(std::time::Duration::from_secs(2)).await;
/// assert!(report.failed().next().is_none());
/// # });
/// ```
#[async_trait]
pub trait Follower: Send + Sync {
    /// The name under which the store keeps the position: unique, at most a few dozen characters. The prefix `crm.` is
    /// reserved.
    fn name(&self) -> &str;

    /// Returns `true` if the follower should receive a change. May depend only on the change.
    fn wants(&self, _change: &Change) -> bool {
        true
    }

    /// Processes up to 100 changes, each with its tenant. Each change is delivered at least once, in no guaranteed
    /// order; a follower that needs the versions of a record in order reads its history. Returns `true` if there is
    /// more to do at once; the method is then called again while time remains.
    ///
    /// Work that cannot be done yet goes into the [state](Run::accept), which the store keeps with the position. While
    /// there is a state, the method is also called without changes.
    ///
    /// # Errors
    /// On any error the same changes are delivered again in a later run, unless they were [accepted](Run::accept). A
    /// permanent error of a single record should be [reported](Run::failed) and the record skipped.
    async fn follow(&self, run: &mut Run<'_>, told: &[(Id, Change)]) -> Result<bool, Error>;
}

/// The result of a run of a follower.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// The position to continue from.
    pub place: Option<FeedPlace>,
    /// `true` if time ran out before everything was processed.
    pub more: bool,
    /// The number of changes read, including those that the follower did not want.
    pub changes: u64,
    /// The counters of the follower.
    pub counts: BTreeMap<&'static str, u64>,
    /// Records for which something failed, with the tenant and the error.
    pub failed: Vec<(Id, Ref, Error)>,
    /// `true` if another run holds the position: it continues, and this one did nothing or stopped.
    pub taken: bool,
    /// `true` if the feed no longer knew the stored cursor. The missing changes were or will be delivered from the log.
    pub gap: bool,
}

impl Followed {
    /// Returns a counter; zero if it does not exist.
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }
}

/// The reason of an error for the log, without text written by users.
pub(crate) fn reason(error: &Error) -> String {
    match error {
        Error::Invalid(faults) => {
            let all = faults.all().iter().map(|one| format!("{} {}", one.field, one.fault.code));
            format!("invalid: {}", all.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
