//! Creating leads over HTTP, with a token verified for each, compared with pgbench running the two statements that this
//! executes. The router under axum's own server and its clients run in this process, over loopback.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::serve::ListenerExt as _;
use crm_core::{Crm, auth::Policy};
use crm_lambda::{Config, KeyRing, OwnSignIn, SignIn, TokenKey, router};
use serde_json::{Value as Json, json};
use tests::leads::{lead_body, property_bodies};
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};

use crate::{
    client::Client,
    creating::stored,
    median,
    pgbench::Script,
    scene::{Server, Tenant},
};

/// The number of times both are run, alternately.
const PAIRS: usize = 5;
/// The number of connections on both sides.
const CONNECTIONS: u32 = 16;

/// Measures with sixteen connections.
pub(crate) async fn run(server: &Server, time: Duration) {
    let tenant = Tenant::on(Arc::new(server.store(1).await)).await;
    let script = Script::of_one_call(server, &tenant).await;

    // A separate CRM, which caches the definitions of the organization that registers.
    let crm = Crm::new(server.store(CONNECTIONS).await);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    // Like crm-local: a response does not wait for the previous one to be acknowledged.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("a connection"));
    let (end, ended) = oneshot::channel::<()>();
    let router = router(crm, config());
    let serving = tokio::spawn(async move {
        let running = axum::serve(listener, router).with_graceful_shutdown(async {
            let _ = ended.await;
        });
        running.await
    });
    let token = register(address).await;
    let next = Arc::new(AtomicU64::new(1));
    // Establishes every connection and prepares both statements.
    create(address, &token, Duration::from_secs(1), &next).await;
    script.run(server, CONNECTIONS, Duration::from_secs(1));

    let (mut theirs, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let before = stored(server).await;
        let (transactions, by_pgbench) = script.run(server, CONNECTIONS, time);
        let between = stored(server).await;
        assert_eq!(between.0 - before.0, transactions, "pgbench stores one lead in each transaction");
        let (created, over_http) = create(address, &token, time, &next).await;
        let after = stored(server).await;
        assert_eq!(after.0 - between.0, created, "each answer of 201 is a lead");
        assert_eq!(
            (after.1 - between.1) / created,
            (between.1 - before.1) / transactions,
            "pgbench logs as many changes as the API"
        );
        theirs.push(by_pgbench);
        ours.push(over_http);
        ratios.push(over_http / by_pgbench);
    }
    end.send(()).expect("it serves");
    serving.await.expect("it ends").expect("it served");
    println!("postgres.http_create.c{CONNECTIONS}_pgbench_per_second {:.0}", median(theirs));
    println!("postgres.http_create.c{CONNECTIONS}_per_second {:.0}", median(ours));
    println!("postgres.http_create.c{CONNECTIONS}_ratio {:.2}", median(ratios));
}

fn config() -> Config {
    let keys = TokenKey::hs256("bench", b"0123456789 these are 48 bytes of a bench's secret").expect("a strong key");
    let mut own = OwnSignIn::new(KeyRing::new(vec![keys]).expect("one key"), "https://crm.example", Policy::default());
    own.registration = true;
    let mut config = Config::new(SignIn::Own(Box::new(own)));
    config.requests_per_minute = None;
    config
}

/// Creates an organization with custom properties of leads, and returns its administrator's token.
async fn register(address: SocketAddr) -> String {
    let body = json!({
        "organization": {"name": "Bench", "slug": "bench"},
        "user": {"email": "admin@bench.example"},
        "password": "a heron by the lake",
    });
    let mut client = Client::new(address).await.expect("it listens");
    let answer = client.send("POST", "/api/v1/auth/register", "", "", Some(&body)).await.expect("an answer");
    let data: Json = serde_json::from_slice(&answer.body).expect("JSON");
    let token = data["data"]["access_token"].as_str().expect("a token").to_owned();
    for property in property_bodies() {
        let answer =
            client.send("POST", "/api/v1/properties/lead", &token, "", Some(&property)).await.expect("an answer");
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    }
    token
}

/// Opens several connections, each creating leads until the time is up. Returns the number of leads, in total and per
/// second.
#[allow(clippy::disallowed_methods)] // measures time
async fn create(address: SocketAddr, token: &str, time: Duration, next: &Arc<AtomicU64>) -> (i64, f64) {
    let start = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (token, next) = (token.to_owned(), Arc::clone(next));
        running.spawn(async move {
            let mut client = Client::new(address).await.expect("it listens");
            let mut created = 0_u32;
            while start.elapsed() < time {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let lead = lead_body(usize::try_from(number).expect("no benchmark makes so many"));
                let answer = client.send("POST", "/api/v1/leads", &token, "", Some(&lead)).await.expect("an answer");
                assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
                assert!(!answer.etag.is_empty(), "a record comes with its tag");
                created += 1;
            }
            created
        });
    }
    let created: u32 = running.join_all().await.into_iter().sum();
    (created.into(), f64::from(created) / start.elapsed().as_secs_f64())
}
