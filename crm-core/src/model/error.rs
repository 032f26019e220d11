//! Errors of use cases. Each variant determines how the caller should proceed.

use std::fmt;

use crate::model::{
    access::{Permission, Scope},
    schema::Versions,
    store::{CommitId, StoreError},
    value::{Fault, FaultCode, Kind, Ref, Value},
};

/// A fault of one field.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct FieldFault {
    /// The name of the field, `properties.key`, or a path into it such as `emails[1].email`.
    pub field: String,
    /// The fault, with a message that says what is accepted.
    #[serde(flatten)]
    pub fault: Fault,
}

/// All faults of an input, collected before it is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Faults(Vec<FieldFault>);

impl Faults {
    /// Creates an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault. An identical fault of the same field is added once.
    pub fn add(&mut self, field: impl Into<String>, fault: Fault) {
        let fault = FieldFault { field: field.into(), fault };
        if !self.0.contains(&fault) {
            self.0.push(fault);
        }
    }

    /// Adds a fault with a code and a message.
    pub fn push(&mut self, field: impl Into<String>, code: FaultCode, message: impl Into<String>) {
        self.add(field, Fault::new(code, message));
    }

    /// Returns all faults.
    pub fn all(&self) -> &[FieldFault] {
        &self.0
    }

    /// Returns `true` if there are no faults.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `Ok` if there are no faults.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all faults.
    pub fn into_result(self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(Error::Invalid(self)) }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, FieldFault { field, fault }) in self.0.iter().enumerate() {
            write!(f, "{}{field}: {}", if at == 0 { "" } else { "; " }, fault.message)?;
        }
        Ok(())
    }
}

/// A field that was changed after the change to be undone.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedSince {
    /// The name of the field; `properties.key` for a custom one.
    pub field: String,
    /// The value that the change wrote.
    pub left: Value,
    /// The current value.
    pub current: Value,
}

/// The reason a change cannot be undone.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum UndoRefusal {
    /// The commit did not change the record.
    NoSuchChange,
    /// The change has already been undone.
    AlreadyUndone,
    /// The record no longer has the values that the change wrote. Fields that the actor may not see are not listed.
    ChangedSince(Vec<ChangedSince>),
    /// The change touched fields that the actor may not see.
    NotVisible,
    /// The log does not contain the value before the change: a secret, or a personal value that was erased. Names the
    /// field if the actor may see it.
    Forgotten(Option<String>),
    /// The change was computed by the CRM, not made by a user.
    Computed,
}

impl UndoRefusal {
    /// Returns a stable code for the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoSuchChange => "change_not_found",
            Self::AlreadyUndone => "already_undone",
            Self::ChangedSince(_) => "changed_since",
            Self::NotVisible => "not_visible",
            Self::Forgotten(_) => "forgotten",
            Self::Computed => "computed",
        }
    }
}

impl fmt::Display for UndoRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchChange => f.write_str("this record was not changed by the commit"),
            Self::AlreadyUndone => f.write_str("the change is already undone"),
            Self::ChangedSince(fields) if fields.is_empty() => {
                f.write_str("the change cannot be undone: the record has changed since")
            }
            Self::ChangedSince(fields) => {
                f.write_str("the change cannot be undone: these fields have changed since: ")?;
                for (at, changed) in fields.iter().enumerate() {
                    write!(f, "{}{}", if at == 0 { "" } else { ", " }, changed.field)?;
                }
                Ok(())
            }
            Self::NotVisible => {
                f.write_str("the change cannot be undone: it includes fields that are not visible to the user")
            }
            Self::Forgotten(Some(field)) => {
                write!(f, "the change cannot be undone: the log does not contain the previous value of {field}")
            }
            Self::Forgotten(None) => {
                f.write_str("the change cannot be undone: the log does not contain a previous value")
            }
            Self::Computed => f.write_str("the change cannot be undone: it was computed by the CRM"),
        }
    }
}

/// The scope in which a permission is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingScope {
    /// The required scope.
    pub needed: Scope,
    /// The widest scope in which the actor has the permission; `None` if the actor does not have it.
    pub held: Option<Scope>,
    /// `true` if the actor has it only under a condition that does not match.
    pub conditional: bool,
}

fn forbidden(permission: Permission, field: Option<&str>, scope: Option<&MissingScope>) -> String {
    let field = field.map(|field| format!(" for the field {field}")).unwrap_or_default();
    let Some(MissingScope { needed, held, conditional }) = scope else {
        return format!("{permission} is missing{field}");
    };
    let has = match held {
        None => "the user does not have it".to_owned(),
        Some(held) if *conditional => format!("the user has it with scope {held} under a condition"),
        Some(held) => format!("the user has it with scope {held}"),
    };
    format!("{permission} with scope {needed} is required{field}; {has}")
}

