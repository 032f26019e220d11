//! A temporary PostgreSQL cluster, with a separate database for each test.
//!
//! The cluster is started once per process and lives as long as it. A watchdog shell waits on a pipe that closes when
//! the process ends in any way; it then stops the cluster and removes its directory. If `CRM_TEST_POSTGRES` names a
//! server (a URL of a user who may create databases), that server is used instead.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crm_store_postgres::{PostgresOptions, PostgresStore};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::OnceCell;

/// Creates the cluster, reports that, waits for the pipe to close, and removes everything. `$1` is the directory, `$2`
/// the directory of the programs, the rest a prefix to run them as another user.
const WATCHDOG: &str = r#"
dir=$1; bin=$2; shift 2
clean() { "$@" "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1; rm -rf "$dir"; }
trap '' INT TERM HUP
if [ $# -gt 0 ]; then chown nobody "$dir"; fi
cd "$dir"
if "$@" "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$dir/log" 2>&1 &&
   "$@" "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 -o "-k $dir -c listen_addresses='' -c fsync=off \
     -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 -c shared_buffers=128MB \
     -c log_lock_waits=on" start >>"$dir/log" 2>&1 </dev/null
then echo ready; else cat "$dir/log" "$dir/server.log" >&2; echo failed; fi
read _
clean "$@"
"#;

/// A temporary cluster. It is stopped and removed when this is dropped or the process ends.
#[derive(Debug)]
pub struct Cluster {
    /// The directory of the cluster and of its socket.
    pub directory: PathBuf,
    /// Holds the other end of the pipe that the watchdog reads.
    _watchdog: Child,
}

/// The address of the server, and the cluster if it belongs to this process.
#[derive(Debug)]
struct Server {
    url: String,
    /// Keeps the cluster alive.
    _cluster: Option<Cluster>,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    if let Ok(url) = env::var("CRM_TEST_POSTGRES") {
        return Server { url, _cluster: None };
    }
    let cluster = Cluster::start();
    Server { url: cluster.url(), _cluster: Some(cluster) }
});

/// Returns the directory of the newest installed server's programs.
fn programs() -> PathBuf {
    let in_path = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default()
        .into_iter()
        .find(|dir| dir.join("initdb").exists() && dir.join("pg_ctl").exists());
    let by_config = || {
        let output = Command::new("pg_config").arg("--bindir").output().ok()?;
        let dir = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        dir.join("initdb").exists().then_some(dir)
    };
    let installed = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let mut dirs: Vec<(u32, PathBuf)> = versions
            .flatten()
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
            .filter(|(_, dir)| dir.join("initdb").exists())
            .collect();
        dirs.sort();
        dirs.pop().map(|(_, dir)| dir)
    };
    // The resolved directory: a link to one program may not have the others next to it.
    let linked = |dir: PathBuf| std::fs::canonicalize(dir.join("initdb")).ok()?.parent().map(Path::to_path_buf);
    in_path
        .and_then(linked)
        .or_else(by_config)
        .or_else(installed)
        .expect("PostgreSQL's server programs are needed (initdb, pg_ctl), or a server named by CRM_TEST_POSTGRES")
}

/// Returns the path of a program of the server, such as `pg_dump`.
///
/// # Panics
/// If it is not installed.
pub fn program(name: &str) -> PathBuf {
    programs().join(name)
}

impl Cluster {
    /// Starts a cluster, which takes some seconds.
    ///
    /// # Panics
    /// If the server is not installed or does not start.
    pub fn start() -> Self {
        // Short, because the path of a socket is limited to 107 bytes.
        let directory = tempfile::Builder::new().prefix("crm-pg-").tempdir_in("/tmp").expect("a directory").keep();
        // In its own session, so that killing the test's process group leaves the watchdog alive to clean up.
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", WATCHDOG, "watchdog"]).arg(&directory).arg(programs());
        // The server refuses to run as root.
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
        if is_root {
            command.args(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]);
        }
        let mut watchdog =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("setsid and sh start the cluster");
        let mut line = String::new();
        BufReader::new(watchdog.stdout.take().expect("a pipe")).read_line(&mut line).expect("a word from the watchdog");
        assert_eq!(line.trim(), "ready", "the cluster did not start");
        Self { directory, _watchdog: watchdog }
    }

    /// Returns the URL of its first database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.directory.display())
    }
}

