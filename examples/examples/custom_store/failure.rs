//! Internal errors and their conversion to [`StoreError`], whose variants tell the core what to do next.

use std::sync::Arc;

use crm_core::store::StoreError;

/// The reason why a call failed.
#[derive(Debug)]
pub enum Failure {
    /// An error defined by the contract: a conflict, a claim that is taken, a bad query.
    Refused(StoreError),
    /// The engine failed before anything was stored.
    Engine(redb::Error),
    /// A row cannot be decoded.
    Row(serde_json::Error),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Engine(error) => StoreError::Unavailable(Arc::new(error)),
            Failure::Row(error) => StoreError::Corrupt(Arc::new(error)),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Refused(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Failure::Row(error)
    }
}

/// The engine has an error type for each step. All of them mean that nothing was stored.
macro_rules! engine {
    ($($error:ty),*) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Failure::Engine(error.into())
            }
        })*
    };
}
engine!(redb::StorageError, redb::TableError, redb::TransactionError, redb::DatabaseError);
