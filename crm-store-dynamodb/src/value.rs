//! Values as attributes, in two forms.
//!
//! In a record the declaration says what an attribute is, so times and days are plain numbers, amounts a map of number
//! and currency, and filters compare them as such. In changes and in custom properties nothing says so: there a value
//! carries its type, in DynamoDB's own types where those are enough (S text, N whole number, B id or reference, BOOL,
//! L), in a map of one tag where they are not.

use std::{collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue as Attribute};
use crm_core::{
    schema::{FieldType, KindDecl, common},
    store::StoreError,
    value::{Date, Decimal, Id, Money, Ref, Time, Value},
};

use crate::key::{kind_code, kind_of};

/// An item, or a map inside one.
pub(crate) type Item = HashMap<String, Attribute>;

/// An amount's number, in its map.
pub(crate) const AMOUNT: &str = "a";
/// An amount's currency, in its map; also the tag of an amount.
pub(crate) const CURRENCY: &str = "c";
/// Tags of values that DynamoDB has no type for.
pub(crate) const TIME: &str = "m";
pub(crate) const DATE: &str = "d";
pub(crate) const DECIMAL: &str = "q";
const JSON: &str = "j";
const MAP: &str = "p";
const REDACTED: &str = "x";
const NOT_LOADED: &str = "n";

/// What is stored cannot be read.
pub(crate) fn corrupt(what: &str) -> StoreError {
    StoreError::corrupt(format!("an item's {what} is not what it should be"))
}

#[expect(clippy::needless_pass_by_value, reason = "numbers are small, and a `&` at every call is noise")]
pub(crate) fn number(number: impl ToString) -> Attribute {
    Attribute::N(number.to_string())
}

pub(crate) fn id(id: Id) -> Attribute {
    Attribute::B(Blob::new(id.bytes()))
}

pub(crate) fn reference(target: Ref) -> Attribute {
    let mut bytes = Vec::with_capacity(17);
    // The letters are ASCII, and stand in the order of kinds: bytes compare as references do.
    bytes.push(kind_code(target.kind) as u8);
    bytes.extend(target.id.bytes());
    Attribute::B(Blob::new(bytes))
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

/// A value that carries its type.
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
        Value::Ref(target) => reference(*target),
        Value::Time(time) => tagged(TIME, number(time.micros())),
        Value::Date(date) => tagged(DATE, number(date.days())),
        Value::Money(money) => Attribute::M(amount(*money)),
        Value::List(items) => Attribute::L(items.iter().map(to_tagged).collect()),
        Value::Map(map) => {
            tagged(MAP, Attribute::M(map.iter().map(|(key, value)| (key.clone(), to_tagged(value))).collect()))
        }
        Value::Json(json) => tagged(JSON, Attribute::S(json.to_string())),
    }
}

/// Reads what [`to_tagged`] wrote.
pub(crate) fn from_tagged(attribute: &Attribute) -> Result<Value, StoreError> {
    let wrong = || corrupt("value");
    Ok(match attribute {
        Attribute::Null(_) => Value::Null,
        Attribute::Bool(flag) => Value::Bool(*flag),
        Attribute::N(text) => Value::Int(text.parse().map_err(|_| wrong())?),
        Attribute::S(text) => Value::text(text.as_str()),
        Attribute::B(bytes) if bytes.as_ref().len() == 16 => Value::Id(read_id(attribute).ok_or_else(wrong)?),
        Attribute::B(_) => Value::Ref(read_reference(attribute).ok_or_else(wrong)?),
        Attribute::L(items) => Value::List(items.iter().map(from_tagged).collect::<Result<Arc<[_]>, _>>()?),
        Attribute::M(map) => {
            if let Some(money) = read_amount(map) {
                return Ok(Value::Money(money));
            }
            let (tag, inner) = map.iter().next().filter(|_| map.len() == 1).ok_or_else(wrong)?;
            match (tag.as_str(), inner) {
                (NOT_LOADED, _) => Value::NotLoaded,
                (REDACTED, _) => Value::Redacted,
                (DECIMAL, _) => Value::Decimal(read_decimal(inner).ok_or_else(wrong)?),
                (TIME, _) => Value::Time(read_time(inner).ok_or_else(wrong)?),
                (DATE, _) => Value::Date(read_date(inner).ok_or_else(wrong)?),
                (MAP, Attribute::M(map)) => Value::Map(Arc::new(
                    map.iter()
                        .map(|(key, value)| Ok((key.clone(), from_tagged(value)?)))
                        .collect::<Result<_, StoreError>>()?,
                )),
                (JSON, Attribute::S(text)) => Value::Json(Arc::new(serde_json::from_str(text).map_err(|_| wrong())?)),
                _ => return Err(wrong()),
            }
        }
        _ => return Err(wrong()),
    })
}

