//! The feed, from the emulator's streams, and what consumers keep of it.

use std::time::Duration;

use crm_core::{
    Crm,
    change::Change,
    leads::NewLead,
    organizations::NewOrganization,
    store::{Feed, FeedCursor, FeedPlace, Records, StoreError},
    value::{Id, Kind, Value},
};
use crm_store_dynamodb::{DynamoStore, local};
use serde_json::Value as Json;
use tests::dynamodb::{QUICK, endpoint, fresh};

use crate::{
    faults::{Rig, Step, error, post},
    hand::{at, compute, create, get, id, image, set, update},
};

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
async fn every_change_comes_once() {
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

#[tokio::test]
async fn behind_the_end_comes_what_is_committed_later() {
    let store = fresh().await;
    let lead = image(Kind::Lead, id(), 0, &[]);
    store.commit(&create([lead.clone()])).await.unwrap();
    let end = store.feed_end().await.unwrap();
    // Whether or not somebody has looked meanwhile.
    let (nothing, looked) = drain(&store, Some(end.clone()), 10).await;
    assert!(nothing.is_empty());
    let read = get(&store, &lead).await.unwrap();
    let next = update(&read, 5, |lead| set(lead, "name", Value::text("Bea")));
    store.commit(&next).await.unwrap();
    let told = [(lead.tenant, next.writes[0].changes[0].clone())];
    for cursor in [end, looked] {
        let (later, cursor) = drain(&store, Some(cursor), 10).await;
        assert_eq!(later, told);
        assert!(drain(&store, Some(cursor), 10).await.0.is_empty());
    }
}

#[tokio::test]
async fn an_end_that_is_long_ago_tells_more_and_not_less() {
    let rig = Rig::new().await;
    rig.script([]);
    let (before, after) = (create([image(Kind::Lead, id(), 0, &[])]), create([image(Kind::Lead, id(), 0, &[])]));
    rig.store.commit(&before).await.unwrap();
    let end = rig.store.feed_end().await.unwrap();
    rig.store.commit(&after).await.unwrap();
    // The stream is described, and then the iterator has expired.
    rig.script([Step::Pass, error("ExpiredIteratorException")]);
    let (told, _) = drain(&rig.store, Some(end), 10).await;
    let told: Vec<Id> = told.into_iter().map(|(tenant, _)| tenant).collect();
    assert_eq!(told, [before.tenant, after.tenant]);
}

#[tokio::test]
async fn the_table_is_asked_for_its_stream_only_where_that_may_be_another() {
    let rig = Rig::new().await;
    rig.script([]);
    let asked = || rig.sent().iter().filter(|sent| sent.operation == "DescribeTable").count();
    let cursor = rig.store.feed(None, 10).await.unwrap().cursor;
    assert_eq!(asked(), 1);
    let description = rig.sent().into_iter().find(|sent| sent.operation == "DescribeStream").unwrap();
    rig.script([]);
    rig.store.feed(Some(&cursor), 10).await.unwrap();
    assert_eq!(asked(), 0);

    // A stream that was switched off is read to its end, as long as the table has no other.
    let described = post("DynamoDBStreams_20120810.DescribeStream", description.body).await;
    let mut described: Json = serde_json::from_str(&described).unwrap();
    described["StreamDescription"]["StreamStatus"] = "DISABLED".into();
    rig.script([Step::Answer(200, described.clone())]);
    rig.store.feed(Some(&cursor), 10).await.unwrap();
    assert_eq!(asked(), 1);
    let stream = described["StreamDescription"]["StreamArn"].as_str().unwrap();
    let old = FeedCursor(cursor.0.replace(stream, &format!("{stream}-old")));
    rig.script([Step::Answer(200, described)]);
    assert!(matches!(rig.store.feed(Some(&old), 10).await, Err(StoreError::BadQuery(_))));
}

fn place(minute: i64) -> FeedPlace {
    FeedPlace {
        cursor: None,
        began: at(0),
        settled: at(minute * 60),
        gap_since: None,
        taken_until: None,
        state: Some(serde_json::json!({"minute": minute})),
        fence: 99,
    }
}

#[tokio::test]
async fn a_place_is_kept_once_for_each_fence() {
    let store = fresh().await;
    assert_eq!(store.feed_place("one").await.unwrap(), None);
    assert!(!store.keep_feed_place("one", &place(1), 1).await.unwrap(), "none is kept that it could follow");
    assert!(store.keep_feed_place("one", &place(1), 0).await.unwrap());
    assert!(!store.keep_feed_place("one", &place(2), 0).await.unwrap());
    assert_eq!(store.feed_place("one").await.unwrap(), Some(FeedPlace { fence: 1, ..place(1) }));
    assert!(store.keep_feed_place("one", &place(2), 1).await.unwrap());
    assert!(!store.keep_feed_place("one", &place(3), 1).await.unwrap());
    assert_eq!(store.feed_place("one").await.unwrap(), Some(FeedPlace { fence: 2, ..place(2) }));
    assert_eq!(store.feed_place("two").await.unwrap(), None);
}

#[tokio::test]
async fn a_place_whose_keeping_was_not_answered_is_unknown() {
    let rig = Rig::new().await;
    // Nobody knows whether the place that is there is this one.
    rig.script([Step::LoseAnswer]);
    let unknown = rig.store.keep_feed_place("one", &place(1), 0).await.unwrap_err();
    assert!(matches!(unknown, StoreError::OutcomeUnknown(_)), "{unknown}");
    assert_eq!(rig.store.feed_place("one").await.unwrap().map(|place| place.fence), Some(1));
    rig.script([Step::LoseRequest]);
    assert!(rig.store.keep_feed_place("one", &place(2), 1).await.unwrap(), "the request was sent again");
    rig.script(vec![error("ThrottlingException"); QUICK.attempts as usize]);
    let refused = rig.store.keep_feed_place("one", &place(3), 2).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    // A newer program keeps more with it.
    rig.script([]);
    let client = local::client(endpoint());
    let all = client.scan().table_name(rig.store.table()).send().await.unwrap().items.unwrap();
    let mut item = all.into_iter().find(|item| item.contains_key("place")).unwrap();
    let json = item["place"].as_s().unwrap().replacen('{', r#"{"later":[1],"#, 1);
    item.insert("place".to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(json));
    client.put_item().table_name(rig.store.table()).set_item(Some(item)).send().await.unwrap();
    assert_eq!(rig.store.feed_place("one").await.unwrap(), Some(FeedPlace { fence: 2, ..place(2) }));
}

/// A follower whose cursor the stream no longer knows is told everything from the log, which is a global index here.
#[tokio::test]
async fn what_the_stream_forgot_is_told_from_the_log() {
    let store = fresh().await;
    let crm = Crm::new(store.clone());
    for name in ["One", "Two"] {
        let new = NewOrganization { name: name.into(), ..Default::default() };
        let admin = crm.bootstrap(new).await.unwrap();
        crm.leads(&admin).create(NewLead { name: "Ada".into(), ..Default::default() }).await.unwrap();
    }
    let all = drain(&store, None, 1000).await.0.len() as u64;
    let lost = FeedPlace { cursor: Some(FeedCursor("forgotten".to_owned())), state: None, ..place(0) };
    assert!(store.keep_feed_place("crm.totals", &lost, 0).await.unwrap());
    let followed = crm.totals().catch_up(Duration::from_mins(1)).await.unwrap();
    assert!(followed.gap && !followed.more, "{followed:?}");
    assert_eq!(followed.changes, 2 * all, "by the log, and by what the stream still has");
    assert_eq!(followed.place.unwrap().gap_since, None);
    assert!(!crm.totals().catch_up(Duration::from_mins(1)).await.unwrap().gap);
}
