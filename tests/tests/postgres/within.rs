//! The store in the caller's own transaction: writes of the CRM and of the caller commit or roll back together.

use crm_core::{
    store::{Records, StoreError},
    value::Value,
};
use crm_store_postgres::PostgresStore;
use sqlx::PgPool;
use tests::postgres;

use crate::support::{commit, create, id, lead, stored, update};

async fn pool_with_orders() -> PgPool {
    let pool = postgres::database().await.pool(5).await;
    sqlx::query("create table orders (lead_id uuid not null)").execute(&pool).await.unwrap();
    pool
}

async fn orders(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from orders").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn both_are_there_after_a_commit_and_neither_before() {
    let pool = pool_with_orders().await;
    let (outside, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let ada = lead(tenant, "Ada");
    let record = ada.reference();

    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("insert into orders values ($1)").bind(record.id.uuid()).execute(&mut *transaction).await.unwrap();
    let within = PostgresStore::within(transaction);
    within.commit(&commit(tenant, [create(ada)])).await.unwrap();
    let before = stored(&within, tenant, record).await.expect("it sees its own");
    within
        .commit(&commit(tenant, [update(&before, |lead| crate::support::set(lead, "source", Value::text("web")))]))
        .await
        .unwrap();
    assert_eq!((stored(&outside, tenant, record).await, orders(&pool).await), (None, 0));
    within.into_transaction().await.unwrap().commit().await.unwrap();
    assert_eq!(stored(&outside, tenant, record).await.unwrap().versions.person, 2);
    assert_eq!(orders(&pool).await, 1);
}

#[tokio::test]
async fn a_rollback_leaves_nothing() {
    let pool = pool_with_orders().await;
    let (outside, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let ada = lead(tenant, "Ada");
    let record = ada.reference();
    let within = PostgresStore::within(pool.begin().await.unwrap());
    within.commit(&commit(tenant, [create(ada)])).await.unwrap();
    within.into_transaction().await.unwrap().rollback().await.unwrap();
    assert_eq!(stored(&outside, tenant, record).await, None);
    let kept: i64 = sqlx::query_scalar("select count(*) from crm.change").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn after_a_conflict_the_transaction_can_only_be_rolled_back() {
    let pool = pool_with_orders().await;
    let (outside, tenant) = (PostgresStore::from_pool(pool.clone()), id());
    let ada = lead(tenant, "Ada");
    let record = ada.reference();
    outside.commit(&commit(tenant, [create(ada.clone())])).await.unwrap();

    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("insert into orders values ($1)").bind(record.id.uuid()).execute(&mut *transaction).await.unwrap();
    let within = PostgresStore::within(transaction);
    match within.commit(&commit(tenant, [create(ada)])).await {
        Err(StoreError::Conflict { record: named, current }) => {
            assert_eq!((named, current.unwrap().person), (record, 1));
        }
        other => panic!("expected a conflict, got {other:?}"),
    }
    // No savepoint was set, so the transaction is aborted and the error says so.
    let error = within.get(tenant, &[]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    within.into_transaction().await.unwrap().commit().await.unwrap();
    assert_eq!(orders(&pool).await, 0);
}

#[tokio::test]
async fn a_transaction_is_given_back_once() {
    let pool = pool_with_orders().await;
    let within = PostgresStore::within(pool.begin().await.unwrap());
    let other = within.clone();
    assert!(within.into_transaction().await.is_some());
    assert!(matches!(other.get(id(), &[]).await, Err(StoreError::Unavailable(_))));
    assert!(other.into_transaction().await.is_none());
    assert!(PostgresStore::from_pool(pool).into_transaction().await.is_none());
}
