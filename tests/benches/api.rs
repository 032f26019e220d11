//! The cost of a request in the API itself: `crm_lambda::router` in process, on one thread and without sockets.
//! Measures the processor time of that thread, allocations and bytes per request, for a get, a list of 20, a stage move
//! with `If-Match`, and a create.
//!
//! `cargo bench --bench api` runs on the store in memory and on a temporary PostgreSQL cluster (or the server that
//! `CRM_TEST_POSTGRES` names), where the driver's work is counted and waiting for the server is not. The row `bare` is
//! the cost of axum and sqlx alone: a router with one route that returns the same row as text. `-- memory get 20000`
//! runs one row on one store for the given number of requests, for a profiler.

use std::{num::NonZeroU32, sync::Arc, time::Instant};

use allocation_counter::AllocationInfo;
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{Request, StatusCode, header},
    routing,
};
use crm_core::{Crm, MemoryStore, auth::Policy, store::Store};
use crm_lambda::{Config, KeyRing, OwnSignIn, SignIn, TokenKey, router};
use http_body_util::BodyExt as _;
use serde_json::{Value as Json, json};
use sqlx::PgPool;
use tests::postgres;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// The number of leads at the start.
const LEADS: usize = 2000;
/// The number of requests per row.
const REQUESTS: usize = 5000;
/// The rows in the order in which they run.
const ROWS: [&str; 5] = ["get", "list", "stage", "create", "bare"];

/// A router with one organization, and the data for requests to it.
struct Scene {
    runtime: Runtime,
    router: Router,
    token: String,
    leads: Vec<String>,
    moved: String,
    tag: String,
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let (store, row, requests) = (arguments.next(), arguments.next(), arguments.next());
    let requests = requests.map_or(REQUESTS, |number| number.parse().expect("a number of requests"));
    let runs = |name: &str| store.as_deref().is_none_or(|asked| asked == name);
    let rows = ROWS.into_iter().filter(|name| row.as_deref().is_none_or(|asked| asked == *name));
    println!("| store | request | CPU µs | took µs | allocations | allocated kB | answer kB |");
    println!("|---|---|---|---|---|---|---|");
    if runs("memory") {
        let rows: Vec<&str> = rows.clone().filter(|row| *row != "bare").collect();
        measure("memory", &mut Scene::new(runtime(), Arc::new(MemoryStore::new()), Router::new()), &rows, requests);
    }
    if runs("postgres") {
        let runtime = runtime();
        let database = runtime.block_on(postgres::database());
        let (store, pool) = runtime.block_on(async { (database.store(1).await, database.pool(1).await) });
        let bare = Router::new().route("/bare/{id}", routing::get(bare)).with_state(pool);
        measure("postgres", &mut Scene::new(runtime, Arc::new(store), bare), &rows.collect::<Vec<_>>(), requests);
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The minimum for a get: one statement with one column, without authentication.
async fn bare(State(pool): State<PgPool>, Path(id): Path<String>) -> String {
    let select = "select row_to_json(t)::text from crm.lead t where t.id = $1::text::uuid";
    sqlx::query_scalar(select).bind(id).fetch_one(&pool).await.expect("the lead is there")
}

impl Scene {
    fn new(runtime: Runtime, store: Arc<dyn Store>, bare: Router) -> Self {
        let keys =
            TokenKey::hs256("bench", b"0123456789 these are 48 bytes of a bench's secret").expect("a strong key");
        let mut policy = Policy::default();
        policy.argon2.memory_kib = 32;
        let mut own = OwnSignIn::new(KeyRing::new(vec![keys]).expect("one key"), "https://crm.example", policy);
        own.registration = true;
        let mut config = Config::new(SignIn::Own(Box::new(own)));
        config.requests_per_minute = NonZeroU32::new(u32::MAX);
        let router = router(Crm::builder_shared(store).build(), config).merge(bare);
        let mut scene =
            Self { runtime, router, token: String::new(), leads: Vec::new(), moved: String::new(), tag: String::new() };
        scene.fill();
        scene
    }

    fn fill(&mut self) {
        let register = json!({
            "organization": {"name": "Bench", "slug": "bench"},
            "user": {"email": "admin@bench.example"},
            "password": "a heron by the lake",
        });
        let (answer, _) = self.send(post("auth/register", "", &register));
        self.token = text(&read(&answer)["data"]["access_token"]);
        for property in tests::leads::property_bodies() {
            self.send(post("properties/lead", &self.token, &property));
        }
        for number in 0..LEADS {
            let (answer, _) = self.send(self.create(number));
            self.leads.push(text(&read(&answer)["data"]["id"]));
        }
        let (answer, tag) = self.send(self.create(LEADS));
        (self.moved, self.tag) = (text(&read(&answer)["data"]["id"]), tag);
    }

    fn create(&self, number: usize) -> Request<Body> {
        post("leads", &self.token, &tests::leads::lead_body(number))
    }

    /// The nth request of a row.
    fn request(&self, row: &str, number: usize) -> Request<Body> {
        match row {
            "get" => get(&format!("leads/{}", self.leads[number * 7919 % self.leads.len()]), &self.token),
            "bare" => Request::get(format!("/bare/{}", self.leads[number % self.leads.len()]))
                .body(Body::empty())
                .expect("a request"),
            "list" => get("leads?status=new&limit=20", &self.token),
            "stage" => {
                let stage = if number.is_multiple_of(2) { "contacted" } else { "new" };
                let mut request = post(&format!("leads/{}/stage", self.moved), &self.token, &json!({"stage": stage}));
                request.headers_mut().insert(header::IF_MATCH, self.tag.parse().expect("a tag is plain"));
                request
            }
            _ => self.create(number),
        }
    }

    /// Sends a request and returns the body and `ETag` of the response.
    fn send(&self, request: Request<Body>) -> (Vec<u8>, String) {
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.expect("the router never fails");
            let (parts, body) = response.into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
            let good = matches!(parts.status, StatusCode::OK | StatusCode::CREATED);
            assert!(good, "{}: {}", parts.status, String::from_utf8_lossy(&body));
            let tag = parts.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default();
            (body, tag.to_owned())
        })
    }