fn taken(kind: Kind, field: &str) -> String {
    if field.is_empty() {
        format!("a unique value of the {kind} is already in use")
    } else {
        format!("{kind}.{field} is already in use")
    }
}

/// The errors of use cases.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The record does not exist, the actor may not see it, or it belongs to another tenant. The cases cannot be distinguished.
    #[error("{0} not found")]
    NotFound(Kind),
    /// The record was changed concurrently. Read it again and retry.
    #[error("{record} has changed since it was read")]
    Conflict {
        /// The record.
        record: Ref,
        /// The current versions, if known.
        current: Option<Versions>,
        /// The fields that both changed, if known.
        fields: Vec<String>,
    },
    /// The change cannot be undone, for the given reason.
    #[error("{why}")]
    Undo {
        /// The record that prevents it.
        record: Ref,
        /// The reason.
        why: UndoRefusal,
    },
    /// A unique value is taken. Choose another, or use the record that has it.
    #[error("{}", taken(*kind, field))]
    Duplicate {
        /// The kind of the record.
        kind: Kind,
        /// The name of the field; empty if the actor may not see it.
        field: String,
    },
    /// The input is invalid. Contains all faults at once.
    #[error("invalid input: {0}")]
    Invalid(Faults),
    /// The actor may not act at all: the user was deactivated or archived, the session or API key has expired, or the
    /// organization through which they signed in is suspended. Sign in again.
    #[error("the user is no longer active, or the session or API key has expired: sign in again")]
    Unauthenticated,
    /// The write would extend the actor's own permissions, which users cannot do themselves. Ask another administrator.
    #[error(
        "{field}: users cannot raise their own permissions, reactivate themselves or restore themselves; ask another administrator"
    )]
    OwnRights {
        /// The field that the actor may not write.
        field: &'static str,
    },
    /// The actor lacks a permission.
    #[error("not permitted: {}", forbidden(*permission, field.as_deref(), scope.as_ref()))]
    Forbidden {
        /// The missing permission.
        permission: Permission,
        /// The field that may not be written, if a field permission is missing.
        field: Option<String>,
        /// The missing scope, if the actor's permission is too narrow.
        scope: Option<MissingScope>,
    },
    /// The item is larger than a commit, a record or a list can hold.
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge {
        /// The item that is too large.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The idempotency key was used for a different request. Use a new key.
    #[error("the idempotency key was already used for a different request")]
    KeyReused,
    /// The store is unreachable or overloaded. Nothing was written; try again.
    #[error("{0}")]
    Unavailable(StoreError),
    /// It is unknown whether the commit was stored. Retry with the same idempotency key, or look for the commit in the history.
    #[error("the outcome of commit {commit} is unknown")]
    OutcomeUnknown {
        /// The id of the commit.
        commit: CommitId,
    },
    /// The record was written by a process whose clock is ahead of this one's by more than the allowed skew
    /// ([`crate::Builder::max_clock_skew`]). Nothing was stored. Correct the clocks, or wait until that time.
    #[error(
        "{record} was written at {written_at} by a clock that is ahead: here it is {now}. Correct the clocks, or try again after \
         that time"
    )]
    ClockSkew {
        /// The record.
        record: Ref,
        /// The time of the last write, by the other clock.
        written_at: crate::model::value::Time,
        /// The current time, by the clock of this process.
        now: crate::model::value::Time,
    },
    /// The store contains data that cannot be read, or violated its contract.
    #[error("invalid data in the store: {0}")]
    Damaged(StoreError),
}

impl Error {
    /// Creates an invalid-input error with one fault.
    pub fn invalid(field: impl Into<String>, code: FaultCode, message: impl Into<String>) -> Self {
        let mut faults = Faults::new();
        faults.push(field, code, message);
        Error::Invalid(faults)
    }

    /// Creates an error for a missing permission.
    pub const fn forbidden(permission: Permission) -> Self {
        Error::Forbidden { permission, field: None, scope: None }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { record, current } => Error::Conflict { record, current, fields: Vec::new() },
            StoreError::Claimed { claim, .. } => Error::Duplicate { kind: claim.kind, field: claim.name },
            StoreError::TooLarge { what, limit } => Error::TooLarge { what, limit },
            StoreError::KeyUsed => Error::KeyReused,
            StoreError::BadQuery(reason) => Error::invalid("cursor", FaultCode::BadCursor, reason),
            StoreError::Dangling => Error::invalid("", FaultCode::Dangling, "a referenced record does not exist"),
            StoreError::Unavailable(_) => Error::Unavailable(error),
            StoreError::OutcomeUnknown(_) => Error::OutcomeUnknown { commit: CommitId::NIL },
            StoreError::Corrupt(_) => Error::Damaged(error),
        }
    }
}

impl From<crate::model::value::WrongType> for Error {
    fn from(wrong: crate::model::value::WrongType) -> Self {
        Error::Damaged(wrong.into())
    }
}
