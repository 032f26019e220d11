//! The CRM's API on this machine: to try it out (`crm-local --demo`), to develop against it, and to run it outside
//! Lambda. Configured by the environment (docs/configuration.md); faults of the configuration are printed one per line,
//! with exit code 2.

use std::{
    fmt::Write as _,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use crm_core::Crm;
#[cfg(feature = "aws")]
use crm_lambda::server::aws;
use crm_lambda::{
    demo, router,
    server::{
        Environment, Program, Settings, Started, StoreSetting, background,
        http::{Bounds, serve},
        key_file, logs, start,
        start::{migrate, open},
        stores::Opened,
    },
};
use crm_store_sqlite::SqliteStore;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

/// Memory that the system allocator keeps after many requests on many threads is a matter of the program, so the
/// allocator is chosen here and not in the library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The interval at which expired data is removed.
const SWEEP: Duration = Duration::from_hours(1);
/// The interval of the worker's rounds, and how long a round starts new pieces.
const WORK: Duration = Duration::from_secs(2);
/// The seed of the demo data: every start creates the same organization.
const SEED: u64 = 2026;

const DEMO: &str = "Serves a demo organization with months of history. Fills an empty store, serves one that holds the \
                    demo already, and refuses any other";
const STORE: &str = "Where records are kept, in place of CRM_STORE: sqlite://file (sqlite://crm.db), memory, \
                     postgres://user:password@host/database, dynamodb://table, dynamodb://host:port/table";

/// The CRM's API on this machine.
#[derive(Debug, Parser)]
#[command(version, after_help = "Everything else is set in the environment: docs/configuration.md has the variables.")]
struct Arguments {
    /// Serves a demo organization.
    #[arg(long, help = DEMO)]
    demo: bool,
    /// Address to listen on.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Store.
    #[arg(long, value_name = "STORE", global = true, help = STORE)]
    store: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Copies the SQLite file into a new one, also while a server uses it.
    Backup {
        /// The new file.
        file: PathBuf,
    },
    /// Checks every page, index and record of the SQLite file, also while a server uses it.
    Verify,
    /// Migrates PostgreSQL's schema, or creates DynamoDB's table, and exits.
    Migrate,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(code) => code,
        Err(message) => {
            for line in message.lines() {
                eprintln!("crm-local: {line}");
            }
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let mut environment = Environment::of_process().map_err(told)?;
    if let Some(store) = &arguments.store {
        environment.set("CRM_STORE", store).map_err(told)?;
    }
    #[cfg(feature = "aws")]
    aws::secrets::fetch(&mut environment).await.map_err(told)?;
    if let Some(command) = &arguments.command {
        let setting = Settings::read_store(&environment).map_err(told)?;
        if let (Command::Migrate, StoreSetting::Sqlite(file)) = (command, &setting) {
            // It creates the file, which is refused without its keys afterwards.
            key_file::apply(&mut environment, file)?;
        }
        println!("{setting}: {}", execute(command, &setting).await?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut keys = None;
    // What else is wrong is reported below.
    if let Ok(StoreSetting::Sqlite(file)) = Settings::read_store(&environment) {
        keys = key_file::apply(&mut environment, &file)?;
    }
    let program = if arguments.demo { Program::Demo } else { Program::Local };
    let settings = Settings::read(&environment, program).map_err(told)?;
    logs::begin(&settings);
    let listener = listen(arguments.listen).await?;
    let address = listener.local_addr().map_err(told)?;
    if arguments.demo {
        refuse_others(&settings.store).await?;
    }
    let started = start(&settings).await.map_err(told)?;
    announce(&started, &settings, address, keys.as_deref(), arguments.demo).await?;
    let Started { crm, config, store, .. } = started;
    let sweeper = tokio::spawn(sweep(crm.clone(), store.clone()));
    let worker = tokio::spawn(work(crm.clone(), store));
    let end = end().map_err(|error| format!("signals cannot be caught: {error}"))?;
    let finished = serve(listener, router(crm, config), Bounds::default(), end).await;
    sweeper.abort();
    worker.abort();
    if !finished {
        eprintln!("crm-local: stopped before all requests were finished");
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a command on the store and returns a description of what was done.
async fn execute(command: &Command, setting: &StoreSetting) -> Result<String, String> {
    match (command, setting) {
        (Command::Migrate, _) => {
            let store = open(setting).await.map_err(told)?;
            migrate(setting, &store).await.map_err(told)
        }
        (Command::Backup { file }, StoreSetting::Sqlite(path)) => {
            SqliteStore::backup_file(path, file).map_err(told)?;
            Ok(format!("copied to {}; copy the file with its keys too", file.display()))
        }
        (Command::Verify, StoreSetting::Sqlite(path)) => {
            let records = SqliteStore::verify_file(path).map_err(told)?;
            Ok(format!("{records} records, no damage"))
        }
        (Command::Backup { .. } | Command::Verify, _) => {
            Err(format!("{setting} is not an SQLite file: use the tools of that database"))
        }
    }
}

/// The demo's password is public: it is not added to a store that holds anything else. Called before the store is
/// migrated, so that one of somebody else is not changed.
async fn refuse_others(store: &StoreSetting) -> Result<(), String> {
    let crm = Crm::shared(open(store).await.map_err(told)?.store(None));
    // A store that has not been migrated cannot answer; one that is out of reach is reported when it is started.
    let Ok(tenants) = crm.tenants(None, 2).await else { return Ok(()) };
    let is_fit = match tenants[..] {
        [] => true,
        [tenant] => demo::is_demo(&crm, tenant).await.map_err(told)?,
        _ => false,
    };
    if is_fit {
        return Ok(());
    }
    Err(format!(
        "{store} holds another organization, and the demo's password is public: name an empty store, such as --store \
         sqlite://demo.db, or start without --demo"
    ))
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn told(error: impl ToString) -> String {
    error.to_string()
}

async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("{address} is already in use: choose another address with --listen ADDR:PORT")
        }
        _ => format!("cannot listen on {address}: {error}"),
    })
}

/// Completes with the first SIGINT or SIGTERM; a second one ends the program immediately.
fn end() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        next().await;
        eprintln!("crm-local: finishing open requests; repeat to stop immediately");
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(130);
        });
    })
}

