//! SQLite stores, each on a file of its own.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use crm_store_sqlite::{SqliteOptions, SqliteStore, Synchronous};
use tempfile::TempDir;

/// Options with which commits do not wait for the disk.
pub fn quick() -> SqliteOptions {
    SqliteOptions { synchronous: Synchronous::Normal, ..SqliteOptions::default() }
}

/// A directory of SQLite files, removed on drop.
#[derive(Debug)]
pub struct Sqlite {
    directory: TempDir,
    next: AtomicU32,
}

impl Default for Sqlite {
    fn default() -> Self {
        Self { directory: TempDir::new().expect("a temporary directory"), next: AtomicU32::default() }
    }
}

impl Sqlite {
    /// Returns a path at which there is no file.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join(format!("{}.db", self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// Returns a store on a new file whose commits do not wait for the disk.
    ///
    /// # Panics
    /// If the file cannot be created.
    pub fn store(&self) -> SqliteStore {
        SqliteStore::open_with(self.path(), &quick()).expect("a new file")
    }
}
