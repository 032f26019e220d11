//! Observability of requests: one log line with the request id, a histogram of durations and, for refusals, an entry of
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

use crm_core::access::Actor;
use tracing::Instrument as _;

use crate::{
    app::App,
    config::{Metrics, ServerError},
    headers::MountPath,
    metrics::Labels,
    problem::{Code, Problem, Refused},
    sign_in::Slot,
};

/// The header that carries a request's id, in requests and responses.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The middleware around every handler.
#[allow(clippy::disallowed_methods)] // measures requests; the time is not stored
pub(crate) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let mount_path = MountPath::of(&request);
    // The route, not the path: paths are unbounded and contain ids.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("(none)", MatchedPath::as_str);
    let id = request_id(&request);
    let slot = Slot::default();
    request.extensions_mut().insert(slot.clone());
    let trace =
        request.headers().get("traceparent").and_then(|value| trace_id(value.to_str().ok()?)).map(str::to_owned);
    // Everything logged by the handler carries the request id and the trace id.
    let span = tracing::info_span!("request", request_id = id, trace_id = trace);
    let mut response = next.run(request).instrument(span).await;
    if response.status() == StatusCode::GATEWAY_TIMEOUT && response.extensions().get::<Code>().is_none() {
        let detail =
            "the request timed out and its outcome is unknown: retry with the same Idempotency-Key, or read the record";
        response = Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail).into_response();
    }
    let status = response.status().as_u16();
    let code = response.extensions().get::<Code>().map(|Code(code)| *code);
    if let (Some(Refused(permission)), Some(actor)) = (response.extensions().get::<Refused>(), slot.actor.get()) {
        let what = permission.map_or_else(|| code.unwrap_or("forbidden").to_owned(), |missing| missing.to_string());
        app.record_refusal(actor, &what).await;
    }
    let took = started.elapsed();
    let actor = slot.actor.get();
    tracing::info!(
        request_id = id,
        trace_id = trace,
        method = method.as_str(),
        route,
        status,
        code,
        tenant = actor.map(|actor| display(actor.tenant())),
        user = actor.and_then(Actor::user).map(display),
        duration_ms = took.as_secs_f64() * 1000.0,
        "request"
    );
    if let (Some(hook), 500..) = (&app.config().on_server_error, status) {
        let trace_id = trace.as_deref();
        hook.call(&ServerError { request_id: &id, trace_id, method: method.as_str(), route, status, code });
    }
    record_metrics(&app, method.as_str(), route, status, took);
    mount_path.secure(response.headers_mut());
    if let Some(remaining) = slot.remaining.get() {
        remaining.set_headers(response.headers_mut());
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Returns the request's own id if it is safe to log, otherwise a new one.
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

/// The trace id of a W3C `traceparent` (`00-trace-parent-flags`); `None` if it is malformed.
fn trace_id(header: &str) -> Option<&str> {
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let some = |text: &str, length: usize| hex(text, length) && text.bytes().any(|byte| byte != b'0');
    let mut parts = header.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Later versions may append fields after the flags; version `ff` is invalid.
    let whole = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
    (whole && some(trace, 32) && some(parent, 16) && hex(flags, 2)).then_some(trace)
}

fn record_metrics(app: &App, method: &str, route: &str, status: u16, took: Duration) {
    match app.config().metrics {
        Metrics::Off => {}
        Metrics::Prometheus => {
            app.metrics().record(&Labels { method: method.to_owned(), route: route.to_owned(), status }, took);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_taken_of_a_traceparent_that_is_one() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for good in ["00-{}-00f067aa0ba902b7-01", "00-{}-00f067aa0ba902b7-00", "cc-{}-00f067aa0ba902b7-01-what-else"] {
            assert_eq!(trace_id(&good.replace("{}", trace)), Some(trace), "{good}");
        }
        for bad in [
            "",
            "00-{}-00f067aa0ba902b7",
            "00-{}-00f067aa0ba902b7-01-more",
            "ff-{}-00f067aa0ba902b7-01",
            "00-{}-0000000000000000-01",
            "00-{}-00f067aa0ba902b7-1",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_id(&bad.replace("{}", trace)), None, "{bad}");
        }
    }
}
