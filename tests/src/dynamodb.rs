//! A DynamoDB emulator on loopback, with a separate table for each test.
//!
//! One emulator serves a whole test process, on its own thread and runtime, so that it outlives the runtime of the test
//! that started it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::types::StreamSpecification;
use crm_store_dynamodb::{DynamoStore, Retry, local};

/// Returns the address of the process's emulator. The first call starts it.
///
/// # Panics
/// If the emulator cannot be started; no test can continue.
pub fn endpoint() -> &'static str {
    static ENDPOINT: OnceLock<String> = OnceLock::new();
    ENDPOINT.get_or_init(|| {
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let database = dynoxide::Database::memory().expect("a database in memory");
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                let address = listener.local_addr().expect("its address");
                send.send(format!("http://{address}")).expect("a test that waits");
                dynoxide::server::serve_on(listener, database).await;
            });
        });
        receive.recv().expect("an emulator that listens")
    })
}

/// Returns a table name that no other test of this process uses.
pub fn table_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("crm-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Returns a store on a new, empty table.
///
/// # Panics
/// If the table cannot be created.
pub async fn fresh() -> DynamoStore {
    let store = DynamoStore::new(local::client(endpoint()), table_name())
        .with_streams(local::streams_client(endpoint()))
        .with_retry(QUICK);
    store.create_table().await.expect("a table");
    store
}

/// Creates a new, empty table without a stream and returns its name. For thousands of writes: the emulator scans the
/// table's whole stream at each of them. A store that opens the table uses it as it is.
///
/// # Panics
/// If the table cannot be created.
pub async fn table_without_stream() -> String {
    let (client, table) = (local::client(endpoint()), table_name());
    DynamoStore::new(client.clone(), &table).create_table().await.expect("a table");
    let off = StreamSpecification::builder().stream_enabled(false).build().expect("all that is needed");
    client.update_table().table_name(&table).stream_specification(off).send().await.expect("the stream goes");
    table
}

/// The default number of attempts with very short delays.
pub const QUICK: Retry = Retry { attempts: 10, base: Duration::from_micros(100), cap: Duration::from_millis(2) };
