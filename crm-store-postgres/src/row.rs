//! Records as rows: what a write sends, and what a result gives back.

use std::{collections::BTreeMap, sync::Arc};

use crm_core::{
    schema::{FieldType, Group, Image, Versions},
    store::{StoreError, Write},
    value::{Currency, Date, Id, Kind, Money, Ref, Time, Value},
};
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use sqlx::{Row as _, postgres::PgRow, types::Json};
use uuid::Uuid;

use crate::layout::{Layout, Wire, group, layout, quoted};

/// Days from 0000-12-31 to 1970-01-01 in chrono's count.
const EPOCH_DAYS: i32 = 719_163;

/// A date as the driver takes it.
pub(crate) fn to_date(date: Date) -> chrono::NaiveDate {
    chrono::NaiveDate::from_num_days_from_ce_opt(date.days() + EPOCH_DAYS).unwrap_or_default()
}

/// A reference as one text, as lists of references are stored: `lead:0190…`.
pub(crate) fn ref_text(target: Ref) -> String {
    format!("{}:{}", target.kind, target.id)
}

fn parse_ref(text: &str) -> Option<Ref> {
    let (kind, id) = text.split_once(':')?;
    Some(Ref::new(kind.parse().ok()?, id.parse().ok()?))
}

/// The columns that a write sets, as a JSON object by column name.
pub(crate) fn encode(write: &Write) -> Result<String, StoreError> {
    serde_json::to_string(&Written(write)).map_err(|error| StoreError::BadQuery(error.to_string()))
}

struct Written<'a>(&'a Write);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let image = &self.0.after;
        let layout = layout(image.kind());
        if image.values.len() != layout.columns.len() {
            return Err(S::Error::custom("a record has a value for each field of its kind"));
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &image.versions.person)?;
        map.serialize_entry("machine_version", &image.versions.machine)?;
        for (position, value) in image.values.iter().enumerate() {
            // A column that is not named is null, in a new row and in an update alike.
            if value.is_null() || !self.0.writes(group(&layout.decl.fields[position])) {
                continue;
            }
            encode_field(&mut map, layout, position, value)?;
        }
        for (position, index, key) in &layout.keys {
            if self.0.writes(group(&layout.decl.fields[*position]))
                && let Value::Text(text) = index.sort_value(image)
            {
                map.serialize_entry(key, text.as_ref())?;
            }
        }
        map.end()
    }
}

fn encode_field<M: SerializeMap>(map: &mut M, layout: &Layout, position: usize, value: &Value) -> Result<(), M::Error> {
    let field = &layout.decl.fields[position];
    let columns = &layout.columns[position];
    let name = columns[0].name.as_str();
    match (columns[0].wire, value) {
        (Wire::Bool, Value::Bool(flag)) => map.serialize_entry(name, flag),
        (Wire::Int, Value::Int(number)) => map.serialize_entry(name, number),
        (Wire::Text, Value::Text(text)) if !columns[0].cast => map.serialize_entry(name, text.as_ref()),
        (Wire::Text, Value::Decimal(number)) if field.ty == FieldType::Decimal => map.serialize_entry(name, number),
        (Wire::Text, Value::Money(money)) if field.ty == FieldType::Money => {
            map.serialize_entry(name, &money.amount)?;
            map.serialize_entry(&columns[1].name, &money.currency)
        }
        (Wire::Text, Value::Ref(target)) if field.ty == FieldType::Ref => {
            map.serialize_entry(name, &target.kind)?;
            map.serialize_entry(&columns[1].name, &target.id)
        }
        (Wire::Uuid, Value::Id(id)) => map.serialize_entry(name, id),
        (Wire::Time, Value::Time(time)) => map.serialize_entry(name, time),
        (Wire::Date, Value::Date(date)) => map.serialize_entry(name, date),
        (Wire::Texts | Wire::Uuids, Value::List(items)) => {
            let texts = items.iter().map(|item| match (field.ty.element(), item) {
                (FieldType::Text(_), Value::Text(text)) => Ok(text.to_string()),
                (FieldType::Id(_), Value::Id(id)) => Ok(id.to_string()),
                (FieldType::Ref, Value::Ref(target)) => Ok(ref_text(*target)),
                _ => Err(M::Error::custom(format!("`{}` holds an element of another type", field.name))),
            });
            map.serialize_entry(name, &texts.collect::<Result<Vec<String>, _>>()?)
        }
        (Wire::Json, Value::Map(entries)) if field.ty == FieldType::Properties => {
            map.serialize_entry(name, entries.as_ref())
        }
        (Wire::Json, Value::Json(json)) if field.ty == FieldType::Struct => map.serialize_entry(name, json.as_ref()),
        (Wire::Json, Value::List(items)) if matches!(field.ty, FieldType::Structs(_)) => {
            let plain = items.iter().map(|item| match item {
                Value::Json(json) => Ok(json.as_ref()),
                _ => Err(M::Error::custom(format!("`{}` holds an element of another type", field.name))),
            });
            map.serialize_entry(name, &plain.collect::<Result<Vec<_>, _>>()?)
        }
        // A long text that was not loaded is never written, and neither is a value of another type.
        _ => Err(M::Error::custom(format!("`{}` holds what is not {}", field.name, field.ty.describe()))),
    }
}

