//! The feed, from the emulator's streams.

use crm_core::{
    change::Change,
    store::{Feed, FeedCursor, Records, StoreError},
    value::{Id, Kind, Value},
};
use crm_store_dynamodb::{DynamoStore, local};
use tests::dynamodb::{endpoint, fresh};

use crate::hand::{compute, create, get, id, image, set, update};

/// Everything after a cursor, in pages of a limit, until a page is empty.
async fn drain(store: &DynamoStore, mut cursor: Option<FeedCursor>, limit: usize) -> (Vec<(Id, Change)>, FeedCursor) {
    let mut all = Vec::new();
    loop {
        let page = store.feed(cursor.as_ref(), limit).await.unwrap();
        assert!(page.changes.len() <= limit);
        if page.changes.is_empty() {
            return (all, page.cursor);
        }
        all.extend(page.changes);
        cursor = Some(page.cursor);
    }
}

#[tokio::test]
async fn every_change_comes_once_and_in_version_order() {
    let store = fresh().await;
    let (nothing, start) = drain(&store, None, 10).await;
    assert!(nothing.is_empty());
    let (one, two) = (image(Kind::Lead, id(), 0, &[]), image(Kind::Role, id(), 0, &[]));
    let mut sent = Vec::new();
    for lead in [&one, &two] {
        let commit = create([(*lead).clone()]);
        store.commit(&commit).await.unwrap();
        sent.push((lead.tenant, commit.writes[0].changes[0].clone()));
    }
    for step in 1..=5_i64 {
        let read = get(&store, &one).await.unwrap();
        let commit = update(&read, step, |lead| set(lead, "name", Value::text(format!("name {step}"))));
        store.commit(&commit).await.unwrap();
        sent.push((one.tenant, commit.writes[0].changes[0].clone()));
        // What the machine writes and nobody logs is no change for anybody.
        let read = get(&store, &one).await.unwrap();
        store.commit(&compute(&read, |lead| set(lead, "score", Value::Int(step)))).await.unwrap();
    }
    for limit in [1, 3, 1000] {
        assert_eq!(drain(&store, None, limit).await.0, sent);
    }
    let (all, end) = drain(&store, Some(start), 2).await;
    assert_eq!(all, sent);

    let read = get(&store, &one).await.unwrap();
    let last = update(&read, 9, |lead| set(lead, "name", Value::text("last")));
    store.commit(&last).await.unwrap();
    let (more, _) = drain(&store, Some(end), 10).await;
    assert_eq!(more, [(one.tenant, last.writes[0].changes[0].clone())]);
}

#[tokio::test]
async fn a_cursor_of_another_feed_is_refused() {
    let (store, other) = (fresh().await, fresh().await);
    other.commit(&create([image(Kind::Lead, id(), 0, &[])])).await.unwrap();
    let (_, foreign) = drain(&other, None, 10).await;
    for cursor in [foreign, FeedCursor("7".to_owned()), FeedCursor(String::new())] {
        assert!(matches!(store.feed(Some(&cursor), 10).await, Err(StoreError::BadQuery(_))), "{cursor:?}");
    }
    let without = DynamoStore::new(local::client(endpoint()), store.table());
    assert!(matches!(without.feed(None, 10).await, Err(StoreError::Unavailable(_))));
}
