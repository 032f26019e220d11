//! A store for `crm-core` in one SQLite file, for one process at a time.
//!
//! ```no_run
//! # fn example() -> Result<(), crm_core::store::StoreError> {
//! use crm_store_sqlite::SqliteStore;
//!
//! let store = SqliteStore::open("crm.db")?;
//! # drop(store);
//! # Ok(()) }
//! ```
//!
//! A commit returns after it is on the disk; concurrent commits share one synchronization. Reads run on the calling
//! thread, on read-only connections, and take microseconds. Nothing depends on an async runtime.
//!
//! The schema follows the declarations of the core: opening a file adds what it lacks, and there are no migrations. A
//! view per kind is a stable contract for your own SQL (see the README).

mod commit;
mod error;
mod file;
mod layout;
mod log;
mod read;
mod row;
mod schema;
mod verify;
mod views;
mod writer;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use async_trait::async_trait;
use crm_core::{
    schema::KindDecl,
    store::{
        Answer, ChangePage, Commit, Counts, Definitions, Epochs, Feed, FeedCursor, FeedPage, FeedPlace, History,
        HistoryQuery, LogQuery, Page, Query, Records, StageMoveQuery, Store, StoreError, Want,
    },
    value::{Id, Ref, Time},
};
use futures::channel::oneshot;
use rusqlite::{Connection, OpenFlags};

use error::Failure;
use writer::{Job, Writer};

/// How long a connection waits for a lock of another process, such as an SQLite shell.
const BUSY: Duration = Duration::from_secs(5);
/// The number of prepared statements cached per connection.
const STATEMENTS: usize = 512;

/// When a commit is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// Before it returns: a power loss loses nothing that was acknowledged.
    #[default]
    Full,
    /// Some time after it returns: a power loss may lose the last commits, each completely. The end of the process
    /// loses nothing. For tests and imports that can be repeated.
    Normal,
}

/// Options of a store.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// When a commit is on the disk. [`Synchronous::Full`] by default.
    pub synchronous: Synchronous,
    /// The page cache of the writer in MiB; each reader has a quarter of it. 64 by default.
    pub cache_mib: u32,
    /// The maximum number of commits stored together. 256 by default.
    pub max_batch: usize,
    /// The maximum size of the file in pages of 4 KiB; a commit beyond it fails as unavailable. Unlimited by default.
    pub max_pages: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self { synchronous: Synchronous::Full, cache_mib: 64, max_batch: 256, max_pages: None }
    }
}

/// A store in one SQLite file. Clones share it. Dropping the last one waits until the writer has stored what it was
/// given and closes the file.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    opened: Arc<Opened>,
}

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    cache_mib: u32,
    /// Idle read-only connections.
    readers: Mutex<Vec<Connection>>,
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    /// Held until the file is closed.
    _lock: File,
}

impl Drop for Opened {
    fn drop(&mut self) {
        // The last connection to close removes the write-ahead log, which a read-only one cannot do.
        self.readers().clear();
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // A panic of the writer was reported to its callers.
            let _ = writer.join();
        }
    }
}

impl Opened {
    fn readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reader(path: &Path, cache_mib: u32) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    set_up(&db, cache_mib)?;
    Ok(db)
}

/// Opens a store for reading, whether or not a process has it open.
fn stored(path: &Path) -> Result<Connection, Failure> {
    if !path.exists() {
        return Err(StoreError::BadQuery(format!("there is no file {}", path.display())).into());
    }
    let db = reader(path, 16)?;
    schema::check(&db)?;
    if db.query_row("pragma application_id", [], |row| row.get::<_, i64>(0))? == 0 {
        return Err(StoreError::unavailable(format!("{} holds no store", path.display())).into());
    }
    Ok(db)
}

fn copy(db: &Connection, to: &Path) -> Result<(), StoreError> {
    let to = std::path::absolute(to).map_err(|error| StoreError::unavailable(error.to_string()))?;
    let part = to.to_str().map(|to| format!("{to}.part"));
    let part = part.ok_or_else(|| StoreError::BadQuery("the path is not UTF-8".to_owned()))?;
    if to.exists() {
        return Err(StoreError::BadQuery(format!("{} exists", to.display())));
    }
    let failed = |error: std::io::Error| StoreError::unavailable(format!("{}: {error}", to.display()));
    file::create_private(Path::new(&part)).map_err(failed)?;
    let copied = db.execute("vacuum into ?", [&part]).map_err(Failure::from);
    copied.inspect_err(|_| drop(std::fs::remove_file(&part)))?;
    file::publish(Path::new(&part), &to).map_err(failed)
}

