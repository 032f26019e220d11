//! Errors of stores. Each variant determines how the core proceeds.

use std::sync::Arc;

use super::Claim;
use crate::model::{
    schema::Versions,
    value::{Ref, WrongType},
};

/// A shareable boxed cause.
pub type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// The reason a store could not carry out a request.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A write or guard names a version that is not the current one, or a new record already exists. Nothing was
    /// stored.
    #[error("{record} has changed since it was read")]
    Conflict {
        /// The record, the first in the commit's order.
        record: Ref,
        /// The current versions; `None` if the record does not exist.
        current: Option<Versions>,
    },
    /// A claim that the commit takes is held by another record. Nothing was stored.
    #[error("a unique value of `{}` is already in use", claim.name)]
    Claimed {
        /// The claim.
        claim: Claim,
        /// The holder of the claim.
        holder: Ref,
    },
    /// The idempotency key of the commit already exists. Nothing was stored.
    #[error("the idempotency key was already used")]
    KeyUsed,
    /// A reference names a record that does not exist in the tenant. Nothing was stored. Only stores with foreign keys
    /// detect this; the core has checked references before.
    #[error("a referenced record does not exist")]
    Dangling,
    /// The item is larger than a store can hold. Nothing was stored.
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge {
        /// The item that is too large.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The query contains an invalid index or position, which is an error of the caller.
    #[error("bad query: {0}")]
    BadQuery(String),
    /// The store is unreachable or overloaded and stored nothing: retrying is safe.
    #[error("the store is unavailable: {0}")]
    Unavailable(Cause),
    /// The response was lost, and it is unknown whether the commit was stored. Retry with the same commit.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(Cause),
    /// The stored data does not match the declarations.
    #[error("the store contains data that cannot be read: {0}")]
    Corrupt(Cause),
}

impl StoreError {
    /// Returns `true` if a commit was refused for its content or its conditions, so that this attempt stored nothing.
    pub const fn is_verdict(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. } | Self::Claimed { .. } | Self::KeyUsed | Self::Dangling | Self::TooLarge { .. }
        )
    }

    /// Creates a [`StoreError::Unavailable`] with a reason.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable(text(reason))
    }

    /// Creates a [`StoreError::OutcomeUnknown`] with a reason.
    pub fn outcome_unknown(reason: impl Into<String>) -> Self {
        Self::OutcomeUnknown(text(reason))
    }

    /// Creates a [`StoreError::Corrupt`] with a reason.
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
