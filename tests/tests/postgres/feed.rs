//! The feed: no gaps, each record in version order, whatever commits late; and delayed by commits only.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crm_core::{
    catalog,
    schema::Group,
    store::{Feed, FeedCursor, FeedPlace, Records, StoreError},
    value::{Id, Kind, Ref, Value},
};
use crm_store_postgres::PostgresStore;
use sqlx::{PgPool, Postgres, Transaction};
use tests::postgres;

use crate::support::{Dice, at, commit, create, id, image, lead, set, stored, update};

/// Returns the records and versions on a page of the feed.
async fn page(store: &PostgresStore, after: &mut Option<FeedCursor>, limit: usize) -> Vec<(Ref, u64)> {
    let page = store.feed(after.as_ref(), limit).await.unwrap();
    assert!(page.changes.len() <= limit);
    *after = Some(page.cursor);
    page.changes.iter().map(|(_, change)| (change.record, change.version)).collect()
}

/// Reads to the end of the feed.
async fn read(store: &PostgresStore, after: &mut Option<FeedCursor>, limit: usize) -> Vec<(Ref, u64)> {
    let mut seen = Vec::new();
    loop {
        let told = page(store, after, limit).await;
        if told.is_empty() {
            return seen;
        }
        seen.extend(told);
    }
}

/// Stores a new lead.
async fn store_lead(store: &PostgresStore, tenant: Id) -> Ref {
    let lead = lead(tenant, "Ada");
    let record = lead.reference();
    store.commit(&commit(tenant, [create(lead)])).await.unwrap();
    record
}

/// A transaction that already has an id.
async fn old_transaction(pool: &PgPool) -> Transaction<'static, Postgres> {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("select pg_current_xact_id()").execute(&mut *transaction).await.unwrap();
    transaction
}

#[tokio::test]
async fn what_else_is_open_holds_nothing_back() {
    let pool = postgres::database().await.pool(5).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    sqlx::query("create table orders (lead_id uuid not null)").execute(&pool).await.unwrap();
    let mut writes = pool.begin().await.unwrap();
    sqlx::query("insert into orders values (gen_random_uuid())").execute(&mut *writes).await.unwrap();
    let mut reads = pool.begin().await.unwrap();
    sqlx::query("set transaction isolation level repeatable read").execute(&mut *reads).await.unwrap();
    sqlx::query("select count(*) from crm.lead").execute(&mut *reads).await.unwrap();
    // Including locks of the embedder.
    sqlx::query("select pg_advisory_xact_lock(1), pg_advisory_xact_lock(25458, 1)").execute(&mut *reads).await.unwrap();
    let record = store_lead(&store, tenant).await;
    assert_eq!(page(&store, &mut None, 10).await, vec![(record, 1)]);
    let waiting: i64 = sqlx::query_scalar("select waiting from crm.feed_lag").fetch_one(&pool).await.unwrap();
    assert_eq!(waiting, 0);
    // A commit that only guards logs nothing and does not delay the feed.
    let within = PostgresStore::within(writes);
    let mut guards = commit(tenant, []);
    guards.guards.push(crm_core::store::Guard { record, version: 1 });
    within.commit(&guards).await.unwrap();
    let second = store_lead(&store, tenant).await;
    assert_eq!(read(&store, &mut None, 10).await, vec![(record, 1), (second, 1)]);
}

#[tokio::test]
async fn what_commits_late_is_not_skipped() {
    let pool = postgres::database().await.pool(5).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let mut cursor = None;
    let before = store_lead(&store, tenant).await;
    assert_eq!(read(&store, &mut cursor, 10).await, vec![(before, 1)]);
    // It takes its place in the feed first and commits last.
    let within = PostgresStore::within(pool.begin().await.unwrap());
    let late = store_lead(&within, tenant).await;
    let early = store_lead(&store, tenant).await;
    assert_eq!(
        page(&store, &mut cursor, 10).await,
        vec![],
        "an open transaction with a commit holds back what follows"
    );
    let after = store_lead(&store, tenant).await;
    assert_eq!(read(&store, &mut None, 10).await, vec![(before, 1)], "and nothing else");
    let waiting: i64 = sqlx::query_scalar("select waiting from crm.feed_lag").fetch_one(&pool).await.unwrap();
    assert_eq!(waiting, 2);
    let end = store.feed_end().await.unwrap();
    within.into_transaction().await.unwrap().commit().await.unwrap();
    assert_eq!(read(&store, &mut cursor, 1).await, vec![(late, 1), (early, 1), (after, 1)]);
    // The end must precede the transaction that was open.
    assert_eq!(read(&store, &mut Some(end), 10).await, vec![(late, 1), (early, 1), (after, 1)]);
    let mut end = Some(store.feed_end().await.unwrap());
    assert_eq!(read(&store, &mut end, 10).await, vec![]);
    let last = store_lead(&store, tenant).await;
    assert_eq!(read(&store, &mut end, 10).await, vec![(last, 1)]);
}

