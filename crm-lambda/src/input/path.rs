//! Ids in paths. A malformed id returns 404, as an unknown id does.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use crm_core::value::{Any, Id};

use crate::problem::Problem;

/// The id of a path with one id.
#[derive(Debug)]
pub(crate) struct IdPath<K = Any>(pub(crate) Id<K>);

impl<S: Send + Sync, K> FromRequestParts<S> for IdPath<K> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await.ok();
        let id = params.as_ref().and_then(|params| params.iter().find(|(name, _)| *name == "id"));
        let id: Option<Id<K>> = id.and_then(|(_, value)| value.parse().ok());
        id.map(Self).ok_or_else(|| Problem::not_found("record"))
    }
}