/// The columns of a result that holds rows of one kind or of several: so many of each type as the kind that has most
/// of it. What stands before them is the caller's own.
#[derive(Debug)]
pub(crate) struct Projection {
    /// The number of columns before the first slot.
    head: usize,
    /// For each of [`Wire::ALL`], how many slots there are.
    counts: [usize; Wire::ALL.len()],
    /// Whether long texts are read, or only whether there is one.
    long_texts: bool,
}

/// The columns that every record has besides its fields, in front of the slots.
pub(crate) const RECORD_HEAD: &str = "t.tenant_id, t.id, t.version, t.machine_version";

impl Projection {
    /// The projection of rows of some kinds, after `head` columns, the last four of which are [`RECORD_HEAD`].
    pub(crate) fn new(kinds: impl IntoIterator<Item = Kind>, head: usize, long_texts: bool) -> Self {
        let mut counts = [0; Wire::ALL.len()];
        for kind in kinds {
            let mut mine = [0; Wire::ALL.len()];
            for (position, field) in layout(kind).decl.fields.iter().enumerate() {
                for column in &layout(kind).columns[position] {
                    let wire = if field.is_long() && !long_texts { Wire::Bool } else { column.wire };
                    mine[wire as usize] += 1;
                }
            }
            for (count, mine) in counts.iter_mut().zip(mine) {
                *count = (*count).max(mine);
            }
        }
        Self { head, counts, long_texts }
    }

    fn first_slots(&self) -> [usize; Wire::ALL.len()] {
        let mut at = self.head;
        self.counts.map(|count| {
            let first = at;
            at += count;
            first
        })
    }

    /// The slots of a row of one kind from the table named `t`; what the kind has not is null. Begins with a comma
    /// where there are any.
    pub(crate) fn select(&self, kind: Option<Kind>) -> String {
        let mut slots: Vec<String> = Vec::new();
        for (wire, count) in Wire::ALL.iter().zip(self.counts) {
            slots.extend(std::iter::repeat_with(|| format!("null::{}", wire.sql())).take(count));
        }
        if let Some(kind) = kind {
            let mut next = self.first_slots();
            for (position, field) in layout(kind).decl.fields.iter().enumerate() {
                for column in &layout(kind).columns[position] {
                    let name = quoted(&column.name);
                    let (wire, text) = if field.is_long() && !self.long_texts {
                        (Wire::Bool, format!("t.{name} is not null"))
                    } else if column.cast {
                        (column.wire, format!("t.{name}::text"))
                    } else {
                        (column.wire, format!("t.{name}"))
                    };
                    slots[next[wire as usize] - self.head] = text;
                    next[wire as usize] += 1;
                }
            }
        }
        slots.iter().fold(String::new(), |text, slot| text + ", " + slot)
    }

    /// The record of a row.
    pub(crate) fn decode(&self, kind: Kind, row: &PgRow) -> Result<Image, StoreError> {
        let layout = layout(kind);
        let mut cursor = Cursor { row, next: self.first_slots() };
        let head = self.head - 4;
        let mut values = Vec::with_capacity(layout.columns.len());
        for field in &layout.decl.fields {
            values.push(if field.is_long() && !self.long_texts {
                let there = cursor.take::<bool>(Wire::Bool)?.unwrap_or_default();
                if there { Value::NotLoaded } else { Value::Null }
            } else {
                cursor.field(field.ty)?
            });
        }
        Ok(Image {
            decl: layout.decl,
            tenant: Id::from_uuid(get(row, head)?),
            id: Id::from_uuid(get(row, head + 1)?),
            versions: Versions { person: version(row, head + 2)?, machine: version(row, head + 3)? },
            values,
        })
    }
}

/// A column that is never null, by its position.
pub(crate) fn get<'r, T>(row: &'r PgRow, at: usize) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Postgres>,
{
    row.try_get_unchecked(at).map_err(corrupt)
}

