//! Conversion of records, long texts, changes and idempotency keys to and from items.

use std::{borrow::Cow, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue as Attribute;
use crm_core::{
    catalog,
    change::{Change, FieldChange, Origin},
    schema::{Image, Versions},
    store::{HistoryPosition, KeyEntry, LogPosition, StoreError, Write},
    value::{Id, Kind, Ref, Time, Value},
};

use crate::{
    key::{self, Key},
    layout::{self, LOG, MACHINE, MOVES, PARTITIONS, PERSON, TEXTS_VERSION},
    reference::AnyRef,
    table::EXPIRES,
    value::{self, Item, corrupt},
};

/// Attributes of a change. A missing attribute is empty; a missing time equals the time of recording.
const COMMIT: &str = "c";
const OCCURRED_AT: &str = "o";
const BY: &str = "b";
const ACTION: &str = "a";
const ORIGIN: &str = "r";
const WITH: &str = "i";
const STAGE_MOVE: &str = "p";
const CAUSE: &str = "z";
/// The names of the changed fields, and their old and new values in the same order. They are separate attributes so
/// that a query can filter by field. Old values are omitted if all are missing, as in a creation.
pub(crate) const FIELDS: &str = "f";
const OLD: &str = "d";
const NEW: &str = "n";

/// Attributes of idempotency keys and claims.
const FINGERPRINT: &str = "h";
const RECORDS: &str = "r";
pub(crate) const EXPIRES_AT: &str = "e";
const NAME: &str = "k";
pub(crate) const HOLDER: &str = "h";

/// The attributes of an epoch. Both epochs share one item.
pub(crate) struct Epoch {
    /// The commit that last changed the epoch.
    pub(crate) id: &'static str,
    /// The records that this commit wrote, with their new versions.
    pub(crate) written: &'static str,
}

pub(crate) const DEFINITIONS: Epoch = Epoch { id: "e", written: "w" };
pub(crate) const ACCESS: Epoch = Epoch { id: "a", written: "x" };

/// The item of long texts, with the record's version of them.
pub(crate) fn texts(image: &Image) -> Option<Item> {
    if !image.has_long_text() {
        return None;
    }
    let mut item = key::texts(image.tenant, image.reference()).attributes();
    item.insert(TEXTS_VERSION.to_owned(), value::number(image.versions.person));
    for (field, value) in image.decl.fields.iter().zip(&image.values) {
        if let (true, Value::Text(text)) = (field.is_long(), value) {
            item.insert(field.name.to_owned(), Attribute::S(text.to_string()));
        }
    }
    Some(item)
}

/// The item of a new record.
pub(crate) fn record(image: &Image) -> Item {
    let mut item = key::record(image.tenant, image.reference()).attributes();
    item.insert(PERSON.to_owned(), value::number(image.versions.person));
    item.insert(MACHINE.to_owned(), value::number(image.versions.machine));
    if image.has_long_text() {
        item.insert(TEXTS_VERSION.to_owned(), value::number(image.versions.person));
    }
    for (field, value) in image.values.iter().enumerate() {
        if let Some(attribute) = value::to_field(image.decl, field, value) {
            item.insert(layout::attribute(image.decl, field).to_owned(), attribute);
        }
    }
    if let Some((_, Some(time))) = expires_at(image) {
        item.insert(EXPIRES.to_owned(), time);
    }
    let due = due(image).map(|(_, name, partition)| (name, partition));
    for (name, partition) in partitions(image).into_iter().chain(due) {
        if let Some(partition) = partition {
            item.insert(name.to_owned(), Attribute::S(partition));
        }
    }
    for (name, place) in layout::of(image.decl).sort_keys(image, |_| true) {
        item.insert(name.to_owned(), Attribute::S(place));
    }
    item
}

/// The time from which DynamoDB may delete an item, in whole seconds, rounded up.
fn expires(at: Time) -> Attribute {
    value::number(at.micros().div_euclid(1_000_000) + 1)
}

/// The field that holds the expiry time of a record, and the time from which DynamoDB may delete it.
pub(crate) fn expires_at(image: &Image) -> Option<(usize, Option<Attribute>)> {
    let field = image.decl.expires_at?;
    Some((field, image.values[field].as_time().map(expires)))
}

/// The field that holds the due time of a record, with the attribute and the partition of the record in the index of
/// all tenants' due records. Archived records are included, because writes of the machine group do not know whether the
/// record is archived.
pub(crate) fn due(image: &Image) -> Option<(usize, &'static str, Option<String>)> {
    let field = image.decl.due?;
    let (_, name, _) = layout::global(layout::of(image.decl).due?);
    Some((field, name, image.values[field].as_time().map(|_| key::due_of(image.kind(), image.tenant))))
}

/// The partition attributes of the kind's indexes and their values for a record.
pub(crate) fn partitions(image: &Image) -> Vec<(&'static str, Option<String>)> {
    let layout = layout::of(image.decl);
    let mut partitions: Vec<(&'static str, Option<String>)> = Vec::with_capacity(PARTITIONS.len());
    for index in image.decl.indexes.iter().filter(|index| !index.per_element) {
        let (_, name, _) = layout::global(layout.slots[index.position]);
        let partition = layout.partition(image, index);
        // The index of archived records by archiving time shares the slot of the walk; a record is in only one of them.
        match partitions.iter_mut().find(|(other, _)| *other == name) {
            Some((_, held)) => *held = held.take().or(partition),
            None => partitions.push((name, partition)),
        }
    }
    partitions
}

/// Decodes the versions of a record.
pub(crate) fn versions(item: &Item) -> Result<Versions, StoreError> {
    Ok(Versions { person: value::read_version(item, PERSON)?, machine: value::read_version(item, MACHINE)? })
}

/// The records written by a commit that are cached under the epochs: references and versions, as stored in the item of
/// the epochs.
pub(crate) fn written(writes: &[Write]) -> Attribute {
    let is_kept =
        |image: &Image| image.decl.is_definition || matches!(image.kind(), Kind::User | Kind::Session | Kind::ApiKey);
    let written = writes.iter().map(|write| write.after.as_ref()).filter(|image| is_kept(image)).map(|image| {
        let Versions { person, machine } = image.versions;
        let record = AnyRef::from(image.reference()).attribute();
        Attribute::L(vec![record, value::number(person), value::number(machine)])
    });
    Attribute::L(written.collect())
}

/// Returns `true` if a record is older than the version in the item of the epochs.
pub(crate) fn is_behind(image: &Image, written: Versions) -> bool {
    image.versions.person < written.person || image.versions.machine < written.machine
}

/// Decodes the records written by the last commits of both epochs, skipping unknown kinds. Empty if the item has none.
pub(crate) fn read_written(item: &Item) -> Result<Vec<(Ref, Versions)>, StoreError> {
    let lists = [&DEFINITIONS, &ACCESS].into_iter().filter_map(|epoch| item.get(epoch.written)?.as_l().ok());
    lists
        .flatten()
        .filter_map(|one| one.as_l().map_err(|_| corrupt("epoch")).and_then(|one| read_versioned(one)).transpose())
        .collect()
}

/// Decodes a reference and its two versions; `None` if the kind is unknown.
fn read_versioned(parts: &[Attribute]) -> Result<Option<(Ref, Versions)>, StoreError> {
    let read = || {
        let [record, person, machine, ..] = parts else { return None };
        let version = |part: &Attribute| part.as_n().ok()?.parse().ok();
        Some((AnyRef::read(record)?, Versions { person: version(person)?, machine: version(machine)? }))
    };
    let (record, versions) = read().ok_or_else(|| corrupt("reference"))?;
    Ok(record.known().map(|record| (record, versions)))
}

/// Decodes a record without long texts; `None` if its kind is unknown.
pub(crate) fn read_record(item: &Item) -> Result<Option<Image>, StoreError> {
    let key = Key::of(item).ok_or_else(|| corrupt("key"))?;
    let (tenant, record) = key::read_record(&key).ok_or_else(|| corrupt("key"))?;
    let Some(record) = record.known() else { return Ok(None) };
    let decl = catalog::decl(record.kind);
    let values = (0..decl.fields.len())
        .map(|field| value::from_field(decl, field, item.get(layout::attribute(decl, field))))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Image { decl, tenant, id: record.id, versions: versions(item)?, values }))
}

