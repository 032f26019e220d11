//! Operations as data: small, printable, and with a meaning whatever came before, so that a sequence from which some
//! are taken out is still one.

use crate::value::Kind;

/// A record of a pool: the same id in each tenant, so that walls between them are leant against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Its kind.
    pub kind: Kind,
    /// Which of the few of that kind.
    pub number: u8,
}

/// What a write does. A record that is there is mostly edited where it is to be created, and the other way round, so
/// that most commits have a chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Creates the record.
    Create,
    /// Writes some of the person's fields.
    Person,
    /// Writes some of the machine's fields; now and then with an announced crossing.
    Machine,
    /// Writes some of both.
    Both,
    /// Archives a live record, restores an archived one.
    Archive,
    /// Moves a lead or deal to another stage; other kinds are edited.
    Move,
}

/// On which read a write is based.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// On the record as it is.
    Current,
    /// On the record as it was so many commits before; the first there was, where there were not so many.
    Older(u8),
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteOp {
    /// Of which record.
    pub slot: Slot,
    /// What it does.
    pub how: How,
    /// On which read it is based.
    pub base: Base,
    /// Which fields get which values.
    pub seed: u64,
}

/// One guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardOp {
    /// Of which record.
    pub slot: Slot,
    /// At its version, or at the one before.
    pub stale: bool,
}

/// What happens to a claim, which is one among the records of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimMove {
    /// The record takes it.
    Take(Slot),
    /// The record releases it.
    Release(Slot),
    /// Its holder, whoever of the kind that is, releases it.
    Free(Kind),
    /// Its holder hands it over to the record.
    HandOver(Slot),
    /// The first hands it over to the other of its kind.
    Transfer(Slot, u8),
}

impl ClaimMove {
    /// Among which kind.
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

/// One commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitOp {
    /// In which of the tenants.
    pub tenant: u8,
    /// Its writes; a record that is named twice is written once.
    pub writes: Vec<WriteOp>,
    /// Its guards; a record that is written is not guarded.
    pub guards: Vec<GuardOp>,
    /// Its claims: which of the few of the kind, and what happens to it. A claim that is named twice is moved once.
    pub claims: Vec<(u8, ClaimMove)>,
    /// Its idempotency key: which of the few.
    pub key: Option<u8>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Commits.
    Commit(CommitOp),
    /// Sends again a commit that was stored: the so-manieth last of those that wrote something.
    Again {
        /// Which, counted from the last.
        back: u8,
    },
    /// Lets time pass.
    Wait {
        /// How long.
        minutes: u8,
    },
    /// Gets a record, the holder of a claim and a key.
    Get {
        /// In which of the tenants.
        tenant: u8,
        /// Which record.
        slot: Slot,
        /// Which claim of the record's kind.
        claim: u8,
        /// Which key.
        key: u8,
    },
    /// Walks a list to its end.
    List {
        /// In which of the tenants.
        tenant: u8,
        /// Of which kind.
        kind: Kind,
        /// By which index, under which equals, with which filter.
        seed: u64,
        /// Which way.
        descending: bool,
        /// How many a page.
        limit: u8,
    },
    /// Walks the history of a record to its end.
    History {
        /// In which of the tenants.
        tenant: u8,
        /// Of which record.
        slot: Slot,
        /// Of which field, or of all.
        seed: u64,
        /// Which way.
        descending: bool,
        /// How many a page.
        limit: u8,
    },
    /// Walks a tenant's log, and the stage moves of its pipelines, to the end.
    Log {
        /// In which of the tenants.
        tenant: u8,
        /// From when until when.
        seed: u64,
        /// Which way.
        descending: bool,
        /// How many a page.
        limit: u8,
    },
    /// Gets the definitions.
    Definitions {
        /// In which of the tenants.
        tenant: u8,
    },
}
