//! Lists and filters: the same results as the memory store's, on random records and filters.

use std::{collections::BTreeMap, sync::Arc};

use crm_core::{
    catalog,
    filter::{Compare, Path, Predicate, Test},
    schema::{FieldType, Image, common},
    store::{MemoryStore, Position, Query, Records, StoreError},
    value::{Date, Id, Kind, Ref, Time, Value},
};
use tests::dynamodb::fresh;

use crate::hand::{at, compute, create, get, id, image, query, set, update, walk};

/// A small random generator (`SplitMix64`). A failing run prints its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A small set of ids, so that records refer to the same ones.
fn known(number: usize) -> Id {
    Id::from_parts(1_600_000_000_000, [0, 0, 0, 0, 0, 0, 0, 0, 0, u8::try_from(number).unwrap()])
}

const TEXTS: [&str; 9] = ["a", "ab", "Ab", "b", "é", "~", "\u{1}", "😀 x", "a\u{1}"];

/// A random value of a type, never null.
fn value(random: &mut Random, ty: FieldType) -> Value {
    match ty {
        FieldType::Bool => Value::Bool(random.chance(50)),
        FieldType::Int(..) => Value::Int(*random.pick(&[i64::MIN, -1, 0, 1, 2, 10, i64::MAX])),
        FieldType::Decimal => Value::Decimal(random.pick(&["-1.5", "0", "0.1", "1", "10", "9.99"]).parse().unwrap()),
        FieldType::Money => {
            Value::Money(random.pick(&["1 EUR", "1 USD", "2.5 EUR", "10 USD", "-3 EUR"]).parse().unwrap())
        }
        FieldType::Time => Value::Time(*random.pick(&[Time::MIN, at(-1), at(0), at(1), at(2)])),
        FieldType::Date => Value::Date(*random.pick(&[Date::of(Time::MIN), Date::of(at(0)), Date::of(at(0)) + 1])),
        FieldType::Id(_) | FieldType::StageId => Value::Id(known(random.below(3))),
        FieldType::Ref(kinds) => {
            Value::Ref(Ref::new(*random.pick(&kinds[..kinds.len().min(2)]), known(random.below(2))))
        }
        FieldType::Texts(..) | FieldType::Ids(..) | FieldType::Refs(..) => {
            let mut items: Vec<Value> = Vec::new();
            for _ in 0..random.below(3) {
                let item = value(random, ty.element());
                if !items.contains(&item) {
                    items.push(item);
                }
            }
            Value::list(items)
        }
        FieldType::Struct => Value::Json(Arc::new(serde_json::json!({"city": random.pick(&TEXTS)}))),
        FieldType::Structs(_) => {
            Value::list((0..random.below(2)).map(|n| Value::Json(Arc::new(serde_json::json!({"n": n})))))
        }
        FieldType::Properties => {
            let mut map = BTreeMap::new();
            for (key, ty) in PROPERTIES {
                if random.chance(60) {
                    // Sometimes of another type than the tenant's definition.
                    let ty = if random.chance(10) { random.pick(&PROPERTIES).1 } else { ty };
                    map.insert(key.to_owned(), value(random, ty));
                }
            }
            Value::Map(Arc::new(map))
        }
        FieldType::Choice(names) => Value::text(*random.pick(&names[..2])),
        _ => Value::text(*random.pick(&TEXTS)),
    }
}

const PROPERTIES: [(&str, FieldType); 8] = [
    ("flag", FieldType::Bool),
    ("count", FieldType::Int(i64::MIN, i64::MAX)),
    ("share", FieldType::Decimal),
    ("price", FieldType::Money),
    ("day", FieldType::Date),
    ("moment", FieldType::Time),
    ("word", FieldType::Text(255)),
    ("words", FieldType::Texts(10, 64)),
];

fn fill(random: &mut Random, image: &mut Image, percent: usize) {
    for (position, field) in image.decl.fields.iter().enumerate() {
        let is_fixed = matches!(position, common::CREATED_AT | common::UPDATED_AT | common::ARCHIVED_AT);
        if !is_fixed && random.chance(percent) {
            image.values[position] = if random.chance(25) { Value::Null } else { value(random, field.ty) };
        }
    }
}

