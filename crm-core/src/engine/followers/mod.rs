//! What follows the log of all tenants: told each change at least once, in no promised order, from a place that the store
//! keeps.
//!
//! The one loop (`drive`) reads the feed from the kept place and has the follower follow it. It works under a lease, so that of
//! several processes one follows at a time, and keeps the place by compare and set, so that one that slept does not put it back.
//! Where the feed has forgotten what follows the place, the loop tells it again from the history of each tenant (`gap`): nothing
//! is lost, only late.

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

/// Names of followers that begin so are the CRM's own.
pub(crate) const RESERVED: &str = "crm.";

/// Follows the log of all tenants. It is for the program, not for its users: it sees everything.
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
    /// The name under which the store keeps how far it has come: a few dozen characters, never another's. Names that begin with
    /// `crm.` are the CRM's own.
    fn name(&self) -> &str;

    /// Whether it is to be told of a change. Decided by the change alone.
    fn wants(&self, _change: &Change) -> bool {
        true
    }

    /// Follows some changes, 100 at most. Each change is told at least once, in no promised order, with the tenant; what needs
    /// the versions of a record in order reads its history. Answers whether something is left to do at once; it is then called
    /// again while there is time.
    ///
    /// What cannot be done yet is put into the [state](Run::accept), which the store keeps with the place. As long as there is
    /// one, this is called with nothing told, too.
    ///
    /// # Errors
    /// Whatever it fails with: the same changes are told again in a later run, except where they were
    /// [accepted](Run::accept). What fails of one record for good is best [told](Run::failed) and passed over.
    async fn follow(&self, run: &mut Run<'_>, told: &[(Id, Change)]) -> Result<bool, Error>;
}

/// What a run of a follower came to.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    /// Where to go on.
    pub place: Option<FeedPlace>,
    /// True where the time was up before everything was told.
    pub more: bool,
    /// Changes that were read, whether the follower wants them or not.
    pub changes: u64,
    /// What the follower counted.
    pub counts: BTreeMap<&'static str, u64>,
    /// Records of which something could not be done, with the tenant and why.
    pub failed: Vec<(Id, Ref, Error)>,
    /// True where another run has the place: it goes on, and this one did nothing, or ended.
    pub taken: bool,
    /// True where the feed no longer knew the kept cursor, and what it had forgotten was told from the log, or is going to be.
    pub gap: bool,
}

impl Followed {
    /// How many were counted of something.
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }
}

/// Why something failed, as the log may say it: without what people wrote.
pub(crate) fn reason(error: &Error) -> String {
    match error {
        Error::Invalid(faults) => {
            let all = faults.all().iter().map(|one| format!("{} {}", one.field, one.fault.code));
            format!("invalid: {}", all.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
