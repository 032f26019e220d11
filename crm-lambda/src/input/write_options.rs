//! Write options: everything that a write takes in addition to its body (the time at which it happened, dry run,
//! idempotency key, required version). They are one extractor, so that no write omits an option or accepts an unknown
//! parameter.

use axum::{extract::FromRequestParts, http::request::Parts};
use crm_core::value::Time;

use super::{IdempotencyKey, IfMatch, Params};
use crate::problem::Problem;

/// The options of a write.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// `occurred_at`: the time at which the change happened, if it is not now.
    pub(crate) occurred_at: Option<Time>,
    /// `dry_run`: return the result without committing.
    pub(crate) dry_run: bool,
    /// `Idempotency-Key`.
    pub(crate) key: Option<String>,
    /// `If-Match`: the user version that the record must have.
    pub(crate) version: Option<u64>,
}

/// The options of a write. `KEY` and `VERSION` say whether the write reads the idempotency key and the version; a
/// header that it does not read is ignored.
#[derive(Clone, Debug)]
pub(crate) struct WriteOptions<const KEY: bool, const VERSION: bool>(pub(crate) Options);

/// Options of a create: there is no version yet.
pub(crate) type CreateOptions = WriteOptions<true, false>;
/// Options of an update: it is idempotent without a key.
pub(crate) type UpdateOptions = WriteOptions<false, true>;
/// Options of any other write to a record.
pub(crate) type ActionOptions = WriteOptions<true, true>;

impl<S: Send + Sync, const KEY: bool, const VERSION: bool> FromRequestParts<S> for WriteOptions<KEY, VERSION> {
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
