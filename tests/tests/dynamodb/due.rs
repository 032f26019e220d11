//! Due records of all tenants.

use std::sync::Arc;

use crm_core::{
    catalog,
    schema::Image,
    store::{Feed, Records},
    value::{Id, Kind, Ref, Time, Value},
};
use tests::dynamodb::fresh;

use crate::hand::{at, compute, create, get, id, image, set, update};

fn mark(tenant: Id, due: i64) -> Image {
    image(Kind::Rescoring, tenant, 0, &[("of", Value::text("lead")), ("due_at", Value::Time(at(due)))])
}

async fn due(store: &dyn Feed, until: i64, per_tenant: usize, limit: usize) -> Vec<(Id, Ref, Time)> {
    store.due(catalog::decl(Kind::Rescoring), at(until), None, per_tenant, limit).await.unwrap()
}

#[tokio::test]
async fn a_record_is_due_from_its_time_on_in_whichever_partition_its_tenant_stands() {
    let store = fresh().await;
    let mut expected = Vec::new();
    for number in 0..20 {
        let mark = mark(id(), 100 - number);
        store.commit(&create([mark.clone()])).await.unwrap();
        expected.push((mark.tenant, mark.reference(), at(100 - number)));
    }
    assert_eq!(due(&store, 100, 1, 100).await, expected);
    assert_eq!(due(&store, 90, 1, 100).await, expected[10..], "the first of them at its very time");
    assert_eq!(due(&store, 100, 1, 3).await, expected[..3]);
    assert!(due(&store, 80, 1, 100).await.is_empty());
    let after = Some(expected[9].0);
    let told = store.due(catalog::decl(Kind::Rescoring), at(100), after, 1, 3).await.unwrap();
    assert_eq!(told, expected[10..13]);
}

#[tokio::test]
async fn of_one_tenant_the_longest_due_are_told_and_no_more_than_its_share() {
    let store = fresh().await;
    let (busy, quiet) = (id(), id());
    for batch in [0..45, 45..90] {
        store.commit(&create(batch.map(|number| mark(busy, number)))).await.unwrap();
    }
    store.commit(&create([mark(quiet, 50)])).await.unwrap();
    let told = due(&store, 99, 4, 100).await;
    let told: Vec<(Id, Time)> = told.into_iter().map(|(tenant, _, time)| (tenant, time)).collect();
    assert_eq!(told, [(busy, at(0)), (busy, at(1)), (busy, at(2)), (busy, at(3)), (quiet, at(50))]);
}

#[tokio::test]
async fn a_record_that_moves_rests_or_is_archived_is_due_no_more() {
    let (store, tenant) = (fresh().await, id());
    let mark = mark(tenant, 10);
    store.commit(&create([mark.clone()])).await.unwrap();
    let times = async || due(&store, 50, 9, 9).await.into_iter().map(|(.., time)| time).collect::<Vec<_>>();
    assert_eq!(times().await, [at(10)]);
    let write = async |to: Value| {
        let before = get(&store, &mark).await.unwrap();
        store.commit(&compute(&before, |mark| set(mark, "due_at", to))).await.unwrap();
    };
    write(Value::Time(at(20))).await;
    assert_eq!(times().await, [at(20)]);
    write(Value::Null).await;
    assert!(times().await.is_empty());
    write(Value::Time(at(30))).await;
    assert_eq!(times().await, [at(30)]);

    // A write of the machine group may be concurrent with archiving; neither needs to know of the other.
    let before = get(&store, &mark).await.unwrap();
    let archive = |archived_at: Value| {
        let store = store.clone();
        let before = Arc::clone(&before);
        async move {
            let before = get(&store, &before).await.unwrap();
            store.commit(&update(&before, 5, |mark| set(mark, "archived_at", archived_at))).await.unwrap();
        }
    };
    archive(Value::Time(at(5))).await;
    assert!(times().await.is_empty());
    store.commit(&compute(&before, |mark| set(mark, "due_at", Value::Time(at(40))))).await.unwrap();
    assert!(times().await.is_empty());
    archive(Value::Null).await;
    assert_eq!(times().await, [at(40)]);
}