#[tokio::test]
async fn a_commit_that_is_rolled_back_holds_until_then() {
    let pool = postgres::database().await.pool(5).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let within = PostgresStore::within(pool.begin().await.unwrap());
    let undone = store_lead(&within, tenant).await;
    let there = store_lead(&store, tenant).await;
    assert_eq!(page(&store, &mut None, 10).await, vec![]);
    within.into_transaction().await.unwrap().rollback().await.unwrap();
    assert_eq!(read(&store, &mut None, 10).await, vec![(there, 1)]);
    assert_eq!(stored(&store, tenant, undone).await, None);
}

#[tokio::test]
async fn a_commit_in_an_older_transaction_does_not_overtake() {
    let pool = postgres::database().await.pool(8).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let oldest = old_transaction(&pool).await;
    let between = old_transaction(&pool).await;
    let record = store_lead(&store, tenant).await;
    let within = PostgresStore::within(oldest);
    let before = stored(&within, tenant, record).await.unwrap();
    within.commit(&commit(tenant, [update(&before, |_| ())])).await.unwrap();
    within.into_transaction().await.unwrap().commit().await.unwrap();
    assert_eq!(read(&store, &mut None, 1).await, vec![(record, 1), (record, 2)]);
    between.rollback().await.unwrap();
}

#[tokio::test]
async fn a_long_transaction_takes_few_locks() {
    let pool = postgres::database().await.pool(5).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let within = PostgresStore::within(pool.begin().await.unwrap());
    for _ in 0..20 {
        store_lead(&within, tenant).await;
        store_lead(&store, tenant).await;
        // Each of these reads would advance the clock.
        assert_eq!(page(&store, &mut None, 10).await, vec![]);
    }
    let locks: i64 = sqlx::query_scalar("select count(*) from pg_locks where locktype = 'advisory' and classid::bigint >> 16 = 25458 and database = (select oid from pg_database where datname = current_database())")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(locks <= 2, "{locks}");
    within.into_transaction().await.unwrap().commit().await.unwrap();
    assert_eq!(read(&store, &mut None, 7).await.len(), 40);
}

#[tokio::test]
async fn a_fixed_snapshot_is_refused() {
    let pool = postgres::database().await.pool(2).await;
    let store = PostgresStore::from_pool(pool.clone());
    store_lead(&store, id()).await;
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("set transaction isolation level repeatable read").execute(&mut *transaction).await.unwrap();
    let answer = PostgresStore::within(transaction).feed(None, 5).await;
    assert!(matches!(answer, Err(StoreError::BadQuery(_))), "it would skip what commits meanwhile: {answer:?}");
}

/// A writer: it changes some records in various kinds of commits until it is stopped.
async fn write(pool: PgPool, tenant: Id, records: Vec<Ref>, mut dice: Dice, ends: Arc<AtomicBool>) {
    let store = PostgresStore::from_pool(pool.clone());
    while !ends.load(Ordering::Relaxed) {
        let way = dice.below(8);
        let target = match way {
            0..4 => store.clone(),
            4 | 5 => PostgresStore::within(old_transaction(&pool).await),
            _ => PostgresStore::within(pool.begin().await.unwrap()),
        };
        if way == 4 {
            tokio::time::sleep(Duration::from_millis(u64::try_from(dice.below(20)).unwrap())).await;
        }
        // In one order, because otherwise two transactions could deadlock.
        let mut chosen: Vec<Ref> =
            (0..if way < 4 { 1 } else { 1 + dice.below(3) }).map(|_| dice.pick(&records)).collect();
        chosen.sort_unstable();
        let mut done = true;
        for record in chosen {
            let before = stored(&target, tenant, record).await.unwrap();
            let write = if dice.one_in(6) { create(lead(tenant, "new")) } else { update(&before, |_| ()) };
            done = target.commit(&commit(tenant, [write])).await.is_ok();
            if !done {
                break;
            }
            if way > 4 && dice.one_in(2) {
                tokio::time::sleep(Duration::from_millis(u64::try_from(dice.below(15)).unwrap())).await;
            }
        }
        if let Some(transaction) = target.into_transaction().await {
            if done && way != 7 { transaction.commit().await.unwrap() } else { transaction.rollback().await.unwrap() }
        }
    }
}

