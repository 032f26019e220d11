//! The contract with the embedder's own SQL, and the constraints that the database itself enforces.

use std::sync::Arc;

use crm_core::{
    catalog,
    schema::{FieldType, Group, common},
    store::{Got, History, HistoryQuery, KeyEntry, Records, StoreError, Want, Write},
    value::{Currency, Id, Kind, Money, Ref, Value},
};
use crm_store_postgres::PostgresStore;
use tests::postgres;

use crate::support::{at, change, commit, create, id, image, lead, set, stored, update};

#[tokio::test]
async fn a_view_shows_a_record_in_plain_columns() {
    let pool = postgres::database().await.pool(2).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let mut ada = lead(tenant, "Ada");
    set(&mut ada, "annual_revenue", Value::Money(Money { amount: "1234.5".parse().unwrap(), currency: Currency::EUR }));
    set(&mut ada, "tags", Value::list([Value::text("hot"), Value::text("vip")]));
    set(&mut ada, "converted_at", Value::Time(at(60)));
    ada.values[common::PROPERTIES] = Value::Map(Arc::new(
        [
            ("budget".to_owned(), Value::Decimal("10.5".parse().unwrap())),
            ("seen".to_owned(), Value::Time(at(1))),
            ("sizes".to_owned(), Value::list([Value::text("s"), Value::text("m")])),
            ("price".to_owned(), Value::Money(Money::new(3, Currency::USD))),
        ]
        .into(),
    ));
    let record = ada.reference();
    store.commit(&commit(tenant, [create(ada)])).await.unwrap();
    let row: (String, String, String, Vec<String>, i64, String, bool) = sqlx::query_as(
        "select name, annual_revenue::text, annual_revenue_currency, tags, version, properties::text, archived_at is null
         from crm.leads where tenant_id = $1 and id = $2 and converted_at = '2024-01-01 00:01:00+00'",
    )
    .bind(tenant.uuid())
    .bind(record.id.uuid())
    .fetch_one(&pool)
    .await
    .unwrap();
    let properties: serde_json::Value = serde_json::from_str(&row.5).unwrap();
    assert_eq!(
        properties,
        serde_json::json!({"budget": "10.5", "seen": "2024-01-01T00:00:01.000000Z", "sizes": ["s", "m"],
            "price": {"amount": "3", "currency": "USD"}})
    );
    assert_eq!((row.0.as_str(), row.1.as_str(), row.2.as_str()), ("Ada", "1234.5", "EUR"));
    assert_eq!((row.3, row.4, row.6), (vec!["hot".to_owned(), "vip".to_owned()], 1, true));

    // The views contain archived records, marked as such, and every change of every field.
    let before = stored(&store, tenant, record).await.unwrap();
    let archive = update(&before, |lead| lead.values[common::ARCHIVED_AT] = Value::Time(at(9)));
    store.commit(&commit(tenant, [archive])).await.unwrap();
    let archived: i64 = sqlx::query_scalar("select count(*) from crm.leads where archived_at is not null")
        .fetch_one(&pool)
        .await
        .unwrap();
    let logged: Vec<(String, i64, String)> =
        sqlx::query_as("select field, version, new::text from crm.field_changes order by version")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(archived, 1);
    let ada = || ("name".to_owned(), "\"Ada\"".to_owned());
    assert_eq!(logged, vec![(ada().0, 1, ada().1), (ada().0, 2, ada().1)]);
    let groups: Vec<String> = sqlx::query_scalar("select field_group from crm.changes").fetch_all(&pool).await.unwrap();
    assert_eq!(groups, vec!["person", "person"]);
}

#[tokio::test]
async fn every_kind_has_a_view_of_every_field_but_secrets() {
    let pool = postgres::database().await.pool(1).await;
    for decl in catalog::all() {
        let there: Vec<String> = sqlx::query_scalar(
            "select column_name::text from information_schema.columns where table_schema = 'crm' and table_name = $1",
        )
        .bind(decl.kind.plural())
        .fetch_all(&pool)
        .await
        .unwrap();
        for field in &decl.fields {
            let name = if matches!(field.ty, FieldType::Ref(_)) {
                format!("{}_id", field.name)
            } else {
                field.name.to_owned()
            };
            let shown = !field.marks.secret && field.ty != FieldType::Folded;
            assert_eq!(there.contains(&name), shown, "{}.{}", decl.kind, field.name);
        }
    }
}

