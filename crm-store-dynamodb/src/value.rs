//! Conversion of values to attributes, in two forms.
//!
//! In a record, the declaration determines the type of an attribute. Times and dates are plain numbers, amounts are
//! maps of number and currency, and filters compare them directly. In changes and custom properties there is no
//! declaration, so a value carries its type: as a native DynamoDB type if there is a suitable one (S text, N integer, B
//! id or reference, BOOL, L), otherwise as a map with one tag. A value that this program cannot read, because a newer
//! one wrote it, is [`Value::Opaque`]: its attribute as JSON, from which the same attribute is restored.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue as Attribute};
use crm_core::{
    schema::{FieldType, KindDecl, common},
    store::StoreError,
    value::{Date, Decimal, Id, Money, Time, Value},
};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use crate::reference::AnyRef;

/// An item, or a map in one.
pub(crate) type Item = HashMap<String, Attribute>;

/// The number of an amount, in its map.
pub(crate) const AMOUNT: &str = "a";
/// The currency of an amount, in its map; also the tag of an amount.
pub(crate) const CURRENCY: &str = "c";
/// Tags of values without a native DynamoDB type.
pub(crate) const TIME: &str = "m";
pub(crate) const DATE: &str = "d";
pub(crate) const DECIMAL: &str = "q";
const JSON: &str = "j";
const MAP: &str = "p";
const REDACTED: &str = "x";
const NOT_LOADED: &str = "n";
/// The tag of an opaque value from another store: its JSON as text.
const OPAQUE: &str = "o";

/// The error for stored data that cannot be decoded.
pub(crate) fn corrupt(what: &str) -> StoreError {
    StoreError::corrupt(format!("an item has an invalid {what}"))
}

#[expect(clippy::needless_pass_by_value, reason = "numbers are small, and a `&` at every call is noise")]
pub(crate) fn number(number: impl ToString) -> Attribute {
    Attribute::N(number.to_string())
}

pub(crate) fn id<K>(id: Id<K>) -> Attribute {
    Attribute::B(Blob::new(id.bytes()))
}

fn amount(money: Money) -> Item {
    HashMap::from([
        (AMOUNT.to_owned(), number(money.amount)),
        (CURRENCY.to_owned(), Attribute::S(money.currency.code().to_owned())),
    ])
}

fn tagged(tag: &str, attribute: Attribute) -> Attribute {
    Attribute::M(HashMap::from([(tag.to_owned(), attribute)]))
}

/// Converts a value to an attribute that carries its type.
pub(crate) fn to_tagged(value: &Value) -> Attribute {
    match value {
        Value::Null => Attribute::Null(true),
        Value::NotLoaded => tagged(NOT_LOADED, Attribute::Bool(true)),
        Value::Redacted => tagged(REDACTED, Attribute::Bool(true)),
        Value::Bool(flag) => Attribute::Bool(*flag),
        Value::Int(whole) => number(whole),
        Value::Decimal(decimal) => tagged(DECIMAL, number(decimal)),
        Value::Text(text) => Attribute::S(text.to_string()),
        Value::Id(target) => id(*target),
        Value::Ref(target) => AnyRef::from(*target).attribute(),
        Value::Time(time) => tagged(TIME, number(time.micros())),
        Value::Date(date) => tagged(DATE, number(date.days())),
        Value::Money(money) => Attribute::M(amount(*money)),
        Value::List(items) => Attribute::L(items.iter().map(to_tagged).collect()),
        Value::Map(map) => {
            tagged(MAP, Attribute::M(map.iter().map(|(key, value)| (key.clone(), to_tagged(value))).collect()))
        }
        Value::Json(json) => tagged(JSON, Attribute::S(json.to_string())),
        Value::Opaque(json) => AnyRef::of(value)
            .map(AnyRef::attribute)
            .or_else(|| attribute_of(json))
            .filter(|attribute| from_tagged(attribute).is_ok_and(|read| read == *value))
            .unwrap_or_else(|| tagged(OPAQUE, Attribute::S(json.to_string()))),
    }
}

/// Decodes the output of [`to_tagged`]; a value written by a newer program is opaque.
pub(crate) fn from_tagged(attribute: &Attribute) -> Result<Value, StoreError> {
    match read(attribute) {
        Some(value) => Ok(value),
        None => json_of(attribute).map(|json| Value::Opaque(Arc::new(json))).ok_or_else(|| corrupt("value")),
    }
}

