//! The keys of all items. The tenant is always first.
//!
//! ```text
//! what                     pk                                  sk
//! record                   tenant kind id                      r
//! record of a definition   tenant !d                           kind id
//! its long texts           tenant kind id                      t
//! its changes              tenant kind id                      c recorded_at group version
//! entry of an element      tenant kind id (of the element)     e kind field id (of the record)
//! definitions epoch        tenant !e                           -
//! claim                    tenant !c kind name value           -
//! idempotency key          tenant !k key                       -
//! directory of tenants     nil !o                              tenant
//! place of a consumer      nil !f consumer                     -
//! due records of a kind    nil !u kind number (in an index)    due at, id
//! ```
//!
//! A kind is [`Kind::code`], two characters. Ids, times and versions are encoded by [`crate::ordered`], so no
//! separators are needed.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use crm_core::{
    catalog,
    pipelines::Pipeline,
    schema::{Group, IndexDecl, KindDecl},
    store::{Claim, HistoryPosition, LogPosition},
    value::{Id, Kind, Ref, Time, Value},
};

use crate::{
    ordered::{self, ID, TIME, push_id, push_text, push_time, push_version, read_id, read_time, take},
    reference::AnyRef,
};

/// The table's partition key.
pub(crate) const PK: &str = "pk";
/// The table's sort key.
pub(crate) const SK: &str = "sk";

/// The sort key of a record that is not a definition.
const RECORD: &str = "r";
/// The sort key of a record's long texts.
const TEXTS: &str = "t";
/// The prefix of the sort keys of changes.
pub(crate) const CHANGE: char = 'c';
/// The prefix of the sort keys of entries.
const ENTRY: char = 'e';
/// The sort key of items that need none.
const ONLY: &str = "-";

/// The primary key of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    pub(crate) fn attributes(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([
            (PK.to_owned(), AttributeValue::S(self.pk.clone())),
            (SK.to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }

    /// Returns the key of an item; `None` if it is not an item of this table.
    pub(crate) fn of(item: &HashMap<String, AttributeValue>) -> Option<Self> {
        let text = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        Some(Self { pk: text(PK)?, sk: text(SK)? })
    }
}

/// Three characters that identify the name of a field or an index. They do not change if other names are added or
/// removed.
fn name_code(name: &str) -> String {
    // A test verifies that no two names of a kind collide.
    let hash = hash(name.as_bytes());
    let mut whole = String::with_capacity(ID);
    let id: Id = Id::from_uuid(uuid::Uuid::from_u128(u128::from(hash ^ hash >> 32)));
    push_id(&mut whole, id);
    whole.split_off(ID - 3)
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

fn tenant_key(tenant: Id, capacity: usize) -> String {
    let mut pk = String::with_capacity(ID + capacity);
    push_id(&mut pk, tenant);
    pk
}

/// The partition of a record's changes, and of the record itself unless it is a definition.
pub(crate) fn partition<'a>(tenant: Id, record: impl Into<AnyRef<'a>>) -> String {
    let mut pk = tenant_key(tenant, 2 + ID);
    record.into().push(&mut pk);
    pk
}

/// Decodes a [`partition`].
pub(crate) fn read_partition(mut pk: &str) -> Option<(Id, AnyRef<'_>)> {
    let tenant = read_id(take(&mut pk, ID)?)?;
    let record = AnyRef::take(&mut pk)?;
    pk.is_empty().then_some((tenant, record))
}

/// The partition of a tenant's definitions.
pub(crate) fn definitions(tenant: Id) -> String {
    tenant_key(tenant, 2) + "!d"
}

pub(crate) fn record(tenant: Id, record: Ref) -> Key {
    if catalog::decl(record.kind).is_definition {
        let mut sk = String::with_capacity(2 + ID);
        AnyRef::from(record).push(&mut sk);
        return Key { pk: definitions(tenant), sk };
    }
    Key { pk: partition(tenant, record), sk: RECORD.to_owned() }
}

/// Decodes the tenant and record of a record's key.
pub(crate) fn read_record(key: &Key) -> Option<(Id, AnyRef<'_>)> {
    let mut pk = key.pk.as_str();
    if key.sk == RECORD {
        return read_partition(pk);
    }
    let tenant = read_id(take(&mut pk, ID)?).filter(|_| pk == "!d")?;
    let mut sk = key.sk.as_str();
    let record = AnyRef::take(&mut sk)?;
    sk.is_empty().then_some((tenant, record))
}

pub(crate) fn texts(tenant: Id, record: Ref) -> Key {
    Key { pk: partition(tenant, record), sk: TEXTS.to_owned() }
}

pub(crate) fn epoch(tenant: Id) -> Key {
    Key { pk: tenant_key(tenant, 2) + "!e", sk: ONLY.to_owned() }
}

