//! Migrations: each runs once, whatever role runs them and in however many processes, and their result matches the
//! declarations.

use std::collections::BTreeSet;

use crm_core::{
    catalog,
    schema::FieldType,
    store::{Records as _, StoreError},
    value::Kind,
};
use crm_store_postgres::{PostgresStore, ddl};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use tests::postgres;

/// Returns the number of migrations.
fn all() -> usize {
    std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../crm-store-postgres/migrations")).unwrap().count()
}

/// Returns the objects of the schema as text.
async fn contents(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select c.relkind::text || ' ' || c.oid || ' ' || c.relname from pg_class c where c.relnamespace = 'crm'::regnamespace
         union all select 'function ' || p.oid || ' ' || p.proname from pg_proc p
         where p.pronamespace = 'crm'::regnamespace
         union all select 'migration ' || number || ' ' || applied_at from crm.migration order by 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_second_run_changes_nothing() {
    let database = postgres::empty_database().await;
    let pool = database.pool(2).await;
    let store = PostgresStore::from_pool(pool.clone());
    assert_eq!(store.migrate().await.unwrap(), all());
    let first = contents(&pool).await;
    assert!(first.len() > 100);
    assert_eq!(store.migrate().await.unwrap(), 0);
    assert_eq!(contents(&pool).await, first);
}

#[tokio::test]
async fn many_at_once_run_it_once() {
    let database = postgres::empty_database().await;
    let mut running = Vec::new();
    for _ in 0..6 {
        // A separate pool for each, as in separate processes.
        let store = database.store(1).await;
        running.push(tokio::spawn(async move { store.migrate().await.unwrap() }));
    }
    let mut ran = 0;
    for run in running {
        ran += run.await.unwrap();
    }
    assert_eq!(ran, all());
}

#[tokio::test]
async fn no_superuser_is_needed_and_the_schema_may_be_there() {
    let database = postgres::empty_database().await;
    let mut admin = PgConnection::connect_with(&database.options()).await.unwrap();
    let role = format!("{}_role", database.name);
    // The role may not create anything in the database outside the schema that it owns.
    let sql = format!(
        "create role {role} login nosuperuser nocreatedb nocreaterole password 'x'; create schema crm authorization {role}"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
    let options = database.options().username(&role).password("x");
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let store = PostgresStore::from_pool(pool.clone());
    assert_eq!(store.migrate().await.unwrap(), all());
    let tenant = crate::support::id();
    let lead = crate::support::lead(tenant, "Ada");
    let record = lead.reference();
    store.commit(&crate::support::commit(tenant, [crate::support::create(lead)])).await.unwrap();
    assert!(crate::support::stored(&store, tenant, record).await.is_some());
    pool.close().await;
    let sql = format!("drop schema crm cascade; drop role {role}");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.unwrap();
}

#[tokio::test]
async fn migrations_do_not_run_in_the_callers_transaction() {
    let database = postgres::empty_database().await;
    let within = PostgresStore::within(database.pool(1).await.begin().await.unwrap());
    assert!(matches!(within.migrate().await, Err(StoreError::BadQuery(_))));
}

#[tokio::test]
async fn the_database_has_every_declared_column_and_no_other() {
    let database = postgres::database().await;
    let pool = database.pool(1).await;
    let expected: BTreeSet<(String, String, String)> =
        ddl::expected_columns().into_iter().map(|column| (column.table, column.column, column.ty)).collect();
    let tables: BTreeSet<&String> = expected.iter().map(|(table, ..)| table).collect();
    let there: Vec<(String, String, String)> = sqlx::query_as(
        "select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod) from pg_class c
         join pg_attribute a on a.attrelid = c.oid
         where c.relnamespace = 'crm'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let there: BTreeSet<_> = there.into_iter().filter(|(table, ..)| tables.contains(table)).collect();
    let missing: Vec<_> = expected
        .difference(&there)
        .map(|(table, column, ty)| format!("alter table crm.\"{table}\" add column \"{column}\" {ty};"))
        .collect();
    let unknown: Vec<_> = there.difference(&expected).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "to add:\n{}\nnot declared: {unknown:?}", missing.join("\n"));
}

#[tokio::test]
async fn the_database_has_every_declared_index_and_no_other() {
    let pool = postgres::database().await.pool(1).await;
    let kinds: Vec<&str> = crm_core::value::Kind::ALL.iter().map(|kind| kind.name()).collect();
    let there: Vec<String> = sqlx::query_scalar(
        "select i.relname::text from pg_index x join pg_class i on i.oid = x.indexrelid
         join pg_class t on t.oid = x.indrelid
         where t.relnamespace = 'crm'::regnamespace and t.relname = any($1) and not x.indisprimary
           and not exists (select from pg_constraint c where c.conindid = i.oid and c.contype in ('p', 'u', 'x'))",
    )
    .bind(kinds)
    .fetch_all(&pool)
    .await
    .unwrap();
    let (there, declared): (BTreeSet<String>, BTreeSet<String>) =
        (there.into_iter().collect(), ddl::expected_indexes().into_iter().collect());
    assert_eq!(there.symmetric_difference(&declared).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test]
async fn every_text_sorts_by_its_bytes() {
    let pool = postgres::icu_database().await.pool(1).await;
    PostgresStore::from_pool(pool.clone()).migrate().await.unwrap();
    let others: Vec<String> = sqlx::query_scalar(
        "select c.relname || '.' || a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
         where c.relnamespace = 'crm'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
           and a.attcollation <> 0 and a.attcollation <> '\"C\"'::regcollation and c.relname <> 'migration'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(others, Vec::<String>::new());
}

/// Returns the definitions of all objects of the schema.
async fn catalogue(connection: &mut PgConnection) -> BTreeSet<String> {
    let all: Vec<String> = sqlx::query_scalar(
        "select concat_ws(' ', 'column', a.attrelid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod),
                a.attnotnull, a.attidentity, a.attgenerated, a.attcollation::regcollation,
                pg_get_expr(d.adbin, d.adrelid))
         from pg_attribute a join pg_class c on c.oid = a.attrelid
         left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
         where c.relnamespace = 'crm'::regnamespace and c.relkind in ('r', 'v') and a.attnum > 0 and not a.attisdropped
         union all select pg_get_indexdef(i.indexrelid) from pg_index i join pg_class c on c.oid = i.indrelid
         where c.relnamespace = 'crm'::regnamespace
         union all select concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint
         where connamespace = 'crm'::regnamespace
         union all select pg_get_functiondef(oid) from pg_proc where pronamespace = 'crm'::regnamespace
         union all select concat_ws(' ', oid::regclass, pg_get_viewdef(oid)) from pg_class
         where relnamespace = 'crm'::regnamespace and relkind = 'v'
         union all select 'sequence ' || oid::regclass from pg_class
         where relnamespace = 'crm'::regnamespace and relkind = 'S'
         union all select concat_ws(' ', 'trigger', tgrelid::regclass, pg_get_triggerdef(t.oid)) from pg_trigger t
         join pg_class c on c.oid = t.tgrelid where c.relnamespace = 'crm'::regnamespace and not tgisinternal
         union all select 'type ' || typname from pg_type
         where typnamespace = 'crm'::regnamespace and typtype in ('e', 'd')",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    all.into_iter().collect()
}

/// Returns the kinds to which no other kind refers.
fn independent() -> Vec<Kind> {
    let refers = |kind: Kind, to: Kind| {
        catalog::decl(kind).fields.iter().any(|field| match field.ty.element() {
            FieldType::Id(target) => target == to,
            FieldType::Ref(targets) => targets.contains(&to),
            _ => false,
        })
    };
    let of = |kind: &Kind| Kind::ALL.iter().all(|&other| other == *kind || !refers(other, *kind));
    Kind::ALL.iter().copied().filter(of).collect()
}

/// A new kind's migration creates its own objects and alters no others: it turns a schema without the kind into the
/// complete one, and leaves the existing objects unchanged.
#[tokio::test]
async fn a_new_kind_alters_nothing() {
    let database = postgres::empty_database().await;
    let mut connection = PgConnection::connect_with(&database.options()).await.unwrap();
    let made = async |connection: &mut PgConnection, scripts: &[String]| {
        let mut transaction = connection.begin().await.unwrap();
        sqlx::raw_sql("create schema crm").execute(&mut *transaction).await.unwrap();
        let mut states = Vec::new();
        for script in scripts {
            sqlx::raw_sql(AssertSqlSafe(script.as_str())).execute(&mut *transaction).await.unwrap();
            states.push(catalogue(&mut transaction).await);
        }
        transaction.rollback().await.unwrap();
        states
    };
    let whole = made(&mut connection, &[ddl::schema_sql()]).await.remove(0);
    let independent = independent();
    assert!(independent.len() > 2, "{independent:?}");
    for new in independent {
        let others: Vec<Kind> = Kind::ALL.iter().copied().filter(|&kind| kind != new).collect();
        let states = made(&mut connection, &[ddl::schema_sql_of(&others), ddl::kind_sql(new)]).await;
        assert!(states[0].is_subset(&whole), "{new}: {:?}", states[0].difference(&whole).collect::<Vec<_>>());
        let apart: Vec<_> = states[1].symmetric_difference(&whole).collect();
        assert!(apart.is_empty(), "{new}: {apart:?}");
    }
}
