//! Conversion of records to and from rows.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use crm_core::{
    schema::{FieldType, Group, Image, Versions},
    store::{StoreError, Write},
    value::{Currency, Date, Id, Kind, Money, Ref, Time, Value},
};
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use serde_json::json;
use sqlx::{Row as _, postgres::PgRow};

use crate::{
    composite::Fields,
    error::corrupt,
    layout::{Layout, Wire, group, layout, quoted},
};

/// Days from 0000-12-31 to 1970-01-01, as chrono counts them.
const EPOCH_DAYS: i32 = 719_163;

/// Converts a date to the driver's type.
pub(crate) fn to_date(date: Date) -> chrono::NaiveDate {
    chrono::NaiveDate::from_num_days_from_ce_opt(date.days() + EPOCH_DAYS).unwrap_or_default()
}

/// A reference as one text, the form of lists of references: `lead:0190…`.
pub(crate) fn ref_text(target: Ref) -> String {
    format!("{}:{}", target.kind, target.id)
}

/// A stored reference; opaque if this program does not know the kind.
fn reference(kind: &str, id: Id) -> Value {
    match kind.parse() {
        Ok(kind) => Value::Ref(Ref::new(kind, id)),
        Err(_) => Value::Opaque(Arc::new(json!({ "r": { "kind": kind, "id": id } }))),
    }
}

/// A stored amount; opaque if this program does not know the currency.
fn money(amount: &str, currency: &str) -> Option<Value> {
    Some(match currency.parse::<Currency>() {
        Ok(currency) => Value::Money(Money { amount: amount.parse().ok()?, currency }),
        Err(_) => Value::Opaque(Arc::new(json!({ "c": { "amount": amount, "currency": currency } }))),
    })
}

/// The contents of the two columns of an opaque reference or amount.
fn opaque_parts(json: &serde_json::Value) -> Option<(&str, &str)> {
    let part = |tag: &str, name: &str| json.get(tag)?.get(name)?.as_str();
    part("r", "kind").zip(part("r", "id")).or_else(|| part("c", "amount").zip(part("c", "currency")))
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
        // A missing column is null in a new row and keeps its stored value in an update. Columns unknown to this
        // program and unchanged columns are left out.
        let before = self.0.before.as_deref();
        for (position, value) in image.values.iter().enumerate() {
            let is_kept = match before {
                None => value.is_null(),
                Some(before) => before.values.get(position) == Some(value),
            };
            if is_kept || !self.0.writes(group(&layout.decl.fields[position])) {
                continue;
            }
            if value.is_null() {
                for column in &layout.columns[position] {
                    map.serialize_entry(&column.name, &None::<()>)?;
                }
            } else {
                encode_field(&mut map, layout, position, value)?;
            }
        }
        for (position, index, key) in &layout.keys {
            let place = index.sort_value(image);
            if self.0.writes(group(&layout.decl.fields[*position]))
                && before.map_or(Value::Null, |before| index.sort_value(before)) != place
            {
                map.serialize_entry(key, &place.as_text())?;
            }
        }
        map.end()
    }
}

fn encode_field<M: SerializeMap>(map: &mut M, layout: &Layout, position: usize, value: &Value) -> Result<(), M::Error> {
    let field = &layout.decl.fields[position];
    let wrong = || M::Error::custom(format!("`{}` holds what is not {}", field.name, field.ty.describe()));
    let columns = &layout.columns[position];
    let name = columns[0].name.as_str();
    match (columns[0].wire, value) {
        (Wire::Bool, Value::Bool(flag)) => map.serialize_entry(name, flag),
        (Wire::Int, Value::Int(number)) => map.serialize_entry(name, number),
        (Wire::Text, Value::Text(text)) if !columns[0].cast && columns.len() == 1 => {
            map.serialize_entry(name, text.as_ref())
        }
        (Wire::Text, Value::Decimal(number)) if field.ty == FieldType::Decimal => map.serialize_entry(name, number),
        (Wire::Text, Value::Money(money)) if field.ty == FieldType::Money => {
            map.serialize_entry(name, &money.amount)?;
            map.serialize_entry(&columns[1].name, &money.currency)
        }
        (Wire::Text, Value::Ref(target)) if matches!(field.ty, FieldType::Ref(_)) => {
            map.serialize_entry(name, &target.kind)?;
            map.serialize_entry(&columns[1].name, &target.id)
        }
        (Wire::Text, Value::Opaque(json)) if columns.len() == 2 => {
            let (first, second) = opaque_parts(json).ok_or_else(wrong)?;
            map.serialize_entry(name, first)?;
            map.serialize_entry(&columns[1].name, second)
        }
        (Wire::Uuid, Value::Id(id)) => map.serialize_entry(name, id),
        (Wire::Time, Value::Time(time)) => map.serialize_entry(name, time),
        (Wire::Date, Value::Date(date)) => map.serialize_entry(name, date),
        (Wire::Texts | Wire::Uuids, Value::List(items)) => {
            let texts = items.iter().map(|item| match (field.ty.element(), item) {
                (FieldType::Text(_), Value::Text(text)) => Ok(text.to_string()),
                (FieldType::Id(_), Value::Id(id)) => Ok(id.to_string()),
                (FieldType::Ref(_), Value::Ref(target)) => Ok(ref_text(*target)),
                (FieldType::Ref(_), Value::Opaque(json)) => {
                    opaque_parts(json).map(|(kind, id)| format!("{kind}:{id}")).ok_or_else(wrong)
                }
                _ => Err(wrong()),
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
                _ => Err(wrong()),
            });
            map.serialize_entry(name, &plain.collect::<Result<Vec<_>, _>>()?)
        }
        // Long texts that were not loaded are never written, nor are values of another type.
        _ => Err(wrong()),
    }
}