fn read(attribute: &Attribute) -> Option<Value> {
    Some(match attribute {
        Attribute::Null(_) => Value::Null,
        Attribute::Bool(flag) => Value::Bool(*flag),
        Attribute::N(text) => Value::Int(text.parse().ok()?),
        Attribute::S(text) => Value::text(text.as_str()),
        Attribute::B(_) => read_id(attribute).map(Value::Id).or_else(|| AnyRef::read(attribute).map(AnyRef::value))?,
        Attribute::L(items) => Value::List(items.iter().map(|item| from_tagged(item).ok()).collect::<Option<_>>()?),
        Attribute::M(map) => {
            if let Some(money) = read_amount(map) {
                return Some(Value::Money(money));
            }
            let (tag, inner) = map.iter().next().filter(|_| map.len() == 1)?;
            match (tag.as_str(), inner) {
                (NOT_LOADED, _) => Value::NotLoaded,
                (REDACTED, _) => Value::Redacted,
                (DECIMAL, _) => Value::Decimal(read_decimal(inner)?),
                (TIME, _) => Value::Time(read_time(inner)?),
                (DATE, _) => Value::Date(read_date(inner)?),
                (MAP, Attribute::M(map)) => Value::Map(Arc::new(read_map(map)?)),
                (JSON, Attribute::S(text)) => Value::Json(Arc::new(serde_json::from_str(text).ok()?)),
                (OPAQUE, Attribute::S(text)) => Value::Opaque(Arc::new(serde_json::from_str(text).ok()?)),
                _ => return None,
            }
        }
        _ => return None,
    })
}

fn read_map(map: &Item) -> Option<BTreeMap<String, Value>> {
    map.iter().map(|(key, value)| Some((key.clone(), from_tagged(value).ok()?))).collect()
}

/// Converts an attribute to JSON, keyed by DynamoDB's type names; bytes become lists of numbers.
fn json_of(attribute: &Attribute) -> Option<Json> {
    Some(match attribute {
        Attribute::S(text) => json!({"S": text}),
        Attribute::N(number) => json!({"N": number}),
        Attribute::Bool(flag) => json!({"BOOL": flag}),
        Attribute::Null(flag) => json!({"NULL": flag}),
        Attribute::B(bytes) => json!({"B": bytes.as_ref()}),
        Attribute::Ss(texts) => json!({"SS": texts}),
        Attribute::Ns(numbers) => json!({"NS": numbers}),
        Attribute::Bs(all) => json!({"BS": all.iter().map(Blob::as_ref).collect::<Vec<_>>()}),
        Attribute::L(items) => json!({"L": items.iter().map(json_of).collect::<Option<Vec<_>>>()?}),
        Attribute::M(map) => {
            let map = map.iter().map(|(key, value)| Some((key.clone(), json_of(value)?)));
            json!({"M": map.collect::<Option<serde_json::Map<_, _>>>()?})
        }
        _ => return None,
    })
}