/// Decodes a record and its long texts. `None` if the two items are of different versions and must be read again.
pub(crate) fn read_whole(item: &Item, texts: Option<&Item>) -> Result<Option<Image>, StoreError> {
    let mut image = read_record(item)?.ok_or_else(|| corrupt("key"))?;
    if let Some(written) = item.get(TEXTS_VERSION) {
        let Some(texts) = texts.filter(|texts| texts.get(TEXTS_VERSION) == Some(written)) else { return Ok(None) };
        for (field, value) in image.decl.fields.iter().zip(&mut image.values) {
            if field.is_long() && *value == Value::NotLoaded {
                let text = texts.get(field.name).and_then(|text| text.as_s().ok());
                *value = Value::text(text.ok_or_else(|| corrupt(field.name))?.as_str());
            }
        }
    }
    Ok(Some(image))
}

pub(crate) fn change(tenant: Id, change: &Change) -> Item {
    let place = |time| {
        Attribute::S(key::log_place(LogPosition {
            time,
            record: change.record,
            group: change.group,
            version: change.version,
        }))
    };
    let position = HistoryPosition { recorded_at: change.recorded_at, group: change.group, version: change.version };
    let mut item = Key { pk: key::partition(tenant, change.record), sk: key::history(position) }.attributes();
    let mut set = |name: &str, attribute| {
        item.insert(name.to_owned(), attribute);
    };
    set(LOG.0, Attribute::S(key::log(tenant)));
    set(LOG.1, place(change.recorded_at));
    if let Some(pipeline) = change.stage_move {
        set(MOVES.0, Attribute::S(key::stage_moves(tenant, pipeline)));
        set(MOVES.1, place(change.occurred_at));
        set(STAGE_MOVE, value::id(pipeline));
    }
    set(COMMIT, value::id(change.commit));
    set(ACTION, Attribute::S(change.action.to_string()));
    if change.occurred_at != change.recorded_at {
        set(OCCURRED_AT, value::number(change.occurred_at.micros()));
    }
    if let Some(by) = change.by {
        set(BY, value::id(by));
    }
    if let Some(origin) = &change.origin {
        let parts = [&origin.through, &origin.detail, &origin.address, &origin.user_agent];
        let text = |part: &Option<String>| part.clone().map_or(Attribute::Null(true), Attribute::S);
        set(ORIGIN, Attribute::L(parts.map(text).into()));
    }
    if let Some(cause) = &change.cause {
        set(CAUSE, Attribute::S(cause.to_string()));
    }
    if !change.with.is_empty() {
        set(WITH, Attribute::L(change.with.iter().map(|&target| AnyRef::from(target).attribute()).collect()));
    }
    if !change.fields.is_empty() {
        set(FIELDS, Attribute::L(change.fields.iter().map(|f| Attribute::S(f.field.to_string())).collect()));
        set(NEW, Attribute::L(change.fields.iter().map(|f| value::to_tagged(&f.new)).collect()));
        if !change.fields.iter().all(|field| field.old.is_null()) {
            set(OLD, Attribute::L(change.fields.iter().map(|f| value::to_tagged(&f.old)).collect()));
        }
    }
    item
}

