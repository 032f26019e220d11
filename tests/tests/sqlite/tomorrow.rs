//! Compatibility with a newer program: its data is read without errors, left out where this program cannot represent
//! it, and preserved when other parts of a record are written.

use std::{path::Path, sync::Arc};

use crm_core::{
    catalog,
    schema::{FieldType, common},
    store::{
        Claim, ClaimOp, Feed, Got, Guard, History, HistoryQuery, KeyEntry, LogPosition, LogQuery, Records,
        StageMoveQuery, StoreError, Want,
    },
    value::{Currency, Id, Kind, Money, Ref, Time, Value},
};
use tests::sqlite::{Sqlite, quick};

use crate::{
    read, run,
    support::{at, commit, create, id, image, lead, set, stored, update},
};

const GADGET: &str = "0190c5e0-0000-7000-8000-0000000000aa";
const GADGET_BLOB: &str = "x'0190c5e00000700080000000000000aa'";

fn open(path: &Path) -> crm_store_sqlite::SqliteStore {
    crm_store_sqlite::SqliteStore::open_with(path, &quick()).unwrap()
}

fn text(path: &Path, kind: Kind, expression: &str) -> String {
    read(path, &format!("select {expression} from \"{kind}\""))
}

#[tokio::test]
async fn values_are_read_and_kept() {
    let (files, tenant) = (Sqlite::default(), id());
    let path = files.path();
    let store = open(&path);
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
    drop(store);

    let choice =
        catalog::decl(Kind::Task).fields.iter().find(|field| matches!(field.ty, FieldType::Choice(_))).unwrap();
    let tomorrow = [
        (Kind::Association, format!("from_kind = 'gadget', from_id = {GADGET_BLOB}"), "from_kind || hex(from_id)"),
        (Kind::Task, format!("links = json_insert(links, '$[#]', 'gadget:{GADGET}')"), "links"),
        (Kind::Task, format!("\"{}\" = 'of_tomorrow'", choice.name), choice.name),
        (Kind::Deal, "value_currency = 'ZZZ', value = '1.50'".to_owned(), "value || value_currency"),
        (
            Kind::Lead,
            r#"properties = '{"a":{"zz":{"x":[1,2.5,null]}},"b":{"l":[{"zz":1},{"t":"x"}]},"c":{"r":{"id":"0190c5e0-0000-7000-8000-0000000000aa","kind":"gadget"}},"d":{"t":"plain"}}'"#
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
        run(&path, &format!("update \"{kind}\" set {sets}"));
    }
    let before: Vec<String> = tomorrow.iter().map(|(kind, _, column)| text(&path, *kind, column)).collect();
    let store = open(&path);
    for &record in &records {
        assert!(stored(&store, tenant, record).await.is_some(), "{record}");
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
        assert_eq!(&text(&path, *kind, column), before, "{kind}.{column}");
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
    assert_eq!(text(&path, Kind::Lead, "properties"), before[4].replace(r#","d":{"t":"plain"}"#, ""));
    assert_eq!(
        text(&path, Kind::Task, "links"),
        format!(r#"["user:{}","gadget:{GADGET}","deal:{}"]"#, target.id, of(Kind::Deal).id)
    );
    // The index contains it too, where the newer program looks for it.
    let entered = format!("select count(*) from task_links where target = 'gadget:{GADGET}'");
    assert_eq!(read::<i64>(&path, &entered), 1);
    drop(store);
    open(&path).verify().unwrap();
}

#[tokio::test]
async fn kinds_are_left_out_of_logs() {
    let (files, tenant, pipeline) = (Sqlite::default(), id(), id());
    let path = files.path();
    let mut records = Vec::new();
    for _ in 0..3 {
        let store = open(&path);
        let mut write = create(lead(tenant, "Ada"));
        write.changes[0].stage_move = Some(pipeline.typed());
        records.push(write.record());
        store.commit(&commit(tenant, [write])).await.unwrap();
        drop(store);
        // Between any two, more changes of the newer program than fit on a page.
        run(
            &path,
            "insert into change (tenant_id, kind, record_id, field_group, version, commit_id, recorded_at, occurred_at,
               action, fields, stage_move)
             select tenant_id, 'gadget', randomblob(16), 0, 1, commit_id, recorded_at, occurred_at, action, fields,
               stage_move
             from change c, json_each('[1, 2, 3, 4, 5]') where c.n = (select max(n) from change)",
        );
    }
    run(
        &path,
        &format!(
            r#"update change set with_records = '[{{"kind": "gadget", "id": "{GADGET}"}}, {{"kind": "lead", "id": "{GADGET}"}}]'"#
        ),
    );
    let store = open(&path);
    let with = vec![Ref::new(Kind::Lead, GADGET.parse::<Id>().unwrap())];
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
    let mut query =
        StageMoveQuery { tenant, pipeline: pipeline.typed(), from: Time::MIN, until: Time::MAX, after: None, limit: 1 };
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
    let (files, tenant): (_, Id) = (Sqlite::default(), id());
    let path = files.path();
    let store = open(&path);
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
    drop(store);
    run(
        &path,
        &format!(
            r#"update claim set holder_kind = 'gadget', holder_id = {GADGET_BLOB};
               update idempotency_key set entry = json_set(entry, '$.records[1]',
                 json('[{{"kind": "gadget", "id": "{GADGET}"}}, {{"person": 1, "machine": 0}}]'))"#
        ),
    );
    let store = open(&path);
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
