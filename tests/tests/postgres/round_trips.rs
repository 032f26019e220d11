//! Every call is one statement in one round trip, as counted on the wire.

use crm_core::{
    catalog,
    filter::Predicate,
    schema::Image,
    store::{
        Claim, ClaimOp, Counts, Feed, FeedPlace, Guard, History, HistoryQuery, LogQuery, Position, Query, Records,
        StageMoveQuery, Want,
    },
    value::{Kind, Time, Value},
};
use crm_store_postgres::{PostgresOptions, PostgresStore};
use tests::postgres;

use crate::{
    proxy::Proxy,
    support::{at, commit, create, id, image, lead, set, stored, update},
};

/// Repeats a call until its statement is prepared, then counts another run.
macro_rules! counted {
    ($proxy:expr, $call:expr) => {{
        for _ in 0..2 {
            $call.unwrap();
        }
        $proxy.take();
        $call.unwrap();
        $proxy.take()
    }};
}

#[tokio::test]
async fn a_call_is_one_round_trip() {
    let database = postgres::database().await;
    let proxy = Proxy::before(&database).await;
    // A single connection, so that all requests are counted.
    let options = PostgresOptions { max_connections: 1, ..PostgresOptions::default() };
    let store = PostgresStore::connect_to(proxy.options(), &options).await.unwrap();
    let tenant = id();

    let (user, mut company, ada) = (image(Kind::User, tenant), image(Kind::Company, tenant), lead(tenant, "Ada"));
    set(&mut company, "name", Value::text("Analytical Engines"));
    let guard = Guard { record: user.reference(), version: 1 };
    let claim = Claim::new(tenant, Kind::Company, "domain", "example.com");
    let wants = [
        Want::Record(user.reference()),
        Want::Record(ada.reference()),
        Want::Record(company.reference()),
        Want::Claimed(claim.clone()),
        Want::Key("k".to_owned()),
    ];
    let record = ada.reference();
    let holder = company.reference();
    let mut first = commit(tenant, [user, company, ada].map(create));
    first.claims.push(ClaimOp::Take { claim, holder });
    store.commit(&first).await.unwrap();

    assert_eq!(counted!(proxy, store.get(tenant, &wants).await), (1, 1), "get");
    assert_eq!(counted!(proxy, store.get(tenant, &[]).await), (1, 1), "get of the epochs");
    assert_eq!(counted!(proxy, store.definitions(tenant).await), (1, 1), "definitions");
    let writes = || {
        let mut writes: Vec<_> =
            [lead(tenant, "a"), image(Kind::Deal, tenant), image(Kind::Team, tenant)].map(create).into();
        let mut task: Image = image(Kind::Task, tenant);
        set(&mut task, "links", Value::list([Value::Ref(record)]));
        writes.push(create(task));
        let mut commit = commit(tenant, writes);
        commit.guards.push(guard);
        commit
    };
    assert_eq!(counted!(proxy, store.commit(&writes()).await), (1, 1), "commit");
    let before = stored(&store, tenant, record).await.unwrap();
    store.commit(&commit(tenant, [update(&before, |_| ())])).await.unwrap();
    let stale = commit(tenant, [update(&before, |_| ())]);
    proxy.take();
    store.commit(&stale).await.unwrap_err();
    assert_eq!(proxy.take(), (1, 1), "a commit that fails");

    let decl = catalog::decl(Kind::Task);
    for index in &decl.indexes {
        for sort in [None, Some(Value::Null)] {
            let query = Query {
                tenant,
                decl,
                index,
                equals: index.equals.iter().map(|_| Value::Null).collect(),
                descending: true,
                filter: Predicate::always(),
                after: sort.map(|sort| Position { sort, id: id() }),
                limit: 10,
            };
            // A list-valued field has no missing elements, so the result is known without a query.
            let trips = usize::from(!index.per_element);
            assert_eq!(counted!(proxy, store.list(&query).await), (trips, trips), "list by {}", index.name);
            assert_eq!(
                counted!(proxy, store.list_with_epochs(&query).await),
                (1, 1),
                "with the epochs, {}",
                index.name
            );
            assert_eq!(counted!(proxy, store.count(&query).await), (trips, trips), "count by {}", index.name);
        }
    }
    let history = HistoryQuery { tenant, record, field: None, descending: true, after: None, limit: 5 };
    assert_eq!(counted!(proxy, store.history(&history).await), (1, 1), "history");
    let log = LogQuery { tenant, from: at(0), until: Time::MAX, descending: false, after: None, limit: 5 };
    assert_eq!(counted!(proxy, store.log(&log).await), (1, 1), "log");
    let moves = StageMoveQuery { tenant, pipeline: id().typed(), from: at(0), until: Time::MAX, after: None, limit: 5 };
    assert_eq!(counted!(proxy, store.stage_moves(&moves).await), (1, 1), "stage moves");
    assert_eq!(counted!(proxy, store.feed(None, 5).await), (1, 1), "feed");
    assert_eq!(counted!(proxy, store.feed_end().await), (1, 1), "end of the feed");
    assert_eq!(counted!(proxy, store.feed_place("c").await), (1, 1), "place in the feed");
    let place = FeedPlace::beginning(at(0));
    assert_eq!(counted!(proxy, store.keep_feed_place("c", &place, 0).await), (1, 1), "keeping a place in the feed");
    for decl in catalog::all().filter(|decl| decl.due.is_some()) {
        assert_eq!(counted!(proxy, store.due(decl, at(0), None, 5, 5).await), (1, 1), "due");
    }
}

#[tokio::test]
async fn in_the_callers_transaction_too() {
    let database = postgres::database().await;
    let proxy = Proxy::before(&database).await;
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_with(proxy.options()).await.unwrap();
    let within = PostgresStore::within(pool.begin().await.unwrap());
    let tenant = id();
    assert_eq!(counted!(proxy, within.commit(&commit(tenant, [create(lead(tenant, "Ada"))])).await), (1, 1));
    assert_eq!(counted!(proxy, within.get(tenant, &[]).await), (1, 1));
    within.into_transaction().await.unwrap().rollback().await.unwrap();
}