/// Decodes a [`change`] and its tenant; `None` if the record is of an unknown kind.
pub(crate) fn read_change(item: &Item) -> Result<Option<(Id, Change)>, StoreError> {
    let key = Key::of(item).ok_or_else(|| corrupt("key"))?;
    let (tenant, record, position) = key::read_change(&key).ok_or_else(|| corrupt("key"))?;
    let Some(record) = record.known() else { return Ok(None) };
    let list = |name: &str| -> Result<&[Attribute], StoreError> {
        item.get(name).map_or(Ok(&[][..]), |list| list.as_l().map(Vec::as_slice).map_err(|_| corrupt("list")))
    };
    let id = |name: &str| -> Result<Option<Id>, StoreError> {
        item.get(name).map(|id| value::read_id(id).ok_or_else(|| corrupt("id"))).transpose()
    };
    let (names, old, new) = (list(FIELDS)?, list(OLD)?, list(NEW)?);
    if names.len() != new.len() || !(old.is_empty() || old.len() == new.len()) {
        return Err(corrupt("list of fields"));
    }
    let fields = names
        .iter()
        .zip(new)
        .enumerate()
        .map(|(at, (name, new))| {
            Ok(FieldChange {
                field: Cow::Owned(name.as_s().map_err(|_| corrupt("name"))?.clone()),
                old: old.get(at).map_or(Ok(Value::Null), value::from_tagged)?,
                new: value::from_tagged(new)?,
            })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    let with = list(WITH)?
        .iter()
        .filter_map(|target| AnyRef::read(target).map(AnyRef::known).ok_or_else(|| corrupt("reference")).transpose())
        .collect::<Result<Vec<_>, _>>()?;
    let occurred_at = match item.get(OCCURRED_AT) {
        None => position.recorded_at,
        Some(time) => value::read_time(time).ok_or_else(|| corrupt("time"))?,
    };
    let action = item.get(ACTION).and_then(|action| action.as_s().ok()).ok_or_else(|| corrupt("action"))?;
    let change = Change {
        record,
        group: position.group,
        version: position.version,
        commit: id(COMMIT)?.map(Id::typed).ok_or_else(|| corrupt("commit"))?,
        recorded_at: position.recorded_at,
        occurred_at,
        by: id(BY)?.map(Id::typed),
        action: Cow::Owned(action.clone()),
        origin: match list(ORIGIN)? {
            [] => None,
            parts => Some(Arc::new(read_origin(parts)?)),
        },
        fields,
        with,
        stage_move: id(STAGE_MOVE)?.map(Id::typed),
        cause: item.get(CAUSE).map(read_json).transpose()?.map(Arc::new),
    };
    Ok(Some((tenant, change)))
}

fn read_json(attribute: &Attribute) -> Result<serde_json::Value, StoreError> {
    let text = attribute.as_s().ok();
    text.and_then(|text| serde_json::from_str(text).ok()).ok_or_else(|| corrupt("JSON"))
}

/// Decodes an origin. Elements after the fourth, written by a newer program, are ignored.
fn read_origin(parts: &[Attribute]) -> Result<Origin, StoreError> {
    let [through, detail, address, user_agent, ..] = parts else { return Err(corrupt("origin")) };
    let text = |part: &Attribute| part.as_s().ok().cloned();
    Ok(Origin { through: text(through), detail: text(detail), address: text(address), user_agent: text(user_agent) })
}

/// The item of an idempotency key.
pub(crate) fn entry(tenant: Id, entry: &KeyEntry) -> Item {
    let mut item = key::idempotency(tenant, &entry.key).attributes();
    let mut set = |name: &str, attribute| {
        item.insert(name.to_owned(), attribute);
    };
    set(NAME, Attribute::S(entry.key.clone()));
    set(FINGERPRINT, Attribute::S(entry.fingerprint.clone()));
    set(COMMIT, value::id(entry.commit));
    set(EXPIRES_AT, value::number(entry.expires_at.micros()));
    // Until DynamoDB deletes the item, the time above is authoritative.
    set(EXPIRES, expires(entry.expires_at));
    let records = entry.records.iter().flat_map(|(record, versions)| {
        [AnyRef::from(*record).attribute(), value::number(versions.person), value::number(versions.machine)]
    });
    set(RECORDS, Attribute::L(records.collect()));
    item
}

/// Decodes an [`entry`], skipping records of unknown kinds.
pub(crate) fn read_entry(item: &Item) -> Result<KeyEntry, StoreError> {
    let wrong = || corrupt("idempotency key");
    let text = |name: &str| item.get(name).and_then(|text| text.as_s().ok()).cloned().ok_or_else(wrong);
    let records = item.get(RECORDS).and_then(|list| list.as_l().ok()).ok_or_else(wrong)?;
    let records = records.chunks(3).filter_map(|parts| read_versioned(parts).transpose());
    let expires_at: Option<Time> = item.get(EXPIRES_AT).and_then(value::read_time);
    Ok(KeyEntry {
        key: text(NAME)?,
        fingerprint: text(FINGERPRINT)?,
        commit: item.get(COMMIT).and_then(value::read_id).map(Id::typed).ok_or_else(wrong)?,
        records: records.collect::<Result<_, _>>()?,
        expires_at: expires_at.ok_or_else(wrong)?,
    })
}

/// The holder of a claim: tenant and record in one attribute.
pub(crate) fn holder(tenant: Id, record: Ref) -> Attribute {
    Attribute::S(key::partition(tenant, record))
}

/// Decodes a [`holder`].
pub(crate) fn read_holder(item: &Item) -> Result<(Id, AnyRef<'_>), StoreError> {
    let text = item.get(HOLDER).and_then(|holder| holder.as_s().ok()).ok_or_else(|| corrupt("holder"))?;
    key::read_partition(text).ok_or_else(|| corrupt("holder"))
}
