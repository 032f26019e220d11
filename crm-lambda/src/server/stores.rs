//! The store that a deployment names, opened.

use std::{sync::Arc, time::Duration};

use crm_core::{
    MemoryStore,
    store::{
        Store, StoreError,
        sealed::{SealedStore, SealingKeys},
    },
    value::Time,
};
use crm_store_dynamodb::{DynamoStore, local};
use crm_store_postgres::{PostgresOptions, PostgresStore};

use super::{Program, StoreSetting, aws_config};

/// How many of a sort one statement of a sweep removes: a short one, whose locks nobody waits for.
const SWEPT_AT_ONCE: u32 = 1000;
/// Statements of one sweep at most.
const SWEEP_ROUNDS: usize = 100;

/// How long a global index of `DynamoDB` may lag: most often less than a second, and nobody promises it.
const INDEX_LAG: Duration = Duration::from_secs(10);

/// A store that is open.
#[derive(Clone, Debug)]
pub enum Opened {
    /// In this process.
    Memory(MemoryStore),
    /// On PostgreSQL.
    Postgres(PostgresStore),
    /// On `DynamoDB`.
    Dynamo(DynamoStore),
}

impl Opened {
    /// Opens a store. On PostgreSQL a connection is made; `DynamoDB` is asked nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open(setting: &StoreSetting, connections: u32, program: Program) -> Result<Self, StoreError> {
        match setting {
            StoreSetting::Memory => Ok(Self::Memory(MemoryStore::new())),
            StoreSetting::Postgres(url) => {
                let options = PostgresOptions {
                    max_connections: connections,
                    acquire_timeout: Duration::from_secs(5),
                    // A function that was frozen wakes with a connection that is dead.
                    test_before_acquire: program == Program::Lambda,
                    ..PostgresOptions::default()
                };
                Ok(Self::Postgres(Box::pin(PostgresStore::connect_with(url.expose(), &options)).await?))
            }
            StoreSetting::Dynamo { endpoint: Some(endpoint), table } => {
                let store = DynamoStore::new(local::client(endpoint), table);
                Ok(Self::Dynamo(store.with_streams(local::streams_client(endpoint))))
            }
            StoreSetting::Dynamo { endpoint: None, table } => {
                let config = aws_config().await;
                let store = DynamoStore::new(aws_sdk_dynamodb::Client::new(&config), table);
                Ok(Self::Dynamo(store.with_streams(aws_sdk_dynamodbstreams::Client::new(&config))))
            }
        }
    }

    /// Brings PostgreSQL's schema up to date, makes `DynamoDB`'s table, and says in words what was done.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn migrate(&self) -> Result<String, StoreError> {
        match self {
            Self::Memory(_) => Ok("nothing to migrate in memory".to_owned()),
            Self::Postgres(store) => Ok(match store.migrate().await? {
                0 => "the schema is up to date".to_owned(),
                1 => "1 migration ran".to_owned(),
                ran => format!("{ran} migrations ran"),
            }),
            Self::Dynamo(store) => {
                store.create_table().await?;
                Ok(format!("the table {} is there", store.table()))
            }
        }
    }

    /// Removes what has expired and is of no use, where the store does not do so by itself; says how much.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sweep(&self, now: Time) -> Result<u64, StoreError> {
        match self {
            Self::Postgres(store) => {
                let mut all = 0;
                // Bounded, so that a sweep that was long in coming does not hold a function up; the next goes on.
                for _ in 0..SWEEP_ROUNDS {
                    let removed = store.forget_expired(now, SWEPT_AT_ONCE).await?;
                    all += removed;
                    if removed == 0 {
                        break;
                    }
                }
                Ok(all)
            }
            Self::Memory(store) => Ok(store.forget_expired(now) as u64),
            // Its table has a time to live.
            Self::Dynamo(_) => Ok(0),
        }
    }

    /// How long its lists may take to show a commit.
    pub const fn lists_lag(&self) -> Duration {
        match self {
            Self::Memory(_) | Self::Postgres(_) => Duration::ZERO,
            Self::Dynamo(_) => INDEX_LAG,
        }
    }

    /// The store for a CRM, with secrets encrypted where there are keys.
    pub fn store(&self, sealing: Option<&(SealingKeys, bool)>) -> Arc<dyn Store> {
        let store: Arc<dyn Store> = match self {
            Self::Memory(store) => Arc::new(store.clone()),
            Self::Postgres(store) => Arc::new(store.clone()),
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
