//! Opens a store from a text: `memory`, `sqlite://path`, `postgres://…` or `dynamodb://host:port/table`.

use std::sync::Arc;

use crm_core::{MemoryStore, store::Store};
use crm_store_dynamodb::{DynamoStore, local};
use crm_store_postgres::PostgresStore;
use crm_store_sqlite::SqliteStore;

use super::Failure;

/// Opens the store, and creates the schema or table if it does not exist.
///
/// `dynamodb://` uses plain HTTP and dummy credentials, as emulators accept them.
///
/// # Errors
/// [`Failure::Usage`] if the text does not name a store, [`Failure::Store`] if the store does not respond.
pub async fn open(text: &str) -> Result<Arc<dyn Store>, Failure> {
    if text == "memory" {
        return Ok(Arc::new(MemoryStore::new()));
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        let store = PostgresStore::connect(text).await?;
        store.migrate().await?;
        return Ok(Arc::new(store));
    }
    if let Some(path) = text.strip_prefix("sqlite://") {
        return Ok(Arc::new(SqliteStore::open(path)?));
    }
    let table = text.strip_prefix("dynamodb://").and_then(|rest| rest.split_once('/'));
    if let Some((address, table)) = table.filter(|(address, table)| !address.is_empty() && !table.is_empty()) {
        let store = DynamoStore::new(local::client(&format!("http://{address}")), table);
        store.create_table().await?;
        return Ok(Arc::new(store));
    }
    Err(Failure::Usage(format!(
        "`{text}` is no store: memory, sqlite://path, postgres://… or dynamodb://host:port/table"
    )))
}
