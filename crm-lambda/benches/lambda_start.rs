//! Measures the Lambda function: time until it requests its first event, memory, and size of the program. Run by
//! `scripts/bench-lambda`, on Linux only, where `/proc` reports a process' memory.

#[path = "../tests/runtime_api/mod.rs"]
mod runtime_api;

use std::{collections::BTreeMap, path::Path, sync::LazyLock, time::Duration};

use axum::{Router, http::HeaderMap, routing::post};
use runtime_api::Running;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;

/// The deployed program if `CRM_BENCH_BOOTSTRAP` names one, else the one built by cargo.
static BOOTSTRAP: LazyLock<String> = LazyLock::new(|| {
    std::env::var("CRM_BENCH_BOOTSTRAP").unwrap_or_else(|_| env!("CARGO_BIN_EXE_bootstrap").to_owned())
});
const STARTS: usize = 30;
const REQUESTS: u32 = 500;

fn variables(store: &str) -> BTreeMap<String, String> {
    [
        ("CRM_STORE", store),
        ("CRM_SIGNING_KEYS", "bm8gc2VjcmV0IGluIGEgbG9nLCBuZXZlciwgbm90IG9uY2UsIGF0IGFsbA"),
        ("CRM_REGISTRATION", "true"),
        ("CRM_LOG", "warn"),
        ("CRM_REQUESTS_PER_MINUTE", "0"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

fn event(name: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A value of `/proc/…/status` in MB.
fn memory(function: &Running, line: &str) -> f64 {
    let id = function.child.id().expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("this needs Linux");
    let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    let kilobytes: f64 = found.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    kilobytes / 1024.0
}

/// An empty `DynamoDB`: it responds to the requests that the function sends before its first event.
async fn empty_dynamo() -> String {
    let answer = |headers: HeaderMap| async move {
        let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let nothing = match target.trim_start_matches("DynamoDB_20120810.") {
            "BatchGetItem" => r#"{"Responses":{},"UnprocessedKeys":{}}"#,
            "Query" => r#"{"Items":[],"Count":0,"ScannedCount":0}"#,
            _ => "{}",
        };
        ([("content-type", "application/x-amz-json-1.0")], nothing)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(answer))).await });
    format!("http://{address}")
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

async fn starts(name: &str, variables: &BTreeMap<String, String>) {
    let (mut took, mut resident) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let mut function = Running::start(&BOOTSTRAP, variables).await;
        let asked = (&mut function.first_next).await.expect("it starts");
        // Without its store the function starts as well, and reports unhealthy.
        let health = function.invoke(&event("health")).await.unwrap();
        assert_eq!(health["statusCode"], 200, "{health}");
        took.push(milliseconds(asked - function.started));
        resident.push(memory(&function, "VmRSS:"));
    }
    took.sort_by(f64::total_cmp);
    resident.sort_by(f64::total_cmp);
    println!(
        "{name:<28} exec to first next: median {:.1} ms, worst {:.1} ms; resident: median {:.1} MB",
        took[STARTS / 2],
        took[STARTS - 1],
        resident[STARTS / 2],
    );
}

/// Signs in, then creates and lists leads: measures the duration of an invocation and the peak resident memory.
async fn work() {
    let mut function = Running::start(&BOOTSTRAP, &variables("memory")).await;
    function.invoke(&event("register")).await.unwrap();
    let login = function.invoke(&event("login")).await.unwrap();
    let body: Json = serde_json::from_str(login["body"].as_str().unwrap()).unwrap();
    let token = format!("Bearer {}", body["data"]["access_token"].as_str().unwrap());
    for name in ["health", "create-lead", "list-leads"] {
        let mut event = event(name);
        event["headers"]["authorization"] = json!(token);
        event["headers"].as_object_mut().unwrap().remove("idempotency-key");
        let begun = runtime_api::now();
        for number in 0..REQUESTS {
            if name == "create-lead" {
                event["body"] = json!(json!({"name": "Grace", "email": format!("g{number}@example.com")}).to_string());
            }
            let answer = function.invoke(&event).await.unwrap();
            assert!(answer["statusCode"].as_u64().unwrap() < 300, "{answer}");
        }
        println!("{name:<28} {:.2} ms an invocation", milliseconds(begun.elapsed()) / f64::from(REQUESTS));
    }
    let most = memory(&function, "VmHWM:");
    println!("{:<28} {most:.1} MB resident at most, two passwords hashed", "after that");
}

#[tokio::main]
async fn main() {
    let size = std::fs::metadata(BOOTSTRAP.as_str()).unwrap().len();
    #[expect(clippy::cast_precision_loss, reason = "a size to be read")]
    let megabytes = size as f64 / (1024.0 * 1024.0);
    println!("{:<28} {megabytes:.1} MB", "bootstrap");
    starts("memory", &variables("memory")).await;
    let mut dynamo = variables("dynamodb://crm");
    dynamo.insert("AWS_ENDPOINT_URL_DYNAMODB".into(), empty_dynamo().await);
    starts("DynamoDB (on loopback)", &dynamo).await;
    work().await;
}
