//! What can go wrong with a use case. Each variant tells the caller what to do.

use std::fmt;

use crate::{
    access::grant::{Permission, Scope},
    schema::Versions,
    store::StoreError,
    value::{Fault, Id, Kind, Ref, Value},
};

/// One fault of one field.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct FieldFault {
    /// The field's name, `properties.key`, or a path into it such as `emails[1].email`.
    pub field: String,
    /// What is wrong, and what would be right.
    #[serde(flatten)]
    pub fault: Fault,
}

/// Every fault of an input, collected before anything is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Faults(Vec<FieldFault>);

impl Faults {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more. The same fault of the same field counts once.
    pub fn add(&mut self, field: impl Into<String>, fault: Fault) {
        let fault = FieldFault { field: field.into(), fault };
        if !self.0.contains(&fault) {
            self.0.push(fault);
        }
    }

    /// One more, from a code and a message.
    pub fn push(&mut self, field: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.add(field, Fault::new(code, message));
    }

    /// All of them.
    pub fn all(&self) -> &[FieldFault] {
        &self.0
    }

    /// True where nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing where nothing is wrong.
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

/// A field that was changed after a change that is to be undone.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedSince {
    /// The field's name, `properties.key` for a custom one.
    pub field: String,
    /// The value that the change left.
    pub left: Value,
    /// The value that it has now.
    pub current: Value,
}

/// Why a change cannot be undone.
#[derive(Clone, Debug, PartialEq)]
pub enum UndoRefusal {
    /// The commit did not change the record.
    NoSuchChange,
    /// Nothing of the change is left: it is undone already.
    AlreadyUndone,
    /// The record no longer holds what the change left. Fields that the actor may not see are not among these.
    ChangedSince(Vec<ChangedSince>),
    /// The change touched fields that the actor may not see.
    NotVisible,
    /// The log does not hold the value before the change: a secret, or a personal value that was erased. The field is
    /// named where the actor may see it.
    Forgotten(Option<String>),
    /// The change was computed by the CRM, not made by a user.
    Computed,
}

impl UndoRefusal {
    /// A stable name of the reason.
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
            Self::NoSuchChange => f.write_str("the commit did not change this record"),
            Self::AlreadyUndone => f.write_str("the change is already undone: there is nothing to undo"),
            Self::ChangedSince(fields) if fields.is_empty() => {
                f.write_str("the change cannot be undone: the record was changed since")
            }
            Self::ChangedSince(fields) => {
                f.write_str("the change cannot be undone: changed since: ")?;
                for (at, changed) in fields.iter().enumerate() {
                    write!(f, "{}{}", if at == 0 { "" } else { ", " }, changed.field)?;
                }
                Ok(())
            }
            Self::NotVisible => f.write_str("the change cannot be undone: it touched fields that the user may not see"),
            Self::Forgotten(Some(field)) => {
                write!(f, "the change cannot be undone: the log does not hold the former value of {field}")
            }
            Self::Forgotten(None) => f.write_str("the change cannot be undone: the log does not hold a former value"),
            Self::Computed => f.write_str("the change was computed by the CRM: it cannot be undone"),
        }
    }
}

/// Over which records a permission would have to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingScope {
    /// The scope that is required.
    pub needed: Scope,
    /// The widest in which the actor has the permission; `None` where not at all.
    pub held: Option<Scope>,
    /// True where the actor has it under a condition alone, which does not hold.
    pub conditional: bool,
}

fn forbidden(permission: Permission, field: Option<&str>, scope: Option<&MissingScope>) -> String {
    let field = field.map(|field| format!(" for the field {field}")).unwrap_or_default();
    let Some(MissingScope { needed, held, conditional }) = scope else {
        return format!("{permission} is missing{field}");
    };
    let has = match held {
        None => "you do not have it".to_owned(),
        Some(held) if *conditional => format!("you have it with scope {held}, under a condition"),
        Some(held) => format!("you have it with scope {held}"),
    };
    format!("{permission} with scope {needed} is required{field}; {has}")
}

