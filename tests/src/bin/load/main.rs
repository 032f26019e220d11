//! A load test of the API. It creates 50 organizations of 2,000 leads each (name, email, phone, company, source and two
//! custom properties, as a form sends them) at an address. It then sends each kind of request in turn over several
//! numbers of connections, and prints a table of requests per second, latencies, and the processor time per request and
//! memory of the process with the given id.
//!
//! `load ADDRESS PID SECONDS`; `scripts/load` starts the server. Loopback only.

#![allow(clippy::disallowed_methods)] // measures time

mod client;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};

use client::{Client, Failure};
use tests::leads::{lead_body, property_bodies};

/// The number of organizations, and of leads in each.
const TENANTS: usize = 50;
const LEADS: usize = 2000;
/// The number of requests per batch while filling.
const BATCH: usize = 20;
/// The numbers of connections in the table.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

/// A filled organization.
struct Tenant {
    token: String,
    leads: Vec<String>,
}

async fn fill(host: SocketAddr) -> Result<Vec<Tenant>, Failure> {
    let mut tenants = Vec::with_capacity(TENANTS);
    for number in 0..TENANTS {
        let mut client = Client::new(host).await?;
        let register = json!({
            "organization": {"name": format!("Load {number}"), "slug": format!("load-{number}-{}", std::process::id())},
            "user": {"email": format!("admin@load-{number}.example")},
            "password": "a heron by the lake",
        });
        let answer = client.send("POST", "/api/v1/auth/register", "", "", Some(&register)).await?;
        let data: Json = serde_json::from_slice(&answer.body)?;
        let token = data["data"]["access_token"].as_str().ok_or_else(|| format!("cannot register: {data}"))?.to_owned();
        for property in property_bodies() {
            let answer = client.send("POST", "/api/v1/properties/lead", &token, "", Some(&property)).await?;
            if answer.status != 201 {
                return Err(format!("cannot define a property: {}", String::from_utf8_lossy(&answer.body)).into());
            }
        }
        let mut leads = Vec::with_capacity(LEADS);
        for batch in 0..LEADS / BATCH {
            let requests: Vec<Json> = (0..BATCH)
                .map(|at| {
                    let body = lead_body(batch * BATCH + at);
                    json!({"method": "POST", "path": "/api/v1/leads", "body": body})
                })
                .collect();
            let answer = client.send("POST", "/api/v1/batch", &token, "", Some(&json!({"requests": requests}))).await?;
            let data: Json = serde_json::from_slice(&answer.body)?;
            let made = data["data"].as_array().ok_or_else(|| format!("cannot fill: {data}"))?;
            leads.extend(made.iter().filter_map(|one| one["body"]["data"]["id"].as_str().map(str::to_owned)));
        }
        if leads.len() != LEADS {
            return Err(format!("{} of {LEADS} leads were made", leads.len()).into());
        }
        tenants.push(Tenant { token, leads });
    }
    Ok(tenants)
}

/// The kind of request.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Create,
    Get,
    List,
    Patch,
    Stage,
}

/// Returns the processor time of a process in microseconds, and its current and peak memory in kB.
fn used(pid: u32) -> Result<(u64, u64, u64), Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let of = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
    };
    // The kernel counts in hundredths of a second.
    Ok((ticks * 10_000, of("VmRSS:"), of("VmHWM:")))
}

