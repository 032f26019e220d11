//! Errors and their meaning: certainly not stored, rejected, or unknown.

use std::time::Duration;

use crm_core::{
    store::{History, HistoryQuery, Records, StoreError, Want},
    value::{Kind, Ref, Value},
};
use crm_store_postgres::{PostgresOptions, PostgresStore};
use tests::postgres;

use crate::{
    proxy::Proxy,
    support::{Dice, commit, create, id, image, lead, set, stored, update},
};

fn is_unavailable<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    let error = answer.expect_err("nothing can have been done");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn no_server_is_unavailable_and_a_bad_url_a_fault() {
    // A port that was just free.
    let port = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port();
    let options = PostgresOptions { acquire_timeout: Duration::from_millis(500), ..PostgresOptions::default() };
    is_unavailable(PostgresStore::connect_with(&format!("postgres://x@127.0.0.1:{port}/x"), &options).await);
    let answer = PostgresStore::connect("no url").await;
    assert!(matches!(answer, Err(StoreError::BadQuery(_))), "{answer:?}");
}

#[tokio::test]
async fn a_throwaway_cluster_goes_with_whoever_started_it() {
    let cluster = postgres::Cluster::start();
    let directory = cluster.directory.clone();
    let store = PostgresStore::connect(&cluster.url()).await.unwrap();
    assert!(store.migrate().await.unwrap() > 0);
    // The pipe closes, as it does whenever the process ends.
    drop(cluster);
    let gone = async {
        while directory.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("the directory vanishes");
    is_unavailable(store.get(id(), &[]).await);
}

#[tokio::test]
async fn no_connection_in_time_is_unavailable() {
    let database = postgres::database().await;
    let options =
        PostgresOptions { max_connections: 1, acquire_timeout: Duration::from_secs(1), ..PostgresOptions::default() };
    let store = PostgresStore::connect_to(database.options(), &options).await.unwrap();
    let tenant = id();
    let blocker = database.pool(1).await;
    let ada = lead(tenant, "Ada");
    let record = ada.reference();
    store.commit(&commit(tenant, [create(ada)])).await.unwrap();
    let before = stored(&store, tenant, record).await.unwrap();
    let mut held = blocker.begin().await.unwrap();
    sqlx::query("select from crm.lead for update").execute(&mut *held).await.unwrap();
    // The only connection waits for the lock.
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.commit(&commit(tenant, [update(&before, |_| ())])).await }
    });
    while !waits_for_lock(&database).await {
        tokio::task::yield_now().await;
    }
    is_unavailable(store.get(tenant, &[]).await);
    is_unavailable(store.commit(&commit(tenant, [create(lead(tenant, "Bob"))])).await);
    held.rollback().await.unwrap();
    waiting.await.unwrap().unwrap();
}

async fn waits_for_lock(database: &postgres::Database) -> bool {
    let sql =
        "select exists(select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')";
    sqlx::query_scalar(sql).fetch_one(&database.pool(1).await).await.unwrap()
}