/// The key of a tenant in the directory of all tenants.
pub(crate) fn directory(tenant: Id) -> Key {
    Key { pk: directory_partition(), sk: tenant_key(tenant, 0) }
}

/// The partition of the directory, which belongs to no tenant.
pub(crate) fn directory_partition() -> String {
    tenant_key(Id::NIL, 2) + "!o"
}

/// The key of a feed consumer's place, which belongs to no tenant.
pub(crate) fn feed_place(consumer: &str) -> Key {
    Key { pk: tenant_key(Id::NIL, 2 + consumer.len()) + "!f" + consumer, sk: ONLY.to_owned() }
}

/// Decodes the tenant of a directory entry.
pub(crate) fn read_directory(key: &Key) -> Option<Id> {
    let mut sk = key.sk.as_str();
    let tenant = read_id(take(&mut sk, ID)?)?;
    sk.is_empty().then_some(tenant)
}

pub(crate) fn claim(claim: &Claim) -> Key {
    let mut pk = tenant_key(claim.tenant, 8 + claim.name.len() + claim.value.len()) + "!c" + claim.kind.code();
    push_text(&mut pk, &claim.name);
    pk.push_str(&claim.value);
    Key { pk, sk: ONLY.to_owned() }
}

pub(crate) fn idempotency(tenant: Id, key: &str) -> Key {
    // Idempotency keys that exceed the size limit of a partition key are hashed, like claimed values.
    let short = Claim::new(Id::NIL, Kind::Organization, "", key).value;
    Key { pk: tenant_key(tenant, 2 + short.len()) + "!k" + &short, sk: ONLY.to_owned() }
}

const fn group_code(group: Group) -> char {
    match group {
        Group::User => 'm',
        Group::Machine => 'n',
    }
}

fn group_of(code: &str) -> Option<Group> {
    match code {
        "m" => Some(Group::User),
        "n" => Some(Group::Machine),
        _ => None,
    }
}

/// The sort key of a change in the partition of its record.
pub(crate) fn history(position: HistoryPosition) -> String {
    let mut sk = String::with_capacity(TIME + 6);
    sk.push(CHANGE);
    push_time(&mut sk, position.recorded_at);
    sk.push(group_code(position.group));
    push_version(&mut sk, position.version);
    sk
}

/// Decodes tenant, record and position of a change's key; `None` if it is not a change.
pub(crate) fn read_change(key: &Key) -> Option<(Id, AnyRef<'_>, HistoryPosition)> {
    let (tenant, record) = read_partition(&key.pk)?;
    let mut sk = key.sk.strip_prefix(CHANGE)?;
    let recorded_at = read_time(take(&mut sk, TIME)?)?;
    let group = group_of(take(&mut sk, 1)?)?;
    let version = ordered::take_version(&mut sk).filter(|_| sk.is_empty())?;
    Some((tenant, record, HistoryPosition { recorded_at, group, version }))
}

/// The partition of a tenant's log in the log index.
pub(crate) fn log(tenant: Id) -> String {
    tenant_key(tenant, 2) + "!l"
}

/// The partition of a pipeline's stage moves in their index.
pub(crate) fn stage_moves(tenant: Id, pipeline: Id<Pipeline>) -> String {
    let mut pk = tenant_key(tenant, 2 + ID) + "!m";
    push_id(&mut pk, pipeline);
    pk
}

/// The sort key of a change in the indexes of the log and of stage moves.
pub(crate) fn log_place(position: LogPosition) -> String {
    let mut sk = time_prefix(position.time);
    AnyRef::from(position.record).push(&mut sk);
    sk.push(group_code(position.group));
    push_version(&mut sk, position.version);
    sk
}

/// A prefix that sorts before all positions of this time and after all positions of earlier times.
pub(crate) fn time_prefix(time: Time) -> String {
    let mut sk = String::with_capacity(TIME + ID + 7);
    push_time(&mut sk, time);
    sk
}

/// The partition of an index for the given equal values.
pub(crate) fn index(tenant: Id, decl: &KindDecl, index: &IndexDecl, equals: &[Value]) -> String {
    let mut pk = tenant_key(tenant, 8 + equals.len() * (ID + 2));
    pk.push_str(decl.kind.code());
    pk.push_str(&name_code(&index.name));
    for (at, value) in equals.iter().enumerate() {
        if at > 0 {
            pk.push_str("\u{1}\u{1}");
        }
        match value {
            Value::Text(text) => push_text(&mut pk, text),
            Value::Money(money) => pk.push_str(&money.to_string()),
            other => match AnyRef::of(other) {
                Some(target) => target.push(&mut pk),
                None => ordered::push_sort(&mut pk, other),
            },
        }
    }
    pk
}

