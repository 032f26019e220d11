//! Commits, gets, history, claims and keys on the emulator.

use std::sync::Arc;

use crm_core::{
    schema::{Group, Versions, common},
    store::{
        ClaimOp, Epochs, Got, History, HistoryPosition, HistoryQuery, LogPosition, LogQuery, Records, StageMoveQuery,
        StoreError, Want,
    },
    value::{Id, Kind, Ref, Time, Value},
};
use tests::dynamodb::fresh;

use crate::hand::{
    at, claim, commit, compute, create, get, guard, id, image, key_entry, query, set, take, update, walk,
};

fn lead(tenant: Id, name: &str) -> crm_core::schema::Image {
    let fields = [
        ("name", Value::text(name)),
        ("pipeline_id", Value::Id(id())),
        ("stage_id", Value::Id(id())),
        ("score", Value::Int(0)),
        ("annual_revenue", Value::Money("12.5 EUR".parse().unwrap())),
        ("address", Value::Json(Arc::new(serde_json::json!({"kind": "office", "city": "Bern"})))),
        ("tags", Value::list([Value::text("a"), Value::text("b")])),
        ("properties", Value::Map(Arc::new([("day".to_owned(), Value::Date("2024-02-29".parse().unwrap()))].into()))),
    ];
    image(Kind::Lead, tenant, 0, &fields)
}

#[tokio::test]
async fn what_is_created_is_read_back_and_of_no_other_tenant() {
    let store = fresh().await;
    let lead = lead(id(), "Ada");
    store.commit(&create([lead.clone()])).await.unwrap();
    assert_eq!(get(&store, &lead).await.as_deref(), Some(&lead));
    let got = store.get(id(), &[Want::Record(lead.reference())]).await.unwrap();
    assert_eq!(got.got, [Got::Record(None)]);
    assert_eq!(got.epochs, Epochs::default());
}

#[tokio::test]
async fn every_kind_is_kept_as_it_is() {
    let store = fresh().await;
    let tenant = id();
    for &kind in Kind::ALL {
        let mut one = image(kind, tenant, 1, &[]);
        // Null where the default is a value, and empty lists.
        let mut odd = image(kind, tenant, 2, &[("shared_with", Value::list([])), ("source_ids", Value::list([]))]);
        for value in &mut odd.values[common::COUNT..] {
            if matches!(value, Value::Bool(_) | Value::List(_)) {
                *value = Value::Null;
            }
        }
        set(&mut one, "properties", Value::Map(Arc::default()));
        store.commit(&create([one.clone(), odd.clone()])).await.unwrap();
        assert_eq!(get(&store, &one).await.as_deref(), Some(&one), "{kind}");
        assert_eq!(get(&store, &odd).await.as_deref(), Some(&odd), "{kind}");
    }
    let definitions = store.definitions(tenant).await.unwrap();
    let kinds: std::collections::HashSet<Kind> = definitions.images.iter().map(|image| image.kind()).collect();
    assert_eq!(definitions.images.len(), 2 * crm_core::catalog::all().filter(|decl| decl.is_definition).count());
    assert!(kinds.iter().all(|&kind| crm_core::catalog::decl(kind).is_definition));
    assert_eq!(definitions.epochs, store.get(tenant, &[]).await.unwrap().epochs);
    assert_ne!(definitions.epochs.definitions, Id::NIL);
    assert!(store.definitions(id()).await.unwrap().images.is_empty());
}

#[tokio::test]
async fn a_stale_write_a_second_creation_and_a_changed_guard_are_conflicts() {
    let store = fresh().await;
    let lead = lead(id(), "Ada");
    let other = image(Kind::Company, lead.tenant, 0, &[("name", Value::text("Acme"))]);
    store.commit(&create([lead.clone(), other.clone()])).await.unwrap();
    let first = Versions { person: 1, machine: 0 };

    let mut again = create([lead.clone()]);
    let refused = store.commit(&again).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Conflict { record, current: Some(current) }
        if *record == lead.reference() && *current == first));
    // The smallest record is reported, although it is only guarded.
    again.guards.push(guard(&other, 7));
    let refused = store.commit(&again).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Conflict { record, .. } if *record == other.reference()));

    let stored = get(&store, &lead).await.unwrap();
    store.commit(&update(&stored, 5, |lead| set(lead, "name", Value::text("Bea")))).await.unwrap();
    let refused = store.commit(&update(&stored, 6, |lead| set(lead, "name", Value::text("Cleo")))).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { current: Some(Versions { person: 2, machine: 0 }), .. }));

    let mut missing = commit(lead.tenant, at(9));
    missing.guards.push(guard(&image(Kind::Deal, lead.tenant, 0, &[]), 1));
    let refused = store.commit(&missing).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { current: None, .. }));
}

