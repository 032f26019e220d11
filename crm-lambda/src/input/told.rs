//! What a write is told besides its body: when it was true, whether it is only to be planned, under which idempotency key,
//! and which version it holds to. One extractor, so that no write forgets a part of it, and none takes a parameter that
//! nobody knows.

use axum::{extract::FromRequestParts, http::request::Parts};
use crm_core::value::Time;

use super::{IdempotencyKey, IfMatch, Params};
use crate::problem::Problem;

/// What a write is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// `occurred_at`: when it was true, where that is not now.
    pub(crate) occurred_at: Option<Time>,
    /// `dry_run`: say what it would do.
    pub(crate) dry_run: bool,
    /// `Idempotency-Key`.
    pub(crate) key: Option<String>,
    /// `If-Match`: the person's version that the record must still have.
    pub(crate) version: Option<u64>,
}

/// The options of a write, and whether it looks at an idempotency key and at a version: what it does not look at counts
/// as not sent.
#[derive(Clone, Debug)]
pub(crate) struct Told<const KEY: bool, const VERSION: bool>(pub(crate) Options);

/// Of a write that makes a record: there is no version yet.
pub(crate) type Making = Told<true, false>;
/// Of a write that sets fields: done twice it is what it was once.
pub(crate) type Setting = Told<false, true>;
/// Of any other write to a record.
pub(crate) type Acting = Told<true, true>;

impl<S: Send + Sync, const KEY: bool, const VERSION: bool> FromRequestParts<S> for Told<KEY, VERSION> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mut params = Params::from_request_parts(parts, state).await?;
        let occurred_at = params.read("occurred_at", "a time such as 2024-01-31T09:30:00Z")?;
        let dry_run = params.read("dry_run", "true or false")?.unwrap_or(false);
        params.done()?;
        let key = if KEY { IdempotencyKey::from_request_parts(parts, state).await?.0 } else { None };
        let version = if VERSION { IfMatch::from_request_parts(parts, state).await?.0 } else { None };
        Ok(Self(Options { occurred_at, dry_run, key, version }))
    }
}