/// A random test of the filter language.
fn test(random: &mut Random, kind: Kind) -> Predicate {
    let decl = catalog::decl(kind);
    let (path, ty) = if random.chance(35) {
        let (key, ty) = *random.pick(&PROPERTIES);
        (Path { field: common::PROPERTIES, property: Some(key.into()) }, ty)
    } else {
        loop {
            let field = random.below(decl.fields.len());
            let ty = decl.fields[field].ty;
            if !matches!(ty, FieldType::LongText | FieldType::Properties) {
                break (Path { field, property: None }, ty);
            }
        }
    };
    let is_list = ty.is_list();
    let element = ty.element();
    let is_text = matches!(
        element,
        FieldType::Text(_) | FieldType::Email | FieldType::Phone | FieldType::Url | FieldType::Folded | FieldType::Key
    );
    let is_ordered = matches!(
        element,
        FieldType::Int(..) | FieldType::Decimal | FieldType::Money | FieldType::Time | FieldType::Date
    );
    let mut ways = vec![Compare::Missing];
    if !matches!(element, FieldType::Struct | FieldType::Structs(_)) {
        ways.extend([Compare::Eq, Compare::In]);
        if !is_list && is_text {
            ways.extend([Compare::Contains, Compare::StartsWith]);
        }
        if !is_list && (is_text || is_ordered) {
            ways.extend([Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge]);
        }
    }
    let compare = *random.pick(&ways);
    let operands = match compare {
        Compare::Missing => Vec::new(),
        Compare::In => (0..=random.below(4)).map(|_| value(random, element)).collect(),
        Compare::Contains if random.chance(10) => vec![Value::text("")],
        _ => vec![value(random, element)],
    };
    Predicate::Test(Test { path, ty: element, list: is_list, compare, operands })
}

fn predicate(random: &mut Random, kind: Kind, depth: usize) -> Predicate {
    match random.below(if depth == 0 { 1 } else { 5 }) {
        1 => Predicate::All((0..random.below(4)).map(|_| predicate(random, kind, depth - 1)).collect()),
        2 => Predicate::Any((0..random.below(4)).map(|_| predicate(random, kind, depth - 1)).collect()),
        3 => Predicate::Not(Box::new(predicate(random, kind, depth - 1))),
        _ => test(random, kind),
    }
}

/// Queries for every list of a kind that contains a record, and for some empty ones.
fn queries(random: &mut Random, tenant: Id, images: &[Arc<Image>], kind: Kind) -> Vec<Query> {
    let decl = catalog::decl(kind);
    let mut queries = Vec::new();
    for index in &decl.indexes {
        let mut runs: Vec<Vec<Value>> = vec![index.equals.iter().map(|_| Value::Null).collect()];
        for image in images {
            runs.extend(index.entries(image));
        }
        for _ in 0..3 {
            let run = random.pick(&runs).clone();
            let mut one = query(kind, tenant, &index.name, run);
            one.descending = random.chance(50);
            one.limit = *random.pick(&[2, 5, 100]);
            if random.chance(60) {
                one.filter = predicate(random, kind, 2);
            }
            queries.push(one);
        }
    }
    queries
}

async fn agree(seed: u64, kind: Kind) {
    let mut random = Random(seed);
    let (store, model) = (fresh().await, MemoryStore::new());
    let tenant = id();
    let mut images: Vec<Arc<Image>> = Vec::new();
    for number in 0..12 {
        let mut one = image(kind, tenant, i64::from(number % 5), &[]);
        fill(&mut random, &mut one, 70);
        let commit = create([one.clone()]);
        store.commit(&commit).await.unwrap();
        model.commit(&commit).await.unwrap();
        images.push(Arc::new(one));
    }
    for round in 0..2 {
        for one in &mut images {
            let commit = match random.below(4) {
                0 => continue,
                1 => compute(one, |image| {
                    for (position, field) in image.decl.fields.iter().enumerate() {
                        if field.section == crm_core::schema::Section::Machine {
                            image.values[position] = value(&mut random, field.ty);
                        }
                    }
                }),
                2 => update(one, 10 + round, |image| {
                    let is_archived = image.is_archived();
                    set(image, "archived_at", if is_archived { Value::Null } else { Value::Time(at(round)) });
                }),
                _ => update(one, 10 + round, |image| {
                    let machine: Vec<Value> = image.values.clone();
                    fill(&mut random, image, 30);
                    for (position, field) in image.decl.fields.iter().enumerate() {
                        if field.section == crm_core::schema::Section::Machine {
                            image.values[position] = machine[position].clone();
                        }
                    }
                }),
            };
            store.commit(&commit).await.unwrap();
            model.commit(&commit).await.unwrap();
            *one = Arc::clone(&commit.writes[0].after);
            assert_eq!(get(&store, one).await, get(&model, one).await, "seed {seed} {kind}");
        }
        for query in queries(&mut random, tenant, &images, kind) {
            let (ours, theirs) = (walk(&store, query.clone()).await, walk(&model, query.clone()).await);
            assert_eq!(ours, theirs, "seed {seed} {kind} {} {:?} {:?}", query.index.name, query.equals, query.filter);
        }
    }
}

