//! A store for [`crm_core`] on Amazon DynamoDB: one table, and one transaction per commit.
//!
//! ```no_run
//! # async fn example() -> Result<(), crm_core::store::StoreError> {
//! use crm_store_dynamodb::{DynamoStore, local};
//!
//! let client = local::client("http://127.0.0.1:8000"); // on AWS: Client::new(&aws_config::load_from_env().await)
//! let store = DynamoStore::new(client, "crm");
//! store.create_table().await?;
//! # Ok(())
//! # }
//! ```
//!
//! - Records, claims and idempotency keys are read by key with strong consistency, definitions by one query, and a
//!   record's history from its own partition. Lists, the tenant's log and stage moves come from global indexes, which
//!   are eventually consistent.
//! - A commit is one `TransactWriteItems` of up to a hundred items, with conditions on versions and the commit's id as
//!   the token of the request.
//! - Throttling and conflicts between transactions are retried by the store ([`Retry`]); the SDK's own retries are off.
//! - Data stored by a newer program is read as far as it is known, and unknown parts are preserved.
//! - The consumed capacity of each operation can be observed ([`DynamoStore::on_consumed`]).
//!
//! The key layout, measured costs, and the limits of emulators are described in `docs/dynamodb.md`.

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

/// The timeout of a request if the client's configuration has none.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The capacity consumed by one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Consumed {
    /// The operation of the store: `commit`, `get`, `definitions`, `list`, `history`, `log`, `stage_moves`, `tenants`,
    /// `feed_place`, `keep_feed_place` or `due`.
    pub operation: &'static str,
    /// The capacity units: write units for `commit` and `keep_feed_place`, read units for the others. Copies in global
    /// indexes are included.
    pub units: f64,
}

type Observer = Arc<dyn Fn(Consumed) + Send + Sync>;

/// A store on one DynamoDB table. Clones share the client.
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
    /// Creates a store on the table with the given name, without sending a request.
    ///
    /// The client's own retries are disabled, because the store must know about every lost response.
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

    /// Sets the client of DynamoDB Streams from which the feed is read. Without it, [`Feed::feed`] and
    /// [`Feed::feed_end`] are unavailable.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a client is a handle, and handing it over reads as what it is")]
    pub fn with_streams(mut self, streams: aws_sdk_dynamodbstreams::Client) -> Self {
        let retry = aws_sdk_dynamodbstreams::config::retry::RetryConfig::disabled();
        let own = streams.config().to_builder().retry_config(retry);
        self.streams = Some(aws_sdk_dynamodbstreams::Client::from_conf(own.build()));
        self
    }

    /// Sets the retry policy.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Reports the consumption of each following request to the observer. Without an observer, DynamoDB is not asked to
    /// return it.
    #[must_use]
    pub fn on_consumed(mut self, observer: impl Fn(Consumed) + Send + Sync + 'static) -> Self {
        self.on_consumed = Some(Arc::new(observer));
        self
    }

    /// Returns the name of the table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Creates the table with its indexes, stream and time to live, and waits until it is active. An existing table is
    /// not changed.
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
    /// One `BatchGetItem` of up to a hundred items (the epoch, and two items per record if its kind has long texts),
    /// and a second one if a claim is requested.
    async fn get(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError> {
        self.get_wanted(tenant, wants).await
    }

    /// A `GetItem` for the epoch, then one strongly consistent `Query` (and another per additional MB).
    async fn definitions(&self, tenant: Id) -> Result<Definitions, StoreError> {
        self.all_definitions(tenant).await
    }

    /// One to four `Query`s, and for a list-valued index a `BatchGetItem` after each.
    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.list_page(query).await
    }

    /// One `TransactWriteItems`, repeated if DynamoDB requires it.
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

    /// A `Query` in each of eight partitions concurrently, with at most four pages each.
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