/// The expression for a record as one composite of the table with the alias `t`: tenant, id and versions, then the
/// fields in declaration order. Long texts that are not requested are replaced by whether there is one.
pub(crate) fn composite(kind: Kind, long_texts: bool) -> String {
    let layout = layout(kind);
    let mut text = "row(t.tenant_id, t.id, t.version, t.machine_version".to_owned();
    for (field, columns) in layout.decl.fields.iter().zip(&layout.columns) {
        for column in columns {
            let name = quoted(&column.name);
            let _ = if field.is_long() && !long_texts {
                write!(text, ", t.{name} is not null")
            } else if column.cast {
                write!(text, ", t.{name}::text")
            } else {
                write!(text, ", t.{name}")
            };
        }
    }
    text.push(')');
    text
}

/// Decodes a record from its [`composite`].
pub(crate) fn decode(kind: Kind, long_texts: bool, mut fields: Fields<'_>) -> Result<Image, StoreError> {
    let layout = layout(kind);
    let missing = || StoreError::corrupt("a record has no id or version");
    let (tenant, id) = (fields.id()?.ok_or_else(missing)?, fields.id()?.ok_or_else(missing)?);
    let mut version = || u64::try_from(fields.int()?.ok_or_else(missing)?).map_err(|_| below_nought());
    let versions = Versions { person: version()?, machine: version()? };
    let mut values = Vec::with_capacity(layout.columns.len());
    for (field, columns) in layout.decl.fields.iter().zip(&layout.columns) {
        values.push(if field.is_long() && !long_texts {
            if fields.bool()?.unwrap_or_default() { Value::NotLoaded } else { Value::Null }
        } else if columns.len() == 1 && fields.skip_null()? {
            // The common case: most fields of most records are null.
            Value::Null
        } else {
            decode_field(field.ty, &mut fields)?
        });
    }
    Ok(Image { decl: layout.decl, tenant, id, versions, values })
}

fn decode_field(ty: FieldType, fields: &mut Fields<'_>) -> Result<Value, StoreError> {
    let wrong = || StoreError::corrupt(format!("a stored value is not {}", ty.describe()));
    let value = match ty {
        FieldType::Bool => fields.bool()?.map(Value::Bool),
        FieldType::Int(..) => fields.int()?.map(Value::Int),
        FieldType::Decimal => match fields.text()? {
            Some(text) => Some(Value::Decimal(text.parse().map_err(|_| wrong())?)),
            None => None,
        },
        FieldType::Money => match (fields.text()?, fields.text()?) {
            (Some(amount), Some(currency)) => Some(money(amount, currency).ok_or_else(wrong)?),
            _ => None,
        },
        FieldType::Ref(_) => fields.text()?.zip(fields.id()?).map(|(kind, id)| reference(kind, id)),
        FieldType::Time => fields.time()?.map(Value::Time),
        FieldType::Date => fields.date()?.map(Value::Date),
        FieldType::Id(_) | FieldType::StageId => fields.id()?.map(Value::Id),
        FieldType::Texts(..) => fields.texts()?.map(|all| Value::list(all.into_iter().map(Value::text))),
        FieldType::Ids(..) => fields.ids()?.map(|all| Value::list(all.into_iter().map(Value::Id))),
        FieldType::Refs(..) => match fields.texts()? {
            Some(all) => {
                let targets = all.into_iter().map(|text| {
                    let (kind, id) = text.split_once(':').ok_or_else(wrong)?;
                    Ok(reference(kind, id.parse().map_err(|_| wrong())?))
                });
                Some(Value::List(targets.collect::<Result<_, StoreError>>()?))
            }
            None => None,
        },
        FieldType::Struct => fields.json::<serde_json::Value>()?.map(|json| Value::Json(Arc::new(json))),
        FieldType::Structs(_) => fields
            .json::<Vec<serde_json::Value>>()?
            .map(|all| Value::list(all.into_iter().map(|json| Value::Json(Arc::new(json))))),
        FieldType::Properties => fields.json::<BTreeMap<String, Value>>()?.map(|map| Value::Map(Arc::new(map))),
        _ => fields.text()?.map(Value::text),
    };
    Ok(value.unwrap_or(Value::Null))
}

fn below_nought() -> StoreError {
    StoreError::corrupt("a version is negative")
}

/// Reads a column that is never null, by position.
pub(crate) fn get<'r, T>(row: &'r PgRow, at: usize) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Postgres>,
{
    row.try_get_unchecked(at).map_err(corrupt)
}

/// Reads a version, the number of changes.
pub(crate) fn version(row: &PgRow, at: usize) -> Result<u64, StoreError> {
    u64::try_from(get::<i64>(row, at)?).map_err(|_| below_nought())
}

/// Reads a time.
pub(crate) fn time(row: &PgRow, at: usize) -> Result<Time, StoreError> {
    Time::from_chrono(get(row, at)?).map_err(|error| StoreError::corrupt(error.to_string()))
}

/// The number of a group in the log.
pub(crate) const fn group_number(group: Group) -> i16 {
    match group {
        Group::User => 0,
        Group::Machine => 1,
    }
}
