//! A Lambda Runtime API on a local port: it passes events to a function one by one and receives the results.

use std::{
    collections::BTreeMap,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value as Json;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex, mpsc, oneshot},
};

/// The result of an event: the function's response or error.
pub type Outcome = Result<Json, Json>;

struct Shared {
    events: Mutex<mpsc::UnboundedReceiver<String>>,
    outcomes: mpsc::UnboundedSender<Outcome>,
    asked: Mutex<Option<oneshot::Sender<Instant>>>,
    number: AtomicU64,
}

/// A running function with its Runtime API.
#[allow(dead_code, reason = "the benchmark reads the times, the test does not")]
pub struct Running {
    /// The process, killed on drop.
    pub child: Child,
    /// The time at which the function was started.
    pub started: Instant,
    /// The time at which it requested its first event.
    pub first_next: oneshot::Receiver<Instant>,
    events: mpsc::UnboundedSender<String>,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
}

/// The current time of a monotonic clock.
#[expect(clippy::disallowed_methods, reason = "a stopwatch of tests and benchmarks")]
pub fn now() -> Instant {
    Instant::now()
}

impl Running {
    /// Starts a program with only these variables; its standard error is captured.
    pub async fn start(program: &str, variables: &BTreeMap<String, String>) -> Self {
        let (events, to_hand_over) = mpsc::unbounded_channel();
        let (answered, outcomes) = mpsc::unbounded_channel();
        let (asked, first_next) = oneshot::channel();
        let shared = Shared {
            events: Mutex::new(to_hand_over),
            outcomes: answered,
            asked: Mutex::new(Some(asked)),
            number: AtomicU64::new(0),
        };
        let app = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(error_of_init))
            .with_state(Arc::new(shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let started = now();
        let child = Command::new(program)
            .env_clear()
            .envs(variables)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "crm")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { child, started, first_next, events, outcomes }
    }

    /// Passes an event and waits for its result.
    pub async fn invoke(&mut self, event: &Json) -> Outcome {
        self.events.send(event.to_string()).unwrap();
        self.outcomes.recv().await.expect("the function lives")
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    if let Some(asked) = shared.asked.lock().await.take() {
        let _ = asked.send(now());
    }
    let Some(event) = shared.events.lock().await.recv().await else {
        // The test has ended.
        return std::future::pending().await;
    };
    let number = shared.number.fetch_add(1, Ordering::SeqCst);
    let headers = [
        ("lambda-runtime-aws-request-id", format!("8476a536-e9f4-11e8-9739-{number:012}")),
        ("lambda-runtime-deadline-ms", "4102444800000".to_owned()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:123456789012:function:crm".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-66000000-000000000000000000000000;Sampled=0".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    (headers, event).into_response()
}

fn parsed(body: &Bytes) -> Json {
    serde_json::from_slice(body).expect("the function answers in JSON")
}

async fn response(State(shared): State<Arc<Shared>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    let _ = shared.outcomes.send(Ok(parsed(&body)));
    StatusCode::ACCEPTED
}

async fn error(State(shared): State<Arc<Shared>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    let _ = shared.outcomes.send(Err(parsed(&body)));
    StatusCode::ACCEPTED
}

async fn error_of_init(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let _ = shared.outcomes.send(Err(parsed(&body)));
    StatusCode::ACCEPTED
}
