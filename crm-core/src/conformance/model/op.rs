//! Operations as data: small, printable, and meaningful in any context, so that a sequence stays valid when operations
//! are removed.

use crate::model::value::Kind;

/// A record of a pool. It has the same id in each tenant, to test the isolation of tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The kind of the record.
    pub kind: Kind,
    /// The number of the record among those of its kind.
    pub number: u8,
}

/// The effect of a write. To let most commits succeed, a creation of an existing record mostly becomes an edit, and
/// vice versa.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Creates the record.
    Create,
    /// Writes some fields of the user group.
    Person,
    /// Writes some fields of the machine group, sometimes with an announced one.
    Machine,
    /// Writes some fields of both groups.
    Both,
    /// Archives a live record, or restores an archived one.
    Archive,
    /// Moves a lead or deal to another stage; records of other kinds are edited.
    Move,
}

/// The state that a write is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The current state.
    Current,
    /// The state this many commits ago, or the first one.
    Older(u8),
}

/// A write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteOp {
    /// The record.
    pub slot: Slot,
    /// The effect.
    pub how: How,
    /// The state that it is based on.
    pub base: Base,
    /// The seed of the fields and values.
    pub seed: u64,
}

/// A guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardOp {
    /// The record.
    pub slot: Slot,
    /// `true` for the previous version, `false` for the current one.
    pub stale: bool,
}

/// An operation on a claim, which belongs to the records of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimMove {
    /// The record takes it.
    Take(Slot),
    /// The record releases it.
    Release(Slot),
    /// Its current holder of the kind releases it.
    Free(Kind),
    /// Its holder transfers it to the record.
    HandOver(Slot),
    /// The first record transfers it to another of its kind.
    Transfer(Slot, u8),
}

impl ClaimMove {
    /// Returns the kind of the claim.
    pub(super) const fn kind(self) -> Kind {
        match self {
            ClaimMove::Take(slot)
            | ClaimMove::Release(slot)
            | ClaimMove::HandOver(slot)
            | ClaimMove::Transfer(slot, _) => slot.kind,
            ClaimMove::Free(kind) => kind,
        }
    }
}

/// A commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitOp {
    /// The number of the tenant.
    pub tenant: u8,
    /// The writes. A record that occurs twice is written once.
    pub writes: Vec<WriteOp>,
    /// The guards. A record that is written is not guarded.
    pub guards: Vec<GuardOp>,
    /// The claims: the number of the claim of its kind, and the operation. A claim that occurs twice is changed once.
    pub claims: Vec<(u8, ClaimMove)>,
    /// The number of the idempotency key, if any.
    pub key: Option<u8>,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Commits.
    Commit(CommitOp),
    /// Resends a stored commit, counted from the last of those that wrote something.
    Again {
        /// The number of the commit, counted from the last.
        back: u8,
    },
    /// Advances the clock.
    Wait {
        /// The duration in minutes.
        minutes: u8,
    },
    /// Gets a record, the holder of a claim and a key.
    Get {
        /// The number of the tenant.
        tenant: u8,
        /// The record.
        slot: Slot,
        /// The number of the claim of the record's kind.
        claim: u8,
        /// The number of the key.
        key: u8,
    },
    /// Reads a list to its end.
    List {
        /// The number of the tenant.
        tenant: u8,
        /// The kind.
        kind: Kind,
        /// The seed of index, equals and filter.
        seed: u64,
        /// The direction.
        descending: bool,
        /// The page size.
        limit: u8,
    },
    /// Reads the history of a record to its end.
    History {
        /// The number of the tenant.
        tenant: u8,
        /// The record.
        slot: Slot,
        /// The seed of the field, or of all fields.
        seed: u64,
        /// The direction.
        descending: bool,
        /// The page size.
        limit: u8,
    },
    /// Reads a tenant's log, and the stage moves of its pipelines, to the end.
    Log {
        /// The number of the tenant.
        tenant: u8,
        /// The seed of the period.
        seed: u64,
        /// The direction.
        descending: bool,
        /// The page size.
        limit: u8,
    },
    /// Gets the definitions.
    Definitions {
        /// The number of the tenant.
        tenant: u8,
    },
}
