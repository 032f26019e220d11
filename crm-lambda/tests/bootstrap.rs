//! The Lambda function as it is built, under a Runtime API of the test's own: real events of API Gateway in, its answers
//! out.

mod runtime_api;

use std::{collections::BTreeMap, path::Path};

use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use dynoxide::Database;
use runtime_api::Running;
use serde_json::{Value as Json, json};
use tokio::{io::AsyncReadExt as _, net::TcpListener};

const BOOTSTRAP: &str = env!("CARGO_BIN_EXE_bootstrap");
const SECRET: &str = "bm8gc2VjcmV0IGluIGEgbG9nLCBuZXZlciwgbm90IG9uY2UsIGF0IGFsbA";
const ENCRYPTION: &str = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";
const PASSWORD: &str = "a horse of nine colours";

fn variables(store: &str) -> BTreeMap<String, String> {
    [
        ("CRM_STORE", store),
        ("CRM_SIGNING_KEYS", SECRET),
        ("CRM_ENCRYPTION_KEYS", ENCRYPTION),
        ("CRM_REGISTRATION", "true"),
        ("CRM_METRICS", "emf"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

fn event(name: &str) -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(format!("{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn with_token(mut event: Json, token: &str) -> Json {
    event["headers"]["authorization"] = json!(format!("Bearer {token}"));
    event
}

/// The status and the body of an answer.
fn read(answer: &Json) -> (u16, Json) {
    let status = answer["statusCode"].as_u64().unwrap();
    let body = serde_json::from_str(answer["body"].as_str().unwrap_or("null")).unwrap();
    (status.try_into().unwrap(), body)
}

async fn emulator() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let database = Database::memory().unwrap();
    tokio::spawn(async move { dynoxide::server::serve_on(listener, database).await });
    format!("dynamodb://{address}/crm")
}

/// Everything that the function has written to its log; the function is ended for it.
async fn log(mut running: Running) -> String {
    running.child.start_kill().unwrap();
    let mut log = String::new();
    running.child.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
    log
}

/// Registers, signs in, makes a lead and lists it, all from `events/`; answers the access token.
async fn story(function: &mut Running) -> String {
    let (status, health) = read(&function.invoke(&event("health")).await.unwrap());
    assert_eq!((status, &health["data"]["status"]), (200, &json!("ok")));
    let (status, _) = read(&function.invoke(&event("register")).await.unwrap());
    assert_eq!(status, 201);
    let (status, login) = read(&function.invoke(&event("login")).await.unwrap());
    assert_eq!(status, 200, "{login}");
    let token = login["data"]["access_token"].as_str().unwrap().to_owned();

    let (status, refused) = read(&function.invoke(&event("create-lead")).await.unwrap());
    assert_eq!((status, &refused["code"]), (401, &json!("invalid_token")));
    let create = with_token(event("create-lead"), &token);
    let answer = function.invoke(&create).await.unwrap();
    let (status, created) = read(&answer);
    assert_eq!(status, 201, "{created}");
    assert!(answer["headers"]["location"].as_str().unwrap().starts_with("/api/v1/leads/"), "{answer}");
    // API Gateway's client sends it again: the first answer, not a second lead.
    let (status, again) = read(&function.invoke(&create).await.unwrap());
    assert_eq!((status, &again["data"]["id"]), (201, &created["data"]["id"]));
    let (status, list) = read(&function.invoke(&with_token(event("list-leads"), &token)).await.unwrap());
    assert_eq!(status, 200, "{list}");
    let ids: Vec<&Json> = list["data"].as_array().unwrap().iter().map(|lead| &lead["id"]).collect();
    assert_eq!(ids, [&created["data"]["id"]]);
    token
}

#[tokio::test]
async fn events_of_api_gateway_are_answered_and_the_log_tells_no_secret() {
    let mut function = Running::start(BOOTSTRAP, &variables("memory")).await;
    let token = story(&mut function).await;

    // The address is what API Gateway saw, not what a header says.
    let mut sessions = with_token(event("list-leads"), &token);
    sessions["rawPath"] = json!("/api/v1/auth/sessions");
    sessions["rawQueryString"] = json!("");
    sessions["headers"]["x-forwarded-for"] = json!("198.51.100.66");
    let (status, listed) = read(&function.invoke(&sessions).await.unwrap());
    assert_eq!(status, 200, "{listed}");
    assert!(listed["data"].to_string().contains("203.0.113.7"), "{listed}");
    assert!(!listed["data"].to_string().contains("198.51.100.66"), "{listed}");

    // A body that API Gateway hands over as base64, and an answer that is no text.
    let mut lead = with_token(event("create-lead"), &token);
    lead["headers"].as_object_mut().unwrap().remove("idempotency-key");
    lead["body"] = json!(STANDARD.encode(r#"{"name": "Ada"}"#));
    lead["isBase64Encoded"] = json!(true);
    let (status, made) = read(&function.invoke(&lead).await.unwrap());
    assert_eq!((status, &made["data"]["name"]), (201, &json!("Ada")));
    let mut list = with_token(event("list-leads"), &token);
    list["headers"]["accept-encoding"] = json!("gzip");
    let packed = function.invoke(&list).await.unwrap();
    assert_eq!(packed["isBase64Encoded"], true, "{packed}");
    assert!(STANDARD.decode(packed["body"].as_str().unwrap()).unwrap().starts_with(&[0x1f, 0x8b]));

    let done = function.invoke(&json!({"crm": "work"})).await.unwrap();
    assert!(done["done"].as_str().unwrap().starts_with("crm.totals: "), "{done}");
    let again = function.invoke(&json!({"crm": "work"})).await.unwrap();
    assert_eq!(again["done"], "nothing was to be done");

    let log = log(function).await;
    assert!(log.lines().count() > 5, "{log}");
    for line in log.lines() {
        let entry: Json = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(entry["level"].is_string(), "{line}");
    }
    for secret in [SECRET, ENCRYPTION, PASSWORD, &token] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[tokio::test]
async fn a_stage_in_the_path_is_left_out() {
    let mut function = Running::start(BOOTSTRAP, &variables("memory")).await;
    let staged = |path: &str| {
        let mut event = event("health");
        event["requestContext"]["stage"] = json!("prod");
        event["rawPath"] = json!(path);
        event
    };
    for (path, expected) in
        [("/prod/health", 200), ("/prod/health/store", 200), ("/prod", 404), ("/prod/prod/health", 404)]
    {
        let (status, body) = read(&function.invoke(&staged(path)).await.unwrap());
        assert_eq!(status, expected, "{path}: {body}");
    }
}

#[tokio::test]
async fn the_function_is_ready_as_soon_as_its_table_is_made() {
    let store = emulator().await;
    let mut function = Running::start(BOOTSTRAP, &variables(&store)).await;
    let (status, refused) = read(&function.invoke(&event("health")).await.unwrap());
    assert_eq!((status, &refused["code"]), (503, &json!("unavailable")));
    let done = function.invoke(&event("migrate")).await.unwrap();
    assert_eq!(done, json!({"done": "the table crm is there"}));
    story(&mut function).await;
    let swept = function.invoke(&json!({"crm": "sweep"})).await.unwrap();
    assert_eq!(swept, json!({"done": "0 expired keys, throttles and sessions were removed"}));
    let done = function.invoke(&json!({"crm": "work"})).await.unwrap();
    let done = done["done"].as_str().unwrap();
    // What is younger than its lists may show it has been told, and waits.
    assert!(done.starts_with("crm.totals: ") && !done.contains("computed"), "{done}");
}

#[tokio::test]
async fn other_events_are_errors_that_say_so() {
    let mut function = Running::start(BOOTSTRAP, &variables("memory")).await;
    for (event, kind) in [
        (json!({"crm": "drop everything"}), "UnknownCommand"),
        (json!({"Records": []}), "UnknownEvent"),
        (json!("text"), "UnknownEvent"),
    ] {
        let error = function.invoke(&event).await.unwrap_err();
        assert_eq!(error["errorType"], kind, "{error}");
    }
    // And it lives on.
    let (status, _) = read(&function.invoke(&event("health")).await.unwrap());
    assert_eq!(StatusCode::from_u16(status).unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn a_weak_secret_refuses_to_start() {
    let mut variables = variables("memory");
    variables.insert("CRM_SIGNING_KEYS".into(), "hunter2".into());
    variables.insert("CRM_TIMEOUT_SECONDS".into(), "an hour".into());
    let mut function = Running::start(BOOTSTRAP, &variables).await;
    assert_eq!(function.child.wait().await.unwrap().code(), Some(2));
    let log = log(function).await;
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(log.contains("CRM_SIGNING_KEYS") && log.contains("CRM_TIMEOUT_SECONDS"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}
