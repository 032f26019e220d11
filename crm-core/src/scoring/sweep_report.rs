//! The result of a sweep.

use crate::{
    model::{
        error::{Error, Faults},
        value::{Id, Ref},
    },
    scoring::ScoringModel,
};

/// The result of a sweep of one tenant.
#[derive(Clone, Debug, Default)]
pub struct SweepReport {
    /// Marks that were processed.
    pub due: u64,
    /// Records that were scored.
    pub scored: u64,
    /// Scored records whose score changed.
    pub written: u64,
    /// `true` if time ran out before all due work was done: sweep again.
    pub more: bool,
    /// Active models that are no longer valid, with their faults. Their records keep their scores.
    pub broken: Vec<(Id<ScoringModel>, Faults)>,
    /// Records whose score could not be written (for example because the record has no room left), with the error. They
    /// keep their score and are tried again after the model's `refresh_hours`.
    pub failed: Vec<(Ref, Error)>,
}

/// The result of a sweep of all tenants.
#[derive(Clone, Debug, Default)]
pub struct SweepAllReport {
    /// The tenants with due records, in the order of their turns; a tenant with many appears several times.
    pub swept: Vec<(Id, SweepReport)>,
    /// Tenants that could not be swept, with the error.
    pub failed: Vec<(Id, Error)>,
    /// `true` if time ran out before all due work was done.
    pub more: bool,
}