async fn load(
    host: SocketAddr,
    tenants: Arc<Vec<Tenant>>,
    kind: Kind,
    connections: usize,
    time: Duration,
) -> Result<Vec<Duration>, Failure> {
    let next = Arc::new(AtomicUsize::new(0));
    let end = Instant::now() + time;
    let mut tasks = Vec::new();
    for connection in 0..connections {
        let (tenants, next) = (Arc::clone(&tenants), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            let mut client = Client::new(host).await?;
            let mut took = Vec::new();
            // Each connection writes its own leads, so that no two requests conflict.
            let own = &tenants[connection % tenants.len()];
            let mut lead = own.leads[connection / tenants.len()].clone();
            let mut tag = String::new();
            if matches!(kind, Kind::Patch | Kind::Stage) {
                let fresh = client.send("POST", "/api/v1/leads", &own.token, "", Some(&lead_body(LEADS))).await?;
                let made: Json = serde_json::from_slice(&fresh.body)?;
                made["data"]["id"].as_str().ok_or("no lead")?.clone_into(&mut lead);
                tag = fresh.etag;
            }
            while Instant::now() < end {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let tenant = &tenants[at % tenants.len()];
                let id = &tenant.leads[at * 7919 % tenant.leads.len()];
                let began = Instant::now();
                let answer = match kind {
                    Kind::Create => {
                        client.send("POST", "/api/v1/leads", &tenant.token, "", Some(&lead_body(LEADS + at))).await?
                    }
                    Kind::Get => client.send("GET", &format!("/api/v1/leads/{id}"), &tenant.token, "", None).await?,
                    Kind::List => {
                        client.send("GET", "/api/v1/leads?status=new&limit=20", &tenant.token, "", None).await?
                    }
                    Kind::Patch => {
                        // Each request sets another phone number, like a user's correction.
                        let body = json!({"phone": lead_body(at)["phone"], "job_title": format!("Buyer {at}")});
                        let path = format!("/api/v1/leads/{lead}");
                        client.send("PATCH", &path, &own.token, "", Some(&body)).await?
                    }
                    Kind::Stage => {
                        let stage = if at.is_multiple_of(2) { "contacted" } else { "new" };
                        let condition = format!("if-match: {tag}\r\n");
                        let path = format!("/api/v1/leads/{lead}/stage");
                        let body = json!({"stage": stage, "source_detail": format!("{at}")});
                        client.send("POST", &path, &own.token, &condition, Some(&body)).await?
                    }
                };
                took.push(began.elapsed());
                if !matches!(answer.status, 200 | 201) {
                    return Err(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)).into());
                }
                if matches!(kind, Kind::Stage) {
                    tag = answer.etag;
                }
            }
            Ok::<_, Failure>(took)
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    Ok(all)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, host, pid, seconds] = arguments.as_slice() else { return Err("load ADDRESS PID SECONDS".into()) };
    let (host, pid): (SocketAddr, u32) = (host.parse()?, pid.parse()?);
    if !host.ip().is_loopback() {
        return Err("only addresses of this machine".into());
    }
    let time = Duration::from_secs(seconds.parse()?);
    let (_, idle, _) = used(pid)?;
    let began = Instant::now();
    let tenants = Arc::new(fill(host).await?);
    println!(
        "idle {:.1} MB; {} leads of {TENANTS} organizations in {:.0} s",
        mb(idle),
        TENANTS * LEADS,
        began.elapsed().as_secs_f64()
    );
    println!("| request | connections | per second | p50 ms | p99 ms | CPU µs | MB |");
    println!("|---|---|---|---|---|---|---|");
    for kind in [Kind::Get, Kind::List, Kind::Stage, Kind::Patch, Kind::Create] {
        for connections in CONNECTIONS {
            let (before, ..) = used(pid)?;
            let mut took = load(host, Arc::clone(&tenants), kind, connections, time).await?;
            let (after, memory, _) = used(pid)?;
            took.sort_unstable();
            let at = |part: f64| {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
                let place = (took.len() as f64 * part) as usize;
                took.get(place.min(took.len().saturating_sub(1))).map_or(0.0, |one| one.as_secs_f64() * 1000.0)
            };
            #[allow(clippy::cast_precision_loss)]
            let count = took.len() as f64;
            #[allow(clippy::cast_precision_loss)]
            let cpu = (after - before) as f64 / count;
            println!(
                "| {} | {connections} | {:.0} | {:.2} | {:.2} | {cpu:.0} | {:.0} |",
                format!("{kind:?}").to_lowercase(),
                count / time.as_secs_f64(),
                at(0.5),
                at(0.99),
                mb(memory)
            );
        }
    }
    let (.., peak) = used(pid)?;
    println!("peak {:.0} MB", mb(peak));
    Ok(())
}

#[allow(clippy::cast_precision_loss)]
fn mb(kilobytes: u64) -> f64 {
    kilobytes as f64 / 1024.0
}