/// Settings of every connection.
fn set_up(db: &Connection, cache_mib: u32) -> Result<(), Failure> {
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    db.pragma_update(None, "cache_size", -i64::from(cache_mib) * 1024)?;
    db.pragma_update(None, "temp_store", "memory")?;
    Ok(())
}

fn writer(path: &Path, options: &SqliteOptions) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    set_up(&db, options.cache_mib)?;
    schema::check(&db)?;
    let mode: String = db.query_row("pragma journal_mode = wal", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::unavailable("the file system does not support a write-ahead log").into());
    }
    let synchronous = match options.synchronous {
        Synchronous::Full => "full",
        Synchronous::Normal => "normal",
    };
    db.pragma_update(None, "synchronous", synchronous)?;
    // Without it, macOS does not wait for the disk.
    db.pragma_update(None, "fullfsync", true)?;
    db.pragma_update(None, "checkpoint_fullfsync", true)?;
    // Erased data is overwritten.
    db.pragma_update(None, "secure_delete", true)?;
    // 16 MiB: checkpoints are rarer than by default, and copy more pages at once.
    db.pragma_update(None, "wal_autocheckpoint", 4000)?;
    if let Some(pages) = options.max_pages {
        db.pragma_update(None, "max_page_count", pages)?;
    }
    schema::build(&db)?;
    Ok(db)
}

impl SqliteStore {
    /// Opens a file with default options. A missing or empty file becomes a new store. Beside the file are its
    /// write-ahead log (`-wal`), an index of it (`-shm`), and a lock (`.lock`).
    ///
    /// Opening blocks, for a few milliseconds. After an update of the program that adds sort orders or list-valued
    /// indexes, it blocks until they are computed, about a second per 100,000 records.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the file cannot be opened, is on a network file system, or is in use by another
    /// process, which the message names. [`StoreError::Corrupt`] if it is no database, one of another application, or
    /// one of a newer program in a format unknown to this one.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, &SqliteOptions::default())
    }

    /// Opens a file.
    ///
    /// # Errors
    /// Those of [`SqliteStore::open`].
    pub fn open_with(path: impl AsRef<Path>, options: &SqliteOptions) -> Result<Self, StoreError> {
        let (path, lock) = file::open(path.as_ref())?;
        let writer = Writer::new(writer(&path, options)?, options.max_batch.max(1));
        let (jobs, queue) = mpsc::channel();
        let writer = thread::Builder::new()
            .name("crm-sqlite".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(|error| StoreError::unavailable(error.to_string()))?;
        let opened = Opened {
            path,
            cache_mib: options.cache_mib,
            readers: Mutex::default(),
            jobs: Some(jobs),
            writer: Some(writer),
            _lock: lock,
        };
        Ok(Self { opened: Arc::new(opened) })
    }

    /// Copies the store into a new file, as it is at one moment, while it is in use. The copy is complete and on the
    /// disk before it has its name; before that it is named `….part`. Blocks for about five seconds per million
    /// records; call it on a thread for blocking work.
    ///
    /// # Errors
    /// [`StoreError::BadQuery`] if there is a file of this name, or the path is not UTF-8. [`StoreError::Unavailable`]
    /// if it cannot be written. [`StoreError::Corrupt`].
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<(), StoreError> {
        self.read(|db| Ok(copy(db, to.as_ref())?))
    }

    /// Like [`SqliteStore::backup`], for a file that this process has not opened. Another process may be using it.
    ///
    /// # Errors
    /// Those of [`SqliteStore::backup`].
    pub fn backup_file(file: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), StoreError> {
        copy(&stored(file.as_ref())?, to.as_ref())
    }

    /// Like [`SqliteStore::verify`], for a file that this process has not opened. Another process may be using it.
    ///
    /// # Errors
    /// Those of [`SqliteStore::verify`].
    pub fn verify_file(file: impl AsRef<Path>) -> Result<u64, StoreError> {
        Ok(verify::verify(&stored(file.as_ref())?)?)
    }

    /// Checks the whole file: its pages and indexes, the entries of list-valued indexes, the sort keys, and that every
    /// record and change can be read. Returns the number of records. Blocks for seconds per 100,000 records, while
    /// the store is in use; call it on a thread for blocking work.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first damage. [`StoreError::Unavailable`].
    pub fn verify(&self) -> Result<u64, StoreError> {
        self.read(verify::verify)
    }

    /// Deletes expired records (throttles, sessions) and idempotency keys, at most `limit` of each kind, and returns
    /// their number. They are treated as absent from the time they expire; deleting them frees their space. Their
    /// changes stay in the log. Call it periodically until it returns 0.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Corrupt`]; [`StoreError::OutcomeUnknown`], after which it can be
    /// called again.
    pub async fn forget_expired(&self, at: Time, limit: u32) -> Result<u64, StoreError> {
        self.write(move |db| commit::forget_expired(db, at, limit)).await
    }

    /// Moves the write-ahead log into the database and truncates it, so that erased data is in neither. Deleted data is
    /// always overwritten in the database; call this after an erasure.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if readers prevented it, [`StoreError::Corrupt`].
    pub async fn purge(&self) -> Result<(), StoreError> {
        self.send(Job::Purge).await.map(drop)
    }

    /// Runs a read on an idle connection, or on a new one.
    fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, StoreError> {
        let idle = self.opened.readers().pop();
        let db = match idle {
            Some(db) => db,
            None => reader(&self.opened.path, self.opened.cache_mib / 4)?,
        };
        let result = read(&db);
        // After an error of SQLite the connection is closed.
        if !matches!(result, Err(Failure::Engine(_))) {
            self.opened.readers().push(db);
        }
        Ok(result?)
    }

    async fn write(
        &self,
        write: impl FnOnce(&Connection) -> Result<u64, Failure> + Send + 'static,
    ) -> Result<u64, StoreError> {
        self.send(|reply| Job::Write(Box::new(write), reply)).await
    }

    async fn send(&self, job: impl FnOnce(writer::Reply) -> Job) -> Result<u64, StoreError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.opened.jobs.as_ref().is_some_and(|jobs| jobs.send(job(reply)).is_ok());
        if !sent {
            return Err(StoreError::unavailable("the writer has ended"));
        }
        answer.await.map_err(|_| StoreError::outcome_unknown("the writer has ended"))?
    }
}

