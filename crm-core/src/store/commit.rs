//! A commit: everything one decision changes, stored whole or not at all.

use std::{fmt::Write as _, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::StoreError;
use crate::{
    change::Change,
    credentials::record::CredentialFields,
    organizations::record::OrganizationFields,
    schema::{Group, Image, TypedField, Versions, common},
    sessions::record::SessionFields,
    users::record::UserFields,
    value::{Id, Kind, Ref, Time},
};

/// Items in one commit.
pub const MAX_COMMIT_ITEMS: usize = 100;
/// Bytes in one commit.
pub const MAX_COMMIT_BYTES: usize = 4 * 1024 * 1024;
/// Bytes in one record.
pub const MAX_RECORD_BYTES: usize = 128 * 1024;
/// A claimed value longer than this is claimed by its SHA-256.
const MAX_CLAIM_VALUE: usize = 256;

/// A value that at most one live record has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// Whose; [`Id::NIL`] for what is unique among all tenants (an organization's slug).
    pub tenant: Id,
    /// Among which kind: whoever holds it is of this kind.
    pub kind: Kind,
    /// The field, or the name of a composite.
    pub name: String,
    /// The value, or `sha256:…` of it where it is long.
    pub value: String,
}

impl Claim {
    /// The claim of a value; a value of more than 256 bytes is claimed by its SHA-256.
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

/// What a commit does to one claim. A commit names a claim once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimOp {
    /// It must be free (or held by this very record), and is then held by the record.
    Take {
        /// Which.
        claim: Claim,
        /// By whom.
        holder: Ref,
    },
    /// It must be held by the record, and is then free.
    Release {
        /// Which.
        claim: Claim,
        /// By whom.
        holder: Ref,
    },
    /// It must be held by the first, and is then held by the second.
    Transfer {
        /// Which.
        claim: Claim,
        /// By whom.
        from: Ref,
        /// By whom from now on.
        to: Ref,
    },
}

impl ClaimOp {
    /// Which claim.
    pub const fn claim(&self) -> &Claim {
        match self {
            ClaimOp::Take { claim, .. } | ClaimOp::Release { claim, .. } | ClaimOp::Transfer { claim, .. } => claim,
        }
    }

    /// Who must hold it before; `None` for [`ClaimOp::Take`].
    pub const fn held_before(&self) -> Option<Ref> {
        match self {
            ClaimOp::Take { .. } => None,
            ClaimOp::Release { holder, .. } => Some(*holder),
            ClaimOp::Transfer { from, .. } => Some(*from),
        }
    }

    /// Who holds it afterwards; `None` for [`ClaimOp::Release`].
    pub const fn held_after(&self) -> Option<Ref> {
        match self {
            ClaimOp::Take { holder, .. } => Some(*holder),
            ClaimOp::Release { .. } => None,
            ClaimOp::Transfer { to, .. } => Some(*to),
        }
    }
}

/// One record's write: what it was, what it is to be, and its changes in version order.
#[derive(Clone, Debug)]
pub struct Write {
    /// The record as it was read; `None` for a new one. Its versions are the write's condition: a new record must not
    /// exist, and of an old one each *written* group must still be at the version given here.
    pub before: Option<Arc<Image>>,
    /// The record as it is to be. A group is written where its version is greater than before; the fields of a group
    /// that is not written keep what is stored.
    pub after: Arc<Image>,
    /// The changes for the log. A machine write that is not worth logging has none.
    pub changes: Vec<Change>,
}

impl Write {
    /// The record.
    pub fn record(&self) -> Ref {
        self.after.reference()
    }

    /// The versions before; nought for a new record.
    pub fn base(&self) -> Versions {
        self.before.as_ref().map_or_else(Versions::default, |before| before.versions)
    }

    /// Whether a group is written. A new record is written whole.
    pub fn writes(&self, group: Group) -> bool {
        self.before.is_none() || self.after.versions.of(group) > self.base().of(group)
    }

    /// True for a record that must not exist yet.
    pub const fn is_new(&self) -> bool {
        self.before.is_none()
    }
}

