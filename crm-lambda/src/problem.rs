//! Errors as RFC 9457 problems: a stable code, an actionable message, and every fault of every field.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use crm_core::{Error, access::Permission, auth::AuthError, error::Faults, value::FaultCode, view::side_to_json};
use serde_json::{Map, Value as Json, json};

/// The media type of problems.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// An error response.
#[derive(Clone, Debug)]
pub struct Problem(Box<Content>);

/// The content of a problem. It is boxed to keep `Result` small.
#[derive(Clone, Debug)]
struct Content {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<Json>,
    more: Map<String, Json>,
    retry_after: Option<u64>,
    challenge: Option<&'static str>,
    refused: Option<Permission>,
}

/// A response extension for the security log: the missing permission.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused(pub(crate) Option<Permission>);

/// A response extension for the request log: the problem's code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code(pub(crate) &'static str);

impl Problem {
    /// Creates a problem from a status, a stable code and a message.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Content {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            more: Map::new(),
            retry_after: None,
            challenge: None,
            refused: None,
        }))
    }

    /// Returns the problem with a modified content.
    fn modify(mut self, change: impl FnOnce(&mut Content)) -> Self {
        change(&mut self.0);
        self
    }

    /// 400: the request cannot be parsed.
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 400 with every fault of a query or of a body's structure.
    pub fn bad_request(faults: &Faults) -> Self {
        Self::faults(StatusCode::BAD_REQUEST, "bad_request", faults)
    }

    /// 404 for a resource that does not exist or is not visible.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("{what} not found"))
    }

    /// 404 for a route that does not exist or is closed.
    pub(crate) fn unknown_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown_route", "unknown route")
    }

    /// 401: the caller is unauthenticated, or the session or token is no longer valid.
    pub fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        let challenge = match code {
            "invalid_token" | "token_expired" => r#"Bearer error="invalid_token""#,
            _ => "Bearer",
        };
        Self::new(StatusCode::UNAUTHORIZED, code, detail).modify(|content| content.challenge = Some(challenge))
    }

    /// 429 with the seconds to wait.
    pub fn too_many(code: &'static str, detail: impl Into<String>, seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail).modify(|content| content.retry_after = Some(seconds))
    }

    /// Converts the error of a query. Its faults are malformed input (400).
    pub fn of_query(error: Error) -> Self {
        match error {
            Error::Invalid(faults) => Self::bad_request(&faults),
            other => other.into(),
        }
    }

    /// Converts the error of a write. If the request named a version (`conditional`), a conflict is 412.
    pub fn of_conditional(error: Error, conditional: bool) -> Self {
        match &error {
            Error::Conflict { .. } if conditional => Problem::from(error).modify(|content| {
                content.status = StatusCode::PRECONDITION_FAILED;
                content.code = "precondition_failed";
            }),
            _ => error.into(),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code, message and details without the status: the reason why an operation other than the request would be
    /// rejected.
    pub(crate) fn reason(&self) -> Json {
        let Content { code, detail, errors, more, .. } = self.0.as_ref();
        let mut reason = more.clone();
        reason.insert("code".into(), Json::from(*code));
        reason.insert("detail".into(), Json::from(detail.as_str()));
        if !errors.is_empty() {
            reason.insert("errors".into(), Json::Array(errors.clone()));
        }
        Json::Object(reason)
    }

    fn faults(status: StatusCode, code: &'static str, faults: &Faults) -> Self {
        let errors = faults.all().iter().map(|fault| {
            json!({"field": fault.field, "code": fault.fault.code, "params": fault.fault.params, "message": fault.fault.message})
        });
        let errors = errors.collect();
        Self::new(status, code, faults.to_string()).modify(|content| content.errors = errors)
    }

    fn with(self, name: &str, value: impl Into<Json>) -> Self {
        self.modify(|content| drop(content.more.insert(name.to_owned(), value.into())))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::NotFound(kind) => Self::not_found(kind.name()),
            Error::Conflict { record, current, fields } => {
                let conflict = Self::new(StatusCode::CONFLICT, "conflict", detail)
                    .with("record", json!(record))
                    .with("fields", fields);
                match current {
                    Some(versions) => conflict.with("current", json!(versions)),
                    None => conflict,
                }
            }
            Error::Undo { record, why } => {
                use crm_core::error::UndoRefusal as Why;
                let status = match &why {
                    Why::NoSuchChange => StatusCode::NOT_FOUND,
                    Why::AlreadyUndone | Why::ChangedSince(_) => StatusCode::CONFLICT,
                    Why::NotVisible => StatusCode::FORBIDDEN,
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                let refused = Self::new(status, why.code(), detail).with("record", json!(record));
                let Why::ChangedSince(changed) = why else { return refused };
                let names: Vec<&str> = changed.iter().map(|one| one.field.as_str()).collect();
                let values = changed.iter().map(|one| {
                    json!({"field": one.field, "left": side_to_json(&one.left), "current": side_to_json(&one.current)})
                });
                refused.with("fields", names).with("changed", values.collect::<Vec<Json>>())
            }
            Error::Duplicate { kind, field } => {
                let message = format!("is already used by another {kind}");
                let errors = vec![json!({"field": field, "code": "duplicate", "params": {}, "message": message})];
                Self::new(StatusCode::CONFLICT, "duplicate", detail).modify(|content| content.errors = errors)
            }
            Error::Invalid(faults) => {
                let unknown = faults.all().iter().all(|fault| fault.fault.code == FaultCode::UnknownField);
                if unknown && !faults.is_empty() {
                    Self::bad_request(&faults)
                } else {
                    Self::faults(StatusCode::UNPROCESSABLE_ENTITY, "invalid", &faults)
                }
            }
            Error::Unauthenticated => Self::unauthorized("invalid_token", detail),
            Error::OwnRights { field } => Self::new(StatusCode::FORBIDDEN, "own_rights", detail).with("field", field),
            Error::Forbidden { permission, field, scope } => {
                let forbidden = Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
                    .with("permission", permission.to_string())
                    .modify(|content| content.refused = Some(permission));
                let forbidden = match field {
                    Some(field) => forbidden.with("field", field),
                    None => forbidden,
                };
                match scope {
                    Some(missing) => forbidden
                        .with("scope", missing.needed.to_string())
                        .with("scope_held", missing.held.map(|held| held.to_string())),
                    None => forbidden,
                }
            }
            Error::TooLarge { what, limit } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("{what} exceeds the limit of {limit}"))
                    .with("limit", limit)
            }
            Error::KeyReused => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail),
            // The store's message is logged, not returned.
            Error::Unavailable(cause) => {
                tracing::warn!(error = %cause, "the store is unavailable");
                let detail = "the store cannot be reached or is overloaded: nothing was written, try again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
                    .modify(|content| content.retry_after = Some(1))
            }
            Error::OutcomeUnknown { commit } => {
                let detail = "the outcome is unknown: retry with the same Idempotency-Key, or read the record";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown", detail)
                    .with("commit", commit.to_string())
                    .modify(|content| content.retry_after = Some(1))
            }
            Error::ClockSkew { record, written_at, now } => {
                tracing::error!(%record, %written_at, %now, "a record was written by a clock that is too far ahead");
                let detail = "the record was written by a process whose clock is ahead: nothing was written";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "clock_skew", detail)
                    .with("written_at", written_at.to_string())
                    .with("now", now.to_string())
                    .modify(|content| content.retry_after = Some(60))
            }
            Error::Damaged(cause) => {
                tracing::error!(error = %cause, "the store is damaged");
                Self::internal()
            }
            // An error that was added to the core and has no problem of its own yet.
            other => {
                tracing::error!(error = %other, "an error without a problem of its own");
                Self::internal()
            }
        }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let detail = error.to_string();
        match error {
            AuthError::InvalidCredentials => Self::unauthorized("invalid_credentials", detail),
            AuthError::CodeRequired => Self::unauthorized("code_required", detail),
            AuthError::Locked { until } => {
                let wait = "too many attempts: wait and try again";
                Self::too_many("locked", wait, 60).with("until", until.to_string())
            }
            AuthError::InvalidToken => Self::unauthorized("invalid_token", detail),
            AuthError::Expired => Self::unauthorized("token_expired", detail),
            AuthError::NotSignedIn => Self::new(StatusCode::FORBIDDEN, "session_needed", detail),
            AuthError::Mail(cause) => {
                tracing::error!(error = %cause, "an email could not be sent");
                let detail = "the request was processed, but the email could not be sent: request it again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "mail_failed", detail)
            }
            AuthError::Crm(error) => error.into(),
            other => {
                tracing::error!(error = %other, "an error without a problem of its own");
                Self::internal()
            }
        }
    }
}

impl Problem {
    /// 500 without details.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "an internal error occurred and was logged")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let content = *self.0;
        let mut body = Map::new();
        body.insert("type".into(), Json::String(format!("urn:crm:problem:{}", content.code)));
        body.insert("title".into(), Json::from(content.status.canonical_reason().unwrap_or("Error")));
        body.insert("status".into(), Json::from(content.status.as_u16()));
        body.insert("code".into(), Json::from(content.code));
        body.insert("detail".into(), Json::String(content.detail));
        if !content.errors.is_empty() {
            body.insert("errors".into(), Json::Array(content.errors));
        }
        body.extend(content.more);
        let text = Json::Object(body).to_string();
        let mut response = (content.status, [(header::CONTENT_TYPE, PROBLEM_JSON)], text).into_response();
        if let Some(seconds) = content.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = content.challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if content.status == StatusCode::FORBIDDEN {
            response.extensions_mut().insert(Refused(content.refused));
        }
        response.extensions_mut().insert(Code(content.code));
        response
    }
}
