//! Why a store could not do what it was asked: each variant tells the core what to do next.

use std::sync::Arc;

use super::Claim;
use crate::{
    schema::Versions,
    value::{Ref, WrongType},
};

/// A boxed cause, shareable.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// Why a store could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// A write or guard names a version that is not the record's (or a new record exists already). Nothing was stored.
    #[error("{record} has changed since it was read")]
    Conflict {
        /// Which record; the first in the commit's order.
        record: Ref,
        /// The versions it has; `None` where it does not exist.
        current: Option<Versions>,
    },
    /// A claim that the commit takes is held by another record. Nothing was stored.
    #[error("a unique value of `{}` is taken", claim.name)]
    Claimed {
        /// Which claim.
        claim: Claim,
        /// Who holds it.
        holder: Ref,
    },
    /// The idempotency key of the commit is there already. Nothing was stored.
    #[error("the idempotency key has been used")]
    KeyUsed,
    /// A reference names a record that does not exist in the tenant. Nothing was stored. Only stores with foreign keys
    /// find this; the core has checked references before.
    #[error("a reference names a record that does not exist")]
    Dangling,
    /// Larger than a store can hold. Nothing was stored.
    #[error("{what} is past the limit of {limit}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
    /// The query names an index or a position that cannot be: a fault of the caller.
    #[error("bad query: {0}")]
    BadQuery(String),
    /// The store cannot be reached, or is too busy, and surely did nothing: safe to retry.
    #[error("the store is unavailable: {0}")]
    Unavailable(Cause),
    /// Nobody knows whether the commit was stored: the answer was lost. Send the same commit again.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(Cause),
    /// What is stored cannot be read as what is declared.
    #[error("the store holds what cannot be read: {0}")]
    Corrupt(Cause),
}

impl StoreError {
    /// True where a commit was refused for what it asks or meets, so that nothing of it was stored by this try.
    pub const fn is_verdict(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. } | Self::Claimed { .. } | Self::KeyUsed | Self::Dangling | Self::TooLarge { .. }
        )
    }

    /// The store did nothing, for a reason given as text.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable(text(reason))
    }

    /// The outcome is unknown, for a reason given as text.
    pub fn outcome_unknown(reason: impl Into<String>) -> Self {
        Self::OutcomeUnknown(text(reason))
    }

    /// What is stored cannot be read, for a reason given as text.
    pub fn corrupt(reason: impl Into<String>) -> Self {
        Self::Corrupt(text(reason))
    }
}

impl From<WrongType> for StoreError {
    fn from(wrong: WrongType) -> Self {
        Self::Corrupt(Arc::new(wrong))
    }
}

fn text(reason: impl Into<String>) -> Cause {
    let boxed: Box<dyn std::error::Error + Send + Sync> = reason.into().into();
    Arc::from(boxed)
}
