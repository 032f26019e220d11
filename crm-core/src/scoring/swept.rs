//! What a sweep came to.

use crate::{
    error::{Error, Faults},
    value::{Id, Ref},
};

/// What a sweep came to.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// Marks that were looked at.
    pub due: u64,
    /// Records that were scored.
    pub scored: u64,
    /// Those of them whose score was not what it is now.
    pub written: u64,
    /// True where the time was up before all that was due was done: sweep again.
    pub more: bool,
    /// Active models that no longer make sense, with what is wrong: their records keep the scores they have.
    pub broken: Vec<(Id, Faults)>,
    /// Records whose score could not be written (one that has no room left for it), with why: they keep the score they
    /// have, and are tried again after the model's `refresh_hours`.
    pub failed: Vec<(Ref, Error)>,
}

/// What sweeping all tenants came to.
#[derive(Clone, Debug, Default)]
pub struct SweptAll {
    /// The tenants that had something due, in the order of their turns; one with much to do several times.
    pub swept: Vec<(Id, Swept)>,
    /// Tenants that could not be swept, with why.
    pub failed: Vec<(Id, Error)>,
    /// True where the time was up before all that was due was done.
    pub more: bool,
}
