//! A small pool of connections of the store's own.
//!
//! The driver's pool asks every connection that comes back whether it is still alive: one round trip more for each
//! call, which on one connection the next call waits for. Here a connection that answered well is alive, and one that
//! did not, or whose call was dropped half-way, is closed. That is all the difference; a store on an embedder's own
//! driver's pool works as well.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::PostgresOptions;

/// A connection is not used any more when it is so old, so that servers behind one name come to share the load anew.
const MAX_LIFETIME: Duration = Duration::from_mins(30);
/// Nor when it lay idle so long, since what stands between may have forgotten it.
const MAX_IDLE: Duration = Duration::from_mins(5);

/// The pool. Cloning it gives another handle.
#[derive(Clone)]
pub(crate) struct Connections {
    shared: Arc<Shared>,
}

struct Shared {
    connect: PgConnectOptions,
    acquire_timeout: Duration,
    test_before_acquire: bool,
    permits: Arc<Semaphore>,
    /// The one that was used last is used next.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: PgConnection,
    made: Instant,
    since: Instant,
}

/// A connection in use. Dropped without [`Lease::give_back`], it is closed.
pub(crate) struct Lease {
    pub(crate) connection: PgConnection,
    made: Instant,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("free", &self.shared.permits.available_permits()).finish_non_exhaustive()
    }
}

impl Connections {
    /// A pool with one connection made, so that a wrong address is known at once.
    pub(crate) async fn new(connect: PgConnectOptions, options: &PostgresOptions) -> Result<Self, sqlx::Error> {
        let size = usize::try_from(options.max_connections).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        let pool = Self {
            shared: Arc::new(Shared {
                connect: connect.statement_cache_capacity(options.statement_cache),
                acquire_timeout: options.acquire_timeout,
                test_before_acquire: options.test_before_acquire,
                permits: Arc::new(Semaphore::new(size)),
                idle: Mutex::new(Vec::new()),
            }),
        };
        pool.acquire().await?.give_back();
        Ok(pool)
    }

    /// A connection, as soon as one is free.
    pub(crate) async fn acquire(&self) -> Result<Lease, sqlx::Error> {
        // As a rule one is: no clock has to be set.
        if !self.shared.test_before_acquire
            && let Ok(permit) = Arc::clone(&self.shared.permits).try_acquire_owned()
        {
            match self.shared.idle_one() {
                Some(Idle { connection, made, .. }) => {
                    return Ok(Lease { connection, made, shared: Arc::clone(&self.shared), _permit: permit });
                }
                None => drop(permit),
            }
        }
        let timeout = self.shared.acquire_timeout;
        tokio::time::timeout(timeout, self.next()).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    async fn next(&self) -> Result<Lease, sqlx::Error> {
        let permit = Arc::clone(&self.shared.permits).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        while let Some(mut idle) = self.shared.idle_one() {
            if !self.shared.test_before_acquire || idle.connection.ping().await.is_ok() {
                let Idle { connection, made, .. } = idle;
                return Ok(Lease { connection, made, shared: Arc::clone(&self.shared), _permit: permit });
            }
        }
        let connection = PgConnection::connect_with(&self.shared.connect).await?;
        Ok(Lease { connection, made: Instant::now(), shared: Arc::clone(&self.shared), _permit: permit })
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that lay idle, and is neither too old nor forgotten.
    fn idle_one(&self) -> Option<Idle> {
        let mut idle = self.idle();
        std::iter::from_fn(|| idle.pop())
            .find(|one| one.made.elapsed() < MAX_LIFETIME && one.since.elapsed() < MAX_IDLE)
    }
}

impl Lease {
    /// The connection answered, if only with an error of the statement's: others may have it.
    pub(crate) fn give_back(self) {
        let Lease { connection, made, shared, _permit } = self;
        shared.idle().push(Idle { connection, made, since: Instant::now() });
    }

    /// The connection is lost, and so, likely, are those that lay idle: the server restarted, or the line is down.
    pub(crate) fn lost(self) {
        let idle = std::mem::take(&mut *self.shared.idle());
        drop(idle);
    }
}
