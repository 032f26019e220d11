//! Conversion of values and records to and from columns.
//!
//! | type | column |
//! |---|---|
//! | boolean, integer | integer |
//! | decimal, text, choice | text |
//! | amount | two: the number as text, the currency |
//! | time, date | integer: microseconds, days since 1970 |
//! | id | blob of 16 bytes |
//! | reference to one of several kinds | two: the kind's name, the id |
//! | lists of texts, ids (as text) or references (`kind:id`) | a JSON array of texts |
//! | structures, custom properties | JSON |
//!
//! Columns are declared without a type, so that SQLite never converts a value.

use std::{collections::BTreeMap, sync::Arc};

use crm_core::{
    schema::{FieldDecl, FieldType, Image, Versions},
    store::StoreError,
    value::{Currency, Date, Id, Kind, Money, Ref, Time, Value},
};
use rusqlite::{
    CachedStatement, Connection, Row,
    types::{ToSqlOutput, ValueRef},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    error::Failure,
    layout::{HEAD, Layout},
};

/// Binds the parameters of a statement one after the other.
pub(crate) struct Binds<'s, 'c> {
    statement: &'s mut CachedStatement<'c>,
    bound: usize,
}

impl<'s, 'c> Binds<'s, 'c> {
    pub(crate) fn new(statement: &'s mut CachedStatement<'c>) -> Self {
        Self { statement, bound: 0 }
    }

    fn put(&mut self, value: ValueRef<'_>) -> Result<(), Failure> {
        self.bound += 1;
        Ok(self.statement.raw_bind_parameter(self.bound, ToSqlOutput::Borrowed(value))?)
    }

    pub(crate) fn null(&mut self) -> Result<(), Failure> {
        self.put(ValueRef::Null)
    }

    pub(crate) fn id<K>(&mut self, id: Id<K>) -> Result<(), Failure> {
        self.put(ValueRef::Blob(&id.bytes()))
    }

    pub(crate) fn maybe_id<K>(&mut self, id: Option<Id<K>>) -> Result<(), Failure> {
        if let Some(id) = id { self.id(id) } else { self.null() }
    }

    pub(crate) fn int(&mut self, number: i64) -> Result<(), Failure> {
        self.put(ValueRef::Integer(number))
    }

    /// Binds a count or version. One beyond the range of a column is one that no record has.
    pub(crate) fn count(&mut self, number: u64) -> Result<(), Failure> {
        self.int(i64::try_from(number).unwrap_or(i64::MAX))
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.put(ValueRef::Text(text.as_bytes()))
    }

    pub(crate) fn versions(&mut self, versions: Versions) -> Result<(), Failure> {
        self.count(versions.person)?;
        self.count(versions.machine)
    }

    /// Binds the columns of a field. Long texts that were not loaded are never written, nor are values of another type.
    pub(crate) fn field(&mut self, field: &FieldDecl, value: &Value) -> Result<(), Failure> {
        let wrong = || {
            Failure::from(StoreError::BadQuery(format!("`{}` holds what is not {}", field.name, field.ty.describe())))
        };
        match (field.ty, value) {
            (FieldType::Money | FieldType::Ref(_), Value::Null) => {
                self.null()?;
                self.null()
            }
            (_, Value::Null) => self.null(),
            (FieldType::Money, Value::Money(money)) => {
                self.text(&money.amount.to_string())?;
                self.text(money.currency.code())
            }
            (FieldType::Ref(_), Value::Ref(target)) => {
                self.text(target.kind.name())?;
                self.id(target.id)
            }
            (FieldType::Ref(_), Value::Opaque(json)) => {
                let (kind, id) = opaque_parts(json).ok_or_else(wrong)?;
                self.text(kind)?;
                self.id(id.parse::<Id>().map_err(|_| wrong())?)
            }
            (FieldType::Money, Value::Opaque(json)) => {
                let (amount, currency) = opaque_parts(json).ok_or_else(wrong)?;
                self.text(amount)?;
                self.text(currency)
            }
            (FieldType::Bool, Value::Bool(flag)) => self.int((*flag).into()),
            (FieldType::Int(..), Value::Int(number)) => self.int(*number),
            (FieldType::Decimal, Value::Decimal(number)) => self.text(&number.to_string()),
            (FieldType::Id(_) | FieldType::StageId, Value::Id(id)) => self.id(*id),
            (FieldType::Time, Value::Time(time)) => self.int(time.micros()),
            (FieldType::Date, Value::Date(date)) => self.int(date.days().into()),
            (FieldType::Struct, Value::Json(json)) => self.text(&serde_json::to_string(json)?),
            (FieldType::Properties, Value::Map(map)) => self.text(&serde_json::to_string(map)?),
            (FieldType::Structs(_), Value::List(items)) => {
                let plain = items.iter().map(|item| if let Value::Json(json) = item { Some(json) } else { None });
                self.text(&serde_json::to_string(&plain.collect::<Option<Vec<_>>>().ok_or_else(wrong)?)?)
            }
            (FieldType::Texts(..) | FieldType::Ids(..) | FieldType::Refs(..), Value::List(items)) => {
                let texts = items.iter().map(element_text).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
                self.text(&serde_json::to_string(&texts)?)
            }
            (ty, Value::Text(text)) if is_text(ty) => self.text(text),
            _ => Err(wrong()),
        }
    }

