//! Commits built by hand as the core would build them: the store's view without use cases.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crm_core::{
    catalog,
    change::{Change, FieldChange},
    filter::Predicate,
    schema::{Group, Image, common},
    store::{Answer, Claim, ClaimOp, Commit, CommitId, Got, Guard, KeyEntry, Query, Records, Want, Write},
    value::{Id, Kind, Ref, Time, Value},
};

/// Returns a unique id, greater than all before.
pub fn id() -> Id {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&number.to_be_bytes());
    Id::from_parts(1_700_000_000_000 + number, bytes)
}

/// Returns a time, the given number of seconds after a fixed one.
pub fn at(seconds: i64) -> Time {
    Time::from_micros(1_700_000_000_000_000 + seconds * 1_000_000).unwrap()
}

/// A record with the defaults of its kind, created at the given time, with some fields set.
pub fn image(kind: Kind, tenant: Id, seconds: i64, fields: &[(&str, Value)]) -> Image {
    let decl = catalog::decl(kind);
    let mut image = Image::empty(decl, tenant, id());
    catalog::write_defaults(kind, &mut image.values);
    image.versions.person = 1;
    image.values[common::CREATED_AT] = Value::Time(at(seconds));
    image.values[common::UPDATED_AT] = Value::Time(at(seconds));
    for (name, value) in fields {
        set(&mut image, name, value.clone());
    }
    image
}

pub fn set(image: &mut Image, name: &str, value: Value) {
    let position = image.decl.position(name).unwrap_or_else(|| panic!("no field {name}"));
    image.values[position] = value;
}

fn change(before: Option<&Image>, after: &Image, commit: CommitId, time: Time, version: u64) -> Change {
    let fields =
        after.decl.fields.iter().enumerate().filter(|(_, field)| field.is_logged()).filter_map(|(at, field)| {
            let old = before.map_or(Value::Null, |before| before.values[at].clone());
            let new = after.values[at].clone();
            (old != new).then_some(FieldChange { field: Cow::Borrowed(field.name), old, new })
        });
    let fields: Vec<FieldChange> = fields.collect();
    let is_move = fields.iter().any(|field| field.field == "stage_id");
    Change {
        record: after.reference(),
        group: Group::User,
        version,
        commit,
        recorded_at: time,
        occurred_at: time,
        by: None,
        action: Cow::Borrowed(if before.is_none() { "create" } else { "update" }),
        origin: None,
        fields,
        with: Vec::new(),
        stage_move: after.get("pipeline_id").as_id().filter(|_| is_move).map(Id::typed),
        cause: None,
    }
}

/// An empty commit.
pub fn commit(tenant: Id, time: Time) -> Commit {
    Commit { id: id().typed(), tenant, at: time, writes: Vec::new(), guards: Vec::new(), claims: Vec::new(), key: None }
}

/// A commit that creates records.
pub fn create(images: impl IntoIterator<Item = Image>) -> Commit {
    let mut images = images.into_iter().peekable();
    let first = images.peek().expect("one record");
    let mut commit = commit(first.tenant, first.values[common::CREATED_AT].as_time().unwrap());
    for after in images {
        let change = change(None, &after, commit.id, commit.at, after.versions.person);
        commit.writes.push(Write { before: None, after: Arc::new(after), changes: vec![change] });
    }
    commit.sort();
    commit
}

/// A commit in which a user changes one record.
pub fn update(before: &Arc<Image>, seconds: i64, edit: impl FnOnce(&mut Image)) -> Commit {
    let mut after = before.as_ref().clone();
    edit(&mut after);
    after.versions.person += 1;
    after.values[common::UPDATED_AT] = Value::Time(at(seconds));
    let mut commit = commit(before.tenant, at(seconds));
    let change = change(Some(before), &after, commit.id, at(seconds), after.versions.person);
    commit.writes.push(Write { before: Some(Arc::clone(before)), after: Arc::new(after), changes: vec![change] });
    commit
}

/// A commit that changes one record's machine group, without logging it.
pub fn compute(before: &Arc<Image>, edit: impl FnOnce(&mut Image)) -> Commit {
    let mut after = before.as_ref().clone();
    edit(&mut after);
    after.versions.machine += 1;
    let mut commit = commit(before.tenant, at(0));
    commit.writes.push(Write { before: Some(Arc::clone(before)), after: Arc::new(after), changes: Vec::new() });
    commit
}

pub fn guard(image: &Image, version: u64) -> Guard {
    Guard { record: image.reference(), version }
}

pub fn claim(tenant: Id, value: &str) -> Claim {
    Claim::new(tenant, Kind::Lead, "external_id", value)
}

pub fn take(claim: Claim, holder: Ref) -> ClaimOp {
    ClaimOp::Take { claim, holder }
}

pub fn key_entry(key: &str, commit: &Commit, expires_at: Time) -> KeyEntry {
    KeyEntry {
        key: key.to_owned(),
        fingerprint: "f".repeat(64),
        commit: commit.id,
        records: commit.writes.iter().map(|write| (write.record(), write.after.versions)).collect(),
        expires_at,
    }
}

/// Reads one record by id.
pub async fn get(store: &dyn Records, image: &Image) -> Option<Arc<Image>> {
    let wants = [Want::Record(image.reference())];
    let Answer { got, .. } = store.get(image.tenant, &wants).await.unwrap();
    match got.into_iter().next() {
        Some(Got::Record(image)) => image,
        other => panic!("no record: {other:?}"),
    }
}

/// A query of a whole list by an index.
pub fn query(kind: Kind, tenant: Id, index: &str, equals: Vec<Value>) -> Query {
    let decl = catalog::decl(kind);
    Query {
        tenant,
        decl,
        index: decl.index(index).unwrap_or_else(|| panic!("no index {index}")),
        equals,
        descending: false,
        filter: Predicate::always(),
        after: None,
        limit: 100,
    }
}

/// Reads all records of a list page by page.
pub async fn walk(store: &dyn Records, mut query: Query) -> Vec<Arc<Image>> {
    let mut all = Vec::new();
    loop {
        let page = store.list(&query).await.unwrap();
        assert!(page.items.len() <= query.limit);
        all.extend(page.items);
        query.after = page.next;
        if query.after.is_none() {
            return all;
        }
    }
}
