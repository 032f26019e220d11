//! A store for `crm-core` on PostgreSQL 14 and later.
//!
//! ```no_run
//! # async fn example() -> Result<(), crm_core::store::StoreError> {
//! use crm_store_postgres::PostgresStore;
//!
//! let store = PostgresStore::connect("postgres://crm@localhost/crm").await?;
//! store.migrate().await?;
//! # Ok(()) }
//! ```
//!
//! All objects are in the schema `crm`: a table per kind with typed columns named after its fields, the change log, and
//! a view per kind as a stable contract for your own SQL (see the README). Every call of the storage traits is one
//! statement in one round trip.

mod args;
mod commit;
mod composite;
mod connections;
pub mod ddl;
mod error;
mod feed;
mod filter;
mod get;
mod history;
mod layout;
mod link;
mod list;
mod migrate;
mod row;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use crm_core::{
    catalog,
    schema::KindDecl,
    store::{
        Answer, ChangePage, Commit, Counts, Definitions, Epochs, Feed, FeedCursor, FeedPage, FeedPlace, History,
        HistoryQuery, LogQuery, Page, Query, Records, StageMoveQuery, Store, StoreError, Want,
    },
    value::{Id, Ref, Time},
};
use sqlx::{PgPool, Postgres, Transaction, postgres::PgConnectOptions};
use tokio::sync::Mutex;

use connections::Connections;
use link::Link;

/// Options of the connection pool.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// The maximum number of connections. A connection serves one call at a time. 10 by default.
    pub max_connections: u32,
    /// How long a call waits for a connection before it fails as unavailable. 5 s by default.
    pub acquire_timeout: Duration,
    /// Whether an idle connection is tested before use, at the cost of a round trip per call. Off by default. Enable it
    /// if the process can be frozen between calls (AWS Lambda), because its connections may be dead when it resumes.
    pub test_before_acquire: bool,
    /// The number of prepared statements cached per connection. 256 by default.
    pub statement_cache: usize,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            test_before_acquire: false,
            statement_cache: 256,
        }
    }
}

/// A store on PostgreSQL. Clones share the same pool or transaction.
#[derive(Clone, Debug)]
pub struct PostgresStore {
    link: Link,
    statements: get::Statements,
}

impl PostgresStore {
    /// Creates a store with its own connection pool and default options.
    ///
    /// # Errors
    /// [`StoreError::BadQuery`] if the URL is malformed, [`StoreError::Unavailable`] if no connection can be
    /// established.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, &PostgresOptions::default()).await
    }

    /// Creates a store with its own connection pool.
    ///
    /// # Errors
    /// Those of [`PostgresStore::connect`].
    pub async fn connect_with(url: &str, options: &PostgresOptions) -> Result<Self, StoreError> {
        let server: PgConnectOptions =
            url.parse().map_err(|error: sqlx::Error| StoreError::BadQuery(error.to_string()))?;
        Self::connect_to(server, options).await
    }

    /// Creates a store from connection options, for settings that a URL cannot express (a certificate, a token as
    /// password).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if no connection can be established.
    pub async fn connect_to(server: PgConnectOptions, options: &PostgresOptions) -> Result<Self, StoreError> {
        let connections =
            Connections::new(server, options).await.map_err(|error| StoreError::Unavailable(Arc::new(error)))?;
        Ok(Self { link: Link::Own(connections), statements: get::Statements::default() })
    }

    /// Creates a store on an existing pool. The driver's pool tests each returned connection in the background, which
    /// costs an additional round trip per call; [`PostgresStore::connect`] avoids it.
    pub fn from_pool(pool: PgPool) -> Self {
        Self { link: Link::Pool(pool), statements: get::Statements::default() }
    }

    /// Creates a store in the caller's open transaction, so that writes of the CRM and of the caller commit together.
    ///
    /// Nothing is retried and no savepoints are set: after any error except a bad query the transaction can only be
    /// rolled back. References that may be inserted in either order are checked when the transaction commits.
    /// [`PostgresStore::into_transaction`] returns the transaction.
    pub fn within(transaction: Transaction<'static, Postgres>) -> Self {
        Self { link: Link::Open(Arc::new(Mutex::new(Some(transaction)))), statements: get::Statements::default() }
    }

    /// Returns the transaction passed to [`PostgresStore::within`], to be committed or rolled back. Waits for a call in
    /// progress. Other handles to it are unusable afterwards. `None` for a store on a pool, or if another handle
    /// already returned the transaction.
    pub async fn into_transaction(self) -> Option<Transaction<'static, Postgres>> {
        match self.link {
            Link::Own(_) | Link::Pool(_) => None,
            Link::Open(shared) => shared.lock().await.take(),
        }
    }

    /// Creates or updates the schema `crm` and returns the number of migrations that ran. Several processes may call it
    /// concurrently; they wait for each other. It does nothing if the schema is up to date. It requires the right to
    /// create the schema, or to create tables in it if it exists, but no superuser.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], in which case no migration was applied. [`StoreError::BadQuery`] within a
    /// transaction.
    pub async fn migrate(&self) -> Result<usize, StoreError> {
        let unavailable = |error: sqlx::Error| StoreError::Unavailable(Arc::new(error));
        match &self.link {
            Link::Own(connections) => {
                let mut lease = connections.acquire().await.map_err(unavailable)?;
                let ran = migrate::migrate(&mut lease.connection).await.map_err(unavailable)?;
                lease.give_back();
                Ok(ran)
            }
            Link::Pool(pool) => {
                let mut connection = pool.acquire().await.map_err(unavailable)?;
                migrate::migrate(&mut connection).await.map_err(unavailable)
            }
            Link::Open(_) => {
                Err(StoreError::BadQuery("migrations run on a pool, in a transaction of their own".to_owned()))
            }
        }
    }

    /// Deletes expired rows (idempotency keys, throttles, sessions), at most `limit` of each kind, and returns their
    /// number. They are treated as absent from the time they expire; deleting them frees their space. Their changes
    /// stay in the log. One indexed round trip. Call it periodically until it returns 0.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn forget_expired(&self, at: Time, limit: u32) -> Result<u64, StoreError> {
        let mut statement = args::Statement::default();
        let (at, limit) = (statement.bind(at.chrono())?, statement.bind(i64::from(limit))?);
        let kinds = catalog::all().filter_map(|decl| Some((layout::layout(decl.kind), decl.expires_at?)));
        let tables = kinds.map(|(layout, field)| (layout.table.as_str(), layout.columns[field][0].name.as_str()));
        let mut counts = Vec::new();
        for (number, (table, column)) in tables.chain([("crm.idempotency_key", "expires_at")]).enumerate() {
            // Rows locked by a commit are skipped, because it may extend their expiry.
            statement.push(&format!(
                "{} gone_{number} as (delete from {table} where ctid = any (array(select ctid from {table} where {column} \
                 <= {at} order by {column} limit {limit} for update skip locked)) returning 1)",
                if number == 0 { "with" } else { "," }
            ));
            counts.push(format!("(select count(*) from gone_{number})"));
        }
        statement.push(&format!(" select {}", counts.join(" + ")));
        let (sql, arguments) = statement.finish();
        let rows = self.link.rows(sql, arguments).await.map_err(error::of_read)?;
        rows.first().map_or(Ok(0), |row| row::version(row, 0))
    }
}

