//! Backups while the store is written to.

use std::{collections::HashSet, fs, sync::Arc};

use crm_core::{
    change::Change,
    store::{Feed, Records, StoreError},
    value::{Id, Value},
};
use crm_store_sqlite::SqliteStore;
use tests::sqlite::{Sqlite, quick};

use crate::support::{commit, create, id, lead, set, stored, update};

/// All changes in the order of the feed.
async fn feed(store: &SqliteStore) -> Vec<(Id, Change)> {
    let page = store.feed(None, usize::MAX).await.unwrap();
    page.changes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_the_store_at_one_moment() {
    const WRITERS: usize = 64;
    let (files, tenant) = (Sqlite::default(), id());
    let store = files.store();
    let until = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (store, until) = (store.clone(), Arc::clone(&until));
            tokio::spawn(async move {
                while until.load(std::sync::atomic::Ordering::Relaxed) {
                    let pair = [lead(tenant, "Ada"), lead(tenant, "Grace")];
                    let record = pair[0].reference();
                    store.commit(&commit(tenant, pair.map(create))).await.unwrap();
                    let before = stored(&store, tenant, record).await.unwrap();
                    let moved = update(&before, |lead| set(lead, "name", Value::text("Lovelace")));
                    store.commit(&commit(tenant, [moved])).await.unwrap();
                }
            })
        })
        .collect();
    let mut copies = Vec::new();
    for _ in 0..5 {
        let (store, to) = (store.clone(), files.path());
        copies.push(to.clone());
        tokio::task::spawn_blocking(move || store.backup(to)).await.unwrap().unwrap();
    }
    until.store(false, std::sync::atomic::Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let all = feed(&store).await;
    let mut last = 0;
    for path in &copies {
        let copy = SqliteStore::open_with(path, &quick()).unwrap();
        let records = copy.verify().unwrap();
        let prefix = feed(&copy).await;
        assert!(prefix.len() >= last && prefix[..] == all[..prefix.len()], "a backup is a prefix of the log");
        last = prefix.len();
        let named: HashSet<_> = prefix.iter().map(|(_, change)| change.record).collect();
        assert_eq!(records, named.len() as u64, "records and log are of one moment");
    }
    assert!(last > 0);

    // A backup can be written to like the original.
    let copy = SqliteStore::open_with(&copies[4], &quick()).unwrap();
    copy.commit(&commit(tenant, [create(lead(tenant, "Alan"))])).await.unwrap();
    // A cursor of the original beyond the end of the backup is one after which changes were lost.
    if all.len() > last + 1 {
        let end = store.feed_end().await.unwrap();
        assert!(matches!(copy.feed(Some(&end), 1).await, Err(StoreError::BadQuery(_))));
    }
}

#[test]
fn a_backup_overwrites_nothing() {
    let files = Sqlite::default();
    let (store, to) = (files.store(), files.path());
    fs::write(&to, "something else").unwrap();
    assert!(matches!(store.backup(&to), Err(StoreError::BadQuery(_))));
    assert_eq!(fs::read(&to).unwrap(), b"something else");
    let nowhere = store.backup(to.with_file_name("missing").join("x.db"));
    assert!(matches!(nowhere, Err(StoreError::Unavailable(_))), "{nowhere:?}");
    // What a backup that was killed has left is replaced.
    let to = files.path();
    fs::write(to.with_extension("db.part"), "half").unwrap();
    store.backup(&to).unwrap();
    assert!(!to.with_extension("db.part").exists());
    SqliteStore::open(&to).unwrap();
}
