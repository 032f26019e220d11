//! Ids in paths: what is no id names nothing, so it is 404, as an unknown id is.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use crm_core::value::Id;

use crate::problem::Problem;

/// The one id of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdPath(pub(crate) Id);

/// The two ids of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairPath(pub(crate) Id, pub(crate) Id);

async fn ids<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Vec<Id>, Problem> {
    let nothing = || Problem::not_found("record");
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| nothing())?;
    params.iter().filter(|(name, _)| name.ends_with("id")).map(|(_, value)| value.parse().map_err(|_| nothing())).collect()
}

impl<S: Send + Sync> FromRequestParts<S> for IdPath {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        ids(parts, state).await?.first().map(|&id| Self(id)).ok_or_else(|| Problem::not_found("record"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PairPath {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match ids(parts, state).await?.as_slice() {
            [first, second] => Ok(Self(*first, *second)),
            _ => Err(Problem::not_found("record")),
        }
    }
}