    /// Sends several requests of a row and returns the bytes of the last response.
    fn run(&mut self, row: &str, from: usize, count: usize) -> usize {
        let mut bytes = 0;
        for number in from..from + count {
            let (body, tag) = self.send(self.request(row, number));
            bytes = body.len();
            if row == "stage" {
                self.tag = tag;
            }
        }
        bytes
    }
}

fn get(path: &str, token: &str) -> Request<Body> {
    let request = Request::get(format!("/api/v1/{path}")).header(header::AUTHORIZATION, format!("Bearer {token}"));
    request.body(Body::empty()).expect("a request")
}

fn post(path: &str, token: &str, body: &Json) -> Request<Body> {
    let request = Request::post(format!("/api/v1/{path}")).header(header::AUTHORIZATION, format!("Bearer {token}"));
    let request = request.header(header::CONTENT_TYPE, "application/json");
    request.body(Body::from(body.to_string())).expect("a request")
}

fn read(body: &[u8]) -> Json {
    serde_json::from_slice(body).expect("an answer is JSON")
}

fn text(json: &Json) -> String {
    json.as_str().expect("a text").to_owned()
}

/// The processor time of this thread in nanoseconds.
fn on_processor() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells");
    stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number")
}

#[allow(clippy::disallowed_methods)] // measures time
#[allow(clippy::cast_precision_loss)]
fn measure(store: &str, scene: &mut Scene, rows: &[&str], requests: usize) {
    for row in rows {
        // Fills caches and prepares statements.
        scene.run(row, 0, 100);
        let (cpu, began) = (on_processor(), Instant::now());
        let bytes = scene.run(row, 100, requests);
        let (cpu, took) = (on_processor() - cpu, began.elapsed());
        let counted = 200;
        let mut made = AllocationInfo::default();
        made += allocation_counter::measure(|| {
            scene.run(row, 100 + requests, counted);
        });
        let each = |whole: f64| whole / requests as f64;
        println!(
            "| {store} | {row} | {:.1} | {:.1} | {} | {:.1} | {:.1} |",
            each(cpu as f64 / 1e3),
            each(took.as_secs_f64() * 1e6),
            made.count_total / counted as u64,
            made.bytes_total as f64 / counted as f64 / 1e3,
            bytes as f64 / 1e3
        );
    }
}
