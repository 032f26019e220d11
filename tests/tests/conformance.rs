//! The conformance suite on every store.

use crm_core::conformance::{self, Harness};
use tests::harness::{Dynamo, Memory, Postgres, Sqlite};

async fn passes(harness: &dyn Harness) {
    let report = conformance::run(harness).await;
    println!("{report}");
    report.assert();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_passes() {
    passes(&Memory).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_store_passes() {
    passes(&Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dynamodb_store_passes() {
    passes(&Dynamo).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sqlite_store_passes() {
    passes(&Sqlite::default()).await;
}