#[async_trait]
impl Records for PostgresStore {
    async fn get(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError> {
        get::get(&self.link, &self.statements, tenant, wants).await
    }

    async fn definitions(&self, tenant: Id) -> Result<Definitions, StoreError> {
        get::definitions(&self.link, tenant).await
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        list::list(&self.link, query).await
    }

    async fn list_with_epochs(&self, query: &Query) -> Result<(Page, Epochs), StoreError> {
        match list::list_with_epochs(&self.link, query).await? {
            Some(read) => Ok(read),
            None => Ok((Page::default(), self.get(query.tenant, &[]).await?.epochs)),
        }
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        commit::commit(&self.link, commit).await
    }
}

#[async_trait]
impl History for PostgresStore {
    async fn history(&self, query: &HistoryQuery) -> Result<ChangePage, StoreError> {
        history::history(&self.link, query).await
    }

    async fn log(&self, query: &LogQuery) -> Result<ChangePage, StoreError> {
        history::log(&self.link, query).await
    }

    async fn stage_moves(&self, query: &StageMoveQuery) -> Result<ChangePage, StoreError> {
        history::stage_moves(&self.link, query).await
    }
}

#[async_trait]
impl Feed for PostgresStore {
    async fn feed<'a>(&self, after: Option<&'a FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
        feed::feed(&self.link, after, limit).await
    }

    async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
        feed::tenants(&self.link, after, limit).await
    }

    async fn feed_end(&self) -> Result<FeedCursor, StoreError> {
        feed::end(&self.link).await
    }

    async fn due(
        &self,
        decl: &'static KindDecl,
        until: Time,
        after: Option<Id>,
        per_tenant: usize,
        limit: usize,
    ) -> Result<Vec<(Id, Ref, Time)>, StoreError> {
        feed::due(&self.link, decl, until, after, per_tenant, limit).await
    }

    async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, StoreError> {
        feed::place(&self.link, consumer).await
    }

    async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError> {
        feed::keep_place(&self.link, consumer, place, was).await
    }
}

#[async_trait]
impl Counts for PostgresStore {
    async fn count(&self, query: &Query) -> Result<u64, StoreError> {
        list::count(&self.link, query).await
    }
}

impl Store for PostgresStore {
    fn counts(&self) -> Option<&dyn Counts> {
        Some(self)
    }
}
