//! The contract for the owner's own SQL: views named and shaped as on PostgreSQL.

use std::sync::Arc;

use crm_core::{
    catalog,
    schema::{FieldType, common},
    store::Records,
    value::{Currency, Date, Kind, Money, Time, Value},
};
use rusqlite::Connection;
use tests::sqlite::Sqlite;

use crate::support::{at, commit, create, id, lead, set, stored, update};

#[tokio::test]
async fn views_show_what_people_read() {
    let (files, tenant) = (Sqlite::default(), id());
    let path = files.path();
    let store = crm_store_sqlite::SqliteStore::open(&path).unwrap();
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
            ("dots.and \"quotes\"".to_owned(), Value::Bool(true)),
        ]
        .into(),
    ));
    let record = ada.reference();
    store.commit(&commit(tenant, [create(ada)])).await.unwrap();
    let before = stored(&store, tenant, record).await.unwrap();
    let archive = update(&before, |lead| lead.values[common::ARCHIVED_AT] = Value::Time(at(9)));
    store.commit(&commit(tenant, [archive])).await.unwrap();

    // The statement of the PostgreSQL store's test, on the file while it is in use.
    let db = Connection::open(":memory:").unwrap();
    db.execute("attach ? as crm", [path.to_str().unwrap()]).unwrap();
    let row: Vec<String> = db
        .query_row(
            "select name, annual_revenue, annual_revenue_currency, tags, version, properties, archived_at, created_at
             from crm.leads where tenant_id = ?1 and id = ?2 and converted_at = '2024-01-01T00:01:00.000000Z'",
            [tenant.to_string(), record.id.to_string()],
            |row| (0..8).map(|at| row.get(at).map(shown)).collect(),
        )
        .unwrap();
    assert_eq!(row[..5], ["Ada", "1234.5", "EUR", r#"["hot","vip"]"#, "2"]);
    let properties: serde_json::Value = serde_json::from_str(&row[5]).unwrap();
    assert_eq!(
        properties,
        serde_json::json!({"budget": "10.5", "seen": "2024-01-01T00:00:01.000000Z", "sizes": ["s", "m"],
            "price": {"amount": "3", "currency": "USD"}, "dots.and \"quotes\"": true})
    );
    assert_eq!(row[6..], ["2024-01-01T00:00:09.000000Z", "2024-01-01T00:00:00.000000Z"]);

    let logged: Vec<(String, i64, String)> = db
        .prepare("select field, version, new from crm.field_changes where record_id = ? order by version")
        .unwrap()
        .query_map([record.id.to_string()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(logged, [("name".to_owned(), 1, "\"Ada\"".to_owned()), ("name".to_owned(), 2, "\"Ada\"".to_owned())]);
    let groups: String =
        db.query_row("select group_concat(field_group) from crm.changes", [], |row| row.get(0)).unwrap();
    assert_eq!(groups, "person,person");
}

fn shown(value: rusqlite::types::Value) -> String {
    match value {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

/// Times and dates of the whole range are shown as the core writes them.
#[tokio::test]
async fn times_and_dates_are_those_of_the_core() {
    let (files, tenant) = (Sqlite::default(), id());
    let path = files.path();
    let store = crm_store_sqlite::SqliteStore::open(&path).unwrap();
    let times =
        [Time::MIN, Time::from_micros(-1).unwrap(), Time::from_micros(0).unwrap(), at(1).plus_micros(1), Time::MAX];
    for time in times {
        let mut deal = crate::support::image(Kind::Deal, tenant);
        // With six digits, so that texts sort like times.
        let text = time.to_string();
        let text = if text.contains('.') { text } else { text.replace('Z', ".000000Z") };
        set(&mut deal, "title", Value::text(text));
        set(&mut deal, "created_at", Value::Time(time));
        set(&mut deal, "close_date", Value::Date(Date::of(time)));
        store.commit(&commit(tenant, [create(deal)])).await.unwrap();
    }
    let db = Connection::open(&path).unwrap();
    let wrong: Vec<(String, String, String)> = db
        .prepare(
            "select title, created_at, close_date from deals where created_at <> title or close_date <> substr(title, 1, 10)",
        )
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(wrong, []);
    assert_eq!(db.query_row("select count(close_date) from deals", [], |row| row.get::<_, i64>(0)).unwrap(), 5);
}

#[test]
fn every_kind_has_a_view_of_every_field_but_secrets() {
    let files = Sqlite::default();
    let path = files.path();
    drop(crm_store_sqlite::SqliteStore::open(&path).unwrap());
    let db = Connection::open(&path).unwrap();
    for decl in catalog::all() {
        let there: Vec<String> = db
            .prepare("select name from pragma_table_info(?)")
            .unwrap()
            .query_map([decl.kind.plural()], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for field in &decl.fields {
            let name = match field.ty {
                FieldType::Ref(_) => format!("{}_id", field.name),
                _ => field.name.to_owned(),
            };
            let shown = !field.marks.secret && field.ty != FieldType::Folded;
            assert_eq!(there.contains(&name), shown, "{}.{name}", decl.kind);
        }
        // Every view can be read.
        let mut statement = db.prepare(&format!("select * from \"{}\"", decl.kind.plural())).unwrap();
        assert!(statement.query([]).unwrap().next().unwrap().is_none());
    }
}
