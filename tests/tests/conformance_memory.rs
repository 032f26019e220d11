//! The conformance suite on the memory store.

use std::sync::Arc;

use async_trait::async_trait;
use crm_core::{
    conformance::{self, Harness, Task},
    store::{MemoryStore, Store},
};

struct Memory;

#[async_trait]
impl Harness for Memory {
    async fn fresh(&self) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new())
    }

    fn spawn(&self, task: Task) -> Task {
        Box::pin(async { tokio::spawn(task).await.expect("a task of a race panicked") })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_passes() {
    let report = conformance::run(&Memory).await;
    println!("{report}");
    report.assert();
}
