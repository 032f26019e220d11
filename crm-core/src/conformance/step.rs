//! Builds a commit, part by part.

use std::sync::Arc;

use super::{Edit, Lab};
use crate::model::{
    schema::Image,
    store::{Claim, ClaimOp, Commit, Guard, KeyEntry, Store, StoreError},
    value::{Id, Ref, Time},
};

/// A commit being built.
#[derive(Clone)]
#[must_use = "a step does nothing until it is sent"]
pub struct Step<'a> {
    store: &'a Arc<dyn Store>,
    commit: Commit,
}

impl std::fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.commit.fmt(f)
    }
}

impl<'a> Step<'a> {
    pub(super) fn new(lab: &'a Lab<'_>, tenant: Id) -> Self {
        let commit = Commit {
            id: lab.commit_ids().next(),
            tenant,
            at: lab.now(),
            writes: Vec::new(),
            guards: Vec::new(),
            claims: Vec::new(),
            key: None,
        };
        Self { store: &lab.store, commit }
    }

    /// Writes a record.
    pub fn write(mut self, edit: Edit) -> Self {
        self.commit.writes.push(edit.into_write(self.commit.id));
        self
    }

    /// Guards a record at the version of an image.
    pub fn guard(self, image: &Image) -> Self {
        self.guard_at(image.reference(), image.versions.person)
    }

    /// Guards a record at a version.
    pub fn guard_at(mut self, record: Ref, version: u64) -> Self {
        self.commit.guards.push(Guard { record, version });
        self
    }

    /// Takes a claim.
    pub fn take(mut self, claim: &Claim, holder: Ref) -> Self {
        self.commit.claims.push(ClaimOp::Take { claim: claim.clone(), holder });
        self
    }

    /// Releases a claim.
    pub fn release(mut self, claim: &Claim, holder: Ref) -> Self {
        self.commit.claims.push(ClaimOp::Release { claim: claim.clone(), holder });
        self
    }

    /// Transfers a claim.
    pub fn transfer(mut self, claim: &Claim, from: Ref, to: Ref) -> Self {
        self.commit.claims.push(ClaimOp::Transfer { claim: claim.clone(), from, to });
        self
    }

    /// Stores an idempotency key that expires after this many hours, with the records written so far.
    pub fn key(mut self, key: &str, hours: i64) -> Self {
        let records = self.commit.writes.iter().map(|write| (write.record(), write.after.versions)).collect();
        self.commit.key = Some(KeyEntry {
            key: key.to_owned(),
            fingerprint: format!("fingerprint of {key}"),
            commit: self.commit.id,
            records,
            expires_at: self.commit.at.plus_micros(hours * 3_600_000_000),
        });
        self
    }

    /// Sets the time of the commit. An idempotency key expires relative to the time that is set when the key is added.
    pub fn at(mut self, at: Time) -> Self {
        self.commit.at = at;
        self
    }

    /// Returns `true` if one more write belongs to this commit's tenant and fits in the budget.
    pub(super) fn has_room_for(&self, edit: &Edit) -> bool {
        let with = self.clone().write(edit.clone());
        edit.after().tenant == self.commit.tenant && with.commit.check_budget().is_ok()
    }

    /// Returns the commit, in canonical order.
    pub fn build(mut self) -> Commit {
        self.commit.sort();
        self.commit
    }

    /// Sends the commit and returns it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn send(self) -> Result<Commit, StoreError> {
        let store = Arc::clone(self.store);
        let commit = self.build();
        store.commit(&commit).await?;
        Ok(commit)
    }
}
