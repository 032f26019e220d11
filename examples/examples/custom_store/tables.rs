//! The tables of the file, and the conversion of records to keys and rows.
//!
//! redb compares tuple keys part by part, so the key of every table simply lists its parts in the order that the
//! contract requires. Kinds are represented by [`Kind::code`], which sorts like their names, as the contract requires
//! for logs.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use crm_core::{
    catalog,
    change::Change,
    schema::{FieldType, Group, Image, IndexDecl, Section, Versions},
    store::{Claim, Epochs, LogPosition, Write},
    value::{Id, Kind, Ref, Time, Value},
};
use redb::TableDefinition;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Tenant, kind, id.
pub type RecordKey = (u128, u16, u128);
/// Time of recording, group, version: the order of the changes of a record.
pub type ChangeAt = (i64, u8, u64);
/// Time, kind, id, group, version: the order of logs over many records.
pub type LogAt = (i64, u16, u128, u8, u64);
/// Tenant, kind, name, value.
pub type ClaimKey<'a> = (u128, u16, &'a str, &'a str);
/// Tenant, kind, index, equal values, sort value, id.
pub type IndexKey<'a> = (u128, u16, &'a str, &'a str, &'a [u8], u128);

/// The records as [`Row`]s.
pub const RECORDS: TableDefinition<'_, RecordKey, &[u8]> = TableDefinition::new("records");
/// One entry per record and declared index that contains it.
pub const INDEX: TableDefinition<'_, IndexKey<'static>, ()> = TableDefinition::new("index");
/// The holders of claims.
pub const CLAIMS: TableDefinition<'_, ClaimKey<'static>, RecordKey> = TableDefinition::new("claims");
/// Idempotency keys by tenant.
pub const KEYS: TableDefinition<'_, (u128, &str), &[u8]> = TableDefinition::new("keys");
/// The last commits that changed the tenant's definitions and access.
pub const EPOCHS: TableDefinition<'_, u128, (u128, u128)> = TableDefinition::new("epochs");
/// All changes by record. The three tables below refer to them.
pub const CHANGES: TableDefinition<'_, (RecordKey, ChangeAt), &[u8]> = TableDefinition::new("changes");
/// The changes of a tenant by time of recording.
pub const LOG: TableDefinition<'_, (u128, LogAt), ()> = TableDefinition::new("log");
/// The stage moves of a pipeline by time of occurrence; the value is the time of recording.
pub const MOVES: TableDefinition<'_, (u128, u128, LogAt), i64> = TableDefinition::new("moves");
/// All changes in commit order.
pub const FEED: TableDefinition<'_, u64, (RecordKey, ChangeAt)> = TableDefinition::new("feed");
/// The places of the consumers of the feed.
pub const PLACES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("places");

/// An id as a key. Numbers sort like ids.
pub const fn number<K>(id: Id<K>) -> u128 {
    u128::from_be_bytes(id.bytes())
}

/// Decodes a value of [`EPOCHS`].
pub const fn epochs((definitions, access): (u128, u128)) -> Epochs {
    Epochs { definitions: id(definitions), access: id(access) }
}

/// Decodes [`number`].
pub const fn id<K>(number: u128) -> Id<K> {
    Id::from_uuid(Uuid::from_u128(number))
}

/// A kind as a key: the two characters of its code.
pub const fn kind_key(kind: Kind) -> u16 {
    let code = kind.code().as_bytes();
    u16::from_be_bytes([code[0], code[1]])
}

/// Decodes [`kind_key`]; `None` for a kind of a newer program.
fn kind_of(key: u16) -> Option<Kind> {
    Kind::from_code(std::str::from_utf8(&key.to_be_bytes()).ok()?)
}

/// The key of a record.
pub const fn record_key(tenant: Id, record: Ref) -> RecordKey {
    (number(tenant), kind_key(record.kind), number(record.id))
}

/// The holder of a claim and its tenant; `None` for a kind of a newer program.
pub fn record_of((tenant, kind, record): RecordKey) -> Option<(Id, Ref)> {
    Some((id(tenant), Ref { kind: kind_of(kind)?, id: id(record) }))
}

/// The key of a claim.
pub fn claim_key(claim: &Claim) -> ClaimKey<'_> {
    (number(claim.tenant), kind_key(claim.kind), &claim.name, &claim.value)
}

/// The position of a change in the history of its record.
pub const fn change_at(time: Time, group: Group, version: u64) -> ChangeAt {
    (time.micros(), group as u8, version)
}

/// The position of a change in a log.
pub const fn log_at(at: &LogPosition) -> LogAt {
    (at.time.micros(), kind_key(at.record.kind), number(at.record.id), at.group as u8, at.version)
}

/// The position of a change in a log sorted by the given time.
pub const fn log_at_time(change: &Change, time: Time) -> LogAt {
    log_at(&LogPosition { time, record: change.record, group: change.group, version: change.version })
}

