//! The store in memory: the reference for the others, and a suitable store for tests and small programs.
//!
//! Faults can be injected (lagging lists, failing calls, lost responses), so that behavior required of every store can
//! be tested on this one. Its feed returns each change once and in commit order, which is more than a store has to
//! guarantee.

mod faults;
mod log;
mod sorted;
mod table;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use foldhash::HashMap;

use async_trait::async_trait;

pub use faults::{Fault, Faults};
use log::Log;
use table::Tables;

use super::{
    Answer, ChangePage, Claim, Commit, Counts, Definitions, Epochs, Feed, FeedCursor, FeedPage, FeedPlace, Got,
    History, HistoryQuery, KeyEntry, LogQuery, Page, Query, Records, StageMoveQuery, Store, StoreError, Want,
};
use crate::model::{
    schema::KindDecl,
    value::{Id, Kind, Ref, Time},
};

/// A store in memory. Clones share the same data.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    faults: Faults,
}

#[derive(Debug, Default)]
struct State {
    tables: Tables,
    log: Log,
    claims: HashMap<Claim, Holder>,
    keys: HashMap<(Id, String), KeyEntry>,
    epochs: BTreeMap<Id, Epochs>,
    places: BTreeMap<String, FeedPlace>,
}

/// The holder of a claim: under the nil tenant, a record of any tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    tenant: Id,
    record: Ref,
}

impl MemoryStore {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the faults to inject.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Drops all changes so far from the feed, as a feed with limited retention does: earlier cursors are refused.
    pub fn forget_feed(&self) {
        self.state().log.forget_feed();
    }

    /// Removes records that have expired by `at` (throttles, ended sessions) and expired idempotency keys, and returns
    /// their number. Their entries in the tenant's log remain. Call it periodically in a long-lived process.
    pub fn forget_expired(&self, at: Time) -> usize {
        let mut state = self.state();
        let keys = state.keys.len();
        state.keys.retain(|_, entry| entry.expires_at > at);
        keys - state.keys.len() + state.tables.forget(at)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Only a bug can panic while holding the lock, and the data is still consistent, since a commit checks
        // everything before it writes.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn epochs_of(&self, tenant: Id) -> Epochs {
        self.epochs.get(&tenant).copied().unwrap_or_default()
    }

