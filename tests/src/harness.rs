//! Stores for the conformance suite and the model test, each new one on its own database or table.

use std::sync::Arc;

use async_trait::async_trait;
use crm_core::{
    conformance::{Harness, Task},
    store::{MemoryStore, Store},
};

pub use crate::sqlite::Sqlite;
use crate::{dynamodb, postgres};

/// Stores in memory.
#[derive(Clone, Copy, Debug)]
pub struct Memory;

/// Stores on PostgreSQL.
#[derive(Clone, Copy, Debug)]
pub struct Postgres;

/// Stores on the DynamoDB emulator.
#[derive(Clone, Copy, Debug)]
pub struct Dynamo;

/// Runs races on the threads of the runtime.
fn on_threads(task: Task) -> Task {
    Box::pin(async { tokio::spawn(task).await.expect("a task of a race panicked") })
}

#[async_trait]
impl Harness for Memory {
    async fn fresh(&self) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new())
    }

    fn spawn(&self, task: Task) -> Task {
        on_threads(task)
    }
}

#[async_trait]
impl Harness for Postgres {
    async fn fresh(&self) -> Arc<dyn Store> {
        Arc::new(postgres::store().await)
    }

    fn spawn(&self, task: Task) -> Task {
        on_threads(task)
    }

    fn concurrency(&self) -> usize {
        4
    }
}

#[async_trait]
impl Harness for Dynamo {
    async fn fresh(&self) -> Arc<dyn Store> {
        Arc::new(dynamodb::fresh().await)
    }

    fn spawn(&self, task: Task) -> Task {
        on_threads(task)
    }
}

#[async_trait]
impl Harness for Sqlite {
    async fn fresh(&self) -> Arc<dyn Store> {
        Arc::new(self.store())
    }

    fn spawn(&self, task: Task) -> Task {
        on_threads(task)
    }
}
