//! Why a decision stops: it needs something that has not been read, or it refuses.

use crate::model::{
    error::Error,
    store::Want,
    value::{Kind, Ref, WrongType},
};

/// Something a decision needs to have read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// A record or a key.
    Want(Want),
    /// The whole history of a record.
    History(Ref),
}

impl From<Ref> for Lookup {
    fn from(record: Ref) -> Self {
        Lookup::Want(Want::Record(record))
    }
}

/// Why a decision stops.
#[derive(Debug)]
pub enum Stop {
    /// It needs these; then it decides again.
    Need(Vec<Lookup>),
    /// It refuses.
    Refuse(Error),
}

impl Stop {
    pub(crate) const fn not_found(kind: Kind) -> Self {
        Stop::Refuse(Error::NotFound(kind))
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Refuse(error)
    }
}

impl From<WrongType> for Stop {
    fn from(wrong: WrongType) -> Self {
        Stop::Refuse(wrong.into())
    }
}
