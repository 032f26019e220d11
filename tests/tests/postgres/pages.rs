//! The cost of a page depends on its size and not on the number of records: an index is read in order and nothing is
//! sorted.

use crm_core::{
    catalog,
    filter::Predicate,
    schema::common,
    store::{Position, Query, Records},
    value::{Date, Id, Kind, Ref, Value},
};
use crm_store_postgres::PostgresStore;
use sqlx::PgPool;
use tests::postgres;

use crate::support::{at, commit, create, id, image, set};

const RECORDS: i64 = 3_000;
const PAGE: usize = 10;

struct Filled {
    pool: PgPool,
    tenant: Id,
    user: Id,
    lead: Ref,
}

/// Creates many leads, deals and tasks, most of one owner, some of none, with a third of the dates missing.
async fn filled() -> Filled {
    let pool = postgres::database().await.pool(4).await;
    let (store, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let (user, first) = (image(Kind::User, tenant), image(Kind::Lead, tenant));
    let (owner, target) = (user.id, first.reference());
    store.commit(&commit(tenant, [create(user), create(first)])).await.unwrap();
    let numbers: Vec<i64> = (0..RECORDS).collect();
    for chunk in numbers.chunks(10) {
        let mut writes = Vec::new();
        for &n in chunk {
            let mut lead = image(Kind::Lead, tenant);
            let mut deal = image(Kind::Deal, tenant);
            let mut task = image(Kind::Task, tenant);
            for one in [&mut lead, &mut deal, &mut task] {
                one.values[common::CREATED_AT] = Value::Time(at(n));
            }
            let whose = if n % 4 == 0 { Value::Null } else { Value::Id(owner) };
            set(&mut lead, "owner_id", whose.clone());
            set(&mut lead, "score", Value::Int(n % 50));
            set(&mut deal, "owner_id", whose.clone());
            set(&mut deal, "stage_kind", Value::text("open"));
            set(&mut task, "assignee_id", whose);
            set(&mut task, "is_open", Value::Bool(true));
            set(&mut task, "links", Value::list([Value::Ref(target)]));
            if n % 3 != 0 {
                let day = Date::from_days(19_000 + i32::try_from(n).unwrap()).unwrap();
                set(&mut deal, "close_date", Value::Date(day));
                set(&mut task, "due_at", Value::Time(at(n)));
            }
            writes.extend([create(lead), create(deal), create(task)]);
        }
        store.commit(&commit(tenant, writes)).await.unwrap();
    }
    sqlx::query("analyze").execute(&pool).await.unwrap();
    Filled { pool, tenant, user: owner, lead: target }
}

/// Returns the number of rows read for one page, and the number of records on it.
async fn touched(pool: &PgPool, query: &Query) -> (i64, usize) {
    // The statistics include earlier reads of the session that were not flushed, so only the difference counts.
    let counted = "select coalesce(sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)), 0)::bigint
         from pg_stat_xact_user_tables where schemaname = 'crm'";
    let mut transaction = pool.begin().await.unwrap();
    let before: i64 = sqlx::query_scalar(counted).fetch_one(&mut *transaction).await.unwrap();
    let within = PostgresStore::within(transaction);
    let page = within.list(query).await.unwrap();
    let mut transaction = within.into_transaction().await.unwrap();
    let after: i64 = sqlx::query_scalar(counted).fetch_one(&mut *transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    (after - before, page.items.len())
}

#[tokio::test]
async fn a_page_reads_a_page() {
    let filled = filled().await;
    let owner = Value::Id(filled.user);
    let open = Value::text("open");
    let lists: Vec<(Kind, &str, Vec<Value>)> = vec![
        (Kind::Lead, " -> created_at", vec![]),
        (Kind::Lead, "owner_id -> created_at", vec![owner.clone()]),
        (Kind::Lead, "owner_id -> created_at", vec![Value::Null]),
        (Kind::Lead, "owner_id -> score", vec![owner.clone()]),
        (Kind::Lead, "owner_id -> score", vec![Value::Null]),
        (Kind::Lead, " -> score", vec![]),
        (Kind::Deal, "owner_id, stage_kind -> close_date", vec![owner.clone(), open.clone()]),
        (Kind::Deal, "owner_id, stage_kind -> close_date", vec![Value::Null, open.clone()]),
        (Kind::Deal, "stage_kind -> close_date", vec![open]),
        (Kind::Task, "assignee_id, is_open -> due_at", vec![owner, Value::Bool(true)]),
        (Kind::Task, "assignee_id, is_open -> due_at", vec![Value::Null, Value::Bool(true)]),
        (Kind::Task, "links -> due_at", vec![Value::Ref(filled.lead)]),
        (Kind::Task, "is_open -> due_at", vec![Value::Bool(true)]),
    ];
    let mut costly = Vec::new();
    for (kind, name, equals) in lists {
        let decl = catalog::decl(kind);
        let index = decl.index(name).unwrap_or_else(|| panic!("{kind} has no index `{name}`"));
        for descending in [false, true] {
            let mut query = Query {
                tenant: filled.tenant,
                decl,
                index,
                equals: equals.clone(),
                descending,
                filter: Predicate::always(),
                after: None,
                limit: PAGE,
            };
            let middle = match decl.fields[index.sort].name {
                "score" => Value::Int(25),
                "close_date" => Value::Date(Date::from_days(20_500).unwrap()),
                _ => Value::Time(at(1_500)),
            };
            let missing = matches!(decl.fields[index.sort].name, "close_date" | "due_at").then_some(Value::Null);
            let places = [None, Some(middle)].into_iter().chain(missing.map(Some));
            for sort in places {
                query.after = sort.map(|sort| Position { sort, id: id() });
                // Often enough for the server to switch to the generic plan.
                for _ in 0..7 {
                    let (rows, shown) = touched(&filled.pool, &query).await;
                    if shown < PAGE && query.after.as_ref().is_none_or(|after| !after.sort.is_null()) {
                        costly.push(format!("{kind} {name} {equals:?} descending {descending}: only {shown}"));
                    }
                    // One row per record, and another if the index is a separate table.
                    if rows > 3 * (i64::try_from(PAGE).unwrap() + 1) {
                        costly.push(format!(
                            "{kind} {name} {equals:?} descending {descending} after {:?}: {rows} rows",
                            query.after.as_ref().map(|after| &after.sort)
                        ));
                        break;
                    }
                }
            }
        }
    }
    assert!(costly.is_empty(), "{}", costly.join("\n"));
}