/// The number of partitions among which the due records of a kind are distributed by tenant.
pub(crate) const DUE_PARTITIONS: u64 = 8;

/// A partition of a kind's due records of all tenants.
pub(crate) fn due(kind: Kind, number: u64) -> String {
    tenant_key(Id::NIL, 5) + "!u" + kind.code() + &number.to_string()
}

/// The partition that contains a tenant's due records of a kind.
pub(crate) fn due_of(kind: Kind, tenant: Id) -> String {
    due(kind, (hash(&tenant.bytes()) >> 32) % DUE_PARTITIONS)
}

/// The sort key of a record in an index.
pub(crate) fn index_place(sort: &Value, id: Id) -> String {
    let mut sk = String::with_capacity(TIME + ID);
    ordered::push_sort(&mut sk, sort);
    push_id(&mut sk, id);
    sk
}

/// Decodes the sort value and id of a record in an index.
pub(crate) fn read_index_place(sk: &str, ty: crm_core::schema::FieldType) -> Option<(Value, Id)> {
    let (sort, id) = sk.split_at_checked(sk.len().checked_sub(ID)?)?;
    Some((ordered::read_sort(sort, ty)?, read_id(id)?))
}

/// The key of the entry of an element of a list-valued field. The entry is in the partition of the record that the
/// element names, so that the links to a record can be read with strong consistency.
pub(crate) fn entry(tenant: Id, decl: &KindDecl, field: usize, element: &Value, id: Id) -> Key {
    use crm_core::schema::FieldType;
    let target = match (element, decl.fields[field].ty.element()) {
        (Value::Id(id), FieldType::Id(kind)) => Some(Ref::new(kind, *id).into()),
        _ => AnyRef::of(element),
    };
    let pk = target.map_or_else(
        || {
            let mut pk = tenant_key(tenant, 64) + "!v";
            ordered::push_sort(&mut pk, element);
            pk
        },
        |target| partition(tenant, target),
    );
    let mut sk = String::with_capacity(6 + ID);
    sk.push(ENTRY);
    sk.push_str(decl.kind.code());
    sk.push_str(&name_code(decl.fields[field].name));
    push_id(&mut sk, id);
    Key { pk, sk }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn id(number: u128) -> Id {
        Id::from_uuid(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn no_two_names_of_a_kind_have_one_code() {
        for decl in catalog::all() {
            let indexes: HashSet<_> = decl.indexes.iter().map(|index| name_code(&index.name)).collect();
            assert_eq!(indexes.len(), decl.indexes.len(), "{}", decl.kind);
            let lists: Vec<_> = decl.fields.iter().filter(|field| field.ty.is_list()).collect();
            let codes: HashSet<_> = lists.iter().map(|field| name_code(field.name)).collect();
            assert_eq!(codes.len(), lists.len(), "{}", decl.kind);
        }
    }

    #[test]
    fn keys_read_back() {
        for &kind in Kind::ALL {
            let target = Ref::new(kind, id(7));
            assert_eq!(read_record(&record(id(1), target)), Some((id(1), target.into())));
            let position = HistoryPosition { recorded_at: Time::EPOCH, group: Group::Machine, version: 300 };
            let key = Key { pk: partition(id(1), target), sk: history(position) };
            assert_eq!(read_change(&key), Some((id(1), target.into(), position)));
            assert_eq!(read_change(&record(id(1), target)), None);
        }
    }

    #[test]
    fn places_in_the_log_sort_as_their_positions() {
        let mut positions = Vec::new();
        for time in [Time::MIN, Time::EPOCH] {
            for record in [Ref::new(Kind::Lead, id(1)), Ref::new(Kind::Lead, id(2)), Ref::new(Kind::Team, id(0))] {
                for group in [Group::User, Group::Machine] {
                    for version in [1, 63, 64, 5_000] {
                        positions.push(LogPosition { time, record, group, version });
                    }
                }
            }
        }
        positions.sort();
        assert!(positions.windows(2).all(|pair| log_place(pair[0]) < log_place(pair[1])));
    }

    #[test]
    fn equal_values_never_run_into_one_another() {
        let decl = catalog::decl(Kind::Deal);
        let by = decl.index("owner_id, stage_kind -> close_date").expect("declared");
        let parts = ["", "a", "\u{1}", "\u{1}\u{1}", "a\u{1}", "\u{2}", "~"];
        let mut seen = HashSet::new();
        for first in parts.iter().map(|part| Value::text(*part)).chain([Value::Null]) {
            for second in parts.iter().map(|part| Value::text(*part)).chain([Value::Null]) {
                assert!(seen.insert(index(id(1), decl, by, &[first.clone(), second.clone()])), "{first:?} {second:?}");
            }
        }
    }
}
