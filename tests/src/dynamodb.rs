//! A DynamoDB emulator on loopback, and a table of its own for each test.
//!
//! One emulator serves a whole test process, on a thread and a runtime of its own, so that it outlives the runtime of
//! the test that happened to start it.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::types::StreamSpecification;
use crm_store_dynamodb::{DynamoStore, Retry, local};

/// The address of the process's emulator, which is started by the first call.
///
/// # Panics
/// When the emulator cannot be started: no test can go on then.
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

/// A name that no other test of this process uses.
pub fn table_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("crm-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A store on a new, empty table.
///
/// # Panics
/// When the table cannot be made.
pub async fn fresh() -> DynamoStore {
    let store = DynamoStore::new(local::client(endpoint()), table_name())
        .with_streams(local::streams_client(endpoint()))
        .with_retry(QUICK);
    store.create_table().await.expect("a table");
    store
}

/// A new, empty table without a stream, by name. For thousands of writes: the emulator looks through a table's whole
/// stream at each of them. Whoever opens a store on it finds it there.
///
/// # Panics
/// When the table cannot be made.
pub async fn table_without_stream() -> String {
    let (client, table) = (local::client(endpoint()), table_name());
    DynamoStore::new(client.clone(), &table).create_table().await.expect("a table");
    let off = StreamSpecification::builder().stream_enabled(false).build().expect("all that is needed");
    client.update_table().table_name(&table).stream_specification(off).send().await.expect("the stream goes");
    table
}

/// As often as by default, and hardly waiting.
pub const QUICK: Retry = Retry { attempts: 10, base: Duration::from_micros(100), cap: Duration::from_millis(2) };
