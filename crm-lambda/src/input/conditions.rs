//! Conditional requests and idempotency keys: `If-Match`, `If-None-Match`, `Idempotency-Key`.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header, request::Parts},
};

use crate::{answer::version_of, problem::Problem};

/// The version that `If-Match` holds a write to; `None` where it is absent, or `*`, which every record there is
/// matches.
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
        // A tag that is none of ours, or a weak one, matches nothing.
        text.split(',').map(str::trim).find_map(version_of).map(|version| Self(Some(version))).ok_or_else(|| {
            let detail = "If-Match holds no tag that this record has had: read it again and send its ETag";
            Problem::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
        })
    }
}

/// True where `If-None-Match` names the tag: the caller has it already.
pub(crate) fn none_match(headers: &HeaderMap, tag: &str) -> bool {
    headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|text| {
        text.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
    })
}

/// The `Idempotency-Key`, where there is one: a text in quotes, or bare.
#[derive(Clone, Debug)]
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default().trim();
        let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        if bare.is_empty() || bare.len() > 255 || bare.contains('"') {
            let detail = "Idempotency-Key must be a text of 1 to 255 characters, in quotes or bare";
            return Err(Problem::malformed("bad_idempotency_key", detail));
        }
        Ok(Self(Some(bare.to_owned())))
    }
}