#[tokio::test]
async fn a_reference_into_nothing_or_into_another_tenant_cannot_be_stored() {
    let store = postgres::store().await;
    let (here, there) = (id(), id());
    let user = image(Kind::User, there);
    let foreign = user.id;
    store.commit(&commit(there, [create(user)])).await.unwrap();
    for (kind, field, value) in [
        (Kind::Lead, "owner_id", Value::Id(foreign)),
        (Kind::Lead, "owner_id", Value::Id(id())),
        // Checked at the end of the transaction, because either record may be inserted first.
        (Kind::Lead, "converted_deal_id", Value::Id(id())),
        (Kind::Company, "parent_id", Value::Id(id())),
        (Kind::Task, "links", Value::list([Value::Ref(Ref::new(Kind::User, foreign))])),
        (Kind::User, "team_ids", Value::list([Value::Id(id())])),
        (Kind::Association, "from", Value::Ref(Ref::new(Kind::User, foreign))),
    ] {
        let mut dangling = image(kind, here);
        set(&mut dangling, field, value);
        let record = dangling.reference();
        let answer = store.commit(&commit(here, [create(dangling)])).await;
        assert!(matches!(answer, Err(StoreError::Dangling)), "{kind}.{field}: {answer:?}");
        assert_eq!(stored(&store, here, record).await, None);
    }
}

#[tokio::test]
async fn records_that_refer_to_each_other_come_in_one_commit() {
    let store = postgres::store().await;
    let tenant = id();
    let (mut user, mut team, mut role) =
        (image(Kind::User, tenant), image(Kind::Team, tenant), image(Kind::Role, tenant));
    let itself = user.id;
    set(&mut user, "manager_id", Value::Id(itself));
    set(&mut user, "team_ids", Value::list([Value::Id(team.id)]));
    set(&mut user, "role_ids", Value::list([Value::Id(role.id)]));
    set(&mut team, "manager_id", Value::Id(user.id));
    set(&mut role, "name", Value::text("r"));
    let (mut child, mut parent) = (image(Kind::Company, tenant), image(Kind::Company, tenant));
    set(&mut child, "parent_id", Value::Id(parent.id));
    set(&mut parent, "owner_id", Value::Id(user.id));
    let (mut lead, mut deal) = (lead(tenant, "Ada"), image(Kind::Deal, tenant));
    set(&mut lead, "converted_deal_id", Value::Id(deal.id));
    set(&mut deal, "lead_id", Value::Id(lead.id));
    let mut task = image(Kind::Task, tenant);
    set(&mut task, "links", Value::list([Value::Ref(lead.reference()), Value::Ref(deal.reference())]));
    let all = [user, team, role, child, parent, lead, deal, task];
    let records: Vec<Ref> = all.iter().map(crm_core::schema::Image::reference).collect();
    store.commit(&commit(tenant, all.map(create))).await.unwrap();
    for record in records {
        assert!(stored(&store, tenant, record).await.is_some(), "{record}");
    }
    assert!(!store.get(tenant, &[]).await.unwrap().epochs.definitions.is_nil(), "definitions were written");
    assert_eq!(store.get(id(), &[]).await.unwrap().epochs.definitions, Id::NIL);
}

#[tokio::test]
async fn an_older_program_leaves_what_it_does_not_know() {
    let pool = postgres::database().await.pool(2).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    sqlx::query("alter table crm.lead add column of_a_newer_program text").execute(&pool).await.unwrap();
    let ada = lead(tenant, "Ada");
    let record = ada.reference();
    store.commit(&commit(tenant, [create(ada)])).await.unwrap();
    sqlx::query("update crm.lead set of_a_newer_program = 'kept'").execute(&pool).await.unwrap();
    let before = stored(&store, tenant, record).await.unwrap();
    store.commit(&commit(tenant, [update(&before, |lead| set(lead, "name", Value::text("Ada L.")))])).await.unwrap();
    let kept: String = sqlx::query_scalar("select of_a_newer_program from crm.lead").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, "kept");
}

#[tokio::test]
async fn expired_keys_are_forgotten_when_asked() {
    let store = postgres::store().await;
    let tenant = id();
    let mut kept = Vec::new();
    for (key, expires) in [("early", 10), ("late", 20)] {
        let mut commit = commit(tenant, []);
        commit.key = Some(KeyEntry {
            key: key.to_owned(),
            fingerprint: String::new(),
            commit: commit.id,
            records: Vec::new(),
            expires_at: at(expires),
        });
        store.commit(&commit).await.unwrap();
        kept.push(Got::Key(commit.key));
    }
    let wants = ["early", "late"].map(|key| Want::Key(key.to_owned()));
    assert_eq!(store.get(tenant, &wants).await.unwrap().got, kept);
    assert_eq!(store.forget_expired(at(10), 100).await.unwrap(), 1);
    assert_eq!(store.get(tenant, &wants).await.unwrap().got, vec![Got::Key(None), kept[1].clone()]);
}

