//! What is told of each request: one line of log with its id, a histogram of durations, and, of refusals, an entry of
//! the security log.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    app::App,
    config::Metrics,
    figures::Labels,
    problem::{Code, Problem, Refused},
    sign_in::Slot,
};

/// The header that carries a request's id, in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Stands around every handler.
#[allow(clippy::disallowed_methods)] // a stopwatch of requests, not the time of anything that is kept
pub(crate) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().to_string();
    // The route, never the path: paths are without number, and hold ids.
    let route = request.extensions().get::<MatchedPath>().map_or("(none)", MatchedPath::as_str).to_owned();
    let id = request_id(&request);
    let slot = Slot::default();
    request.extensions_mut().insert(slot.clone());
    let mut response = next.run(request).await;
    if response.status() == StatusCode::GATEWAY_TIMEOUT && response.extensions().get::<Code>().is_none() {
        let detail =
            "it took too long: whether it was done nobody knows; try again with the same Idempotency-Key, or look";
        response = Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail).into_response();
    }
    let status = response.status().as_u16();
    let code = response.extensions().get::<Code>().map(|Code(code)| *code);
    if let (Some(Refused(permission)), Some(actor)) = (response.extensions().get::<Refused>(), slot.actor.get()) {
        let what = permission.map_or_else(|| code.unwrap_or("forbidden").to_owned(), |missing| missing.to_string());
        app.record_refusal(actor, &what).await;
    }
    let took = started.elapsed();
    let tenant = slot.actor.get().map(|actor| actor.tenant().to_string());
    let user = slot.actor.get().and_then(crm_core::access::Actor::user).map(|user| user.to_string());
    tracing::info!(
        request_id = id,
        method,
        route,
        status,
        code,
        tenant,
        user,
        duration_ms = took.as_secs_f64() * 1000.0,
        "request"
    );
    tell(&app, method, route, status, took);
    if let Some(left) = slot.left.get() {
        left.tell(response.headers_mut());
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The id that came with the request where it is harmless, else a new one.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|text| {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    });
    given.map_or_else(
        || {
            let mut bytes = [0_u8; 12];
            let _ = getrandom::fill(&mut bytes);
            bytes.iter().fold(String::with_capacity(24), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        },
        str::to_owned,
    )
}

fn tell(app: &App, method: String, route: String, status: u16, took: Duration) {
    match app.config().metrics {
        Metrics::Off => {}
        Metrics::Prometheus => {
            app.figures().note(&Labels { method, route, status }, took);
        }
        Metrics::Emf => {
            let now = app.crm().now().micros() / 1000;
            let line = serde_json::json!({
                "_aws": {"Timestamp": now, "CloudWatchMetrics": [{
                    "Namespace": "crm",
                    "Dimensions": [["method", "route", "status"]],
                    "Metrics": [{"Name": "request_duration", "Unit": "Milliseconds"}],
                }]},
                "method": method,
                "route": route,
                "status": status.to_string(),
                "request_duration": took.as_secs_f64() * 1000.0,
            });
            println!("{line}");
        }
    }
}
