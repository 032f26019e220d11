//! The ways in which a decision stops: it needs records that have not been read, or it refuses.

use crate::model::{
    error::Error,
    store::Want,
    value::{Kind, Ref, WrongType},
};

/// Something that a decision needs to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lookup {
    /// A record, a claim or an idempotency key.
    Want(Want),
    /// The complete history of a record.
    History(Ref),
}

impl From<Ref> for Lookup {
    fn from(record: Ref) -> Self {
        Lookup::Want(Want::Record(record))
    }
}

/// The reason why a decision stops.
#[derive(Debug)]
pub enum Stop {
    /// The decision needs these lookups and is made again once they are read.
    Need(Vec<Lookup>),
    /// The decision refuses the write.
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
