//! Compatibility with a newer program: its data is read without errors, left out where this program cannot represent
//! it, and preserved when other parts of a record are written.

use std::sync::Arc;

use crm_core::{
    catalog,
    filter::Predicate,
    schema::{FieldType, common},
    store::{
        Claim, ClaimOp, Feed, Got, Guard, History, HistoryQuery, KeyEntry, LogPosition, LogQuery, Query, Records,
        StageMoveQuery, StoreError, Want,
    },
    value::{Currency, Id, Kind, Money, Ref, Time, Value},
};
use crm_store_postgres::PostgresStore;
use sqlx::{AssertSqlSafe, PgPool};
use tests::postgres;

use crate::support::{at, commit, create, id, image, lead, set, stored, update};

const GADGET: &str = "0190c5e0-0000-7000-8000-0000000000aa";

async fn run(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

/// Returns a column as text.
async fn text(pool: &PgPool, kind: Kind, column: &str) -> Option<String> {
    sqlx::query_scalar(AssertSqlSafe(format!("select {column}::text from crm.\"{kind}\"")))
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Returns the number of records listed by the kind's first index.
async fn listed(store: &PostgresStore, tenant: Id, kind: Kind) -> usize {
    let decl = catalog::decl(kind);
    let query = Query {
        tenant,
        decl,
        index: decl.walk(),
        equals: Vec::new(),
        descending: false,
        filter: Predicate::always(),
        after: None,
        limit: 10,
    };
    store.list(&query).await.unwrap().items.len()
}

#[tokio::test]
async fn values_are_read_and_kept() {
    let pool = postgres::database().await.pool(2).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let user = image(Kind::User, tenant);
    let target = user.reference();
    let mut association = image(Kind::Association, tenant);
    set(&mut association, "from", Value::Ref(target));
    set(&mut association, "to", Value::Ref(target));
    set(&mut association, "label", Value::text("knows"));
    let mut task = image(Kind::Task, tenant);
    set(&mut task, "links", Value::list([Value::Ref(target)]));
    let mut deal = image(Kind::Deal, tenant);
    set(&mut deal, "value", Value::Money(Money::new(3, Currency::EUR)));
    let mut pipeline = image(Kind::Pipeline, tenant);
    set(&mut pipeline, "name", Value::text("p"));
    let images = [user, lead(tenant, "Ada"), association, task, deal, pipeline];
    let records: Vec<Ref> = images.iter().map(crm_core::schema::Image::reference).collect();
    store.commit(&commit(tenant, images.map(create))).await.unwrap();

    let choice =
        catalog::decl(Kind::Task).fields.iter().find(|field| matches!(field.ty, FieldType::Choice(_))).unwrap();
    // Data of a newer program, and the columns that hold it.
    let tomorrow = [
        (Kind::Association, format!("from_kind = 'gadget', from_id = '{GADGET}'"), "from_kind || from_id"),
        (Kind::Task, format!("links = links || array['gadget:{GADGET}']"), "links"),
        (Kind::Task, format!("\"{}\" = 'of_tomorrow'", choice.name), choice.name),
        (Kind::Deal, "value_currency = 'ZZZ', value = 1.50".to_owned(), "value || value_currency"),
        (
            Kind::Lead,
            r#"properties = '{"a": {"zz": {"x": [1, 2.5, null]}}, "b": {"l": [{"zz": 1}, {"t": "x"}]},
               "c": {"r": {"kind": "gadget", "id": "0190c5e0-0000-7000-8000-0000000000aa"}}, "d": {"t": "plain"}}'"#
                .to_owned(),
            "properties",
        ),
        (
            Kind::Pipeline,
            r#"stages = '[{"key": "new", "name": "New", "kind": "of_tomorrow", "of_tomorrow": {"x": 1}}]'"#.to_owned(),
            "stages",
        ),
    ];
    for (kind, sets, _) in &tomorrow {
        run(&pool, &format!("update crm.\"{kind}\" set {sets}")).await;
    }
    let mut before = Vec::new();
    for (kind, _, column) in &tomorrow {
        before.push(text(&pool, *kind, column).await);
    }
    for &record in &records {
        assert!(stored(&store, tenant, record).await.is_some(), "{record}");
        assert_eq!(listed(&store, tenant, record.kind).await, 1, "{record}");
    }
    assert!(store.definitions(tenant).await.unwrap().images.iter().any(|image| image.kind() == Kind::Pipeline));

    // Edits another field, and the lists and properties that contain the data.
    for &record in &records {
        let image = stored(&store, tenant, record).await.unwrap();
        let write = update(&image, |image| set(image, "external_id", Value::text("edited")));
        store.commit(&commit(tenant, [write])).await.unwrap();
        assert_eq!(stored(&store, tenant, record).await.unwrap().get("external_id"), &Value::text("edited"));
    }
    for ((kind, _, column), before) in tomorrow.iter().zip(&before) {
        assert_eq!(&text(&pool, *kind, column).await, before, "{kind}.{column}");
    }
    let of = |kind: Kind| records.iter().copied().find(|record| record.kind == kind).unwrap();
    let image = stored(&store, tenant, of(Kind::Lead)).await.unwrap();
    let edited = update(&image, |image| {
        let Value::Map(properties) = &mut image.values[common::PROPERTIES] else { panic!("properties are a map") };
        Arc::make_mut(properties).remove("d");
    });
    let image = stored(&store, tenant, of(Kind::Task)).await.unwrap();
    let more = update(&image, |image| {
        let mut links = image.get("links").items().to_vec();
        links.push(Value::Ref(of(Kind::Deal)));
        set(image, "links", Value::list(links));
    });
    store.commit(&commit(tenant, [edited, more])).await.unwrap();
    let now = text(&pool, Kind::Lead, "properties").await.unwrap();
    assert_eq!(now, before[4].as_ref().unwrap().replace(r#", "d": {"t": "plain"}"#, ""));
    let now = text(&pool, Kind::Task, "links").await.unwrap();
    assert_eq!(now, format!("{{user:{},gadget:{GADGET},deal:{}}}", target.id, of(Kind::Deal).id));
    // The index contains it too, where the newer program looks for it.
    let entered: i64 = sqlx::query_scalar("select count(*) from crm.task_links where target_kind = 'gadget'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(entered, 1);
}

#[tokio::test]
async fn kinds_are_left_out_of_logs() {
    let pool = postgres::database().await.pool(2).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let pipeline = id().typed();
    let mut records = Vec::new();
    for _ in 0..3 {
        let mut write = create(lead(tenant, "Ada"));
        write.changes[0].stage_move = Some(pipeline);
        records.push(write.record());
        store.commit(&commit(tenant, [write])).await.unwrap();
        // Between any two, more changes of the newer program than fit on a page.
        run(
            &pool,
            "insert into crm.change (tenant_id, kind, record_id, field_group, version, commit_id, recorded_at, occurred_at,
               action, fields, stage_move, tick)
             select tenant_id, 'gadget', gen_random_uuid(), 0, 1, commit_id, recorded_at, occurred_at, action, fields,
               stage_move, tick
             from crm.change c, generate_series(1, 5) where c.seq = (select max(seq) from crm.change)",
        )
        .await;
    }
    run(
        &pool,
        &format!(r#"update crm.change set with_records = '[{{"kind": "gadget", "id": "{GADGET}"}}, {{"kind": "lead", "id": "{GADGET}"}}]'"#),
    )
    .await;
    let with = vec![Ref { kind: Kind::Lead, id: GADGET.parse().unwrap() }];
    let (mut log, mut moves, mut feed) = (Vec::new(), Vec::new(), Vec::new());
    let mut query = LogQuery { tenant, from: Time::MIN, until: Time::MAX, descending: false, after: None, limit: 1 };
    let place = |change: &crm_core::change::Change, time: Time| LogPosition {
        time,
        record: change.record,
        group: change.group,
        version: change.version,
    };
    loop {
        let page = store.log(&query).await.unwrap();
        query.after = page.changes.last().map(|change| place(change, change.recorded_at));
        log.extend(page.changes);
        if !page.more {
            break;
        }
    }
    let mut query = StageMoveQuery { tenant, pipeline, from: Time::MIN, until: Time::MAX, after: None, limit: 1 };
    loop {
        let page = store.stage_moves(&query).await.unwrap();
        query.after = page.changes.last().map(|change| place(change, change.occurred_at));
        moves.extend(page.changes);
        if !page.more {
            break;
        }
    }
    let mut cursor = None;
    loop {
        let page = store.feed(cursor.as_ref(), 1).await.unwrap();
        cursor = Some(page.cursor);
        if page.changes.is_empty() {
            break;
        }
        feed.extend(page.changes.into_iter().map(|(_, change)| change));
    }
    for (name, told) in [("log", &log), ("stage moves", &moves), ("feed", &feed)] {
        let mut told_of: Vec<Ref> = told.iter().map(|change| change.record).collect();
        told_of.sort_unstable();
        assert_eq!(told_of, records, "{name}");
        assert!(told.iter().all(|change| change.with == with), "{name}");
    }
    let history = HistoryQuery { tenant, record: records[0], field: None, descending: false, after: None, limit: 5 };
    assert_eq!(store.history(&history).await.unwrap().changes.len(), 1);
}

#[tokio::test]
async fn kinds_hold_claims_and_stand_in_keys() {
    let pool = postgres::database().await.pool(2).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let ada = lead(tenant, "Ada");
    let record = ada.reference();
    let claim = Claim::new(tenant, Kind::Lead, "external_id", "x");
    let mut first = commit(tenant, [create(ada)]);
    first.claims.push(ClaimOp::Take { claim: claim.clone(), holder: record });
    first.key = Some(KeyEntry {
        key: "k".to_owned(),
        fingerprint: "f".to_owned(),
        commit: first.id,
        records: vec![(record, crm_core::schema::Versions::default())],
        expires_at: at(9),
    });
    let expected = first.key.clone();
    store.commit(&first).await.unwrap();
    run(
        &pool,
        &format!(
            r#"update crm.claim set holder_kind = 'gadget', holder_id = '{GADGET}';
               update crm.idempotency_key set entry = jsonb_set(entry, '{{records, 1}}',
                 '[{{"kind": "gadget", "id": "{GADGET}"}}, {{"person": 1, "machine": 0}}]')"#
        ),
    )
    .await;
    let answer = store.get(tenant, &[Want::Claimed(claim.clone()), Want::Key("k".to_owned())]).await.unwrap();
    assert_eq!(answer.got, vec![Got::Record(None), Got::Key(expected)]);
    let mut again = commit(tenant, []);
    again.guards.push(Guard { record, version: 1 });
    again.claims.push(ClaimOp::Take { claim: claim.clone(), holder: record });
    match store.commit(&again).await {
        Err(StoreError::Claimed { claim: of, .. }) => assert_eq!(of, claim),
        other => panic!("{other:?}"),
    }
}
