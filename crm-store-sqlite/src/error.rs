//! Maps failures inside the store to the errors of the core.

use std::sync::Arc;

use crm_core::store::StoreError;
use rusqlite::ErrorCode;

/// The reason why an operation on the file failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A condition of the contract, or data that cannot be read.
    Refused(StoreError),
    /// An error of SQLite.
    Engine(rusqlite::Error),
}

impl Failure {
    /// Returns `true` for an error after which SQLite cannot continue the transaction: no space, no memory, an I/O
    /// error or a damaged file.
    pub(crate) fn ends_transaction(&self) -> bool {
        use ErrorCode::{
            CannotOpen, DatabaseCorrupt, DiskFull, NotADatabase, OperationInterrupted, OutOfMemory, ReadOnly,
            SystemIoFailure,
        };
        let code = if let Self::Engine(error) = self { error.sqlite_error_code() } else { None };
        matches!(
            code,
            Some(
                CannotOpen
                    | DatabaseCorrupt
                    | DiskFull
                    | NotADatabase
                    | OperationInterrupted
                    | OutOfMemory
                    | ReadOnly
                    | SystemIoFailure
            )
        )
    }

    /// Returns `true` if the file is damaged or no database.
    pub(crate) fn is_damage(&self) -> bool {
        let code = if let Self::Engine(error) = self { error.sqlite_error_code() } else { None };
        matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        let is_damage = failure.is_damage();
        match failure {
            Failure::Refused(error) => error,
            Failure::Engine(error) => match error {
                _ if is_damage => StoreError::Corrupt(Arc::new(error)),
                // A column does not have the type that is read.
                rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..) => StoreError::Corrupt(Arc::new(error)),
                _ => StoreError::Unavailable(Arc::new(error)),
            },
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Refused(StoreError::Corrupt(Arc::new(error)))
    }
}