/// A value of a declared type. Also what filters compare with.
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

/// What an absent attribute of a field stands for: what a record has there that nobody filled in. So the many `false`
/// and empty lists of a new record take no room.
pub(crate) fn absent(field: usize, ty: FieldType) -> Value {
    match ty {
        _ if field < common::COUNT => Value::Null,
        FieldType::Bool => Value::Bool(false),
        ty if ty.is_list() => Value::List(Arc::new([])),
        _ => Value::Null,
    }
}

/// A field's attribute; `None` where its absence says it.
pub(crate) fn to_field(decl: &KindDecl, field: usize, value: &Value) -> Option<Attribute> {
    if *value == absent(field, decl.fields[field].ty) {
        return None;
    }
    // Long text stands in an item of its own; the record only tells that there is some.
    if decl.fields[field].is_long() {
        return Some(Attribute::Bool(true));
    }
    Some(to_plain(value))
}

/// Reads what [`to_field`] wrote.
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
        (FieldType::Money, Attribute::M(map)) => Value::Money(read_amount(map)?),
        (FieldType::Time, _) => Value::Time(read_time(attribute)?),
        (FieldType::Date, _) => Value::Date(read_date(attribute)?),
        (FieldType::Id(_) | FieldType::StageId, _) => Value::Id(read_id(attribute)?),
        (FieldType::Ref, _) => Value::Ref(read_reference(attribute)?),
        (FieldType::Texts(..) | FieldType::Ids(..) | FieldType::Refs(_), Attribute::L(items)) => {
            let element = ty.element();
            Value::List(items.iter().map(|item| from_plain(element, item)).collect::<Option<Arc<[_]>>>()?)
        }
        (FieldType::Structs(_), Attribute::L(items)) => {
            Value::List(items.iter().map(|item| from_plain(FieldType::Struct, item)).collect::<Option<Arc<[_]>>>()?)
        }
        (FieldType::Struct, Attribute::S(text)) => Value::Json(Arc::new(serde_json::from_str(text).ok()?)),
        (FieldType::Properties, Attribute::M(map)) => Value::Map(Arc::new(
            map.iter().map(|(key, value)| Some((key.clone(), from_tagged(value).ok()?))).collect::<Option<_>>()?,
        )),
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

pub(crate) fn read_reference(attribute: &Attribute) -> Option<Ref> {
    let (&code, bytes) = attribute.as_b().ok()?.as_ref().split_first()?;
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    Some(Ref::new(kind_of(char::from(code))?, Id::from_uuid(uuid::Uuid::from_bytes(bytes))))
}

#[cfg(test)]
mod tests {
    use crm_core::value::Kind;

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
    fn what_is_no_value_is_corrupt() {
        let two = HashMap::from([("m".to_owned(), number(1)), ("d".to_owned(), number(1))]);
        for wrong in [Attribute::Ss(vec!["a".into()]), Attribute::M(two), Attribute::B(Blob::new([1, 2, 3]))] {
            assert!(matches!(from_tagged(&wrong), Err(StoreError::Corrupt(_))), "{wrong:?}");
        }
    }
}
