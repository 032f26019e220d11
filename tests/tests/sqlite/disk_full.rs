//! A disk that is full at each page in turn: commits fail as unavailable, neither halves nor what was acknowledged is
//! lost, and the store continues when there is space.

use std::{fs, sync::Arc};

use crm_core::{
    store::{Records, StoreError},
    value::{Id, Ref},
};
use crm_store_sqlite::{SqliteOptions, SqliteStore};
use futures::future::join_all;
use tests::sqlite::{Sqlite, quick};

use crate::{
    read,
    support::{commit, create, id, lead, set, stored, update},
};

/// Stores pairs of leads at once and moves one of each. Returns the records of each pair and the last version that was
/// acknowledged (0 for none), and whether all were.
async fn work(store: &SqliteStore, tenant: Id) -> (Vec<([Ref; 2], u64)>, bool) {
    let pairs = join_all((0..12).map(|number| async move {
        // Long enough to need more than a page.
        let text = "x".repeat(3_000 + number);
        let pair = [lead(tenant, &text[..100]), lead(tenant, &text[..200])].map(|mut lead| {
            set(&mut lead, "description", crm_core::value::Value::text(text.as_str()));
            lead
        });
        let records = [pair[0].reference(), pair[1].reference()];
        let mut version = 0;
        match store.commit(&commit(tenant, pair.map(create))).await {
            Ok(()) => version = 1,
            Err(StoreError::Unavailable(_)) => return (records, version),
            Err(other) => panic!("{other:?}"),
        }
        let before: Arc<_> = stored(store, tenant, records[0]).await.unwrap();
        let moved = update(&before, |lead| set(lead, "name", crm_core::value::Value::text("moved")));
        match store.commit(&commit(tenant, [moved])).await {
            Ok(()) => version = 2,
            Err(StoreError::Unavailable(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
        (records, version)
    }))
    .await;
    let all = pairs.iter().all(|(_, version)| *version == 2);
    (pairs, all)
}

#[tokio::test]
async fn a_disk_that_is_full_at_any_page_loses_and_tears_nothing() {
    let (files, tenant) = (Sqlite::default(), id());
    let empty = files.path();
    drop(SqliteStore::open_with(&empty, &quick()).unwrap());
    let pages: u32 = read(&empty, "pragma page_count");
    let mut failed = 0;
    for more in 0.. {
        let path = files.path();
        fs::copy(&empty, &path).unwrap();
        let full = SqliteOptions { max_pages: Some(pages + more), ..quick() };
        let store = SqliteStore::open_with(&path, &full).unwrap();
        let (pairs, all) = work(&store, tenant).await;
        drop(store);
        let store = SqliteStore::open_with(&path, &quick()).unwrap();
        store.verify().unwrap();
        for (pair, acknowledged) in &pairs {
            let versions = [
                stored(&store, tenant, pair[0]).await.map_or(0, |lead| lead.versions.person),
                stored(&store, tenant, pair[1]).await.map_or(0, |lead| lead.versions.person),
            ];
            assert_eq!(versions, [*acknowledged, (*acknowledged).min(1)], "{more} more pages");
        }
        // With space again, the work goes on.
        if more % 8 == 0 {
            assert!(work(&store, tenant).await.1, "{more} more pages");
        }
        drop(store);
        fs::remove_file(&path).unwrap();
        if all {
            break;
        }
        failed += 1;
    }
    assert!(failed > 20, "only {failed} sizes were too small: the work needs more pages");
}
