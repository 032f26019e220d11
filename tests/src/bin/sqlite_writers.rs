//! The process that a test of the SQLite store kills: sixteen tasks that each create pairs of leads and change one of
//! each, and print what was acknowledged. `sqlite_writers FILE TENANT`

use std::io::Write as _;

use crm_core::{
    store::Records as _,
    value::{Id, Value},
};
use crm_store_sqlite::SqliteStore;
use tests::support::{commit, create, lead, set, stored, update};

/// The number of tasks.
const WRITERS: usize = 16;

fn told(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").expect("somebody listens");
}

async fn write(store: SqliteStore, tenant: Id) {
    loop {
        let pair = ["Ada", "Grace"].map(|name| {
            let mut lead = lead(tenant, name);
            // Ids of other runs must not repeat.
            lead.id = Id::from_parts(
                fastrand::u64(..1 << 48),
                fastrand::u128(..).to_be_bytes()[..10].try_into().expect("10"),
            );
            lead
        });
        let [first, second] = [pair[0].reference(), pair[1].reference()];
        store.commit(&commit(tenant, pair.map(create))).await.expect("a commit");
        told(&format!("{} {} 1", first.id, second.id));
        let before = stored(&store, tenant, first).await.expect("it was stored");
        let moved = update(&before, |lead| set(lead, "name", Value::text("moved")));
        store.commit(&commit(tenant, [moved])).await.expect("a commit");
        told(&format!("{} {} 2", first.id, second.id));
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, tenant] = arguments.as_slice() else { panic!("usage: sqlite_writers FILE TENANT") };
    let store = SqliteStore::open(file).expect("the file opens");
    let tenant: Id = tenant.parse().expect("an id");
    let writers: Vec<_> = (0..WRITERS).map(|_| tokio::spawn(write(store.clone(), tenant))).collect();
    for writer in writers {
        writer.await.expect("it never ends");
    }
}