#[tokio::test]
async fn the_two_groups_are_written_apart() {
    let store = fresh().await;
    let lead = lead(id(), "Ada");
    store.commit(&create([lead.clone()])).await.unwrap();
    let stored = get(&store, &lead).await.unwrap();
    store.commit(&update(&stored, 5, |lead| set(lead, "name", Value::text("Bea")))).await.unwrap();
    // Based on a read before the user's write. It concerns another group, so there is no conflict and the user's write
    // is kept.
    store.commit(&compute(&stored, |lead| set(lead, "score", Value::Int(9)))).await.unwrap();
    let now = get(&store, &lead).await.unwrap();
    assert_eq!((now.get("name"), now.get("score")), (&Value::text("Bea"), &Value::Int(9)));
    assert_eq!(now.versions, Versions { person: 2, machine: 1 });
    let refused = store.commit(&compute(&stored, |lead| set(lead, "score", Value::Int(8)))).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }));
    // The index by score is updated as well.
    let by_score = walk(&store, query(Kind::Lead, lead.tenant, " -> score", vec![])).await;
    assert_eq!(by_score.first().map(|lead| lead.get("score").clone()), Some(Value::Int(9)));
}

#[tokio::test]
async fn long_text_is_got_and_left_out_of_lists() {
    let store = fresh().await;
    let mut lead = lead(id(), "Ada");
    let long = "é".repeat(30_000);
    set(&mut lead, "description", Value::text(long.as_str()));
    store.commit(&create([lead.clone()])).await.unwrap();
    let stored = get(&store, &lead).await.unwrap();
    assert_eq!(stored.as_ref(), &lead);
    let listed = walk(&store, query(Kind::Lead, lead.tenant, " -> created_at", vec![])).await;
    assert_eq!(listed[0].get("description"), &Value::NotLoaded);
    // A text that was not loaded is kept, an unchanged one is not written again, and a removed one is deleted.
    store.commit(&update(&listed[0], 5, |lead| set(lead, "name", Value::text("Bea")))).await.unwrap();
    let stored = get(&store, &lead).await.unwrap();
    assert_eq!((stored.get("name"), stored.get("description")), (&Value::text("Bea"), &Value::text(long.as_str())));
    store.commit(&update(&stored, 6, |lead| set(lead, "description", Value::text("short")))).await.unwrap();
    let stored = get(&store, &lead).await.unwrap();
    assert_eq!(stored.get("description"), &Value::text("short"));
    store.commit(&update(&stored, 7, |lead| set(lead, "description", Value::Null))).await.unwrap();
    let stored = get(&store, &lead).await.unwrap();
    assert_eq!(stored.get("description"), &Value::Null);
    assert_eq!(stored.versions.person, 4);
}

