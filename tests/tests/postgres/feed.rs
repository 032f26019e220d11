//! The feed: nothing skipped, each record in version order, whatever commits late.

use std::{collections::HashMap, time::Duration};

use crm_core::{
    store::{Feed, FeedCursor, Records, StoreError},
    value::{Id, Ref},
};
use crm_store_postgres::PostgresStore;
use tests::postgres;

use crate::support::{Dice, commit, create, id, lead, stored, update};

/// Reads on until so many changes came. Transactions of other tests on the same server hold the feed back, so a page
/// may be empty for a while.
async fn read(store: &PostgresStore, after: &mut Option<FeedCursor>, count: usize, limit: usize) -> Vec<(Ref, u64)> {
    let mut seen = Vec::new();
    let reading = async {
        while seen.len() < count {
            let page = store.feed(after.as_ref(), limit).await.unwrap();
            assert!(page.changes.len() <= limit);
            seen.extend(page.changes.iter().map(|(_, change)| (change.record, change.version)));
            *after = Some(page.cursor);
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), reading).await.expect("all changes come");
    seen
}

#[tokio::test]
async fn what_commits_late_is_not_skipped() {
    let pool = postgres::database().await.pool(5).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let (early, late) = (lead(tenant, "early"), lead(tenant, "late"));
    let (early_record, late_record) = (early.reference(), late.reference());
    // It takes its place in the sequence first, and commits last.
    let within = PostgresStore::within(pool.begin().await.unwrap());
    within.commit(&commit(tenant, [create(late)])).await.unwrap();
    store.commit(&commit(tenant, [create(early)])).await.unwrap();
    let held_back = store.feed(None, 10).await.unwrap();
    assert_eq!(held_back.changes, vec![], "an open transaction that writes holds the feed back");
    within.into_transaction().await.unwrap().commit().await.unwrap();
    let mut cursor = Some(held_back.cursor);
    let mut seen = read(&store, &mut cursor, 2, 10).await;
    seen.sort();
    assert_eq!(seen, vec![(early_record, 1), (late_record, 1)]);
}

#[tokio::test]
async fn a_commit_in_an_older_transaction_does_not_overtake() {
    let pool = postgres::database().await.pool(8).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let begin = async || {
        let mut transaction = pool.begin().await.unwrap();
        // Now it has its number.
        sqlx::query("select pg_current_xact_id()").execute(&mut *transaction).await.unwrap();
        transaction
    };
    let oldest = begin().await;
    let between = begin().await;
    let ada = lead(tenant, "Ada");
    let record = ada.reference();
    store.commit(&commit(tenant, [create(ada)])).await.unwrap();
    // Version 2 joins the oldest transaction: by its number alone it would come before version 1.
    let within = PostgresStore::within(oldest);
    let before = stored(&within, tenant, record).await.unwrap();
    within.commit(&commit(tenant, [update(&before, |_| ())])).await.unwrap();
    within.into_transaction().await.unwrap().commit().await.unwrap();
    let page = store.feed(None, 10).await.unwrap();
    assert_eq!(page.changes, vec![], "version 2 waits for version 1, which waits for the transaction between");
    between.rollback().await.unwrap();
    let mut cursor = Some(page.cursor);
    assert_eq!(read(&store, &mut cursor, 2, 1).await, vec![(record, 1), (record, 2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_change_comes_once_and_in_order() {
    const WRITERS: u64 = 6;
    const ROUNDS: usize = 25;
    let pool = postgres::database().await.pool(12).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let records: Vec<Ref> = {
        let leads: Vec<_> = (0..5).map(|n| lead(tenant, &n.to_string())).collect();
        let records = leads.iter().map(crm_core::schema::Image::reference).collect();
        store.commit(&commit(tenant, leads.into_iter().map(create))).await.unwrap();
        records
    };
    let mut writers = Vec::new();
    for seed in 1..=WRITERS {
        let (pool, store, records) = (pool.clone(), store.clone(), records.clone());
        writers.push(tokio::spawn(async move {
            let mut dice = Dice::new(seed);
            let mut committed = 0;
            while committed < ROUNDS {
                let record = dice.pick(&records);
                let slow = dice.one_in(3);
                let target = if slow {
                    let mut transaction = pool.begin().await.unwrap();
                    sqlx::query("select pg_current_xact_id()").execute(&mut *transaction).await.unwrap();
                    PostgresStore::within(transaction)
                } else {
                    store.clone()
                };
                let before = stored(&target, tenant, record).await.unwrap();
                let done = target.commit(&commit(tenant, [update(&before, |_| ())])).await;
                if slow {
                    let transaction = target.into_transaction().await.unwrap();
                    if done.is_ok() {
                        transaction.commit().await.unwrap();
                    } else {
                        transaction.rollback().await.unwrap();
                    }
                }
                committed += usize::from(done.is_ok());
            }
        }));
    }
    // Read while they write.
    let total = 5 + usize::try_from(WRITERS).unwrap() * ROUNDS;
    let seen = read(&store, &mut None, total, 7).await;
    for writer in writers {
        writer.await.unwrap();
    }
    let mut versions: HashMap<Ref, u64> = HashMap::new();
    for (record, version) in seen {
        let last = versions.entry(record).or_default();
        assert_eq!(version, *last + 1, "{record} out of order");
        *last = version;
    }
    assert_eq!(versions.values().sum::<u64>(), u64::try_from(total).unwrap());
}

#[tokio::test]
async fn a_forged_cursor_is_refused() {
    let store = postgres::store().await;
    for text in ["", "1", "a.b", "1.2.3", "-1.0", "99999999999999999999999.1"] {
        let answer = store.feed(Some(&FeedCursor(text.to_owned())), 5).await;
        assert!(matches!(answer, Err(StoreError::BadQuery(_))), "{text}: {answer:?}");
    }
    let page = store.feed(None, 5).await.unwrap();
    assert_eq!(page.changes, Vec::<(Id, _)>::new());
}

#[tokio::test]
async fn a_restored_feed_goes_on_once_it_is_rebased() {
    let pool = postgres::database().await.pool(2).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let ada = lead(tenant, "Ada");
    let record = ada.reference();
    store.commit(&commit(tenant, [create(ada)])).await.unwrap();
    let before = stored(&store, tenant, record).await.unwrap();
    store.commit(&commit(tenant, [update(&before, |_| ())])).await.unwrap();
    // As a dump of a cluster leaves it that has seen far more transactions.
    for table in ["change", "lead"] {
        let sql = format!("update crm.{table} set feed_xid = '99999999999'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    }
    assert_eq!(store.feed(None, 5).await.unwrap().changes, vec![]);
    let waiting: i64 = sqlx::query_scalar("select waiting from crm.feed_lag").fetch_one(&pool).await.unwrap();
    assert_eq!(waiting, 2);
    store.keep_feed_cursor("index", &FeedCursor("99999999999.2".into())).await.unwrap();
    sqlx::query("select crm.rebase_feed()").execute(&pool).await.unwrap();
    assert_eq!(store.feed_cursor("index").await.unwrap(), None, "it would never be told anything again");
    let before = stored(&store, tenant, record).await.unwrap();
    store.commit(&commit(tenant, [update(&before, |_| ())])).await.unwrap();
    assert_eq!(read(&store, &mut None, 3, 5).await, vec![(record, 1), (record, 2), (record, 3)]);
}
