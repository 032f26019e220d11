//! The cost of the PostgreSQL store: creating leads compared with pgbench, by the use case and over HTTP; pages of few
//! and of many leads; and sweeps of due scores.
//!
//! `cargo bench -p tests --bench postgres -- [create|http|pages|sweeps] [--seconds 5]`. `CRM_BENCH_POSTGRES` must name
//! a server (the URL of a superuser) with default durability that collects its log (`logging_collector=on`);
//! `scripts/bench` creates one. The benchmark creates a database there and drops it at the end.

#[path = "../../src/bin/load/client.rs"]
mod client;
mod creating;
mod paging;
mod pgbench;
mod scene;
mod serving;
mod sweeping;

use std::{env, time::Duration};

use scene::Server;

/// The median of an odd number of values.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

#[tokio::main]
async fn main() {
    // Cargo passes `--bench`, and other flags if a filter is given.
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let seconds = arguments.iter().position(|argument| argument == "--seconds").map_or(5, |at| {
        arguments.get(at + 1).and_then(|seconds| seconds.parse().ok()).expect("--seconds and a whole number")
    });
    let asked = arguments.first().filter(|argument| !argument.starts_with('-'));
    let runs = |part: &str| asked.is_none_or(|asked| asked == part);
    let url = env::var("CRM_BENCH_POSTGRES").expect("CRM_BENCH_POSTGRES names a server; scripts/bench makes one");

    let server = Server::new(&url).await;
    if runs("create") {
        creating::run(&server, Duration::from_secs(seconds)).await;
    }
    if runs("http") {
        serving::run(&server, Duration::from_secs(seconds)).await;
    }
    if runs("pages") {
        paging::run(&server).await;
    }
    if runs("sweeps") {
        sweeping::run(&server).await;
    }
    server.remove().await;
}