    fn check(&self, commit: &Commit) -> Result<(), StoreError> {
        commit.check_budget()?;
        if let Some(key) = &commit.key
            && self.keys.get(&(commit.tenant, key.key.clone())).is_some_and(|entry| entry.expires_at > commit.at)
        {
            return Err(StoreError::KeyUsed);
        }
        // Across writes and guards, the failure of the first record is reported.
        let mut failed: Option<(Ref, StoreError)> = None;
        let mut fail = |record: Ref, current| {
            if failed.as_ref().is_none_or(|(first, _)| record < *first) {
                failed = Some((record, StoreError::Conflict { record, current }));
            }
        };
        for write in &commit.writes {
            let current = self.tables.get(commit.tenant, write.record()).map(|image| image.versions);
            let fits = match (&write.before, current) {
                (None, None) => true,
                (Some(before), Some(current)) => {
                    [crate::model::schema::Group::User, crate::model::schema::Group::Machine]
                        .into_iter()
                        .all(|group| !write.writes(group) || before.versions.of(group) == current.of(group))
                }
                _ => false,
            };
            if !fits {
                fail(write.record(), current);
            }
        }
        for guard in &commit.guards {
            let current = self.tables.get(commit.tenant, guard.record).map(|image| image.versions);
            if current.is_none_or(|versions| versions.person != guard.version) {
                fail(guard.record, current);
            }
        }
        if let Some((_, error)) = failed {
            return Err(error);
        }
        for op in &commit.claims {
            let held = self.claims.get(op.claim());
            match op.held_before() {
                None => {
                    let taker = op.held_after().map(|record| Holder { tenant: commit.tenant, record });
                    if let Some(holder) = held
                        && Some(*holder) != taker
                    {
                        return Err(StoreError::Claimed { claim: op.claim().clone(), holder: holder.record });
                    }
                }
                Some(record) => {
                    if held != Some(&Holder { tenant: commit.tenant, record }) {
                        let current = self.tables.get(commit.tenant, record).map(|image| image.versions);
                        return Err(StoreError::Conflict { record, current });
                    }
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, commit: &Commit) {
        for write in &commit.writes {
            let history = self.tables.write(commit.tenant, write);
            for change in &write.changes {
                let change = Arc::new(change.clone());
                self.log.append(commit.tenant, &change);
                history.keep(change);
            }
        }
        for op in &commit.claims {
            match op.held_after() {
                Some(record) => {
                    self.claims.insert(op.claim().clone(), Holder { tenant: commit.tenant, record });
                }
                None => {
                    self.claims.remove(op.claim());
                }
            }
        }
        if let Some(key) = &commit.key {
            self.keys.insert((commit.tenant, key.key.clone()), key.clone());
        }
        let epochs = self.epochs_of(commit.tenant).after(commit);
        if epochs != Epochs::default() {
            self.epochs.insert(commit.tenant, epochs);
        }
    }
}

#[async_trait]
impl Records for MemoryStore {
    async fn get(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError> {
        self.faults.before_read()?;
        let state = self.state();
        let got = wants
            .iter()
            .map(|want| match want {
                Want::Record(record) => Got::Record(state.tables.get(tenant, *record).cloned()),
                Want::Claimed(claim) => Got::Record(
                    state
                        .claims
                        .get(claim)
                        .filter(|holder| claim.tenant.is_nil() || (claim.tenant == tenant && holder.tenant == tenant))
                        .and_then(|holder| state.tables.get(holder.tenant, holder.record).cloned()),
                ),
                Want::Key(key) => Got::Key(state.keys.get(&(tenant, key.clone())).cloned()),
            })
            .collect();
        Ok(Answer { epochs: state.epochs_of(tenant), got })
    }

    async fn definitions(&self, tenant: Id) -> Result<Definitions, StoreError> {
        self.faults.before_read()?;
        let state = self.state();
        let kinds = Kind::ALL.iter().filter(|&&kind| crate::catalog::decl(kind).is_definition);
        let images = kinds.flat_map(|&kind| state.tables.all(tenant, kind)).cloned().collect();
        Ok(Definitions { epochs: state.epochs_of(tenant), images })
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.faults.before_read()?;
        self.state().tables.list(query, self.faults.lag())
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        self.faults.before_commit()?;
        {
            let mut state = self.state();
            state.check(commit)?;
            state.apply(commit);
            if !self.faults.lag() {
                state.tables.publish();
            }
        }
        self.faults.after_commit()
    }
}

#[async_trait]
impl History for MemoryStore {
    async fn history(&self, query: &HistoryQuery) -> Result<ChangePage, StoreError> {
        self.faults.before_read()?;
        Ok(self.state().tables.history(query))
    }

    async fn log(&self, query: &LogQuery) -> Result<ChangePage, StoreError> {
        self.faults.before_read()?;
        Ok(self.state().log.log(query))
    }

    async fn stage_moves(&self, query: &StageMoveQuery) -> Result<ChangePage, StoreError> {
        self.faults.before_read()?;
        Ok(self.state().log.stage_moves(query))
    }
}

#[async_trait]
impl Feed for MemoryStore {
    async fn feed<'a>(&self, after: Option<&'a FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
        self.faults.before_read()?;
        self.state().log.feed(after, limit)
    }

    async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
        self.faults.before_read()?;
        Ok(self.state().tables.tenants(after, limit))
    }

    async fn feed_end(&self) -> Result<FeedCursor, StoreError> {
        self.faults.before_read()?;
        Ok(self.state().log.feed_end())
    }

    async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, StoreError> {
        self.faults.before_read()?;
        Ok(self.state().places.get(consumer).cloned())
    }

    async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError> {
        self.faults.before_read()?;
        let places = &mut self.state().places;
        let fits = places.get(consumer).map_or(0, |kept| kept.fence) == was;
        if fits {
            places.insert(consumer.to_owned(), FeedPlace { fence: was + 1, ..place.clone() });
        }
        Ok(fits)
    }

    async fn due(
        &self,
        decl: &'static KindDecl,
        until: Time,
        after: Option<Id>,
        per_tenant: usize,
        limit: usize,
    ) -> Result<Vec<(Id, Ref, Time)>, StoreError> {
        self.faults.before_read()?;
        let mut state = self.state();
        if !self.faults.lag() {
            state.tables.publish();
        }
        Ok(state.tables.due(decl, until, after, per_tenant, limit))
    }
}

#[async_trait]
impl Counts for MemoryStore {
    async fn count(&self, query: &Query) -> Result<u64, StoreError> {
        self.faults.before_read()?;
        self.state().tables.count(query, self.faults.lag())
    }
}

impl Store for MemoryStore {
    fn counts(&self) -> Option<&dyn Counts> {
        Some(self)
    }
}