#[tokio::test]
async fn a_claim_is_taken_found_transferred_and_released() {
    let store = fresh().await;
    let tenant = id();
    let (first, second) = (lead(tenant, "Ada"), lead(tenant, "Bea"));
    let mut both = create([first.clone(), second.clone()]);
    both.claims.push(take(claim(tenant, "x"), first.reference()));
    store.commit(&both).await.unwrap();
    let found = |tenant| {
        let store = store.clone();
        async move { store.get(tenant, &[Want::Claimed(claim(tenant, "x"))]).await.unwrap().got }
    };
    assert_eq!(found(tenant).await, [Got::Record(Some(Arc::new(first.clone())))]);
    let foreign = store.get(id(), &[Want::Claimed(claim(tenant, "x"))]).await.unwrap();
    assert_eq!(foreign.got, [Got::Record(None)]);

    let only = |op| {
        let mut one = commit(tenant, at(1));
        one.claims.push(op);
        one
    };
    let refused = store.commit(&only(take(claim(tenant, "x"), second.reference()))).await.unwrap_err();
    assert!(matches!(refused, StoreError::Claimed { holder, .. } if holder == first.reference()));
    store.commit(&only(take(claim(tenant, "x"), first.reference()))).await.unwrap();

    let release = |holder| ClaimOp::Release { claim: claim(tenant, "x"), holder };
    let refused = store.commit(&only(release(second.reference()))).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { record, current: Some(_) } if record == second.reference()));
    let (from, to) = (first.reference(), second.reference());
    store.commit(&only(ClaimOp::Transfer { claim: claim(tenant, "x"), from, to })).await.unwrap();
    assert_eq!(found(tenant).await, [Got::Record(Some(Arc::new(second.clone())))]);
    store.commit(&only(release(to))).await.unwrap();
    assert_eq!(found(tenant).await, [Got::Record(None)]);
    // A value that nobody holds cannot be transferred.
    let nobody = Ref::new(Kind::Lead, id());
    let refused = store.commit(&only(ClaimOp::Transfer { claim: claim(tenant, "x"), from: nobody, to })).await;
    assert!(matches!(refused, Err(StoreError::Conflict { record, current: None }) if record == nobody));
}

#[tokio::test]
async fn a_slug_is_one_tenants_among_all() {
    let store = fresh().await;
    let slug = || crm_core::store::Claim::new(Id::NIL, Kind::Organization, "slug", "acme");
    let mine = image(Kind::Organization, id(), 0, &[("name", Value::text("Acme"))]);
    let yours = image(Kind::Organization, id(), 0, &[("name", Value::text("Acme too"))]);
    let mut first = create([mine.clone()]);
    first.claims.push(take(slug(), mine.reference()));
    store.commit(&first).await.unwrap();
    let mut second = create([yours.clone()]);
    second.claims.push(take(slug(), yours.reference()));
    assert!(matches!(store.commit(&second).await, Err(StoreError::Claimed { .. })));
    assert_eq!(get(&store, &yours).await, None);
    // A read of the claim returns the holder's record, whatever the tenant of the read.
    let got = store.get(id(), &[Want::Claimed(slug())]).await.unwrap();
    assert_eq!(got.got, [Got::Record(Some(Arc::new(mine)))]);
}

