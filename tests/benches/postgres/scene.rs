//! A database on the given server, and tenants in it.

use std::{process::Command, sync::Arc, time::Duration};

use crm_core::{
    Crm,
    access::Actor,
    leads::NewLead,
    organizations::NewOrganization,
    store::Store,
    teams::{NewTeam, Team},
    testing::user,
    value::Id,
};
use crm_store_postgres::{PostgresOptions, PostgresStore};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};

/// The server, with a migrated database for this run.
pub(crate) struct Server {
    admin: PgConnectOptions,
    database: String,
}

impl Server {
    pub(crate) async fn new(url: &str) -> Self {
        let admin: PgConnectOptions = url.parse().expect("CRM_BENCH_POSTGRES is a URL");
        let server = Self { admin, database: format!("crm_bench_{}", std::process::id()) };
        let mut connection = PgConnection::connect_with(&server.admin).await.expect("the server answers");
        for (setting, wanted) in [("fsync", "on"), ("synchronous_commit", "on"), ("full_page_writes", "on")] {
            let found: String = sqlx::query_scalar("select current_setting($1)")
                .bind(setting)
                .fetch_one(&mut connection)
                .await
                .expect("a setting");
            assert_eq!(found, wanted, "{setting} must be {wanted}: durability is what is measured");
        }
        server.run_on(&mut connection, &format!("create database {}", server.database)).await;
        server.store(1).await.migrate().await.expect("migrations run");
        server
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.admin.clone().database(&self.database)
    }

    /// Adds the address of the database to a command of a PostgreSQL program.
    pub(crate) fn address(&self, command: &mut Command) {
        let options = self.options();
        let socket = options.get_socket().map(|directory| directory.display().to_string());
        command.env("PGHOST", socket.unwrap_or_else(|| options.get_host().to_owned()));
        command.env("PGPORT", options.get_port().to_string());
        command.env("PGUSER", options.get_username());
        command.env("PGDATABASE", &self.database);
        // The password from the URL; without one the environment may provide it.
        if let Some(password) = options.to_url_lossy().password() {
            command.env("PGPASSWORD", password);
        }
    }

    /// A connection for the benchmark's own queries.
    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect_with(&self.options()).await.expect("the server answers")
    }

    /// The store as an embedder would open it.
    pub(crate) async fn store(&self, connections: u32) -> PostgresStore {
        let options = PostgresOptions {
            max_connections: connections,
            acquire_timeout: Duration::from_mins(1),
            ..PostgresOptions::default()
        };
        PostgresStore::connect_to(self.options(), &options).await.expect("the server answers")
    }

    async fn run_on(&self, connection: &mut PgConnection, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.expect("the statement runs");
    }

    /// Runs statements without parameters on the database.
    pub(crate) async fn run(&self, sql: &str) {
        self.run_on(&mut self.connection().await, sql).await;
    }

    /// Drops the database.
    pub(crate) async fn remove(self) {
        let mut connection = PgConnection::connect_with(&self.admin).await.expect("the server answers");
        self.run_on(&mut connection, &format!("drop database {} with (force)", self.database)).await;
    }
}

/// A tenant with an administrator, a team and a representative, with the system clock and random ids.
pub(crate) struct Tenant {
    pub(crate) crm: Crm,
    pub(crate) admin: Actor,
    pub(crate) team: Id<Team>,
    pub(crate) rep: Actor,
}

impl Tenant {
    pub(crate) async fn on(store: Arc<dyn Store>) -> Self {
        let crm = Crm::shared(store);
        let new = NewOrganization { name: "Acme".into(), ..Default::default() };
        let admin = crm.bootstrap(new).await.expect("a tenant");
        tests::leads::define_properties(&crm, &admin).await.expect("two properties");
        let new = NewTeam { name: "North".into(), ..Default::default() };
        let team = crm.teams(&admin).create(new).await.expect("a team").id;
        let rep = user(&crm, &admin, "Rob", "sales_rep", team).await.expect("a representative").id;
        let rep = crm.actor(admin.tenant(), rep).await.expect("an actor");
        Self { crm, admin, team, rep }
    }
}

/// A lead as a form sends it.
pub(crate) fn new_lead(number: u64) -> NewLead {
    tests::leads::new_lead(usize::try_from(number).expect("no benchmark makes so many"))
}