async fn holds_under_load(seed: u64, time: Duration) {
    const WRITERS: u64 = 12;
    let pool = postgres::database().await.pool(20).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let mut records = Vec::new();
    for _ in 0..10 {
        records.push(store_lead(&store, tenant).await);
    }
    let ends = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            tokio::spawn(write(pool.clone(), tenant, records.clone(), Dice::new(seed * 100 + n), Arc::clone(&ends)))
        })
        .collect();
    // Several readers read during the writes.
    let readers: Vec<_> = [1, 7, 100]
        .into_iter()
        .map(|limit| {
            let (store, ends) = (store.clone(), Arc::clone(&ends));
            tokio::spawn(async move {
                let (mut cursor, mut told) = (None, Vec::new());
                while !ends.load(Ordering::Relaxed) {
                    told.extend(page(&store, &mut cursor, limit).await);
                }
                (cursor, told)
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    ends.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    let there: Vec<(String, sqlx::types::Uuid, i64)> =
        sqlx::query_as("select kind, record_id, version from crm.change").fetch_all(&pool).await.unwrap();
    let there: BTreeSet<(Ref, u64)> = there
        .into_iter()
        .map(|(kind, id, version)| {
            (Ref { kind: kind.parse().unwrap(), id: Id::from_uuid(id) }, version.try_into().unwrap())
        })
        .collect();
    assert!(there.len() > 100, "seed {seed}: only {} changes", there.len());
    for reader in readers {
        let (mut cursor, mut told) = reader.await.unwrap();
        let while_writing = told.len();
        told.extend(read(&store, &mut cursor, 1000).await);
        let mut versions: HashMap<Ref, u64> = HashMap::new();
        for &(record, version) in &told {
            let last = versions.entry(record).or_default();
            assert_eq!(version, *last + 1, "seed {seed}: {record} out of order");
            *last = version;
        }
        assert!(while_writing > 0, "seed {seed}: nothing was told while they wrote");
        assert_eq!(told.len(), there.len(), "seed {seed}");
        assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), there, "seed {seed}");
    }
}

/// `CRM_FEED_SECONDS` sets the seconds for each of three seeds, instead of two seconds for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_change_comes_once_and_in_order() {
    let long: Option<u64> = env::var("CRM_FEED_SECONDS").ok().map(|seconds| seconds.parse().expect("whole seconds"));
    for seed in 1..=if long.is_some() { 3 } else { 1 } {
        holds_under_load(seed, Duration::from_secs(long.unwrap_or(2))).await;
    }
}

#[tokio::test]
async fn a_forged_cursor_is_refused() {
    let store = postgres::store().await;
    for text in ["", "1", "a.b", "1.2.3", "-1.0", "1.-1", "99999999999999999999999.1"] {
        let answer = store.feed(Some(&FeedCursor(text.to_owned())), 5).await;
        assert!(matches!(answer, Err(StoreError::BadQuery(_))), "{text}: {answer:?}");
    }
    let page = store.feed(None, 5).await.unwrap();
    assert_eq!(page.changes, Vec::<(Id, _)>::new());
}