    /// Binds a sort value as it is in an index.
    pub(crate) fn sort(&mut self, value: &Value) -> Result<(), Failure> {
        match value {
            Value::Time(time) => self.int(time.micros()),
            Value::Date(date) => self.int(date.days().into()),
            Value::Int(number) => self.int(*number),
            Value::Text(text) => self.text(text),
            _ => self.put(ValueRef::Blob(&[])),
        }
    }

    /// Binds an element of a list as it is in the table of a list-valued index.
    pub(crate) fn element(&mut self, value: &Value) -> Result<(), Failure> {
        match value {
            Value::Id(id) => self.id(*id),
            other => self.text(&element_text(other).unwrap_or_default()),
        }
    }
}

/// Returns `true` for types whose values are texts.
const fn is_text(ty: FieldType) -> bool {
    matches!(
        ty,
        FieldType::Text(_)
            | FieldType::LongText
            | FieldType::Folded
            | FieldType::Email
            | FieldType::Phone
            | FieldType::Domain
            | FieldType::Url
            | FieldType::Key
            | FieldType::Currency
            | FieldType::TimeZone
            | FieldType::Choice(_)
    )
}

/// Returns `true` if a field of the type can hold the value. A value that it cannot hold equals none of its values.
pub(crate) const fn fits(ty: FieldType, value: &Value) -> bool {
    matches!(
        (ty, value),
        (FieldType::Bool, Value::Bool(_))
            | (FieldType::Int(..), Value::Int(_))
            | (FieldType::Time, Value::Time(_))
            | (FieldType::Date, Value::Date(_))
            | (FieldType::Id(_) | FieldType::StageId, Value::Id(_))
            | (FieldType::Ref(_), Value::Ref(_))
    ) || is_text(ty) && matches!(value, Value::Text(_))
}

