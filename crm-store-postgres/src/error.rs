//! Maps database errors to the errors of the core.

use std::sync::Arc;

use crm_core::{
    schema::Versions,
    store::{Claim, Commit, StoreError},
    value::{Id, Ref},
};
use serde::Deserialize;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// The SQLSTATE with which `crm.refuse_v1` reports a failed condition, with JSON in the detail.
const CONDITION: &str = "CRM01";

/// The reason why a statement has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection was available; the statement was certainly not sent.
    NotSent(sqlx::Error),
    /// The statement was sent, or may have been.
    Failed(sqlx::Error),
}

impl Failure {
    /// Returns `true` if the server aborted the transaction because of a concurrent one, so that it can be retried.
    pub(crate) fn is_contention(&self) -> bool {
        matches!(self, Failure::Failed(error) if matches!(code(error).as_deref(), Some("40001" | "40P01")))
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned))
}

fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(Arc::new(error))
}

/// Returns the error of a read. A failed read never has an effect.
pub(crate) fn of_read(failure: Failure) -> StoreError {
    match failure {
        Failure::NotSent(error) => unavailable(error),
        Failure::Failed(error) => match (&error, code(&error)) {
            (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_), _) => StoreError::Corrupt(Arc::new(error)),
            // Data exceptions: an operand is not a valid value of the type.
            (_, Some(code)) if code.starts_with("22") => StoreError::BadQuery(error.to_string()),
            _ => unavailable(error),
        },
    }
}

/// Returns the error of a write without conditions. `in_transaction` is `true` in the caller's own open transaction.
pub(crate) fn of_write(failure: Failure, in_transaction: bool) -> StoreError {
    match failure {
        Failure::Failed(error) if !in_transaction && is_unknown(&error) => StoreError::OutcomeUnknown(Arc::new(error)),
        other => of_read(other),
    }
}

/// Returns `true` if a write may have taken effect despite the error: there was no response, or the server (or a pooler
/// in front of it) reported the end of the connection, possibly after the commit.
fn is_unknown(error: &sqlx::Error) -> bool {
    match code(error) {
        Some(code) => ends_connection(error, &code),
        None => !matches!(error, sqlx::Error::Encode(_)),
    }
}

/// Returns the error of a commit. `in_transaction` is `true` in the caller's own open transaction, which a lost
/// connection rolls back.
pub(crate) fn of_commit(failure: Failure, commit: &Commit, in_transaction: bool) -> StoreError {
    let error = match failure {
        Failure::NotSent(error) => return unavailable(error),
        Failure::Failed(error) => error,
    };
    if !in_transaction && is_unknown(&error) {
        return StoreError::OutcomeUnknown(Arc::new(error));
    }
    match code(&error).unwrap_or_default().as_str() {
        CONDITION => condition(&error),
        "23503" => StoreError::Dangling,
        // Two commits wrote the same record in a way that its versions did not detect.
        "23505" => match commit.writes.first() {
            Some(write) => StoreError::Conflict { record: write.record(), current: None },
            None => unavailable(error),
        },
        "54000" => StoreError::TooLarge { what: "the bytes of one value in an index", limit: 2704 },
        other if other.starts_with("22") => StoreError::BadQuery(error.to_string()),
        // Any other error means that the server rolled back.
        _ => unavailable(error),
    }
}

/// Returns `true` if the error ended the connection: class 08 is a lost connection, 57P a server shutdown, 40003 an
/// unknown completion, and severity FATAL or PANIC ends the session.
fn ends_connection(error: &sqlx::Error, code: &str) -> bool {
    let severity = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        .map(PgDatabaseError::severity);
    code.starts_with("08")
        || code.starts_with("57P")
        || code == "40003"
        || matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic))
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Condition {
    KeyUsed,
    /// The records whose versions differ from those expected, in no particular order.
    Conflicts(Vec<Conflict>),
    /// The record that was expected to hold a claim.
    Holder(Conflict),
    Claimed {
        #[serde(flatten)]
        claim: Claim,
        holder_id: Id,
    },
}

#[derive(Deserialize)]
struct Conflict {
    #[serde(flatten)]
    record: Ref,
    versions: Option<Versions>,
}

impl From<Conflict> for StoreError {
    fn from(Conflict { record, versions }: Conflict) -> Self {
        StoreError::Conflict { record, current: versions }
    }
}

fn condition(error: &sqlx::Error) -> StoreError {
    let detail = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        .and_then(PgDatabaseError::detail)
        .and_then(|detail| serde_json::from_str::<Condition>(detail).ok());
    let unknown = || StoreError::corrupt(format!("the database refused a commit with an unknown error: {error}"));
    match detail {
        Some(Condition::KeyUsed) => StoreError::KeyUsed,
        Some(Condition::Conflicts(all)) => {
            // The first in the order of the commit.
            all.into_iter().min_by_key(|conflict| conflict.record).map_or_else(unknown, StoreError::from)
        }
        Some(Condition::Holder(conflict)) => conflict.into(),
        // The holder of a claim has the kind of the claim.
        Some(Condition::Claimed { claim, holder_id }) => {
            let holder = Ref::new(claim.kind, holder_id);
            StoreError::Claimed { claim, holder }
        }
        None => unknown(),
    }
}

/// Undecodable data is damaged or was written by a newer program.
pub(crate) fn corrupt(error: sqlx::Error) -> StoreError {
    StoreError::Corrupt(Arc::new(error))
}
