//! What the database says, as what the core is to do next.

use std::sync::Arc;

use crm_core::{
    schema::Versions,
    store::{Claim, Commit, StoreError},
    value::{Id, Ref},
};
use serde::Deserialize;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// The SQLSTATE under which `crm.commit_v1` raises a condition that does not hold, with JSON in the detail.
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

/// The error of a commit. `in_transaction`: on the caller's own open transaction, which a lost connection takes with it.
pub(crate) fn of_commit(failure: Failure, commit: &Commit, in_transaction: bool) -> StoreError {
    let error = match failure {
        Failure::NotSent(error) => return unavailable(error),
        Failure::Failed(error) => error,
    };
    let Some(code) = code(&error) else {
        // No word from the server.
        let surely_not_stored = in_transaction || matches!(error, sqlx::Error::Encode(_));
        return if surely_not_stored { unavailable(error) } else { StoreError::OutcomeUnknown(Arc::new(error)) };
    };
    match code.as_str() {
        CONDITION => condition(&error),
        "23503" => StoreError::Dangling,
        // Two commits of one record met in a way that its versions did not show.
        "23505" => match commit.writes.first() {
            Some(write) => StoreError::Conflict { record: write.record(), current: None },
            None => unavailable(error),
        },
        "54000" => StoreError::TooLarge { what: "the bytes of one value in an index", limit: 2704 },
        // The server, or a pooler before it, ends the connection: the word may have come after the commit.
        _ if !in_transaction && ends_connection(&error, &code) => StoreError::OutcomeUnknown(Arc::new(error)),
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
    KeyUsed(#[allow(dead_code)] bool),
    Conflict {
        #[serde(flatten)]
        record: Ref,
        versions: Option<Versions>,
    },
    Claimed {
        #[serde(flatten)]
        claim: Claim,
        holder_kind: crm_core::value::Kind,
        holder_id: Id,
    },
}

fn condition(error: &sqlx::Error) -> StoreError {
    let detail = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
        .and_then(PgDatabaseError::detail)
        .and_then(|detail| serde_json::from_str::<Condition>(detail).ok());
    match detail {
        Some(Condition::KeyUsed(_)) => StoreError::KeyUsed,
        Some(Condition::Conflict { record, versions }) => StoreError::Conflict { record, current: versions },
        Some(Condition::Claimed { claim, holder_kind, holder_id }) => {
            StoreError::Claimed { claim, holder: Ref::new(holder_kind, holder_id) }
        }
        None => StoreError::corrupt(format!("the database refused a commit in a way unknown to this program: {error}")),
    }
}

/// What cannot be decoded is damaged, or newer than this program.
pub(crate) fn corrupt(error: sqlx::Error) -> StoreError {
    StoreError::Corrupt(Arc::new(error))
}