#[tokio::test]
async fn leads_are_listed_as_in_memory() {
    for seed in 0..2 {
        agree(seed, Kind::Lead).await;
    }
}

#[tokio::test]
async fn every_kind_is_listed_as_in_memory() {
    for (seed, &kind) in Kind::ALL.iter().enumerate() {
        agree(1000 + seed as u64, kind).await;
    }
}

#[tokio::test]
async fn many_filters_hold_of_the_same_records() {
    let mut random = Random(7);
    let (store, model) = (fresh().await, MemoryStore::new());
    let tenant = id();
    for number in 0..8 {
        let commit = create((0..5).map(|_| {
            let mut one = image(Kind::Deal, tenant, number, &[]);
            fill(&mut random, &mut one, 70);
            one
        }));
        store.commit(&commit).await.unwrap();
        model.commit(&commit).await.unwrap();
    }
    let mut shown = 0;
    for _ in 0..150 {
        let mut query = query(Kind::Deal, tenant, " -> created_at", vec![]);
        query.filter = predicate(&mut random, Kind::Deal, 3);
        let (ours, theirs) = (walk(&store, query.clone()).await, walk(&model, query.clone()).await);
        assert_eq!(ours, theirs, "{:?}", query.filter);
        shown += usize::from(!ours.is_empty() && ours.len() < 40);
    }
    assert!(shown > 40, "the filters must tell records apart: {shown}");
}

#[tokio::test]
async fn a_filter_past_dynamodbs_own_limits_is_still_held() {
    let (store, model) = (fresh().await, MemoryStore::new());
    let tenant = id();
    let mut random = Random(3);
    let commit = create((0..20).map(|_| {
        let mut one = image(Kind::Deal, tenant, 0, &[]);
        fill(&mut random, &mut one, 70);
        one
    }));
    store.commit(&commit).await.unwrap();
    model.commit(&commit).await.unwrap();
    let decl = catalog::decl(Kind::Deal);
    let field = decl.position("value").unwrap();
    let operands: Vec<Value> = (0..100)
        .map(|n| Value::Money(format!("{n} {}", if n % 2 == 0 { "USD" } else { "EUR" }).parse().unwrap()))
        .collect();
    let amounts = |negate: bool| {
        let path = Path { field, property: None };
        let test = Test { path, ty: FieldType::Money, list: false, compare: Compare::In, operands: operands.clone() };
        let test = Predicate::Test(test);
        if negate { Predicate::Not(Box::new(test)) } else { test }
    };
    for negate in [false, true] {
        let mut query = query(Kind::Deal, tenant, " -> created_at", vec![]);
        query.filter = amounts(negate).and(amounts(negate));
        let ours = walk(&store, query.clone()).await;
        assert!(!ours.is_empty());
        assert_eq!(ours, walk(&model, query).await);
    }
}

