//! Commits: everything that one decision changes, stored atomically.

use std::{fmt::Write as _, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::StoreError;
use crate::model::{
    change::Change,
    records::{
        credential::CredentialFields, organization::OrganizationFields, session::SessionFields, user::UserFields,
    },
    schema::{Group, Image, TypedField, Versions, common},
    value::{Id, Kind, Ref, Time},
};

/// The maximum number of items in a commit.
pub const MAX_COMMIT_ITEMS: usize = 100;
/// The maximum size of a commit in bytes.
pub const MAX_COMMIT_BYTES: usize = 4 * 1024 * 1024;
/// The maximum size of a record in bytes.
pub const MAX_RECORD_BYTES: usize = 128 * 1024;
/// The maximum size in bytes of a value claimed as it is; a longer one is claimed by its SHA-256.
const MAX_CLAIM_VALUE: usize = 256;

/// A value that at most one live record holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The tenant; [`Id::NIL`] for values that are unique among all tenants (the slug of an organization).
    pub tenant: Id,
    /// The kind of the holder; the value is unique among the records of this kind.
    pub kind: Kind,
    /// The name of the field or composite.
    pub name: String,
    /// The value, or `sha256:…` for a long one.
    pub value: String,
}

impl Claim {
    /// Creates a claim of a value; a value of more than 256 bytes is claimed by its SHA-256.
    pub fn new(tenant: Id, kind: Kind, name: impl Into<String>, value: &str) -> Self {
        let value = if value.len() > MAX_CLAIM_VALUE {
            let mut hash = String::from("sha256:");
            for byte in Sha256::digest(value.as_bytes()) {
                let _ = write!(hash, "{byte:02x}");
            }
            hash
        } else {
            value.to_owned()
        };
        Self { tenant, kind, name: name.into(), value }
    }
}

/// An operation on one claim. A commit names a claim at most once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimOp {
    /// Takes a claim, which must be free or held by the same record.
    Take {
        /// The claim.
        claim: Claim,
        /// The new holder.
        holder: Ref,
    },
    /// Releases a claim, which must be held by the record.
    Release {
        /// The claim.
        claim: Claim,
        /// The current holder.
        holder: Ref,
    },
    /// Transfers a claim, which must be held by `from`.
    Transfer {
        /// The claim.
        claim: Claim,
        /// The current holder.
        from: Ref,
        /// The new holder.
        to: Ref,
    },
}

impl ClaimOp {
    /// Returns the claim.
    pub const fn claim(&self) -> &Claim {
        match self {
            ClaimOp::Take { claim, .. } | ClaimOp::Release { claim, .. } | ClaimOp::Transfer { claim, .. } => claim,
        }
    }

    /// Returns the required holder before the operation; `None` for [`ClaimOp::Take`].
    pub const fn held_before(&self) -> Option<Ref> {
        match self {
            ClaimOp::Take { .. } => None,
            ClaimOp::Release { holder, .. } => Some(*holder),
            ClaimOp::Transfer { from, .. } => Some(*from),
        }
    }

    /// Returns the holder after the operation; `None` for [`ClaimOp::Release`].
    pub const fn held_after(&self) -> Option<Ref> {
        match self {
            ClaimOp::Take { holder, .. } => Some(*holder),
            ClaimOp::Release { .. } => None,
            ClaimOp::Transfer { to, .. } => Some(*to),
        }
    }
}

/// The write of one record: its states before and after, and its changes in version order.
#[derive(Clone, Debug)]
pub struct Write {
    /// The record as it was read; `None` for a new one. Its versions are the condition of the write: a new record must
    /// not exist, and each *written* group of an existing one must still be at the version given here.
    pub before: Option<Arc<Image>>,
    /// The new state of the record. A group is written if its version is greater than before; fields of other groups
    /// keep their stored values.
    pub after: Arc<Image>,
    /// The changes for the log. Machine writes that are not logged have none.
    pub changes: Vec<Change>,
}

impl Write {
    /// Returns the record.
    pub fn record(&self) -> Ref {
        self.after.reference()
    }

    /// Returns the versions before the write; zero for a new record.
    pub fn base(&self) -> Versions {
        self.before.as_ref().map_or_else(Versions::default, |before| before.versions)
    }

    /// Returns `true` if a group is written. All groups of a new record are.
    pub fn writes(&self, group: Group) -> bool {
        self.before.is_none() || self.after.versions.of(group) > self.base().of(group)
    }

    /// Returns `true` for a record that must not exist yet.
    pub const fn is_new(&self) -> bool {
        self.before.is_none()
    }
}

/// A condition that a record still has the version of its user group that the decision read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The record.
    pub record: Ref,
    /// The version of its user group.
    pub version: u64,
}

/// The data kept under an idempotency key for 24 hours: enough to replay the response, without bodies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// The key as given by the caller, unique within the tenant.
    pub key: String,
    /// A fingerprint (hash) of the request.
    pub fingerprint: String,
    /// The commit that completed the request.
    pub commit: CommitId,
    /// The records of the response, in order, with their versions at the time.
    pub records: Vec<(Ref, Versions)>,
    /// The expiration time. An expired key counts as absent.
    pub expires_at: Time,
}

/// The id of a [`Commit`].
pub type CommitId = Id<Commit>;

/// Everything that one decision changes. Writes and guards are sorted by kind and id, claims by their own order: the
/// order in which stores take locks.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The id of the commit. Retrying a commit after [`StoreError::OutcomeUnknown`] is safe.
    pub id: CommitId,
    /// The tenant.
    pub tenant: Id,
    /// The time of the decision.
    pub at: Time,
    /// The written records, each once.
    pub writes: Vec<Write>,
    /// The records that must be unchanged and are not written.
    pub guards: Vec<Guard>,
    /// The operations on claims, one per claim.
    pub claims: Vec<ClaimOp>,
    /// The idempotency key stored with the commit.
    pub key: Option<KeyEntry>,
}