#[tokio::test]
async fn a_key_is_kept_until_its_time() {
    let store = fresh().await;
    let tenant = id();
    for key in ["k", &"long ".repeat(1000)] {
        let mut one = create([lead(tenant, "Ada"), image(Kind::Deal, tenant, 0, &[])]);
        let entry = key_entry(key, &one, at(100));
        one.key = Some(entry.clone());
        store.commit(&one).await.unwrap();
        let got = store.get(tenant, &[Want::Key(key.to_owned()), Want::Key("other".to_owned())]).await.unwrap();
        assert_eq!(got.got, [Got::Key(Some(entry)), Got::Key(None)]);
        assert_eq!(store.get(id(), &[Want::Key(key.to_owned())]).await.unwrap().got, [Got::Key(None)]);

        // A used key is reported before any other error.
        let mut again = commit(tenant, at(99));
        again.key = Some(key_entry(key, &again, at(200)));
        again.guards.push(guard(&lead(tenant, "nobody"), 1));
        assert!(matches!(store.commit(&again).await, Err(StoreError::KeyUsed)));
        again.guards.clear();
        again.at = at(100);
        store.commit(&again).await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_commit_leaves_nothing_behind_and_a_replayed_one_has_one_effect() {
    let store = fresh().await;
    let tenant = id();
    let holder = lead(tenant, "Ada");
    let mut first = create([holder.clone()]);
    first.claims.push(take(claim(tenant, "x"), holder.reference()));
    store.commit(&first).await.unwrap();
    store.commit(&first).await.unwrap();

    let late = lead(tenant, "Bea");
    let mut failing = create([late.clone()]);
    failing.key = Some(key_entry("k", &failing, at(100)));
    failing.claims.push(take(claim(tenant, "x"), late.reference()));
    assert!(matches!(store.commit(&failing).await, Err(StoreError::Claimed { .. })));
    assert_eq!(get(&store, &late).await, None);
    assert_eq!(store.get(tenant, &[Want::Key("k".to_owned())]).await.unwrap().got, [Got::Key(None)]);
    assert_eq!(log(&store, tenant, false, 100).await.len(), 1);
}

#[tokio::test]
async fn a_hundred_items_pass_and_one_more_is_refused() {
    let store = fresh().await;
    let tenant = id();
    let link = Ref::new(Kind::Lead, id());
    let note =
        || image(Kind::Note, tenant, 0, &[("links", Value::list([Value::Ref(link)])), ("content", Value::text("x"))]);
    // A note is four items: the record, its text, its change, and the entry of its link.
    let full = create((0..25).map(|_| note()));
    assert_eq!(full.items(), 100);
    store.commit(&full).await.unwrap();
    let mut more = create((0..25).map(|_| note()));
    more.guards.push(guard(&full.writes[0].after, 1));
    assert!(matches!(store.commit(&more).await, Err(StoreError::TooLarge { limit: 100, .. })));
    let listed = walk(&store, query(Kind::Note, tenant, "links -> created_at", vec![Value::Ref(link)])).await;
    assert_eq!(listed.len(), 25);
}

#[tokio::test]
async fn four_megabytes_pass() {
    let store = fresh().await;
    let tenant = id();
    let text = "x".repeat(64 * 1024 - 800);
    let deal =
        |_| image(Kind::Deal, tenant, 0, &[("title", Value::text("big")), ("description", Value::text(text.as_str()))]);
    // Each counts twice: in the record and in its change.
    let commit = create((0..31).map(deal));
    assert!(commit.size() > 3_900_000 && commit.check_budget().is_ok(), "{}", commit.size());
    store.commit(&commit).await.unwrap();
}

async fn log(store: &dyn History, tenant: Id, descending: bool, limit: usize) -> Vec<crm_core::change::Change> {
    let mut query = LogQuery { tenant, from: Time::MIN, until: Time::MAX, descending, after: None, limit };
    let mut all = Vec::new();
    loop {
        let page = store.log(&query).await.unwrap();
        all.extend(page.changes);
        if !page.more {
            return all;
        }
        query.after = all.last().map(|change| LogPosition {
            time: change.recorded_at,
            record: change.record,
            group: change.group,
            version: change.version,
        });
    }
}

#[tokio::test]
async fn history_log_and_stage_moves_are_in_order_both_ways() {
    let store = fresh().await;
    let tenant = id();
    let lead = lead(tenant, "Ada");
    let pipeline = lead.get("pipeline_id").as_id().unwrap();
    store.commit(&create([lead.clone()])).await.unwrap();
    let mut sent = Vec::new();
    for step in 1..=7_i64 {
        let stored = get(&store, &lead).await.unwrap();
        let mut commit = update(&stored, step * 10, |lead| match step % 2 {
            0 => set(lead, "name", Value::text(format!("Ada {step}"))),
            _ => set(lead, "stage_id", Value::Id(id())),
        });
        // Recorded in this order, but occurred in the reverse order.
        commit.writes[0].changes[0].occurred_at = at(-step);
        store.commit(&commit).await.unwrap();
        sent.extend(commit.writes[0].changes.clone());
    }
    let mut forward = Vec::new();
    for descending in [false, true] {
        let mut query =
            HistoryQuery { tenant, record: lead.reference(), field: None, descending, after: None, limit: 3 };
        let mut all = Vec::new();
        loop {
            let page = store.history(&query).await.unwrap();
            assert!(page.changes.len() <= 3);
            all.extend(page.changes);
            if !page.more {
                break;
            }
            query.after = all.last().map(|change: &crm_core::change::Change| HistoryPosition {
                recorded_at: change.recorded_at,
                group: change.group,
                version: change.version,
            });
        }
        if descending {
            all.reverse();
            assert_eq!(all, forward);
        }
        forward = all;
    }
    assert_eq!(forward[1..], sent);
    assert!(forward[0].is_creation());
    assert_eq!(log(&store, tenant, false, 3).await, forward);
    let mut backward = log(&store, tenant, true, 3).await;
    backward.reverse();
    assert_eq!(backward, forward);
    assert!(log(&store, id(), false, 3).await.is_empty());

    let named = HistoryQuery {
        tenant,
        record: lead.reference(),
        field: Some("name".to_owned()),
        descending: false,
        after: None,
        limit: 100,
    };
    let page = store.history(&named).await.unwrap();
    assert_eq!(page.changes.iter().map(|change| change.version).collect::<Vec<_>>(), [1, 3, 5, 7]);
    assert!(!page.more);

    // The creation at 0, then moves at -1, -3, -5 and -7 by time of occurrence. The end is exclusive.
    let mut moves =
        StageMoveQuery { tenant, pipeline: pipeline.typed(), from: at(-7), until: at(0), after: None, limit: 2 };
    let page = store.stage_moves(&moves).await.unwrap();
    assert_eq!(page.changes.iter().map(|change| change.occurred_at).collect::<Vec<_>>(), [at(-7), at(-5)]);
    assert!(page.more);
    let last = &page.changes[1];
    moves.after =
        Some(LogPosition { time: last.occurred_at, record: last.record, group: Group::User, version: last.version });
    let page = store.stage_moves(&moves).await.unwrap();
    assert_eq!(page.changes.iter().map(|change| change.occurred_at).collect::<Vec<_>>(), [at(-3), at(-1)]);
    assert!(!page.more);
}

#[tokio::test]
async fn one_of_many_takers_wins_a_claim_and_no_increment_is_lost() {
    let store = fresh().await;
    let tenant = id();
    let counter = lead(tenant, "counter");
    store.commit(&create([counter.clone()])).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let (store, counter) = (store.clone(), counter.clone());
            tokio::spawn(async move {
                let mine = lead(tenant, &format!("taker {number}"));
                let mut commit = create([mine.clone()]);
                commit.claims.push(take(claim(tenant, "race"), mine.reference()));
                let has_won = store.commit(&commit).await.is_ok();
                for _ in 0..3 {
                    loop {
                        let read = get(&store, &counter).await.unwrap();
                        let more = update(&read, 1, |lead| {
                            let Value::Int(count) = *lead.get("employee_count") else {
                                return set(lead, "employee_count", Value::Int(1));
                            };
                            set(lead, "employee_count", Value::Int(count + 1));
                        });
                        match store.commit(&more).await {
                            Ok(()) => break,
                            Err(StoreError::Conflict { .. }) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
                has_won
            })
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        winners += usize::from(task.await.unwrap());
    }
    assert_eq!(winners, 1);
    let counter = get(&store, &counter).await.unwrap();
    assert_eq!((counter.get("employee_count"), counter.versions.person), (&Value::Int(24), 25));
}

/// Returns the expiry times of all items that have one.
async fn ends(store: &crm_store_dynamodb::DynamoStore) -> Vec<String> {
    let client = crm_store_dynamodb::local::client(tests::dynamodb::endpoint());
    let all = client.scan().table_name(store.table()).send().await.unwrap();
    all.items().iter().filter_map(|item| item.get("x")?.as_n().ok().cloned()).collect()
}

#[tokio::test]
async fn what_is_of_no_use_after_its_time_has_an_end_and_moves_it() {
    let (store, tenant) = (fresh().await, id());
    let end = |seconds: i64| Value::Time(at(seconds));
    let second = |seconds: i64| (at(seconds).micros() / 1_000_000 + 1).to_string();
    let throttle = image(Kind::Throttle, tenant, 0, &[("expires_at", end(10))]);
    let session = image(Kind::Session, tenant, 0, &[("user_id", Value::Id(id())), ("expires_at", end(20))]);
    let key = image(Kind::ApiKey, tenant, 0, &[("expires_at", end(30))]);
    store.commit(&create([throttle.clone(), session.clone(), key, lead(tenant, "Ada")])).await.unwrap();
    let mut found = ends(&store).await;
    found.sort();
    // Neither the log's changes of them nor an API key, which is still shown after it expires.
    assert_eq!(found, [second(10), second(20)]);

    let before = get(&store, &throttle).await.unwrap();
    store.commit(&compute(&before, |throttle| set(throttle, "expires_at", end(50)))).await.unwrap();
    let before = get(&store, &session).await.unwrap();
    store.commit(&compute(&before, |session| set(session, "rotated_at", end(1)))).await.unwrap();
    let mut found = ends(&store).await;
    found.sort();
    assert_eq!(found, [second(20), second(50)], "each with its record's own time");
}
