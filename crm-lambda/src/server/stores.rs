//! Opening, migrating and sweeping the store of a deployment.

use std::{sync::Arc, time::Duration};

use crm_core::{
    MemoryStore,
    store::{
        Store, StoreError,
        sealed::{SealedStore, SealingKeys},
    },
    value::Time,
};
#[cfg(feature = "aws")]
use crm_store_dynamodb::{DynamoStore, local};
#[cfg(feature = "postgres")]
use crm_store_postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
use crm_store_sqlite::SqliteStore;

use super::StoreSetting;
#[cfg(feature = "aws")]
use super::aws;

/// The maximum number of rows of a sort that one statement of a sweep removes: short, so that its locks block nobody.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
const SWEPT_AT_ONCE: u32 = 1000;
/// The maximum number of statements of one sweep.
const SWEEP_ROUNDS: usize = 100;

/// How long a global index of `DynamoDB` may lag: usually less than a second, without guarantee.
#[cfg(feature = "aws")]
const INDEX_LAG: Duration = Duration::from_secs(10);

/// An open store.
#[derive(Clone, Debug)]
pub enum Opened {
    /// In memory, in this process.
    Memory(MemoryStore),
    /// SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteStore),
    /// PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(PostgresStore),
    /// `DynamoDB`.
    #[cfg(feature = "aws")]
    Dynamo(DynamoStore),
}

impl Opened {
    /// Opens a store. A connection to PostgreSQL is made; no request is sent to `DynamoDB`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(setting: &StoreSetting) -> Result<Self, StoreError> {
        match setting {
            StoreSetting::Memory => Ok(Self::Memory(MemoryStore::new())),
            #[cfg(feature = "sqlite")]
            StoreSetting::Sqlite(path) => {
                let path = path.clone();
                let opened = tokio::task::spawn_blocking(move || SqliteStore::open(path)).await;
                opened.map_err(|error| StoreError::unavailable(error.to_string()))?.map(Self::Sqlite)
            }
            #[cfg(feature = "postgres")]
            StoreSetting::Postgres { url, connections, test_connections } => {
                let options = PostgresOptions {
                    max_connections: *connections,
                    acquire_timeout: Duration::from_secs(5),
                    test_before_acquire: *test_connections,
                    ..PostgresOptions::default()
                };
                Ok(Self::Postgres(Box::pin(PostgresStore::connect_with(url.expose(), &options)).await?))
            }
            #[cfg(feature = "aws")]
            StoreSetting::Dynamo { endpoint: Some(endpoint), table } => {
                let store = DynamoStore::new(local::client(endpoint), table);
                Ok(Self::Dynamo(store.with_streams(local::streams_client(endpoint))))
            }
            #[cfg(feature = "aws")]
            StoreSetting::Dynamo { endpoint: None, table } => {
                let config = aws::config().await;
                let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&config), table);
                Ok(Self::Dynamo(store.with_streams(aws_sdk_dynamodbstreams::Client::new(&config))))
            }
        }
    }

    /// Migrates PostgreSQL's schema, or creates `DynamoDB`'s table, and returns a description of what was done.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrate(&self) -> Result<String, StoreError> {
        match self {
            Self::Memory(_) => Ok("nothing to migrate in memory".to_owned()),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Ok("the file is up to date".to_owned()),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => Ok(match store.migrate().await? {
                0 => "the schema is up to date".to_owned(),
                1 => "1 migration ran".to_owned(),
                ran => format!("{ran} migrations ran"),
            }),
            #[cfg(feature = "aws")]
            Self::Dynamo(store) => {
                store.create_table().await?;
                Ok(format!("the table {} is there", store.table()))
            }
        }
    }

    /// Removes expired data if the store does not do so by itself. Returns the number of removed entries.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sweep(&self, now: Time) -> Result<u64, StoreError> {
        let mut all = 0;
        // Bounded, so that an overdue sweep does not block a function; the next sweep continues.
        for _ in 0..SWEEP_ROUNDS {
            let removed = match self {
                Self::Memory(store) => store.forget_expired(now) as u64,
                #[cfg(feature = "sqlite")]
                Self::Sqlite(store) => store.forget_expired(now, SWEPT_AT_ONCE).await?,
                #[cfg(feature = "postgres")]
                Self::Postgres(store) => store.forget_expired(now, SWEPT_AT_ONCE).await?,
                // Its table uses a time to live (TTL).
                #[cfg(feature = "aws")]
                Self::Dynamo(_) => 0,
            };
            all += removed;
            if removed == 0 {
                break;
            }
        }
        Ok(all)
    }

    /// How long its lists may lag behind a commit.
    pub const fn lists_lag(&self) -> Duration {
        match self {
            Self::Memory(_) => Duration::ZERO,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Duration::ZERO,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Duration::ZERO,
            #[cfg(feature = "aws")]
            Self::Dynamo(_) => INDEX_LAG,
        }
    }

    /// The store for a CRM, with secrets encrypted if there are keys.
    pub fn store(&self, sealing: Option<&(SealingKeys, bool)>) -> Arc<dyn Store> {
        let store: Arc<dyn Store> = match self {
            Self::Memory(store) => Arc::new(store.clone()),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(store) => Arc::new(store.clone()),
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => Arc::new(store.clone()),
            #[cfg(feature = "aws")]
            Self::Dynamo(store) => Arc::new(store.clone()),
        };
        match sealing {
            None => store,
            Some((keys, takes_plain)) => {
                let sealed = SealedStore::shared(store, keys.clone());
                Arc::new(if *takes_plain { sealed.takes_plain() } else { sealed })
            }
        }
    }
}