#[tokio::test]
async fn a_walk_over_more_than_a_megabyte_misses_nothing_and_reads_four_pages_a_call() {
    let store = fresh().await;
    let tenant = id();
    let filler: BTreeMap<String, Value> = (0..40).map(|n| (format!("p{n}"), Value::text("x".repeat(1400)))).collect();
    let filler = Value::Map(Arc::new(filler));
    for batch in 0..8 {
        let images = (0..10).map(|n| {
            let name = if batch == 7 && n == 9 { "needle" } else { "hay" };
            image(Kind::Lead, tenant, batch * 10 + n, &[("name", Value::text(name)), ("properties", filler.clone())])
        });
        store.commit(&create(images)).await.unwrap();
    }
    let mut all = query(Kind::Lead, tenant, " -> created_at", vec![]);
    all.limit = 1000;
    let page = store.list(&all).await.unwrap();
    // 4.5 MB do not fit into four pages of 1 MB, so the result is partial.
    assert!(page.next.is_some() && !page.items.is_empty() && page.items.len() < 80, "{}", page.items.len());
    assert_eq!(walk(&store, all.clone()).await.len(), 80);

    let decl = catalog::decl(Kind::Lead);
    let name = decl.position("name").unwrap();
    all.filter = Predicate::field_eq(name, FieldType::Text(255), Value::text("needle"));
    all.limit = 1;
    let first = store.list(&all).await.unwrap();
    assert!(first.items.is_empty() && first.next.is_some());
    assert_eq!(walk(&store, all).await.len(), 1);
}

#[tokio::test]
async fn an_exhausted_list_has_no_cursor_and_a_bad_one_is_refused() {
    let store = fresh().await;
    let tenant = id();
    store.commit(&create((0..4).map(|n| image(Kind::Lead, tenant, n, &[])))).await.unwrap();
    let mut leads = query(Kind::Lead, tenant, " -> created_at", vec![]);
    leads.limit = 4;
    let page = store.list(&leads).await.unwrap();
    assert_eq!((page.items.len(), page.next), (4, None));
    leads.limit = 3;
    let page = store.list(&leads).await.unwrap();
    assert_eq!(page.next, Some(Position { sort: Value::Time(at(2)), id: page.items[2].id }));

    leads.after = Some(Position { sort: Value::Int(3), id: id() });
    assert!(matches!(store.list(&leads).await, Err(StoreError::BadQuery(_))));
    // A position without a record: the list continues after it, within this tenant only.
    leads.after = Some(Position { sort: Value::Time(at(1)), id: known(0) });
    leads.tenant = id();
    assert!(store.list(&leads).await.unwrap().items.is_empty());
    leads.tenant = tenant;
    assert_eq!(store.list(&leads).await.unwrap().items.len(), 3);
    leads.after = None;
    leads.equals = vec![Value::Null];
    assert!(matches!(store.list(&leads).await, Err(StoreError::BadQuery(_))));
}

#[tokio::test]
async fn entries_of_links_follow_their_records() {
    let store = fresh().await;
    let tenant = id();
    let (ada, bob) = (Ref::new(Kind::Lead, known(1)), Ref::new(Kind::Contact, known(2)));
    let links = |to: &[Ref]| Value::list(to.iter().copied().map(Value::Ref));
    let mut tasks = Vec::new();
    for number in 0..5 {
        let fields = [("links", links(&[ada, bob])), ("due_at", Value::Time(at(100 - number)))];
        tasks.push(image(Kind::Task, tenant, number, &fields));
    }
    store.commit(&create(tasks.clone())).await.unwrap();
    let of = |target: Ref| query(Kind::Task, tenant, "links -> due_at", vec![Value::Ref(target)]);
    let ids = |images: Vec<Arc<Image>>| images.iter().map(|image| image.id).collect::<Vec<_>>();
    let mut expected: Vec<Id> = tasks.iter().rev().map(|task| task.id).collect();
    let mut by_twos = of(ada);
    by_twos.limit = 2;
    assert_eq!(ids(walk(&store, by_twos.clone()).await), expected);

    // Another due date, unlinked, archived.
    let stored = get(&store, &tasks[4]).await.unwrap();
    store.commit(&update(&stored, 9, |task| set(task, "due_at", Value::Null))).await.unwrap();
    let stored = get(&store, &tasks[3]).await.unwrap();
    store.commit(&update(&stored, 9, |task| set(task, "links", links(&[bob])))).await.unwrap();
    let stored = get(&store, &tasks[2]).await.unwrap();
    store.commit(&update(&stored, 9, |task| set(task, "archived_at", Value::Time(at(9))))).await.unwrap();
    expected = vec![tasks[1].id, tasks[0].id, tasks[4].id];
    assert_eq!(ids(walk(&store, by_twos.clone()).await), expected);
    by_twos.descending = true;
    expected.reverse();
    assert_eq!(ids(walk(&store, by_twos).await), expected);
    assert_eq!(walk(&store, of(bob)).await.len(), 4);
}