#[tokio::test]
async fn a_database_that_is_not_migrated_is_unavailable() {
    let store = postgres::empty_database().await.store(1).await;
    let tenant = id();
    is_unavailable(store.get(tenant, &[]).await);
    is_unavailable(store.commit(&commit(tenant, [create(lead(tenant, "Ada"))])).await);
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_sending_again_is_safe() {
    let database = postgres::database().await;
    let proxy = Proxy::before(&database).await;
    let options = PostgresOptions { max_connections: 1, ..PostgresOptions::default() };
    let store = PostgresStore::connect_to(proxy.options(), &options).await.unwrap();
    let tenant = id();
    let ada = lead(tenant, "Ada");
    let record = ada.reference();
    store.commit(&commit(tenant, [create(lead(tenant, "so that the statement is prepared"))])).await.unwrap();
    let sent = commit(tenant, [create(ada)]);
    proxy.cut_next_answer();
    let answer = store.commit(&sent).await;
    assert!(matches!(answer, Err(StoreError::OutcomeUnknown(_))), "{answer:?}");
    // The pool opens another connection, and the commit is stored.
    match store.commit(&sent).await {
        Err(StoreError::Conflict { record: named, current }) => {
            assert_eq!((named, current.unwrap().person), (record, 1));
        }
        other => panic!("expected the conflict of a commit that was stored, got {other:?}"),
    }
    let query = HistoryQuery { tenant, record, field: None, descending: false, after: None, limit: 10 };
    let changes = store.history(&query).await.unwrap().changes;
    assert_eq!(changes.iter().map(|change| change.commit).collect::<Vec<_>>(), vec![sent.id]);
    // A read whose response is lost has no effect.
    proxy.cut_next_answer();
    is_unavailable(store.get(tenant, &[Want::Record(record)]).await);
    assert!(stored(&store, tenant, record).await.is_some());
    // Without a server nothing is sent.
    proxy.close();
    is_unavailable(store.get(tenant, &[]).await);
    is_unavailable(store.commit(&commit(tenant, [create(lead(tenant, "Bob"))])).await);
}

#[tokio::test]
async fn a_connection_that_the_server_ends_leaves_a_commit_unknown() {
    let database = postgres::database().await;
    let (store, blocker) = (database.store(1).await, database.pool(2).await);
    let tenant = id();
    let ada = lead(tenant, "Ada");
    let record = ada.reference();
    store.commit(&commit(tenant, [create(ada)])).await.unwrap();
    let before = stored(&store, tenant, record).await.unwrap();
    let mut held = blocker.begin().await.unwrap();
    sqlx::query("select from crm.lead for update").execute(&mut *held).await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.commit(&commit(tenant, [update(&before, |_| ())])).await }
    });
    let end = "select coalesce(bool_or(pg_terminate_backend(pid)), false) from pg_stat_activity
               where datname = current_database() and wait_event_type = 'Lock'";
    while !sqlx::query_scalar::<_, bool>(end).fetch_one(&blocker).await.unwrap() {
        tokio::task::yield_now().await;
    }
    let answer = waiting.await.unwrap();
    assert!(matches!(answer, Err(StoreError::OutcomeUnknown(_))), "{answer:?}");
    held.rollback().await.unwrap();
    assert_eq!(stored(&store, tenant, record).await.unwrap().versions.person, 1);
}

/// Another transaction locks two records in the opposite order.
async fn deadlock(within: bool) -> Result<(), StoreError> {
    let database = postgres::database().await;
    let pool = database.pool(3).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let leads = [lead(tenant, "a"), lead(tenant, "b")];
    let records: Vec<Ref> = leads.iter().map(crm_core::schema::Image::reference).collect();
    store.commit(&commit(tenant, leads.map(create))).await.unwrap();
    let mut writes = Vec::new();
    for &record in &records {
        writes.push(update(&stored(&store, tenant, record).await.unwrap(), |_| ()));
    }
    let mut other = pool.begin().await.unwrap();
    // It waits longer than the store, so that the server aborts the store's transaction.
    sqlx::raw_sql("set local deadlock_timeout = '60s'").execute(&mut *other).await.unwrap();
    let lock = "select from crm.lead where id = $1 for update";
    sqlx::query(lock).bind(records[1].id.uuid()).execute(&mut *other).await.unwrap();
    let target = if within { PostgresStore::within(pool.begin().await.unwrap()) } else { store.clone() };
    let sent = commit(tenant, writes);
    let committing = tokio::spawn({
        let target = target.clone();
        async move {
            let answer = target.commit(&sent).await;
            if let Some(transaction) = target.into_transaction().await {
                transaction.rollback().await.unwrap();
            }
            answer
        }
    });
    while !waits_for_lock(&database).await {
        tokio::task::yield_now().await;
    }
    sqlx::query(lock).bind(records[0].id.uuid()).execute(&mut *other).await.unwrap();
    other.rollback().await.unwrap();
    committing.await.unwrap()
}

#[tokio::test]
async fn a_commit_given_up_in_a_deadlock_is_tried_again() {
    deadlock(false).await.unwrap();
}

