//! Conditional requests and idempotency keys: `If-Match`, `If-None-Match`, `Idempotency-Key`.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header, request::Parts},
};

use crate::{answer::version_of, problem::Problem};

/// The version required by `If-Match`; `None` if the header is absent or `*`, which matches every existing record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IfMatch(pub(crate) Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(None));
        }
        // A tag that this API did not issue and a weak tag match nothing.
        text.split(',').map(str::trim).find_map(version_of).map(|version| Self(Some(version))).ok_or_else(|| {
            let detail = "If-Match does not contain an ETag of this record: read the record again and send its ETag";
            Problem::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
        })
    }
}

/// `true` if `If-None-Match` contains the tag: the client already has this representation.
pub(crate) fn none_match(headers: &HeaderMap, tag: &str) -> bool {
    headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|text| {
        text.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
    })
}

/// The `Idempotency-Key`, if present: a quoted string or a bare value.
#[derive(Clone, Debug)]
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        if bare.is_empty() || bare.len() > 255 || bare.contains('"') {
            let detail = "Idempotency-Key must have 1 to 255 characters, with or without quotes";
            return Err(Problem::malformed("bad_idempotency_key", detail));
        }
        Ok(Self(Some(bare.to_owned())))
    }
}