fn taken(kind: Kind, field: &str) -> String {
    if field.is_empty() { format!("a unique value of the {kind} is taken") } else { format!("{kind}.{field} is taken") }
}

/// What can go wrong with a use case.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// There is no such record, or the actor may not see it, or it is another tenant's: nobody can tell which.
    #[error("there is no such {0}")]
    NotFound(Kind),
    /// Somebody else changed the record. Read it again and decide anew.
    #[error("{record} has changed since it was read")]
    Conflict {
        /// Which record.
        record: Ref,
        /// The versions it has now, where known.
        current: Option<Versions>,
        /// The fields that both changed, where known.
        fields: Vec<String>,
    },
    /// A change cannot be undone; [`UndoRefusal`] says why.
    #[error("{why}")]
    Undo {
        /// The record that stands against it.
        record: Ref,
        /// Why.
        why: UndoRefusal,
    },
    /// A unique value is taken. Choose another, or use the record that has it.
    #[error("{}", taken(*kind, field))]
    Duplicate {
        /// Of which kind.
        kind: Kind,
        /// Of which field; empty where the actor may not see it.
        field: String,
    },
    /// The input is wrong: every fault at once. Mend it.
    #[error("invalid input: {0}")]
    Invalid(Faults),
    /// The actor may not act at all: the user was deactivated or archived, their session or API key is over, or the
    /// organization by which they signed in is suspended. Sign in again.
    #[error("the user may no longer act, or the session or API key has ended: sign in again")]
    Unauthenticated,
    /// The actor would get more rights than they have, and nobody gives themselves any. Ask another administrator.
    #[error(
        "{field}: nobody raises their own rights, makes themselves active again or restores themselves; ask another administrator"
    )]
    OwnRights {
        /// The field that may not be written so.
        field: &'static str,
    },
    /// The actor may not do this.
    #[error("not permitted: {}", forbidden(*permission, field.as_deref(), scope.as_ref()))]
    Forbidden {
        /// The permission that is missing.
        permission: Permission,
        /// The field that may not be written, where it is a field.
        field: Option<String>,
        /// The scope that is missing, where the permission alone is not enough.
        scope: Option<MissingScope>,
    },
    /// More than a commit, a record or a list can hold.
    #[error("{what} is past the limit of {limit}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
    /// The idempotency key was used for something else. Use a new key.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The store cannot be reached or is too busy; nothing happened. Try again.
    #[error("{0}")]
    Unavailable(StoreError),
    /// Nobody knows whether the commit was stored. Try again with the same idempotency key, or look.
    #[error("the outcome of commit {commit} is unknown")]
    OutcomeUnknown {
        /// The commit.
        commit: Id,
    },
    /// The record was written by a process whose clock is ahead of this one's by more than is allowed
    /// ([`crate::Builder::max_clock_skew`]): nothing was stored. Set the clocks right, or wait until then.
    #[error(
        "{record} was written at {written_at} by a clock that is ahead: here it is {now}. Set the clocks right, or try again after \
         that time"
    )]
    ClockSkew {
        /// Which record.
        record: Ref,
        /// When it was last written, by that clock.
        written_at: crate::value::Time,
        /// What time it is by this process' clock.
        now: crate::value::Time,
    },
    /// The store holds what cannot be read, or broke its contract.
    #[error("the store is damaged: {0}")]
    Damaged(StoreError),
}

impl Error {
    /// One fault of one field.
    pub fn invalid(field: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        let mut faults = Faults::new();
        faults.push(field, code, message);
        Error::Invalid(faults)
    }

    /// A missing permission.
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
            StoreError::BadQuery(reason) => Error::invalid("cursor", "bad_cursor", reason),
            StoreError::Dangling => Error::invalid("", "dangling", "a reference names a record that does not exist"),
            StoreError::Unavailable(_) => Error::Unavailable(error),
            StoreError::OutcomeUnknown(_) => Error::OutcomeUnknown { commit: Id::NIL },
            StoreError::Corrupt(_) => Error::Damaged(error),
        }
    }
}

impl From<crate::value::WrongType> for Error {
    fn from(wrong: crate::value::WrongType) -> Self {
        Error::Damaged(wrong.into())
    }
}
