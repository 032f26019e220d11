//! Compatibility with a newer program: data that it stores and this one does not know fails no read and is preserved
//! when other parts are edited. The newer items are current ones, modified by the SDK.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue as Attribute};
use crm_core::{
    change::{Change, Origin},
    schema::Image,
    store::{
        Commit, Feed, Got, History, HistoryQuery, LogPosition, LogQuery, Records, StageMoveQuery, StoreError, Want,
    },
    value::{Id, Kind, Ref, Time, Value},
};
use crm_store_dynamodb::{DynamoStore, local};
use tests::dynamodb::{endpoint, fresh};

use crate::hand::{at, claim, commit, create, get, id, image, key_entry, query, set, take, update, walk};

type Item = HashMap<String, Attribute>;

/// The code of a kind that this program does not know.
const GADGET: &str = "~~";

/// A table as a newer program sees it.
struct Table {
    client: aws_sdk_dynamodb::Client,
    name: String,
}

impl Table {
    fn of(store: &DynamoStore) -> Self {
        Self { client: local::client(endpoint()), name: store.table().to_owned() }
    }

    async fn items(&self) -> Vec<Item> {
        self.client.scan().table_name(&self.name).consistent_read(true).send().await.unwrap().items.unwrap()
    }

    /// Returns the only item that matches.
    async fn item(&self, is_it: impl Fn(&Item) -> bool) -> Item {
        let mut found: Vec<Item> = self.items().await.into_iter().filter(|item| is_it(item)).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    async fn put(&self, item: &Item) {
        self.client.put_item().table_name(&self.name).set_item(Some(item.clone())).send().await.unwrap();
    }
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

/// Replaces the kind in a key by the code of the unknown kind.
fn of_a_gadget(item: &mut Item, name: &str, at: usize) {
    let mut key = text(item, name).to_owned();
    key.replace_range(at..at + 2, GADGET);
    item.insert(name.to_owned(), Attribute::S(key));
}

fn s(text: impl Into<String>) -> Attribute {
    Attribute::S(text.into())
}

fn map(pairs: &[(&str, Attribute)]) -> Attribute {
    Attribute::M(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

fn gadget() -> Attribute {
    Attribute::B(Blob::new([GADGET.as_bytes(), &id().bytes()].concat()))
}

/// A value of a type that only a newer program knows.
fn value_of_tomorrow() -> Attribute {
    map(&[("zz", Attribute::L(vec![Attribute::N("1.5".to_owned()), Attribute::Ss(vec!["a".to_owned()])]))])
}

fn list<'a>(item: &'a mut Item, name: &str) -> &'a mut Vec<Attribute> {
    let Some(Attribute::L(list)) = item.get_mut(name) else { panic!("no list {name}") };
    list
}

fn lead(tenant: Id) -> Image {
    let fields = [
        ("name", Value::text("Ada")),
        ("status", Value::text("new")),
        ("address", Value::Json(std::sync::Arc::new(serde_json::json!({"city": "Bern"})))),
        ("description", Value::text("long")),
        ("shared_with", Value::list([Value::Ref(Ref::new(Kind::User, id()))])),
        ("properties", Value::Map(std::sync::Arc::new([("size".to_owned(), Value::Int(7))].into()))),
    ];
    image(Kind::Lead, tenant, 0, &fields)
}

#[tokio::test]
async fn an_edit_leaves_what_a_newer_program_wrote_in_a_record() {
    let (store, tenant) = (fresh().await, id());
    let table = Table::of(&store);
    let lead = lead(tenant);
    store.commit(&create([lead.clone()])).await.unwrap();

    let mut item = table.item(|item| text(item, "sk") == "r").await;
    item.insert("mood".to_owned(), s("a field of tomorrow"));
    item.insert("status".to_owned(), s("frozen"));
    item.insert("address".to_owned(), s(r#"{"city":"Bern","planet":{"name":"Earth"}}"#));
    item.insert("annual_revenue".to_owned(), map(&[("a", Attribute::N("5".to_owned())), ("c", s("QQQ"))]));
    list(&mut item, "sw").push(gadget());
    let properties = map(&[("size", Attribute::N("7".to_owned())), ("later", value_of_tomorrow()), ("who", gadget())]);
    item.insert("pr".to_owned(), properties);
    table.put(&item).await;
    let mut texts = table.item(|item| text(item, "sk") == "t").await;
    texts.insert("terms".to_owned(), s("a long text of tomorrow"));
    table.put(&texts).await;

    let read = get(&store, &lead).await.unwrap();
    assert_eq!(read.get("status"), &Value::text("frozen"));
    let properties = read.get("properties").as_map().unwrap();
    assert!(matches!(properties["later"], Value::Opaque(_)) && properties["size"] == Value::Int(7));
    assert!(matches!(read.get("shared_with").items(), [Value::Ref(_), Value::Opaque(_)]));
    assert!(matches!(read.get("annual_revenue"), Value::Opaque(_)));
    assert_eq!(walk(&store, query(Kind::Lead, tenant, " -> created_at", vec![])).await.len(), 1);

    // One edit of all known fields, and one that leaves no known text.
    store.commit(&update(&read, 5, |lead| set(lead, "name", Value::text("Bea")))).await.unwrap();
    let read = get(&store, &lead).await.unwrap();
    store.commit(&update(&read, 6, |lead| set(lead, "description", Value::Null))).await.unwrap();
    let read = get(&store, &lead).await.unwrap();
    assert_eq!((read.get("name"), read.get("description")), (&Value::text("Bea"), &Value::Null));

    let mut edited = table.item(|item| text(item, "sk") == "r").await;
    for name in ["name", "v", "tv", "ua", "description"] {
        assert_ne!(edited.remove(name), item.remove(name), "{name}");
    }
    assert_eq!(edited, item);
    let edited = table.item(|item| text(item, "sk") == "t").await;
    assert_eq!((text(&edited, "terms"), edited.get("description")), ("a long text of tomorrow", None));
    // A text that is added again is stored next to the unknown one.
    store.commit(&update(&read, 7, |lead| set(lead, "description", Value::text("again")))).await.unwrap();
    assert_eq!(get(&store, &lead).await.unwrap().get("description"), &Value::text("again"));
    let edited = table.item(|item| text(item, "sk") == "t").await;
    assert_eq!(text(&edited, "terms"), "a long text of tomorrow");
}

#[tokio::test]
async fn the_entry_of_a_link_to_an_unknown_kind_moves_with_its_record() {
    let (store, tenant) = (fresh().await, id());
    let table = Table::of(&store);
    let to = Ref::new(Kind::Lead, id());
    let links = [("links", Value::list([Value::Ref(to)])), ("due_at", Value::Time(at(1)))];
    let task = image(Kind::Task, tenant, 0, &links);
    store.commit(&create([task.clone()])).await.unwrap();

    // The same link as that of the gadget with this id.
    let mut item = table.item(|item| text(item, "sk") == "r").await;
    let gadget = Attribute::B(Blob::new([GADGET.as_bytes(), &to.id.bytes()].concat()));
    list(&mut item, "links").push(gadget);
    table.put(&item).await;
    let mut entry = table.item(|item| text(item, "sk").starts_with('e')).await;
    // After the 22 characters of the tenant is the kind. In the index, the indexed kind and the index's name precede
    // it.
    of_a_gadget(&mut entry, "pk", 22);
    of_a_gadget(&mut entry, "g0", 22 + 2 + 3);
    table.put(&entry).await;

    let entry_key = text(&entry, "pk").to_owned();
    let entries = async || {
        let items = table.items().await.into_iter();
        items.filter(|item| text(item, "pk") == entry_key).collect::<Vec<_>>()
    };
    let read = get(&store, &task).await.unwrap();
    store.commit(&update(&read, 5, |task| set(task, "due_at", Value::Time(at(9))))).await.unwrap();
    let moved = entries().await;
    assert!(moved.len() == 1 && text(&moved[0], "sa") > text(&entry, "sa") && moved[0]["g0"] == entry["g0"]);
    let read = get(&store, &task).await.unwrap();
    store.commit(&update(&read, 6, |task| set(task, "archived_at", Value::Time(at(6))))).await.unwrap();
    assert!(entries().await.is_empty());
    let read = get(&store, &task).await.unwrap();
    store.commit(&update(&read, 7, |task| set(task, "archived_at", Value::Null))).await.unwrap();
    assert_eq!(entries().await, moved);
}

/// A lead with three changes, and changes of gadgets among them. Returns only what the program knows.
async fn with_gadgets(store: &DynamoStore, tenant: Id) -> (Image, Vec<Change>) {
    let table = Table::of(store);
    let mut lead = lead(tenant);
    set(&mut lead, "pipeline_id", Value::Id(id()));
    set(&mut lead, "stage_id", Value::Id(id()));
    let mut commits = vec![create([lead.clone()])];
    store.commit(&commits[0]).await.unwrap();
    for step in 1..3 {
        let read = get(store, &lead).await.unwrap();
        let next = update(&read, step, |lead| set(lead, "stage_id", Value::Id(id())));
        store.commit(&next).await.unwrap();
        commits.push(next);
    }
    let changes: Vec<Item> = table.items().await.into_iter().filter(|item| text(item, "sk").starts_with('c')).collect();
    for mut item in changes {
        of_a_gadget(&mut item, "pk", 22);
        // After the ten characters of the time.
        of_a_gadget(&mut item, "ls", 10);
        of_a_gadget(&mut item, "ms", 10);
        table.put(&item).await;
    }
    let told = commits.into_iter().flat_map(|commit: Commit| commit.writes.into_iter().flat_map(|write| write.changes));
    (lead, told.collect())
}

fn place(change: &Change) -> LogPosition {
    LogPosition { time: change.recorded_at, record: change.record, group: change.group, version: change.version }
}

#[tokio::test]
async fn changes_of_unknown_kinds_are_passed_over_in_the_log_and_among_stage_moves() {
    let (store, tenant) = (fresh().await, id());
    let (lead, told) = with_gadgets(&store, tenant).await;
    for descending in [false, true] {
        for limit in [1, 2, 3, 100] {
            let mut log = LogQuery { tenant, from: Time::MIN, until: Time::MAX, descending, after: None, limit };
            let mut all: Vec<Change> = Vec::new();
            loop {
                let page = store.log(&log).await.unwrap();
                assert!(!page.changes.is_empty() && page.changes.len() <= limit);
                all.extend(page.changes);
                if !page.more {
                    break;
                }
                log.after = all.last().map(place);
            }
            if descending {
                all.reverse();
            }
            assert_eq!(all, told, "{descending} {limit}");
        }
    }
    let pipeline = lead.get("pipeline_id").as_id().unwrap().typed();
    let mut moves = StageMoveQuery { tenant, pipeline, from: Time::MIN, until: Time::MAX, after: None, limit: 1 };
    for (number, change) in told.iter().enumerate() {
        let page = store.stage_moves(&moves).await.unwrap();
        assert_eq!((page.changes.as_slice(), page.more), (std::slice::from_ref(change), number < 2));
        moves.after = page.changes.last().map(place);
    }
}

#[tokio::test]
async fn the_feed_goes_on_behind_changes_of_unknown_kinds() {
    let (store, tenant) = (fresh().await, id());
    let (lead, told) = with_gadgets(&store, tenant).await;
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.feed(cursor.as_ref(), 2).await.unwrap();
        if page.changes.is_empty() {
            break;
        }
        all.extend(page.changes.into_iter().map(|(_, change)| change));
        cursor = Some(page.cursor);
    }
    assert_eq!(all, told);
    let read = get(&store, &lead).await.unwrap();
    let last = update(&read, 9, |lead| set(lead, "name", Value::text("Bea")));
    store.commit(&last).await.unwrap();
    let page = store.feed(cursor.as_ref(), 2).await.unwrap();
    assert_eq!(page.changes, [(tenant, last.writes[0].changes[0].clone())]);
}

#[tokio::test]
async fn a_change_that_a_newer_program_wrote_is_read_for_what_is_known_of_it() {
    let (store, tenant) = (fresh().await, id());
    let table = Table::of(&store);
    let mut made = create([lead(tenant)]);
    let change = &mut made.writes[0].changes[0];
    let origin =
        Origin { through: Some("api".to_owned()), detail: None, address: None, user_agent: Some("curl".to_owned()) };
    change.origin = Some(std::sync::Arc::new(origin));
    change.with = vec![Ref::new(Kind::User, id())];
    change.cause = Some(std::sync::Arc::new(serde_json::json!({"workflow": "w", "depth": 1})));
    let change = change.clone();
    store.commit(&made).await.unwrap();

    let mut item = table.item(|item| text(item, "sk").starts_with('c')).await;
    list(&mut item, "r").push(s("a fifth part"));
    list(&mut item, "i").insert(0, gadget());
    item.insert("later".to_owned(), Attribute::Ns(vec!["1".to_owned()]));
    list(&mut item, "f").push(s("mood"));
    list(&mut item, "n").push(value_of_tomorrow());
    table.put(&item).await;

    let of = HistoryQuery { tenant, record: change.record, field: None, descending: false, after: None, limit: 10 };
    let mut read = store.history(&of).await.unwrap().changes.remove(0);
    let mood = read.fields.pop().unwrap();
    assert!(mood.field == "mood" && matches!(mood.new, Value::Opaque(_)));
    assert_eq!(read, change);
}

#[tokio::test]
async fn definitions_of_unknown_kinds_are_passed_over() {
    let (store, tenant) = (fresh().await, id());
    let table = Table::of(&store);
    let stages = serde_json::json!([{"id": id(), "name": "New", "kind": "open", "colour": "red"}]);
    let stages = Value::list(stages.as_array().unwrap().iter().cloned().map(|stage| Value::Json(stage.into())));
    let pipeline = image(Kind::Pipeline, tenant, 0, &[("name", Value::text("Sales")), ("stages", stages)]);
    store.commit(&create([pipeline.clone()])).await.unwrap();

    let mut item = table.item(|item| text(item, "pk").ends_with("!d")).await;
    of_a_gadget(&mut item, "sk", 0);
    table.put(&item).await;
    let mut epochs = table.item(|item| text(item, "pk").ends_with("!e")).await;
    let one = Attribute::N("1".to_owned());
    list(&mut epochs, "w").push(Attribute::L(vec![gadget(), one.clone(), one, s("more")]));
    table.put(&epochs).await;

    let read = store.definitions(tenant).await.unwrap().images;
    assert!(read.len() == 1 && *read[0] == pipeline);
    store.commit(&update(&read[0], 5, |pipeline| set(pipeline, "name", Value::text("More")))).await.unwrap();
    let read = store.definitions(tenant).await.unwrap().images;
    assert!(read.len() == 1 && read[0].get("stages") == pipeline.get("stages"));
    let items = table.items().await;
    assert!(items.contains(&item), "what is not known is as it was");
}

#[tokio::test]
async fn claims_and_keys_may_speak_of_unknown_kinds() {
    let (store, tenant) = (fresh().await, id());
    let table = Table::of(&store);
    let held = lead(tenant);
    let mut made = create([held.clone()]);
    made.claims.push(take(claim(tenant, "x"), held.reference()));
    made.key = Some(key_entry("k", &made, at(100)));
    store.commit(&made).await.unwrap();

    let mut item = table.item(|item| text(item, "pk").contains("!c")).await;
    of_a_gadget(&mut item, "h", 22);
    table.put(&item).await;
    let mut item = table.item(|item| text(item, "pk").contains("!k")).await;
    let zero = Attribute::N("0".to_owned());
    list(&mut item, "r").extend([gadget(), zero.clone(), zero]);
    table.put(&item).await;

    let wants = [Want::Claimed(claim(tenant, "x")), Want::Key("k".to_owned())];
    let got = store.get(tenant, &wants).await.unwrap().got;
    assert_eq!(got, [Got::Record(None), Got::Key(made.key)]);
    // The claim is taken nevertheless.
    let other = lead(tenant);
    let mut taken = commit(tenant, at(1));
    taken.claims.push(take(claim(tenant, "x"), other.reference()));
    let refused = store.commit(&taken).await.unwrap_err();
    assert!(matches!(refused, StoreError::Claimed { holder, .. } if holder.id == held.id));
}