/// A position before all changes of a time in a log.
pub const fn floor(time: Time) -> LogAt {
    (time.micros(), 0, 0, 0, 0)
}

/// The keys from `low` to `high` (exclusive), starting after a position in the given direction. `None` if the range is
/// empty.
pub fn span<K: Ord>(low: K, high: K, after: Option<K>, descending: bool) -> Option<(Bound<K>, Bound<K>)> {
    let (low, high) = match after {
        None => (Bound::Included(low), high),
        Some(after) if descending => (Bound::Included(low), after.min(high)),
        Some(after) if after < low => (Bound::Included(low), high),
        Some(after) => (Bound::Excluded(after), high),
    };
    let (Bound::Included(first) | Bound::Excluded(first)) = &low else { return None };
    (*first < high).then_some((low, Bound::Excluded(high)))
}

/// A sort value as bytes that sort like it, missing values last. `None` if the value is not of the type.
pub fn sort_bytes(ty: FieldType, value: &Value) -> Option<Vec<u8>> {
    // Flipping the sign bit sorts negative numbers first.
    let ordered = |number: i64| (number ^ i64::MIN).to_be_bytes();
    let mut bytes = vec![PRESENT];
    match (ty, value) {
        (_, Value::Null) => return Some(vec![MISSING]),
        (FieldType::Time, Value::Time(time)) => bytes.extend(ordered(time.micros())),
        (FieldType::Date, Value::Date(date)) => bytes.extend(ordered(date.days().into())),
        (FieldType::Int(..), Value::Int(number)) => bytes.extend(ordered(*number)),
        (FieldType::Text(_), Value::Text(text)) => bytes.extend(text.as_bytes()),
        _ => return None,
    }
    Some(bytes)
}

const PRESENT: u8 = 0;
const MISSING: u8 = 1;
/// Sorts after every sort value.
pub const AFTER_ALL: &[u8] = &[2];

/// Decodes a time encoded by [`sort_bytes`].
pub fn time_of(sort: &[u8]) -> Option<Time> {
    let bytes = sort.strip_prefix(&[PRESENT])?.try_into().ok()?;
    Time::from_micros(i64::from_be_bytes(bytes) ^ i64::MIN).ok()
}

/// Returns `true` for the field types that [`sort_bytes`] supports.
pub const fn is_sortable(ty: FieldType) -> bool {
    matches!(ty, FieldType::Time | FieldType::Date | FieldType::Int(..) | FieldType::Text(_))
}

/// Calls `each` with every key of a record in an index.
pub fn places<E>(image: &Image, index: &IndexDecl, mut each: impl FnMut(IndexKey<'_>) -> Result<(), E>) -> Result<(), E>
where
    E: From<serde_json::Error>,
{
    let ty = image.decl.fields[index.sort].ty;
    let sort = sort_bytes(ty, &index.sort_value(image)).unwrap_or_else(|| vec![MISSING]);
    for entry in index.entries(image) {
        let equals = serde_json::to_string(&entry)?;
        each((number(image.tenant), kind_key(image.kind()), &index.name, &equals, &sort, number(image.id)))?;
    }
    Ok(())
}

/// A stored record: its values by name, in the tagged form that can be read without a declaration. Values with names
/// that this program does not know are preserved.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// The versions of the field groups.
    pub versions: Versions,
    values: BTreeMap<String, Value>,
}

impl Row {
    /// Applies a write to the groups it contains.
    pub fn write(&mut self, write: &Write) {
        for (field, value) in write.after.decl.fields.iter().zip(&write.after.values) {
            let group = if field.section == Section::Machine { Group::Machine } else { Group::User };
            match value {
                _ if !write.writes(group) => {}
                Value::NotLoaded => {} // a long text that was not read is not written
                Value::Null => drop(self.values.remove(field.name)),
                value => drop(self.values.insert(field.name.to_owned(), value.clone())),
            }
        }
        if write.writes(Group::User) {
            self.versions.person = write.after.versions.person;
        }
        if write.writes(Group::Machine) {
            self.versions.machine = write.after.versions.machine;
        }
    }

    /// The complete record.
    pub fn image(mut self, tenant: Id, record: Ref) -> Image {
        let mut image = Image::empty(catalog::decl(record.kind), tenant, record.id);
        image.versions = self.versions;
        for (field, value) in image.decl.fields.iter().zip(&mut image.values) {
            *value = self.values.remove(field.name).unwrap_or_default();
        }
        image
    }

    /// The record as lists return it: long texts are replaced by whether they exist.
    pub fn listed(self, tenant: Id, record: Ref) -> Arc<Image> {
        let mut image = self.image(tenant, record);
        for (field, value) in image.decl.fields.iter().zip(&mut image.values) {
            if field.is_long() && !value.is_null() {
                *value = Value::NotLoaded;
            }
        }
        Arc::new(image)
    }
}