/// A separate database with the migrated schema.
#[derive(Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    options: PgConnectOptions,
}

/// The options to connect to a database of the server.
fn options(database: &str) -> PgConnectOptions {
    let options: PgConnectOptions = SERVER.url.parse().expect("a URL");
    options.database(database)
}

async fn admin() -> PgConnection {
    let options: PgConnectOptions = SERVER.url.parse().expect("a URL");
    PgConnection::connect_with(&options).await.expect("the server answers")
}

fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("crm_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The migrated database from which the others are copied.
async fn template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(|| async {
            let name = format!("crm_test_{}_template", std::process::id());
            create(&name, "template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'").await;
            let pool =
                PgPoolOptions::new().max_connections(1).connect_with(options(&name)).await.expect("the template");
            PostgresStore::from_pool(pool.clone()).migrate().await.expect("migrations run");
            pool.close().await;
            name
        })
        .await
}

async fn create(name: &str, how: &str) {
    let mut admin = admin().await;
    let sql = format!("create database {name} {how}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.expect("a database");
    admin.close().await.expect("a clean end");
}

/// Creates a migrated database, copied from a template.
pub async fn database() -> Database {
    let template = template().await;
    let name = unique_name();
    create(&name, &format!("template {template}")).await;
    Database { options: options(&name), name }
}

/// Creates an empty database, not migrated.
pub async fn empty_database() -> Database {
    let name = unique_name();
    create(&name, "template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'").await;
    Database { options: options(&name), name }
}

/// Creates an empty, unmigrated database with a German ICU locale: a collation that sorts "ä" next to "a".
pub async fn icu_database() -> Database {
    let name = unique_name();
    create(&name, "template template0 encoding 'UTF8' locale_provider icu icu_locale 'de-DE' locale 'C'").await;
    Database { options: options(&name), name }
}

/// Creates a store on its own migrated database, which exists as long as the process.
pub async fn store() -> PostgresStore {
    database().await.store(5).await
}

impl Database {
    /// Returns the options to connect to the database.
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Returns the URL to connect to the database.
    ///
    /// # Panics
    /// If the server's URL is invalid.
    pub fn url(&self) -> String {
        let (server, query) = SERVER.url.split_once('?').unwrap_or((&SERVER.url, ""));
        let (server, _) = server.rsplit_once('/').expect("a URL of a server and a database");
        format!("{server}/{}?{query}", self.name)
    }

    /// Creates a store on the database with its own pool of at most the given number of connections.
    ///
    /// # Panics
    /// If the database does not respond.
    pub async fn store(&self, connections: u32) -> PostgresStore {
        let options = PostgresOptions {
            max_connections: connections,
            acquire_timeout: Duration::from_secs(30),
            ..PostgresOptions::default()
        };
        PostgresStore::connect_to(self.options(), &options).await.expect("the database answers")
    }

    /// Creates a pool of the driver with at most the given number of connections, and otherwise the store's own
    /// options.
    ///
    /// # Panics
    /// If the database does not respond.
    pub async fn pool(&self, connections: u32) -> sqlx::PgPool {
        let defaults = PostgresOptions::default();
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(30))
            .test_before_acquire(defaults.test_before_acquire)
            .connect_with(self.options().statement_cache_capacity(defaults.statement_cache))
            .await
            .expect("the database answers")
    }

    /// Drops the database with all its connections. Only needed on a server given by `CRM_TEST_POSTGRES`.
    ///
    /// # Panics
    /// If the server cannot drop it.
    pub async fn remove(self) {
        let mut admin = admin().await;
        let sql = format!("drop database if exists {} with (force)", self.name);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.expect("the database goes");
    }
}
