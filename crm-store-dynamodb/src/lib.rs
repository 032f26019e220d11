//! A store for [`crm_core`] on Amazon DynamoDB: one table, and one transaction per commit.
//!
//! ```no_run
//! # async fn example() -> Result<(), crm_core::store::StoreError> {
//! use crm_store_dynamodb::{DynamoStore, local};
//!
//! let client = local::client("http://127.0.0.1:8000"); // at AWS: Client::new(&aws_config::load_from_env().await)
//! let store = DynamoStore::new(client, "crm");
//! store.create_table().await?;
//! # Ok(())
//! # }
//! ```
//!
//! - Records, claims and idempotency keys are read strongly, by key; definitions by one query; a record's history from
//!   its own partition. Lists, the tenant's log and stage moves come from global indexes, which lag.
//! - A commit is one `TransactWriteItems`: a hundred items, version conditions, its own id as the request's token.
//! - Throttling and conflicts between transactions are retried here ([`Retry`]); the SDK's own retries are off.
//! - What a newer program stored and this one does not know is read as far as it is known, and left as it was.
//! - What each operation costs is told to whoever asks ([`DynamoStore::on_consumed`]).
//!
//! The key layout, measured costs, and what an emulator cannot show are in `docs/dynamodb.md`.

mod commit;
mod due;
mod error;
mod expression;
mod feed;
mod filter;
mod get;
mod history;
mod item;
mod key;
mod layout;
mod list;
pub mod local;
mod ordered;
mod reference;
mod retry;
mod table;
mod value;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    types::ConsumedCapacity,
};
use crm_core::{
    schema::KindDecl,
    store::{
        Answer, ChangePage, Commit, Definitions, Feed, FeedCursor, FeedPage, FeedPlace, History, HistoryQuery,
        LogQuery, Page, Query, Records, StageMoveQuery, Store, StoreError, Want,
    },
    value::{Id, Ref, Time},
};

pub use retry::Retry;

/// How long one request may take, where the client's own configuration says nothing of it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What one request consumed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Consumed {
    /// For which of the store's operations: `commit`, `get`, `definitions`, `list`, `history`, `log`, `stage_moves`, `tenants`,
    /// `feed_place`, `keep_feed_place`, `due`.
    pub operation: &'static str,
    /// Capacity units: write units for `commit` and `keep_feed_place`, read units for the others. The copies in global indexes are in it.
    pub units: f64,
}

type Observer = Arc<dyn Fn(Consumed) + Send + Sync>;

/// A store on one DynamoDB table. Cloning it gives another handle.
#[derive(Clone)]
pub struct DynamoStore {
    client: Client,
    table: String,
    retry: Retry,
    streams: Option<aws_sdk_dynamodbstreams::Client>,
    on_consumed: Option<Observer>,
}

impl fmt::Debug for DynamoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoStore").field("table", &self.table).field("retry", &self.retry).finish_non_exhaustive()
    }
}

impl DynamoStore {
    /// A store on the table of a name. Asks nothing of DynamoDB yet.
    ///
    /// The client is used with its own retries off: the store must know of every answer that was lost.
    #[expect(clippy::needless_pass_by_value, reason = "a client is a handle, and handing it over reads as what it is")]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let config = client.config();
        let mut own = config.to_builder().retry_config(RetryConfig::disabled());
        let has_timeout = config
            .timeout_config()
            .is_some_and(|timeout| timeout.operation_attempt_timeout().or(timeout.read_timeout()).is_some());
        if !has_timeout {
            let timeout = config.timeout_config().map(TimeoutConfig::to_builder).unwrap_or_default();
            own = own.timeout_config(timeout.operation_attempt_timeout(REQUEST_TIMEOUT).build());
        }
        Self {
            client: Client::from_conf(own.build()),
            table: table.into(),
            retry: Retry::default(),
            streams: None,
            on_consumed: None,
        }
    }

    /// Reads the feed through this client of DynamoDB Streams. Without one, [`Feed::feed`] and [`Feed::feed_end`]
    /// are unavailable.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a client is a handle, and handing it over reads as what it is")]
    pub fn with_streams(mut self, streams: aws_sdk_dynamodbstreams::Client) -> Self {
        let retry = aws_sdk_dynamodbstreams::config::retry::RetryConfig::disabled();
        let own = streams.config().to_builder().retry_config(retry);
        self.streams = Some(aws_sdk_dynamodbstreams::Client::from_conf(own.build()));
        self
    }

    /// Tries failed requests so often.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Tells what every request from now on consumes. DynamoDB is asked to say so only where somebody listens.
    #[must_use]
    pub fn on_consumed(mut self, observer: impl Fn(Consumed) + Send + Sync + 'static) -> Self {
        self.on_consumed = Some(Arc::new(observer));
        self
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Makes the table with its indexes, its stream and its time to live, and waits until it can be used. A table that
    /// is there already is left as it is.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn create_table(&self) -> Result<(), StoreError> {
        table::create(&self.client, &self.table).await
    }

    fn consumed(&self, operation: &'static str, capacity: &[ConsumedCapacity]) {
        if let Some(observer) = &self.on_consumed {
            let units = capacity.iter().filter_map(ConsumedCapacity::capacity_units).sum();
            observer(Consumed { operation, units });
        }
    }
}

#[async_trait]
impl Records for DynamoStore {
    /// One `BatchGetItem` of up to a hundred items (the epoch, and two items a record where its kind has long texts);
    /// where a claim is wanted, a second one.
    async fn get(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError> {
        self.get_wanted(tenant, wants).await
    }

    /// A `GetItem` for the epoch, then one strongly consistent `Query` (another for every further MB).
    async fn definitions(&self, tenant: Id) -> Result<Definitions, StoreError> {
        self.all_definitions(tenant).await
    }

    /// One to four `Query`s; for a list-valued index a `BatchGetItem` after each.
    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.list_page(query).await
    }

    /// One `TransactWriteItems`, again where DynamoDB asks for it.
    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        self.send_commit(commit).await
    }
}

#[async_trait]
impl History for DynamoStore {
    async fn history(&self, query: &HistoryQuery) -> Result<ChangePage, StoreError> {
        self.history_page(query).await
    }

    async fn log(&self, query: &LogQuery) -> Result<ChangePage, StoreError> {
        self.log_page(query).await
    }

    async fn stage_moves(&self, query: &StageMoveQuery) -> Result<ChangePage, StoreError> {
        self.stage_move_page(query).await
    }
}

#[async_trait]
impl Feed for DynamoStore {
    async fn feed<'a>(&self, after: Option<&'a FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
        self.feed_page(after, limit).await
    }

    async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
        self.directory_page(after, limit).await
    }

    async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, StoreError> {
        self.kept_place(consumer).await
    }

    /// One conditional `PutItem`.
    async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError> {
        self.keep_place(consumer, place, was).await
    }

    async fn feed_end(&self) -> Result<FeedCursor, StoreError> {
        self.end_of_feed().await
    }

    /// Eight `Query`s, one after another four at most in each of eight partitions.
    async fn due(
        &self,
        decl: &'static KindDecl,
        until: Time,
        after: Option<Id>,
        per_tenant: usize,
        limit: usize,
    ) -> Result<Vec<(Id, Ref, Time)>, StoreError> {
        self.due_records(decl, until, after, per_tenant, limit).await
    }
}

impl Store for DynamoStore {}
