//! Batches: several requests in one, executed in order, each with its own status. A batch is not a transaction.

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderName, Method, Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use tower::ServiceExt;
use utoipa::openapi::HttpMethod;

use super::PREFIX;
use crate::{
    answer::Answer,
    app::App,
    input::Body,
    openapi::{Route, array, choice, integer, object, route, text},
    problem::{Problem, Refused},
    sign_in::Caller,
};

/// The maximum number of requests in a batch.
const MAX_REQUESTS: usize = 20;

pub(super) fn routes() -> Vec<Route> {
    let request = object()
        .property("method", choice(["GET", "POST", "PUT", "PATCH", "DELETE"]))
        .required("method")
        .property("path", text())
        .required("path")
        .property("if_match", text())
        .property("idempotency_key", text())
        .property("body", object());
    vec![
        route(HttpMethod::Post, format!("{PREFIX}/batch"), "batch", "batch", "Send up to 20 requests in a batch")
            .body(object().property("requests", array(request)).required("requests"))
            .data(
                200,
                array(object().property("status", integer()).required("status").property("body", object())),
                "the responses, in order; each request succeeds or fails independently",
            )
            .to(batch),
    ]
}

/// A request of a batch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    method: String,
    path: String,
    #[serde(default)]
    if_match: Option<String>,
    #[serde(default)]
    idempotency_key: Option<String>,
    #[serde(default)]
    body: Option<Map<String, Json>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchBody {
    requests: Vec<One>,
}

async fn batch(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body<BatchBody>,
) -> Result<Response, Problem> {
    let mut faults = crm_core::error::Faults::new();
    if body.requests.is_empty() || body.requests.len() > MAX_REQUESTS {
        faults.push("requests", "too_many", format!("must be 1 to {MAX_REQUESTS}"));
    }
    for (at, one) in body.requests.iter().enumerate().take(MAX_REQUESTS) {
        // Sign-in and nested batches are not allowed.
        let tail = one.path.strip_prefix(PREFIX).and_then(|tail| tail.strip_prefix('/'));
        let first = tail.and_then(|tail| tail.split(['/', '?']).next());
        if first.is_none_or(|first| first.is_empty() || first == "auth" || first == "batch") {
            let message = format!("must start with {PREFIX}/ and must not be a sign-in or batch request");
            faults.push(format!("requests[{at}].path"), "bad_path", message);
        }
        if !matches!(one.method.as_str(), "GET" | "POST" | "PUT" | "PATCH" | "DELETE") {
            faults.push(format!("requests[{at}].method"), "unknown_choice", "must be GET, POST, PUT, PATCH or DELETE");
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

async fn answer(app: &App, router: Router, caller: &Caller, headers: &HeaderMap, one: One) -> Result<Json, Problem> {
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
    let mut shown = json!({"status": parts.status.as_u16()});
    for name in [header::ETAG, header::LOCATION] {
        if let Some(value) = parts.headers.get(&name).and_then(|value| value.to_str().ok()) {
            shown[name.as_str()] = Json::from(value);
        }
    }
    if parts.status != StatusCode::NO_CONTENT && !bytes.is_empty() {
        shown["body"] =
            serde_json::from_slice(&bytes).unwrap_or_else(|_| Json::from(String::from_utf8_lossy(&bytes).into_owned()));
    }
    Ok(shown)
}