/// Decodes the output of [`json_of`]; `None` for any other JSON.
fn attribute_of(json: &Json) -> Option<Attribute> {
    fn read<T: DeserializeOwned>(json: &Json) -> Option<T> {
        T::deserialize(json).ok()
    }
    let (name, inner) = json.as_object().filter(|map| map.len() == 1)?.iter().next()?;
    Some(match name.as_str() {
        "S" => Attribute::S(read(inner)?),
        "N" => Attribute::N(read(inner)?),
        "BOOL" => Attribute::Bool(read(inner)?),
        "NULL" => Attribute::Null(read(inner)?),
        "B" => Attribute::B(Blob::new(read::<Vec<u8>>(inner)?)),
        "SS" => Attribute::Ss(read(inner)?),
        "NS" => Attribute::Ns(read(inner)?),
        "BS" => Attribute::Bs(read::<Vec<Vec<u8>>>(inner)?.into_iter().map(Blob::new).collect()),
        "L" => Attribute::L(inner.as_array()?.iter().map(attribute_of).collect::<Option<_>>()?),
        "M" => {
            let map = inner.as_object()?.iter().map(|(key, value)| Some((key.clone(), attribute_of(value)?)));
            Attribute::M(map.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Converts a value of a declared type. Filters compare with the same form.
pub(crate) fn to_plain(value: &Value) -> Attribute {
    match value {
        Value::Decimal(decimal) => number(decimal),
        Value::Time(time) => number(time.micros()),
        Value::Date(date) => number(date.days()),
        Value::Json(json) => Attribute::S(json.to_string()),
        Value::List(items) => Attribute::L(items.iter().map(to_plain).collect()),
        Value::Map(map) => Attribute::M(map.iter().map(|(key, value)| (key.clone(), to_tagged(value))).collect()),
        other => to_tagged(other),
    }
}

/// The meaning of a field's absent attribute: the default value. The many `false` and empty lists of a new record
/// therefore take no space.
pub(crate) fn absent(field: usize, ty: FieldType) -> Value {
    match ty {
        _ if field < common::COUNT => Value::Null,
        FieldType::Bool => Value::Bool(false),
        ty if ty.is_list() => Value::List(Arc::new([])),
        _ => Value::Null,
    }
}

/// Converts the value of a field; `None` if it is represented by absence.
pub(crate) fn to_field(decl: &KindDecl, field: usize, value: &Value) -> Option<Attribute> {
    if *value == absent(field, decl.fields[field].ty) {
        return None;
    }
    // A long text is stored in a separate item; the record only contains whether there is one.
    if decl.fields[field].is_long() {
        return Some(Attribute::Bool(true));
    }
    Some(to_plain(value))
}

/// Decodes the output of [`to_field`].
pub(crate) fn from_field(decl: &KindDecl, field: usize, attribute: Option<&Attribute>) -> Result<Value, StoreError> {
    let declared = &decl.fields[field];
    let Some(attribute) = attribute else { return Ok(absent(field, declared.ty)) };
    if declared.is_long() {
        return Ok(Value::NotLoaded);
    }
    from_plain(declared.ty, attribute).ok_or_else(|| corrupt(declared.name))
}

fn from_plain(ty: FieldType, attribute: &Attribute) -> Option<Value> {
    Some(match (ty, attribute) {
        (_, Attribute::Null(_)) => Value::Null,
        (FieldType::Bool, Attribute::Bool(flag)) => Value::Bool(*flag),
        (FieldType::Int(..), Attribute::N(text)) => Value::Int(text.parse().ok()?),
        (FieldType::Decimal, _) => Value::Decimal(read_decimal(attribute)?),
        // Including a currency that is newer than this program.
        (FieldType::Money, Attribute::M(_)) => from_tagged(attribute).ok()?,
        (FieldType::Time, _) => Value::Time(read_time(attribute)?),
        (FieldType::Date, _) => Value::Date(read_date(attribute)?),
        (FieldType::Id(_) | FieldType::StageId, _) => Value::Id(read_id(attribute)?),
        (FieldType::Ref(_), _) => AnyRef::read(attribute)?.value(),
        (FieldType::Texts(..) | FieldType::Ids(..) | FieldType::Refs(..), Attribute::L(items)) => {
            let element = ty.element();
            Value::List(items.iter().map(|item| from_plain(element, item)).collect::<Option<Arc<[_]>>>()?)
        }
        (FieldType::Structs(_), Attribute::L(items)) => {
            Value::List(items.iter().map(|item| from_plain(FieldType::Struct, item)).collect::<Option<Arc<[_]>>>()?)
        }
        (FieldType::Struct, Attribute::S(text)) => Value::Json(Arc::new(serde_json::from_str(text).ok()?)),
        (FieldType::Properties, Attribute::M(map)) => Value::Map(Arc::new(read_map(map)?)),
        (
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
            | FieldType::Choice(_),
            Attribute::S(text),
        ) => Value::text(text.as_str()),
        _ => return None,
    })
}

fn read_number<T: std::str::FromStr>(attribute: &Attribute) -> Option<T> {
    attribute.as_n().ok()?.parse().ok()
}

pub(crate) fn read_version(item: &Item, name: &str) -> Result<u64, StoreError> {
    item.get(name).and_then(read_number).ok_or_else(|| corrupt("version"))
}

fn read_decimal(attribute: &Attribute) -> Option<Decimal> {
    let text = attribute.as_n().ok()?;
    let read = rust_decimal::Decimal::from_str_exact(text).or_else(|_| rust_decimal::Decimal::from_scientific(text));
    read.ok().map(Decimal::new)
}

pub(crate) fn read_time(attribute: &Attribute) -> Option<Time> {
    Time::from_micros(read_number(attribute)?).ok()
}

fn read_date(attribute: &Attribute) -> Option<Date> {
    Date::from_days(read_number(attribute)?).ok()
}

fn read_amount(map: &Item) -> Option<Money> {
    let currency = map.get(CURRENCY)?.as_s().ok()?.parse().ok()?;
    Some(Money { amount: read_decimal(map.get(AMOUNT)?)?, currency })
}

pub(crate) fn read_id(attribute: &Attribute) -> Option<Id> {
    let bytes: [u8; 16] = attribute.as_b().ok()?.as_ref().try_into().ok()?;
    Some(Id::from_uuid(uuid::Uuid::from_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use crm_core::value::{Kind, Ref};

    use super::*;

    fn every_value() -> Vec<Value> {
        let id = Id::from_uuid(uuid::Uuid::from_u128(5));
        vec![
            Value::Null,
            Value::NotLoaded,
            Value::Redacted,
            Value::Bool(true),
            Value::Int(i64::MIN),
            Value::Decimal("-0.0000000000000000000000000001".parse().unwrap()),
            Value::text(""),
            Value::text("2024-01-01"),
            Value::Id(id),
            Value::Ref(Ref::new(Kind::Lead, id)),
            Value::Time(Time::MIN),
            Value::Date(Date::of(Time::MAX)),
            Value::Money("79228162514264337593543950335 EUR".parse().unwrap()),
            Value::list([Value::text("a"), Value::Null]),
            Value::list([]),
            Value::Map(Arc::new([("key".to_owned(), Value::Date(Date::of(Time::EPOCH)))].into())),
            Value::Json(Arc::new(serde_json::json!({"kind": "office", "n": 1.5, "x": [null]}))),
        ]
    }

    #[test]
    fn values_that_carry_their_type_read_back() {
        for value in every_value() {
            assert_eq!(from_tagged(&to_tagged(&value)).unwrap(), value);
        }
    }

    #[test]
    fn what_a_newer_program_wrote_is_opaque_and_written_back_as_it_was() {
        let map = |pairs: &[(&str, Attribute)]| {
            Attribute::M(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
        };
        let mut gadget = b"~~".to_vec();
        gadget.extend([7; 16]);
        let unknown = [
            map(&[("zz", number(1.5))]),
            map(&[("zz", Attribute::L(vec![Attribute::Null(true), map(&[]), Attribute::Bool(false)]))]),
            map(&[("m", number(1)), ("d", number(1))]),
            map(&[("m", Attribute::S("soon".to_owned()))]),
            map(&[("a", number(5)), ("c", Attribute::S("QQQ".to_owned()))]),
            number("123456789012345678901234567890.5"),
            Attribute::B(Blob::new(gadget)),
            Attribute::B(Blob::new([1, 2, 3])),
            Attribute::Ss(vec!["a".to_owned()]),
            Attribute::Ns(vec!["1".to_owned()]),
            Attribute::Bs(vec![Blob::new([1])]),
        ];
        for attribute in unknown {
            let value = from_tagged(&attribute).unwrap();
            assert!(matches!(value, Value::Opaque(_)), "{attribute:?}");
            assert_eq!(to_tagged(&value), attribute);
            let list = from_tagged(&Attribute::L(vec![attribute.clone()])).unwrap();
            assert_eq!(to_tagged(&list), Attribute::L(vec![attribute]));
        }
    }

    #[test]
    fn opaque_values_of_other_stores_read_back() {
        for json in [
            json!({"zz": {"a": 1}}),
            json!({"r": {"kind": "gadget", "id": "0190c0de-0000-7000-8000-000000000000"}}),
            // These look like the opaque form of attributes that this store could read.
            json!({"S": "text"}),
            json!({"M": {"o": {"S": "{}"}}}),
            json!({"r": {"kind": Kind::Lead.code(), "id": "0190c0de-0000-7000-8000-000000000000"}}),
        ] {
            let value = Value::Opaque(Arc::new(json));
            assert_eq!(from_tagged(&to_tagged(&value)).unwrap(), value);
        }
    }
}
