//! Batches: several requests in one, executed in order, each with its own status. A batch is not a transaction.

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use crm_core::value::FaultCode;
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use tower::ServiceExt;
use utoipa::{ToSchema, openapi::HttpMethod};

use super::PREFIX;
use crate::{
    answer::Answer,
    app::App,
    input::Body,
    openapi::{Item, Route, any, choice, open, route},
    problem::{Problem, Refused},
    sign_in::Caller,
};

/// The maximum number of requests in a batch.
const MAX_REQUESTS: usize = 20;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(HttpMethod::Post, format!("{PREFIX}/batch"), "batch", "batch", "Send up to 20 requests in a batch")
            .body_as::<BatchBody>()
            .list_as::<BatchAnswer>("the responses, in order; each request succeeds or fails independently")
            .to(batch),
    ]
}

/// The methods of a request in a batch.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

fn method() -> Item {
    choice(METHODS)
}

fn request_body() -> Item {
    open("the body of the request")
}

/// A response of a batch.
#[derive(Serialize, ToSchema)]
struct BatchAnswer {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = any)]
    body: Option<Json>,
}

/// A request of a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BatchRequest {
    #[schema(schema_with = method)]
    method: String,
    path: String,
    if_match: Option<String>,
    idempotency_key: Option<String>,
    #[schema(schema_with = request_body)]
    body: Option<Map<String, Json>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BatchBody {
    requests: Vec<BatchRequest>,
}

async fn batch(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body<BatchBody>,
) -> Result<Response, Problem> {
    let mut faults = crm_core::error::Faults::new();
    if body.requests.is_empty() || body.requests.len() > MAX_REQUESTS {
        faults.push("requests", FaultCode::TooMany, format!("must be 1 to {MAX_REQUESTS}"));
    }
    for (at, one) in body.requests.iter().enumerate().take(MAX_REQUESTS) {
        // Sign-in and nested batches are not allowed.
        let tail = one.path.strip_prefix(PREFIX).and_then(|tail| tail.strip_prefix('/'));
        let first = tail.and_then(|tail| tail.split(['/', '?']).next());
        if first.is_none_or(|first| first.is_empty() || first == "auth" || first == "batch") {
            let message = format!("must start with {PREFIX}/ and must not be a sign-in or batch request");
            faults.push(format!("requests[{at}].path"), FaultCode::BadPath, message);
        }
        if !METHODS.contains(&one.method.as_str()) {
            faults.push(
                format!("requests[{at}].method"),
                FaultCode::UnknownChoice,
                "must be GET, POST, PUT, PATCH or DELETE",
            );
        }
    }
    faults.into_result()?;
    let Some(router) = app.routes().get() else { return Err(Problem::internal()) };
    let mut answers = Vec::with_capacity(body.requests.len());
    for one in body.requests {
        answers.push(answer(&app, router.clone(), &caller, &headers, one).await?);
    }
    Ok(Answer::ok(answers).into_response())
}

async fn answer(
    app: &App,
    router: Router,
    caller: &Caller,
    headers: &HeaderMap,
    one: BatchRequest,
) -> Result<BatchAnswer, Problem> {
    let bad = || Problem::malformed("bad_request", "a request of the batch has an invalid path or header");
    let mut request =
        Request::builder().method(Method::from_bytes(one.method.as_bytes()).map_err(|_| bad())?).uri(&one.path);
    for name in [header::AUTHORIZATION, header::USER_AGENT] {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    // The batch itself is not a cross-site request.
    request = request.header("x-crm-request", "1");
    if let Some(tag) = one.if_match {
        request = request.header(header::IF_MATCH, tag);
    }
    if let Some(key) = one.idempotency_key {
        request = request.header(HeaderName::from_static("idempotency-key"), key);
    }
    let body = match one.body {
        Some(body) => {
            request = request.header(header::CONTENT_TYPE, "application/json");
            axum::body::Body::from(Json::Object(body).to_string())
        }
        None => axum::body::Body::empty(),
    };
    let mut request = request.body(body).map_err(|_| bad())?;
    // With sign-in by the host, the caller of the batch is the caller of every request.
    request.extensions_mut().insert(caller.actor.clone());
    let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
    let (parts, body) = response.into_parts();
    // Refusals within a batch are recorded like any other.
    if let Some(Refused(permission)) = parts.extensions.get::<Refused>() {
        let what = permission.map_or_else(|| "forbidden".to_owned(), |missing| missing.to_string());
        app.record_refusal(&caller.actor, &what).await;
    }
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
    let body = (parts.status != StatusCode::NO_CONTENT && !bytes.is_empty()).then(|| {
        serde_json::from_slice(&bytes).unwrap_or_else(|_| Json::from(String::from_utf8_lossy(&bytes).into_owned()))
    });
    let (etag, location) = (text(header::ETAG), text(header::LOCATION));
    Ok(BatchAnswer { status: parts.status.as_u16(), etag, location, body })
}