impl Commit {
    /// Sorts writes, guards and claims into the lock order.
    pub fn sort(&mut self) {
        self.writes.sort_by_key(Write::record);
        self.guards.sort_by_key(|guard| guard.record);
        self.claims.sort_by(|a, b| a.claim().cmp(b.claim()));
    }

    /// Returns `true` if a definition is written: the store then sets the tenant's definitions epoch to [`Commit::id`].
    pub fn touches_definitions(&self) -> bool {
        self.writes.iter().any(|write| write.after.decl.is_definition)
    }

    /// Returns `true` if the commit changes what a user may do: the store then sets the tenant's access epoch to
    /// [`Commit::id`].
    ///
    /// These are changes of roles, teams, activity, archiving or external id of a user; a session ended by someone
    /// other than its user; the generation of a user's sessions; any change of an API key except its last use; and the
    /// status of the organization. Creating a record does not affect permissions that are already cached and does not
    /// count, except for an organization.
    pub fn touches_access(&self) -> bool {
        self.writes.iter().any(changes_access)
    }

    /// Returns the number of items that the store with the highest cost writes, limited by [`MAX_COMMIT_ITEMS`].
    ///
    /// These are record images (one more for long text), changes, claims, guards, the key, one entry for each changed
    /// element of a list-valued index, the epochs (one for both), and an entry for a new organization.
    pub fn items(&self) -> usize {
        let writes: usize = self
            .writes
            .iter()
            .map(|write| record_items(write.before.as_deref(), &write.after) + write.changes.len())
            .sum();
        writes
            + self.guards.len()
            + self.claims.len()
            + usize::from(self.key.is_some())
            + usize::from(self.touches_definitions() || self.touches_access())
            + usize::from(self.makes_organization())
    }

    /// Returns `true` if the commit creates an organization: a store may have to register the tenant.
    pub fn makes_organization(&self) -> bool {
        self.writes.iter().any(|write| write.is_new() && write.after.kind() == Kind::Organization)
    }

    /// Returns the approximate size in bytes, limited by [`MAX_COMMIT_BYTES`].
    pub fn size(&self) -> usize {
        self.writes.iter().map(|write| write.after.size() + write.changes.iter().map(Change::size).sum::<usize>()).sum()
    }

    /// Checks the limits. The core and every store call this before every commit.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if a limit is exceeded.
    pub fn check_budget(&self) -> Result<(), StoreError> {
        if self.items() > MAX_COMMIT_ITEMS {
            return Err(StoreError::TooLarge { what: "the number of items in one commit", limit: MAX_COMMIT_ITEMS });
        }
        let mut total = 0;
        for write in &self.writes {
            let record = write.after.size();
            if record > MAX_RECORD_BYTES {
                return Err(StoreError::TooLarge { what: "the bytes of one record", limit: MAX_RECORD_BYTES });
            }
            total += record + write.changes.iter().map(Change::size).sum::<usize>();
        }
        if total > MAX_COMMIT_BYTES {
            return Err(StoreError::TooLarge { what: "the bytes of one commit", limit: MAX_COMMIT_BYTES });
        }
        Ok(())
    }
}

fn differ<F: TypedField>(before: &Image, after: &Image, field: F) -> bool {
    before.at(field) != after.at(field)
}

fn changes_access(write: &Write) -> bool {
    let after = &write.after;
    if !write.writes(Group::User) {
        return false;
    }
    let Some(before) = &write.before else { return after.kind() == Kind::Organization };
    let archived = before.values[common::ARCHIVED_AT] != after.values[common::ARCHIVED_AT];
    match after.kind() {
        Kind::User => {
            let fields = [UserFields::role_ids, UserFields::team_ids, UserFields::is_active];
            archived
                || before.values[common::EXTERNAL_ID] != after.values[common::EXTERNAL_ID]
                || fields.into_iter().any(|field| differ(before, after, field))
        }
        Kind::Organization => differ(before, after, OrganizationFields::status),
        Kind::Credential => differ(before, after, CredentialFields::session_generation),
        Kind::ApiKey => true,
        // Many users of a tenant sign out each day. A user who ends their own session does not lose permissions, and
        // the session is revalidated after a while, so other users' permissions need not be reloaded.
        Kind::Session => {
            let user = before.at(SessionFields::user_id).as_id().map(Id::typed);
            let by_another = |change: &Change| change.by != user && change.action != "sign_out";
            archived && write.changes.iter().any(by_another)
        }
        _ => false,
    }
}

/// Returns the number of items of a record image: the image, its long texts, its entries in list-valued indexes.
pub(crate) fn record_items(before: Option<&Image>, after: &Image) -> usize {
    let long = after.has_long_text() || before.is_some_and(Image::has_long_text);
    1 + usize::from(long) + element_entries(before, after)
}

/// Returns the number of elements of list-valued indexes (links, teams of a user) that a write adds, moves or removes.
fn element_entries(before: Option<&Image>, after: &Image) -> usize {
    let mut fields: Vec<usize> =
        after.decl.indexes.iter().filter(|index| index.per_element).map(|index| index.equals[0]).collect();
    fields.dedup();
    fields
        .into_iter()
        .map(|field| {
            let after = after.values[field].items();
            let before = before.map_or(&[][..], |before| before.values[field].items());
            after.len() + before.iter().filter(|element| !after.contains(element)).count()
        })
        .sum()
}