#[tokio::test]
async fn in_the_callers_transaction_it_is_not() {
    is_unavailable(deadlock(true).await);
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_as_a_fault() {
    let store = postgres::store().await;
    let tenant = id();
    for (field, value) in [
        ("description", Value::NotLoaded),
        ("name", Value::Int(3)),
        ("tags", Value::list([Value::Int(3)])),
        ("name", Value::text("with\0nul")),
    ] {
        let mut wrong = lead(tenant, "Ada");
        set(&mut wrong, field, value);
        let record = wrong.reference();
        let answer = store.commit(&commit(tenant, [create(wrong)])).await;
        assert!(matches!(answer, Err(StoreError::BadQuery(_))), "{field}: {answer:?}");
        assert_eq!(stored(&store, tenant, record).await, None);
    }
    let many = (0..60).map(|n| create(lead(tenant, &n.to_string())));
    let answer = store.commit(&commit(tenant, many)).await;
    assert!(matches!(answer, Err(StoreError::TooLarge { limit: 100, .. })), "{answer:?}");
}

#[tokio::test]
async fn what_is_stored_and_cannot_be_read_is_corrupt() {
    let pool = postgres::database().await.pool(1).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let mut ada = lead(tenant, "Ada");
    set(&mut ada, "tags", Value::list([Value::text("a")]));
    let record = ada.reference();
    store.commit(&commit(tenant, [create(ada)])).await.unwrap();
    sqlx::query("update crm.lead set properties = '{\"a\": {\"i\": \"no number\"}}'").execute(&pool).await.unwrap();
    let answer = store.get(tenant, &[Want::Record(record)]).await;
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guards_leave_no_write_skew() {
    const ROUNDS: usize = 100;
    let store = postgres::database().await.store(4).await;
    let tenant = id();
    for round in 0..ROUNDS {
        let leads = [lead(tenant, "a"), lead(tenant, "b")];
        let records: Vec<Ref> = leads.iter().map(crm_core::schema::Image::reference).collect();
        store.commit(&commit(tenant, leads.map(create))).await.unwrap();
        // Each writes one record and guards the other, so only one of them can succeed.
        let mut racing = Vec::new();
        for (mine, other) in [(0, 1), (1, 0)] {
            let before = stored(&store, tenant, records[mine]).await.unwrap();
            let mut commit = commit(tenant, [update(&before, |_| ())]);
            commit.guards.push(crm_core::store::Guard { record: records[other], version: 1 });
            let store = store.clone();
            racing.push(tokio::spawn(async move { store.commit(&commit).await }));
        }
        let mut won = 0;
        for race in racing {
            match race.await.unwrap() {
                Ok(()) => won += 1,
                Err(StoreError::Conflict { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(won, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsorted_commits_never_deadlock() {
    const TASKS: u64 = 8;
    const ROUNDS: usize = 30;
    let database = postgres::database().await;
    let writing = database.pool(8).await;
    let (store, tenant) = (PostgresStore::from_pool(writing.clone()), id());
    let mut images = Vec::new();
    for n in 0..6 {
        images.push(lead(tenant, &n.to_string()));
        images.push(image(Kind::Company, tenant));
    }
    let records: Vec<Ref> = images.iter().map(crm_core::schema::Image::reference).collect();
    store.commit(&commit(tenant, images.into_iter().map(create))).await.unwrap();
    let mut tasks = Vec::new();
    for seed in 1..=TASKS {
        let (store, records) = (store.clone(), records.clone());
        tasks.push(tokio::spawn(async move {
            let mut dice = Dice::new(seed);
            let mut done = 0;
            for _ in 0..ROUNDS {
                let mut shuffled = records.clone();
                shuffled.sort_by_cached_key(|_| dice.below(1_000));
                shuffled.truncate(5);
                let mut writes = Vec::new();
                for &record in &shuffled {
                    writes.push(update(&stored(&store, tenant, record).await.unwrap(), |_| ()));
                }
                let mut sent = commit(tenant, []);
                sent.writes = writes;
                match store.commit(&sent).await {
                    Ok(()) => done += 1,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            done
        }));
    }
    let mut done = 0;
    for task in tasks {
        done += task.await.unwrap();
    }
    assert!(done > 0);
    // The statistics of a session are visible to others after it has ended.
    writing.close().await;
    let pool = database.pool(1).await;
    let others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    while sqlx::query_scalar::<_, i64>(others).fetch_one(&pool).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    let sql = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.unwrap(), 0);
}
