//! A store from a text: `memory`, `postgres://…`, `dynamodb://host:port/table`.

use std::sync::Arc;

use crm_core::{MemoryStore, store::Store};
use crm_store_dynamodb::{DynamoStore, local};
use crm_store_postgres::PostgresStore;

use super::Failure;

/// Opens the store, and lays out the database or table where it is new.
///
/// `dynamodb://` speaks plain HTTP with credentials that are none, as emulators take it.
///
/// # Errors
/// [`Failure::Usage`] for a text that names no store, [`Failure::Store`] where it does not answer.
pub async fn open(text: &str) -> Result<Arc<dyn Store>, Failure> {
    if text == "memory" {
        return Ok(Arc::new(MemoryStore::new()));
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        let store = PostgresStore::connect(text).await?;
        store.migrate().await?;
        return Ok(Arc::new(store));
    }
    let table = text.strip_prefix("dynamodb://").and_then(|rest| rest.split_once('/'));
    if let Some((address, table)) = table.filter(|(address, table)| !address.is_empty() && !table.is_empty()) {
        let store = DynamoStore::new(local::client(&format!("http://{address}")), table);
        store.create_table().await?;
        return Ok(Arc::new(store));
    }
    Err(Failure::Usage(format!("`{text}` is no store: memory, postgres://… or dynamodb://host:port/table")))
}
