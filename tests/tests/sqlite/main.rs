//! The SQLite store on real files: faults, backups, schemas of other programs, and its views.

mod backup;
mod disk_full;
mod files;
mod killed;
mod schema;
mod tomorrow;
mod views;

use std::path::Path;

use rusqlite::Connection;
use tests::support;

/// Runs statements on a file, as another program would.
fn run(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// Reads one value from a file.
fn read<T: rusqlite::types::FromSql>(path: &Path, sql: &str) -> T {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}