/// Removes expired data at an interval.
async fn sweep(crm: Crm, store: Opened) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        match store.sweep(crm.now()).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed expired records"),
            Err(error) => tracing::warn!(%error, "expired records could not be removed"),
        }
    }
}

/// Runs the worker at an interval. A failure is reported once, not every two seconds.
async fn work(crm: Crm, store: Opened) {
    let mut ticks = tokio::time::interval(WORK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told: Option<String> = None;
    loop {
        ticks.tick().await;
        let report = background::work(&crm, &store, WORK).await;
        let failures = background::failures(&report);
        if failures != told {
            if let Some(failures) = &failures {
                tracing::warn!(failures, "background work waits");
            } else {
                tracing::info!("background work goes on again");
            }
            told = failures;
        }
        if report.parts.iter().any(|(_, round)| round.as_ref().is_ok_and(|round| !round.counts.is_empty())) {
            tracing::debug!(done = background::summary(&report), "background work was done");
        }
    }
}

/// Prints the address of the API and how to begin.
async fn announce(
    started: &Started,
    settings: &Settings,
    address: SocketAddr,
    keys: Option<&Path>,
    demo: bool,
) -> Result<(), String> {
    // An unspecified address is reached through the loopback address.
    let reached =
        if address.ip().is_unspecified() { format!("127.0.0.1:{}", address.port()) } else { address.to_string() };
    let url = format!("http://{reached}");
    let keys = keys.map(|keys| format!(", keys: {}", keys.display())).unwrap_or_default();
    let mut text = format!("The CRM answers on {url} (store: {}{keys})\n", settings.store);
    if let Some(token) = &started.setup {
        // Whoever has the token can create the organization. Browsers send nothing behind the `#` to servers or logs.
        let how = if settings.console {
            format!("{url}/console/#/setup/{}", token.expose())
        } else {
            format!("POST {url}/api/v1/auth/register with \"setup_token\": \"{}\"", token.expose())
        };
        let _ = writeln!(text, "  to set it up, once   {how}");
    }
    if settings.console {
        let _ = writeln!(text, "  to look at it        {url}/console/");
    }
    if settings.docs {
        let _ = writeln!(text, "  to read and try it   {url}/docs");
    }
    if demo {
        text += &fill(started, &url).await?;
        if !address.ip().is_loopback() {
            eprintln!("crm-local: {address} can be reached from elsewhere, and the demo's password is known to all");
        }
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| format!("cannot write: {error}"))
}

/// Creates the demo organization, and returns how to sign in to it.
async fn fill(started: &Started, url: &str) -> Result<String, String> {
    let filled = demo::fill(&started.crm, &started.policy, SEED).await;
    let hint = filled.map_err(|error| format!("the demo organization could not be made: {error}"))?;
    if hint.lead.is_none() {
        return Err(
            "the demo in this store is incomplete, because filling it was interrupted: delete the store, or name \
                    another with --store"
                .to_owned(),
        );
    }
    let (organization, email, password) = (&hint.organization, &hint.email, hint.password.expose());
    let mut text = format!("  to sign in           organization {organization}, e-mail {email}, password {password}\n");
    if let Some(lead) = hint.lead {
        let _ = writeln!(text, "  a lead with history  {url}/api/v1/leads/{lead}/history");
    }
    if !hint.others.is_empty() {
        text += "  others, with the same password:\n";
        for other in &hint.others {
            let _ = writeln!(text, "    {:<16} {} ({})", other.role, other.email, other.name);
        }
    }
    let body = serde_json::json!({"organization": organization, "email": email, "password": password});
    let _ = writeln!(
        text,
        "\nTo begin, paste this into a terminal:\n\n  TOKEN=$(curl -s {url}/api/v1/auth/login -H 'Content-Type: \
         application/json' -d '{body}' | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/') && curl -s \
         \"{url}/api/v1/leads?limit=3\" -H \"Authorization: Bearer $TOKEN\"\n"
    );
    Ok(text)
}
