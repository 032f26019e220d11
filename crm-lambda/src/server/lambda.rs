//! The Lambda function: passes events of API Gateway to the router, and handles three events of its own, which cannot
//! be sent through API Gateway but only by principals that may invoke the function: `{"crm": "migrate"}`, `{"crm":
//! "sweep"}` and `{"crm": "work"}`.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::OriginalUri,
    http::{StatusCode, Uri, uri::PathAndQuery},
    response::{IntoResponse as _, Response},
};
use crm_core::Crm;
use lambda_http::{
    Adapter, LambdaEvent, Request, RequestExt as _, Service as _,
    lambda_runtime::Diagnostic,
    request::{LambdaRequest, RequestContext},
    service_fn,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;
use tower::ServiceExt as _;

use super::{
    Settings, StartError, background, start,
    start::{migrate, open},
    stores::Opened,
};
use crate::{Problem, router};

/// An event as received.
pub type Event = LambdaEvent<Box<RawValue>>;

/// The function, with the state that is created once and kept.
#[derive(Debug)]
pub struct Function {
    settings: Settings,
    ready: OnceCell<Ready>,
}

#[derive(Debug)]
struct Ready {
    router: Router,
    crm: Crm,
    store: Opened,
}

/// How long a round of the worker starts new pieces: the next round begins each minute.
const WORK: Duration = Duration::from_secs(50);

/// An event of the function's own.
#[derive(Deserialize)]
struct Ours {
    crm: Option<String>,
}

impl Function {
    /// Creates the function with a configuration; nothing else is created yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings, ready: OnceCell::new() }
    }

    /// Creates everything before the first event. If that fails, each request tries again, so that a store that was
    /// unavailable for a moment, or is migrated only later, needs no new deployment.
    pub async fn warm(&self) {
        if let Err(error) = self.ready().await {
            tracing::error!(%error, "not ready");
        }
    }

    async fn ready(&self) -> Result<&Ready, StartError> {
        let make = || async {
            let started = start(&self.settings).await?;
            let crm = started.crm.clone();
            Ok(Ready { router: router(started.crm, started.config), crm, store: started.store })
        };
        self.ready.get_or_try_init(make).await
    }

    /// Handles an event.
    ///
    /// # Errors
    /// [`Diagnostic`] for an event that is neither API Gateway's nor the function's own, and if one of its own fails.
    pub async fn handle(&self, event: Event) -> Result<Box<RawValue>, Diagnostic> {
        let text = event.payload.get();
        if let Ok(Ours { crm: Some(command) }) = serde_json::from_str(text) {
            return self.command(&command).await;
        }
        let request: LambdaRequest = serde_json::from_str(text)
            .map_err(|_| failed("UnknownEvent", &"the event is not an HTTP API event with payload format 2.0"))?;
        let serve = service_fn(|request: Request| async move { Ok::<_, Infallible>(self.serve(request).await) });
        let answer = Adapter::from(serve).call(LambdaEvent::new(request, event.context)).await;
        let answer = answer.unwrap_or_else(|never| match never {});
        serde_json::value::to_raw_value(&answer).map_err(|error| failed("Answer", &error))
    }

    async fn serve(&self, mut request: Request) -> Response {
        let ready = match self.ready().await {
            Ok(ready) => ready,
            Err(error) => {
                tracing::error!(%error, "not ready");
                let detail = "the store cannot be reached or is not ready: try again later";
                return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).into_response();
            }
        };
        leave_out_stage(&mut request);
        ready.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
    }

    async fn command(&self, command: &str) -> Result<Box<RawValue>, Diagnostic> {
        let setting = &self.settings.store;
        let opened;
        let store = if let Some(ready) = self.ready.get() {
            &ready.store
        } else {
            opened = open(setting).await.map_err(not_done)?;
            &opened
        };
        let done = match command {
            "migrate" => migrate(setting, store).await.map_err(not_done)?,
            "sweep" => {
                use crm_core::clock::{Clock as _, SystemClock};
                let removed = store.sweep(SystemClock.now()).await.map_err(|error| failed("Store", &error))?;
                format!("{removed} expired keys, throttles and sessions were removed")
            }
            "work" => {
                let Ready { crm, store, .. } = self.ready().await.map_err(not_done)?;
                let report = background::work(crm, store, WORK).await;
                if let Some(failures) = background::failures(&report) {
                    return Err(failed("Work", &failures));
                }
                background::summary(&report)
            }
            _ => {
                let message = "write {\"crm\": \"migrate\"}, {\"crm\": \"sweep\"} or {\"crm\": \"work\"}";
                return Err(failed("UnknownCommand", &message));
            }
        };
        tracing::info!(command, done, "done");
        serde_json::value::to_raw_value(&serde_json::json!({"done": done})).map_err(|error| failed("Answer", &error))
    }
}

fn failed(kind: &str, message: &impl ToString) -> Diagnostic {
    Diagnostic { error_type: kind.to_owned(), error_message: message.to_string() }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn not_done(error: StartError) -> Diagnostic {
    failed("Store", &error)
}

/// API Gateway puts the name of a stage other than `$default` before the path, which the router does not expect. The
/// paths in responses (`Location`, the path of a cookie) still include it.
fn leave_out_stage(request: &mut Request) {
    let Some(RequestContext::ApiGatewayV2(context)) = request.request_context_ref() else { return };
    let Some(stage) = context.stage.as_deref().filter(|stage| *stage != "$default") else { return };
    let whole = request.uri().clone();
    let Some(rest) = whole.path().strip_prefix('/').and_then(|path| path.strip_prefix(stage)) else { return };
    if !rest.is_empty() && !rest.starts_with('/') {
        return;
    }
    let path = if rest.is_empty() { "/" } else { rest };
    let path = whole.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = whole.clone().into_parts();
    parts.path_and_query = path.parse::<PathAndQuery>().ok();
    if let Ok(inner) = Uri::from_parts(parts) {
        *request.uri_mut() = inner;
        request.extensions_mut().insert(OriginalUri(whole));
    }
}