/// An element of a list as text.
fn element_text(item: &Value) -> Option<String> {
    Some(match item {
        Value::Text(text) => text.to_string(),
        Value::Id(id) => id.to_string(),
        Value::Ref(target) => format!("{}:{}", target.kind, target.id),
        Value::Opaque(json) => opaque_parts(json).map(|(kind, id)| format!("{kind}:{id}"))?,
        _ => return None,
    })
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

fn wrong(what: &str) -> Failure {
    StoreError::corrupt(format!("a stored value is not {what}")).into()
}

/// Reads a text.
pub(crate) fn text<'r>(row: &'r Row<'_>, at: usize) -> Result<&'r str, Failure> {
    row.get_ref(at)?.as_str().map_err(|_| wrong("text"))
}

/// Reads an integer.
pub(crate) fn int(row: &Row<'_>, at: usize) -> Result<i64, Failure> {
    row.get_ref(at)?.as_i64().map_err(|_| wrong("an integer"))
}

/// Runs a statement without results and returns the number of rows that it changed.
pub(crate) fn run(
    db: &Connection,
    sql: &str,
    bind: impl FnOnce(&mut Binds<'_, '_>) -> Result<(), Failure>,
) -> Result<usize, Failure> {
    let mut statement = db.prepare_cached(sql)?;
    bind(&mut Binds::new(&mut statement))?;
    Ok(statement.raw_execute()?)
}

/// Reads an id.
pub(crate) fn id(row: &Row<'_>, at: usize) -> Result<Id, Failure> {
    let bytes = row.get_ref(at)?.as_blob().ok().and_then(|bytes| Uuid::from_slice(bytes).ok());
    bytes.map(Id::from_uuid).ok_or_else(|| wrong("an id"))
}

/// Reads an id that may be missing.
pub(crate) fn maybe_id(row: &Row<'_>, at: usize) -> Result<Option<Id>, Failure> {
    if row.get_ref(at)? == ValueRef::Null { Ok(None) } else { id(row, at).map(Some) }
}

/// Reads a time.
pub(crate) fn time(row: &Row<'_>, at: usize) -> Result<Time, Failure> {
    Time::from_micros(int(row, at)?).map_err(|_| wrong("a time"))
}

/// Reads a count or version.
pub(crate) fn count(row: &Row<'_>, at: usize) -> Result<u64, Failure> {
    u64::try_from(int(row, at)?).map_err(|_| wrong("a version"))
}

/// Reads the two versions of a record.
pub(crate) fn versions(row: &Row<'_>, at: usize) -> Result<Versions, Failure> {
    Ok(Versions { person: count(row, at)?, machine: count(row, at + 1)? })
}

/// Reads the value of a field whose first column is at a position.
fn value(ty: FieldType, row: &Row<'_>, at: usize) -> Result<Value, Failure> {
    if row.get_ref(at)? == ValueRef::Null {
        return Ok(Value::Null);
    }
    let bad = || wrong(ty.describe());
    Ok(match ty {
        FieldType::Bool => Value::Bool(int(row, at)? != 0),
        FieldType::Int(..) => Value::Int(int(row, at)?),
        FieldType::Decimal => Value::Decimal(text(row, at)?.parse().map_err(|_| bad())?),
        FieldType::Money => money(text(row, at)?, text(row, at + 1)?).ok_or_else(bad)?,
        FieldType::Time => Value::Time(time(row, at)?),
        FieldType::Date => {
            let date = i32::try_from(int(row, at)?).ok().and_then(|days| Date::from_days(days).ok());
            Value::Date(date.ok_or_else(bad)?)
        }
        FieldType::Id(_) | FieldType::StageId => Value::Id(id(row, at)?),
        FieldType::Ref(_) => reference(text(row, at)?, id(row, at + 1)?),
        FieldType::Texts(..) | FieldType::Ids(..) | FieldType::Refs(..) => {
            let all: Vec<String> = serde_json::from_str(text(row, at)?)?;
            let items = all.into_iter().map(|text| {
                Ok(match ty.element() {
                    FieldType::Id(_) => Value::Id(text.parse().map_err(|_| bad())?),
                    FieldType::Ref(_) => {
                        let (kind, id) = text.split_once(':').ok_or_else(bad)?;
                        reference(kind, id.parse().map_err(|_| bad())?)
                    }
                    _ => Value::text(text),
                })
            });
            Value::List(items.collect::<Result<_, Failure>>()?)
        }
        FieldType::Struct => Value::Json(Arc::new(serde_json::from_str(text(row, at)?)?)),
        FieldType::Structs(_) => {
            let all: Vec<serde_json::Value> = serde_json::from_str(text(row, at)?)?;
            Value::list(all.into_iter().map(|json| Value::Json(Arc::new(json))))
        }
        FieldType::Properties => Value::Map(Arc::new(serde_json::from_str::<BTreeMap<String, Value>>(text(row, at)?)?)),
        _ => Value::text(text(row, at)?),
    })
}

/// Reads a field of a selected record. A long text that is not selected is [`Value::NotLoaded`] if there is one.
fn field(layout: &Layout, at: usize, row: &Row<'_>, long_texts: bool) -> Result<Value, Failure> {
    let (decl, column) = (&layout.decl.fields[at], layout.columns[at].at);
    if decl.is_long() && !long_texts {
        return Ok(if int(row, column)? == 0 { Value::Null } else { Value::NotLoaded });
    }
    value(decl.ty, row, column)
}

/// Reads a selected record.
pub(crate) fn image(layout: &Layout, row: &Row<'_>, long_texts: bool) -> Result<Image, Failure> {
    let values = (0..layout.columns.len()).map(|at| field(layout, at, row, long_texts));
    Ok(Image {
        decl: layout.decl,
        tenant: id(row, 1)?,
        id: id(row, 2)?,
        versions: versions(row, 3)?,
        values: values.collect::<Result<_, _>>()?,
    })
}

/// Reads the id and some fields of a record selected for a list, and leaves the others of the image as they are.
pub(crate) fn glance(layout: &Layout, fields: &[usize], row: &Row<'_>, image: &mut Image) -> Result<(), Failure> {
    image.id = id(row, 2)?;
    for &at in fields {
        image.values[at] = field(layout, at, row, false)?;
    }
    Ok(())
}

/// The row number of a selected record.
pub(crate) fn number(row: &Row<'_>) -> Result<i64, Failure> {
    int(row, 0)
}

/// The position of the first column after those of a selected record.
pub(crate) fn after_record(layout: &Layout) -> usize {
    layout.columns.iter().fold(HEAD, |at, columns| at + columns.names.len())
}

/// The name of a stored kind; `None` if this program does not know it.
pub(crate) fn kind(row: &Row<'_>, at: usize) -> Result<Option<Kind>, Failure> {
    Ok(text(row, at)?.parse().ok())
}