#[tokio::test]
async fn a_restored_feed_goes_on() {
    let database = postgres::database().await;
    let (store, tenant) = (database.store(2).await, id());
    let record = store_lead(&store, tenant).await;
    let mut cursor = None;
    assert_eq!(read(&store, &mut cursor, 5).await, vec![(record, 1)]);
    let place = FeedPlace { cursor: cursor.clone(), ..FeedPlace::beginning(at(0)) };
    assert!(store.keep_feed_place("index", &place, 0).await.unwrap());
    let before = stored(&store, tenant, record).await.unwrap();
    store.commit(&commit(tenant, [update(&before, |_| ())])).await.unwrap();

    // Restores into a cluster that has seen far fewer transactions.
    let cluster = postgres::Cluster::start();
    let script = cluster.directory.join("dump.sql");
    let run = |program: &str, url: &str, rest: &[&str]| {
        let output = Command::new(postgres::program(program)).args(["-d", url]).args(rest).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    std::fs::write(&script, run("pg_dump", &database.url(), &[])).unwrap();
    run("psql", &cluster.url(), &["-q", "-v", "ON_ERROR_STOP=1", "-f", script.to_str().unwrap()]);

    let restored = PostgresStore::connect(&cluster.url()).await.unwrap();
    assert_eq!(restored.migrate().await.unwrap(), 0);
    let mut cursor = restored.feed_place("index").await.unwrap().unwrap().cursor;
    assert_eq!(read(&restored, &mut cursor, 5).await, vec![(record, 2)]);
    let before = stored(&restored, tenant, record).await.unwrap();
    restored.commit(&commit(tenant, [update(&before, |_| ())])).await.unwrap();
    let other = store_lead(&restored, tenant).await;
    assert_eq!(read(&restored, &mut cursor, 5).await, vec![(record, 3), (other, 1)]);
    assert_eq!(read(&restored, &mut None, 5).await.len(), 4);
}

/// Few of a thousand tenants have due records.
#[tokio::test]
async fn what_is_due_is_told_by_tenant() {
    let pool = postgres::database().await.pool(1).await;
    let store = PostgresStore::from_pool(pool.clone());
    let (decl, field) = catalog::all().find_map(|decl| Some((decl, decl.due?))).expect("a kind that comes due");
    let column = decl.fields[field].name;
    let mut tenants: Vec<Id> = (0..2).map(|_| id()).collect();
    tenants.sort_unstable();
    let mut expected = Vec::new();
    for (&tenant, seconds) in tenants.iter().zip([[5, 3, 9], [1, 2, 100]]) {
        for seconds in seconds {
            let mut image = image(decl.kind, tenant);
            set(&mut image, column, Value::Time(at(seconds)));
            expected.push((tenant, image.reference(), at(seconds)));
            store.commit(&commit(tenant, [create(image)])).await.unwrap();
        }
    }
    // Later due records of many other tenants.
    let sql = format!(
        "insert into crm.{0} (tenant_id, id, version, machine_version, created_at, updated_at, \"{column}\")
         select ('ffffffff-0000-7000-8000-' || lpad(t::text, 12, '0'))::uuid, gen_random_uuid(), 1, 0, now(), now(), now()
         from generate_series(1, 1000) t, generate_series(1, 20)",
        decl.kind
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    sqlx::raw_sql("analyze").execute(&pool).await.unwrap();
    expected.retain(|(.., time)| *time <= at(50));
    expected.sort_unstable_by_key(|(tenant, record, time)| (*tenant, *time, record.id));
    assert_eq!(store.due(decl, at(50), None, 10, 100).await.unwrap(), expected);
    let first = [expected[0], expected[1], expected[3]];
    assert_eq!(store.due(decl, at(50), None, 2, 3).await.unwrap(), first);
    assert_eq!(store.due(decl, at(50), Some(tenants[0]), 1, 100).await.unwrap(), [expected[3]]);
}

/// The feed contains complete changes, including the cause, which only some have.
#[tokio::test]
async fn a_cause_is_told() {
    let (store, tenant) = (postgres::store().await, id());
    let mut write = create(image(Kind::Task, tenant));
    let cause = Arc::new(serde_json::json!({"workflow": "w", "depth": 2, "of tomorrow": [1]}));
    write.changes[0].cause = Some(Arc::clone(&cause));
    write.changes[0].group = Group::User;
    store.commit(&commit(tenant, [write])).await.unwrap();
    store_lead(&store, tenant).await;
    let told = store.feed(None, 5).await.unwrap().changes;
    let causes: BTreeMap<Kind, _> = told.into_iter().map(|(_, change)| (change.record.kind, change.cause)).collect();
    assert_eq!(causes, [(Kind::Lead, None), (Kind::Task, Some(cause))].into());
}
