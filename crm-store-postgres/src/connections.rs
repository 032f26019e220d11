//! The store's own small connection pool.
//!
//! The driver's pool tests every returned connection, which costs an additional round trip per call, and with a single
//! connection the next call waits for it. This pool reuses a connection after any response of the server, and closes it
//! after a connection error or a cancelled call. There is no other difference; a store on an embedder's own driver pool
//! works as well.

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

/// Connections older than this are closed, so that load is redistributed among servers behind one name.
const MAX_LIFETIME: Duration = Duration::from_mins(30);
/// Connections idle for longer than this are closed, because a network device in between may have dropped them.
const MAX_IDLE: Duration = Duration::from_mins(5);

/// A handle to the pool. Clones share it.
#[derive(Clone)]
pub(crate) struct Connections {
    shared: Arc<Shared>,
}

struct Shared {
    connect: PgConnectOptions,
    acquire_timeout: Duration,
    test_before_acquire: bool,
    permits: Arc<Semaphore>,
    /// Idle connections; the most recently used one is taken first.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: PgConnection,
    made: Instant,
    since: Instant,
}

/// A connection in use. It is closed if dropped without [`Lease::give_back`].
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
    /// Creates a pool and opens one connection, so that a wrong address is reported immediately.
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

    /// Returns a connection as soon as one is free.
    pub(crate) async fn acquire(&self) -> Result<Lease, sqlx::Error> {
        // In the common case a connection is idle and no timeout is needed.
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

    /// Takes an idle connection that has not expired.
    fn idle_one(&self) -> Option<Idle> {
        let mut idle = self.idle();
        std::iter::from_fn(|| idle.pop())
            .find(|one| one.made.elapsed() < MAX_LIFETIME && one.since.elapsed() < MAX_IDLE)
    }
}

impl Lease {
    /// Returns the connection to the pool after a response of the server, including an error of the statement.
    pub(crate) fn give_back(self) {
        let Lease { connection, made, shared, _permit } = self;
        shared.idle().push(Idle { connection, made, since: Instant::now() });
    }

    /// Closes the connection and all idle ones: the server probably restarted, or the network is down.
    pub(crate) fn lost(self) {
        let idle = std::mem::take(&mut *self.shared.idle());
        drop(idle);
    }
}