/// A record that must still be at the person's version at which the decision read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Which record.
    pub record: Ref,
    /// The version of its person's group.
    pub version: u64,
}

/// What is kept under an idempotency key for 24 hours: enough to answer again, no bodies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// The key, as the caller gave it, within the tenant.
    pub key: String,
    /// A hash of what was asked.
    pub fingerprint: String,
    /// The commit that answered it.
    pub commit: Id,
    /// The records of the answer, in its order, with the versions they had.
    pub records: Vec<(Ref, Versions)>,
    /// When it may be forgotten. A key whose time has come counts as absent.
    pub expires_at: Time,
}

/// Everything one decision changes. Writes and guards are sorted by kind and id, claims by their order: the one order
/// in which stores lock.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its id. Sending a commit again after [`StoreError::OutcomeUnknown`] is safe.
    pub id: Id,
    /// Whose.
    pub tenant: Id,
    /// When it was decided.
    pub at: Time,
    /// The records written, each once.
    pub writes: Vec<Write>,
    /// The records that must not have changed, none of which is written.
    pub guards: Vec<Guard>,
    /// The claims taken, released and transferred, each once.
    pub claims: Vec<ClaimOp>,
    /// The idempotency key, stored with it.
    pub key: Option<KeyEntry>,
}

impl Commit {
    /// Brings writes, guards and claims into the one order.
    pub fn sort(&mut self) {
        self.writes.sort_by_key(Write::record);
        self.guards.sort_by_key(|guard| guard.record);
        self.claims.sort_by(|a, b| a.claim().cmp(b.claim()));
    }

    /// True where a definition is written: the store then sets the tenant's definitions epoch to [`Commit::id`].
    pub fn touches_definitions(&self) -> bool {
        self.writes.iter().any(|write| write.after.decl.is_definition)
    }

    /// True where it changes what somebody may do: the store then sets the tenant's access epoch to [`Commit::id`].
    ///
    /// That is: roles, teams, activity, archiving or external id of a user; a session that somebody else than its user
    /// ended; the generation of a user's sessions; anything of an API key but its last use; the status of the
    /// organization. What is new gives nobody rights that were looked up before, so creation is none, but for the
    /// organization's.
    pub fn touches_access(&self) -> bool {
        self.writes.iter().any(changes_access)
    }

    /// How many items the costliest store writes for it: what [`MAX_COMMIT_ITEMS`] bounds.
    ///
    /// Record images (and one more with long text), changes, claims, guards, the key, one entry for each element of a
    /// list-valued index that changed, the epochs (one for both), and an entry for a new organization.
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

    /// True where it makes an organization: a store may have to note that the tenant is there.
    pub fn makes_organization(&self) -> bool {
        self.writes.iter().any(|write| write.is_new() && write.after.kind() == Kind::Organization)
    }

    /// About how many bytes it has: what [`MAX_COMMIT_BYTES`] bounds.
    pub fn size(&self) -> usize {
        self.writes.iter().map(|write| write.after.size() + write.changes.iter().map(Change::size).sum::<usize>()).sum()
    }

    /// Holds the budget. The core calls this before every commit, and so does every store.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`].
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
    if !write.writes(Group::Person) {
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
        // Many users sign out of one tenant each day. Whoever ends their own session is not kept from what they may do:
        // the session is looked at again after a while, and no one else's rights are read anew.
        Kind::Session => {
            let user = before.at(SessionFields::user_id).as_id();
            let by_another = |change: &Change| change.by != user && change.action != "sign_out";
            archived && write.changes.iter().any(by_another)
        }
        _ => false,
    }
}

/// The items of one record's image: itself, its long texts, its entries in list-valued indexes.
pub(crate) fn record_items(before: Option<&Image>, after: &Image) -> usize {
    let long = after.has_long_text() || before.is_some_and(Image::has_long_text);
    1 + usize::from(long) + element_entries(before, after)
}

/// The elements of list-valued indexes (links, teams of a user) that a write puts, moves or takes out.
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