/// A version, as the number of changes that it is.
pub(crate) fn version(row: &PgRow, at: usize) -> Result<u64, StoreError> {
    u64::try_from(get::<i64>(row, at)?).map_err(|_| StoreError::corrupt("a version is below nought"))
}

/// The moment in a column.
pub(crate) fn time(row: &PgRow, at: usize) -> Result<Time, StoreError> {
    Time::from_chrono(get(row, at)?).map_err(|error| StoreError::corrupt(error.to_string()))
}

/// What cannot be decoded is damaged, or newer than this program.
pub(crate) fn corrupt(error: sqlx::Error) -> StoreError {
    StoreError::Corrupt(Arc::new(error))
}

struct Cursor<'r> {
    row: &'r PgRow,
    next: [usize; Wire::ALL.len()],
}

impl<'r> Cursor<'r> {
    fn take<T>(&mut self, wire: Wire) -> Result<Option<T>, StoreError>
    where
        T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let at = self.next[wire as usize];
        self.next[wire as usize] += 1;
        self.row.try_get_unchecked(at).map_err(corrupt)
    }

    fn field(&mut self, ty: FieldType) -> Result<Value, StoreError> {
        let wrong = || StoreError::corrupt(format!("a stored value is not {}", ty.describe()));
        let value = match ty {
            FieldType::Bool => self.take(Wire::Bool)?.map(Value::Bool),
            FieldType::Int(..) => self.take(Wire::Int)?.map(Value::Int),
            FieldType::Decimal => match self.take::<&str>(Wire::Text)? {
                Some(text) => Some(Value::Decimal(text.parse().map_err(|_| wrong())?)),
                None => None,
            },
            FieldType::Money => match (self.take::<&str>(Wire::Text)?, self.take::<&str>(Wire::Text)?) {
                (Some(amount), Some(currency)) => {
                    let currency: Currency = currency.parse().map_err(|_| wrong())?;
                    Some(Value::Money(Money { amount: amount.parse().map_err(|_| wrong())?, currency }))
                }
                _ => None,
            },
            FieldType::Ref => match (self.take::<&str>(Wire::Text)?, self.take::<Uuid>(Wire::Uuid)?) {
                (Some(kind), Some(id)) => {
                    Some(Value::Ref(Ref::new(kind.parse().map_err(|_| wrong())?, Id::from_uuid(id))))
                }
                _ => None,
            },
            FieldType::Time => match self.take(Wire::Time)? {
                Some(time) => Some(Value::Time(Time::from_chrono(time).map_err(|_| wrong())?)),
                None => None,
            },
            FieldType::Date => match self.take::<chrono::NaiveDate>(Wire::Date)? {
                Some(date) => Some(Value::Date(Date::from_chrono(date).map_err(|_| wrong())?)),
                None => None,
            },
            FieldType::Id(_) | FieldType::StageId => {
                self.take::<Uuid>(Wire::Uuid)?.map(|id| Value::Id(Id::from_uuid(id)))
            }
            FieldType::Texts(..) => {
                self.take::<Vec<String>>(Wire::Texts)?.map(|all| Value::list(all.into_iter().map(Value::text)))
            }
            FieldType::Ids(..) => self
                .take::<Vec<Uuid>>(Wire::Uuids)?
                .map(|all| Value::list(all.into_iter().map(|id| Value::Id(Id::from_uuid(id))))),
            FieldType::Refs(_) => match self.take::<Vec<String>>(Wire::Texts)? {
                Some(all) => {
                    let targets = all.iter().map(|text| parse_ref(text).map(Value::Ref).ok_or_else(wrong));
                    Some(Value::List(targets.collect::<Result<_, _>>()?))
                }
                None => None,
            },
            FieldType::Struct => {
                self.take::<Json<serde_json::Value>>(Wire::Json)?.map(|json| Value::Json(Arc::new(json.0)))
            }
            FieldType::Structs(_) => self
                .take::<Json<Vec<serde_json::Value>>>(Wire::Json)?
                .map(|all| Value::list(all.0.into_iter().map(|json| Value::Json(Arc::new(json))))),
            FieldType::Properties => {
                self.take::<Json<BTreeMap<String, Value>>>(Wire::Json)?.map(|map| Value::Map(Arc::new(map.0)))
            }
            _ => self.take::<&str>(Wire::Text)?.map(Value::text),
        };
        Ok(value.unwrap_or(Value::Null))
    }
}

/// The number under which the log keeps a group.
pub(crate) const fn group_number(group: Group) -> i16 {
    match group {
        Group::Person => 0,
        Group::Machine => 1,
    }
}
