//! The tables of the file, and how records become keys and rows.
//!
//! redb compares a tuple key part by part, so order needs no tricks: every table's key is written in the order in which
//! the contract wants its rows. Kinds stand in keys by their [`Kind::code`], which sorts as their names do: so the contract
//! wants logs.

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
/// When recorded, group, version: the order of one record's changes.
pub type ChangeAt = (i64, u8, u64);
/// When, kind, id, group, version: the order of logs over many records.
pub type LogAt = (i64, u16, u128, u8, u64);
/// Tenant, kind, name, value.
pub type ClaimKey<'a> = (u128, u16, &'a str, &'a str);
/// Tenant, kind, index, equal values, sort value, id.
pub type IndexKey<'a> = (u128, u16, &'a str, &'a str, &'a [u8], u128);

/// The records, as [`Row`]s.
pub const RECORDS: TableDefinition<'_, RecordKey, &[u8]> = TableDefinition::new("records");
/// One entry for each place of a record in a declared index.
pub const INDEX: TableDefinition<'_, IndexKey<'static>, ()> = TableDefinition::new("index");
/// Who holds a claim.
pub const CLAIMS: TableDefinition<'_, ClaimKey<'static>, RecordKey> = TableDefinition::new("claims");
/// Idempotency keys by tenant.
pub const KEYS: TableDefinition<'_, (u128, &str), &[u8]> = TableDefinition::new("keys");
/// The commits that last changed a tenant's definitions, and what its users may do.
pub const EPOCHS: TableDefinition<'_, u128, (u128, u128)> = TableDefinition::new("epochs");
/// Every change, by record. The three tables below point here.
pub const CHANGES: TableDefinition<'_, (RecordKey, ChangeAt), &[u8]> = TableDefinition::new("changes");
/// A tenant's changes by when they were recorded.
pub const LOG: TableDefinition<'_, (u128, LogAt), ()> = TableDefinition::new("log");
/// A pipeline's stage moves by when they occurred; the value is when they were recorded.
pub const MOVES: TableDefinition<'_, (u128, u128, LogAt), i64> = TableDefinition::new("moves");
/// All changes in the order in which they were stored.
pub const FEED: TableDefinition<'_, u64, (RecordKey, ChangeAt)> = TableDefinition::new("feed");
/// How far each consumer of the feed has come.
pub const PLACES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("places");

/// An id as a key: the order of the numbers is the order of the ids.
pub const fn number(id: Id) -> u128 {
    u128::from_be_bytes(id.bytes())
}

/// What [`EPOCHS`] holds of a tenant.
pub const fn epochs((definitions, access): (u128, u128)) -> Epochs {
    Epochs { definitions: id(definitions), access: id(access) }
}

/// And back.
pub const fn id(number: u128) -> Id {
    Id::from_uuid(Uuid::from_u128(number))
}

/// A kind as a key: the two characters of its code.
pub const fn kind_key(kind: Kind) -> u16 {
    let code = kind.code().as_bytes();
    u16::from_be_bytes([code[0], code[1]])
}

/// And back; `None` for a kind of a newer program.
fn kind_of(key: u16) -> Option<Kind> {
    Kind::from_code(std::str::from_utf8(&key.to_be_bytes()).ok()?)
}

/// A record's key.
pub const fn record_key(tenant: Id, record: Ref) -> RecordKey {
    (number(tenant), kind_key(record.kind), number(record.id))
}

/// The record of a claim's holder, with its tenant; `None` where the file names a kind of a newer program.
pub fn record_of((tenant, kind, record): RecordKey) -> Option<(Id, Ref)> {
    Some((id(tenant), Ref::new(kind_of(kind)?, id(record))))
}

/// A claim's key.
pub fn claim_key(claim: &Claim) -> ClaimKey<'_> {
    (number(claim.tenant), kind_key(claim.kind), &claim.name, &claim.value)
}

/// Where a change stands in its record's history.
pub const fn change_at(time: Time, group: Group, version: u64) -> ChangeAt {
    (time.micros(), group as u8, version)
}

/// Where a change stands in a log.
pub const fn log_at(at: &LogPosition) -> LogAt {
    (at.time.micros(), kind_key(at.record.kind), number(at.record.id), at.group as u8, at.version)
}

/// Where a change stands in a log that goes by a time of it.
pub const fn log_at_time(change: &Change, time: Time) -> LogAt {
    log_at(&LogPosition { time, record: change.record, group: change.group, version: change.version })
}

/// The first place of a moment in a log: no change stands before it.
pub const fn floor(time: Time) -> LogAt {
    (time.micros(), 0, 0, 0, 0)
}

/// The keys from `low` up to but not `high`, beginning after a place in the direction of the walk. `None` where there
/// can be none.
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

/// A sort value as bytes in its order, missing values last; `None` where the value is not of the sort field's type.
pub fn sort_bytes(ty: FieldType, value: &Value) -> Option<Vec<u8>> {
    // Flipping the sign's bit puts negative numbers first.
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
/// After every sort value.
pub const AFTER_ALL: &[u8] = &[2];

/// The time that [`sort_bytes`] made these of.
pub fn time_of(sort: &[u8]) -> Option<Time> {
    let bytes = sort.strip_prefix(&[PRESENT])?.try_into().ok()?;
    Time::from_micros(i64::from_be_bytes(bytes) ^ i64::MIN).ok()
}

/// The types of sort field that [`sort_bytes`] knows.
pub const fn is_sortable(ty: FieldType) -> bool {
    matches!(ty, FieldType::Time | FieldType::Date | FieldType::Int(..) | FieldType::Text(_))
}

/// Calls `each` with the key of every place that a record has in an index.
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

/// A record as the file has it: its values by name, in the tagged form that needs no declaration to be read. Names that
/// this program does not know stay where they are.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// The versions of its groups.
    pub versions: Versions,
    values: BTreeMap<String, Value>,
}

impl Row {
    /// Puts the groups that a write names over what is here.
    pub fn write(&mut self, write: &Write) {
        for (field, value) in write.after.decl.fields.iter().zip(&write.after.values) {
            let group = if field.section == Section::Machine { Group::Machine } else { Group::Person };
            match value {
                _ if !write.writes(group) => {}
                Value::NotLoaded => {} // a long text that was not read is not written
                Value::Null => drop(self.values.remove(field.name)),
                value => drop(self.values.insert(field.name.to_owned(), value.clone())),
            }
        }
        if write.writes(Group::Person) {
            self.versions.person = write.after.versions.person;
        }
        if write.writes(Group::Machine) {
            self.versions.machine = write.after.versions.machine;
        }
    }

    /// The whole record.
    pub fn image(mut self, tenant: Id, record: Ref) -> Image {
        let mut image = Image::empty(catalog::decl(record.kind), tenant, record.id);
        image.versions = self.versions;
        for (field, value) in image.decl.fields.iter().zip(&mut image.values) {
            *value = self.values.remove(field.name).unwrap_or_default();
        }
        image
    }

    /// The record as lists show it: long texts are there or not, and not told.
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