#[tokio::test]
async fn what_is_over_is_forgotten_by_an_index_and_its_log_stays() {
    let database = postgres::database().await;
    let (store, pool, tenant) = (database.store(2).await, database.pool(1).await, id());
    let user = image(Kind::User, tenant);
    let ends = |kind, seconds| {
        let mut image = image(kind, tenant);
        set(&mut image, "expires_at", Value::Time(at(seconds)));
        if kind == Kind::Session {
            set(&mut image, "user_id", Value::Id(user.id));
        }
        image
    };
    let over = [ends(Kind::Throttle, 9), ends(Kind::Throttle, 10), ends(Kind::Throttle, 10), ends(Kind::Session, 10)];
    let kept = [ends(Kind::Throttle, 11), ends(Kind::Session, 11), image(Kind::Throttle, tenant)];
    let all = over.iter().chain(&kept).cloned().chain([user.clone()]);
    store.commit(&commit(tenant, all.map(create))).await.unwrap();

    // At most two per table.
    assert_eq!(store.forget_expired(at(10), 2).await.unwrap(), 3);
    assert_eq!(store.forget_expired(at(10), 2).await.unwrap(), 1);
    assert_eq!(store.forget_expired(at(10), 2).await.unwrap(), 0);
    for image in &over {
        assert_eq!(stored(&store, tenant, image.reference()).await, None);
        let record = image.reference();
        let query = HistoryQuery { tenant, record, field: None, descending: false, after: None, limit: 5 };
        assert_eq!(store.history(&query).await.unwrap().changes.len(), 1, "the log says that it was there");
    }
    for image in &kept {
        assert!(stored(&store, tenant, image.reference()).await.is_some());
    }
    // If a name fails again later, it is counted from the start under the same id.
    let mut again = over[0].clone();
    again.versions.person = 1;
    let change = change(&again, Group::User, 1, at(30));
    store
        .commit(&commit(tenant, [Write { before: None, after: Arc::new(again), changes: vec![change] }]))
        .await
        .unwrap();
    assert!(stored(&store, tenant, over[0].reference()).await.is_some());

    sqlx::query("set enable_seqscan = off").execute(&pool).await.unwrap();
    for kind in ["session", "throttle"] {
        let sql = format!("explain select ctid from crm.{kind} where expires_at <= now() order by expires_at limit 10");
        let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&pool).await.unwrap();
        assert!(plan.join("\n").contains(&format!("{kind}_expires_at")), "{plan:?}");
    }
}

/// A column added by a newer program, with a new version of the function that writes it, keeps its content whatever an
/// older program writes.
#[tokio::test]
async fn an_older_program_keeps_what_it_does_not_know() {
    let pool = postgres::database().await.pool(2).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    // The output of the test of `ddl.rs` for a new field: the column, and the lines of `crm.write_lead_v1` that name
    // it.
    sqlx::query("alter table crm.lead add column nickname text").execute(&pool).await.unwrap();
    let function: String =
        sqlx::query_scalar("select pg_get_functiondef('crm.write_lead_v1'::regproc)").fetch_one(&pool).await.unwrap();
    let newer = function
        .replace("\"name\" = r.\"name\"", "\"name\" = r.\"name\", \"nickname\" = r.\"nickname\"")
        .replacen("\"name\",", "\"name\", \"nickname\",", 1)
        .replacen("r.\"name\",", "r.\"name\", r.\"nickname\",", 1);
    assert_ne!(function, newer);
    sqlx::raw_sql(sqlx::AssertSqlSafe(newer)).execute(&pool).await.unwrap();
    // This program is the older one.
    let ada = lead(tenant, "Ada");
    let record = ada.reference();
    store.commit(&commit(tenant, [create(ada)])).await.unwrap();
    sqlx::query("update crm.lead set nickname = 'the countess'").execute(&pool).await.unwrap();
    let before = stored(&store, tenant, record).await.unwrap();
    store.commit(&commit(tenant, [update(&before, |lead| set(lead, "name", Value::text("Ada L.")))])).await.unwrap();
    let kept: Option<String> = sqlx::query_scalar("select nickname from crm.lead").fetch_one(&pool).await.unwrap();
    assert_eq!(kept.as_deref(), Some("the countess"), "an older program destroys nothing");
    // This program can still clear the fields it knows, with one column and with several.
    let before = stored(&store, tenant, record).await.unwrap();
    store.commit(&commit(tenant, [update(&before, |lead| set(lead, "source", Value::text("web")))])).await.unwrap();
    let before = stored(&store, tenant, record).await.unwrap();
    store.commit(&commit(tenant, [update(&before, |lead| set(lead, "source", Value::Null))])).await.unwrap();
    let after = stored(&store, tenant, record).await.unwrap();
    assert_eq!((after.get("source"), after.get("name")), (&Value::Null, &Value::text("Ada L.")));
    let kept: Option<String> = sqlx::query_scalar("select nickname from crm.lead").fetch_one(&pool).await.unwrap();
    assert_eq!(kept.as_deref(), Some("the countess"));
}
