//! What the database says, as what the core is to do next.

use std::sync::Arc;

use crm_core::{
    schema::Versions,
    store::{Claim, Commit, StoreError},
    value::{Id, Ref},
};
use serde::Deserialize;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// The SQLSTATE under which `crm.refuse_v1` raises a condition that does not hold, with JSON in the detail.
const CONDITION: &str = "CRM01";

/// Why a statement has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No connection was to be had: the statement was surely not sent.
    NotSent(sqlx::Error),
    /// It was sent, or may have been.
    Failed(sqlx::Error),
}

impl Failure {
    /// True where the server gave the transaction up for the sake of another, so that it can be tried again.
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

/// The error of a read: it did nothing, whatever happened.
pub(crate) fn of_read(failure: Failure) -> StoreError {
    match failure {
        Failure::NotSent(error) => unavailable(error),
        Failure::Failed(error) => match (&error, code(&error)) {
            (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_), _) => StoreError::Corrupt(Arc::new(error)),
            // Data exceptions: an operand that no value of the type can be.
            (_, Some(code)) if code.starts_with("22") => StoreError::BadQuery(error.to_string()),
            _ => unavailable(error),
        },
    }
}

/// The error of a write that has no conditions to fail. `in_transaction`: on the caller's own open transaction.
pub(crate) fn of_write(failure: Failure, in_transaction: bool) -> StoreError {
    match failure {
        Failure::Failed(error) if !in_transaction && is_unknown(&error) => StoreError::OutcomeUnknown(Arc::new(error)),
        other => of_read(other),
    }
}

/// Whether a write may have been done nevertheless: no word came from the server, or one that it, or a pooler before it,
/// ends the connection, which may have come after the commit.
fn is_unknown(error: &sqlx::Error) -> bool {
    match code(error) {
        Some(code) => ends_connection(error, &code),
        None => !matches!(error, sqlx::Error::Encode(_)),
    }
}

/// The error of a commit. `in_transaction`: on the caller's own open transaction, which a lost connection takes with it.
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
        // Two commits of one record met in a way that its versions did not show.
        "23505" => match commit.writes.first() {
            Some(write) => StoreError::Conflict { record: write.record(), current: None },
            None => unavailable(error),
        },
        "54000" => StoreError::TooLarge { what: "the bytes of one value in an index", limit: 2704 },
        other if other.starts_with("22") => StoreError::BadQuery(error.to_string()),
        // Any other word from the server means that it rolled back.
        _ => unavailable(error),
    }
}

/// Whether an error says more than that one statement failed: class 08 is a lost connection, 57P the server's going down,
/// 40003 a completion that is unknown, and whatever is fatal ends the session.
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
    /// The records that are not as the commit says, in no order.
    Conflicts(Vec<Conflict>),
    /// Of a claim, who was said to hold it.
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
    let unknown =
        || StoreError::corrupt(format!("the database refused a commit in a way unknown to this program: {error}"));
    match detail {
        Some(Condition::KeyUsed) => StoreError::KeyUsed,
        Some(Condition::Conflicts(all)) => {
            // The first in the commit's order.
            all.into_iter().min_by_key(|conflict| conflict.record).map_or_else(unknown, StoreError::from)
        }
        Some(Condition::Holder(conflict)) => conflict.into(),
        // Whoever holds a claim is of its kind.
        Some(Condition::Claimed { claim, holder_id }) => {
            let holder = Ref::new(claim.kind, holder_id);
            StoreError::Claimed { claim, holder }
        }
        None => unknown(),
    }
}

/// What cannot be decoded is damaged, or newer than this program.
pub(crate) fn corrupt(error: sqlx::Error) -> StoreError {
    StoreError::Corrupt(Arc::new(error))
}