#[async_trait]
impl Records for SqliteStore {
    async fn get(&self, tenant: Id, wants: &[Want]) -> Result<Answer, StoreError> {
        self.read(|db| read::get(db, tenant, wants))
    }

    async fn definitions(&self, tenant: Id) -> Result<Definitions, StoreError> {
        self.read(|db| read::definitions(db, tenant))
    }

    async fn list(&self, query: &Query) -> Result<Page, StoreError> {
        self.read(|db| read::list(db, query))
    }

    async fn list_with_epochs(&self, query: &Query) -> Result<(Page, Epochs), StoreError> {
        self.read(|db| Ok((read::list(db, query)?, read::epochs(db, query.tenant)?)))
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        commit.check_budget()?;
        let commit = commit.clone();
        self.write(move |db| commit::commit(db, &commit)).await.map(drop)
    }
}

#[async_trait]
impl History for SqliteStore {
    async fn history(&self, query: &HistoryQuery) -> Result<ChangePage, StoreError> {
        self.read(|db| log::history(db, query))
    }

    async fn log(&self, query: &LogQuery) -> Result<ChangePage, StoreError> {
        self.read(|db| log::log(db, query))
    }

    async fn stage_moves(&self, query: &StageMoveQuery) -> Result<ChangePage, StoreError> {
        self.read(|db| log::stage_moves(db, query))
    }
}

#[async_trait]
impl Feed for SqliteStore {
    async fn feed<'a>(&self, after: Option<&'a FeedCursor>, limit: usize) -> Result<FeedPage, StoreError> {
        self.read(|db| log::feed(db, after, limit))
    }

    async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, StoreError> {
        self.read(|db| read::tenants(db, after, limit))
    }

    async fn feed_end(&self) -> Result<FeedCursor, StoreError> {
        self.read(log::feed_end)
    }

    async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, StoreError> {
        self.read(|db| log::place(db, consumer))
    }

    async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, StoreError> {
        let json = serde_json::to_string(place).map_err(|error| StoreError::BadQuery(error.to_string()))?;
        let consumer = consumer.to_owned();
        Ok(self.write(move |db| log::keep_place(db, &consumer, &json, was)).await? == 1)
    }

    async fn due(
        &self,
        decl: &'static KindDecl,
        until: Time,
        after: Option<Id>,
        per_tenant: usize,
        limit: usize,
    ) -> Result<Vec<(Id, Ref, Time)>, StoreError> {
        self.read(|db| read::due(db, decl, until, after, per_tenant, limit))
    }
}

#[async_trait]
impl Counts for SqliteStore {
    async fn count(&self, query: &Query) -> Result<u64, StoreError> {
        self.read(|db| read::count(db, query))
    }
}

impl Store for SqliteStore {
    fn counts(&self) -> Option<&dyn Counts> {
        Some(self)
    }
}
