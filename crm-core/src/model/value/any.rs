//! [`Value`]: the type-erased value used by images, changes, filters and stores.
//!
//! The serde form is tagged with the type (`{"t": "text"}`, `{"d": "2024-01-31"}`), so that a value in an old log can
//! be read without a declaration, and a text that looks like a date stays a text. [`Value::to_json`] returns the
//! untagged form that users see. An object that this program cannot interpret (an unknown tag, several keys, a
//! reference to an unknown kind, an unknown currency) is read as [`Value::Opaque`].

use std::{cmp::Ordering, collections::BTreeMap, fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess},
    ser::SerializeMap,
};

use super::{Date, Decimal, Id, Kind, Money, Time};

/// A reference to a record by kind and id: `{"kind": "lead", "id": "…"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ref {
    /// The kind of the record.
    pub kind: Kind,
    /// The id of the record.
    pub id: Id,
}

impl Ref {
    /// Creates a reference from a kind and an id. `Ref::from(id)` takes the kind from the type of the id.
    pub fn new(kind: Kind, id: impl Into<Id>) -> Self {
        Self { kind, id: id.into() }
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

/// A value of any type that a field can have. Cheap to clone: long content is shared.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// A long text that a list omitted; `get` returns it. Never written.
    NotLoaded,
    /// A withheld value: a secret, or a personal value that was erased. In changes only.
    Redacted,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A decimal number.
    Decimal(Decimal),
    /// A text, or a choice of a field.
    Text(Arc<str>),
    /// A reference to a record of the kind named in the field's declaration.
    Id(Id),
    /// A reference to a record of any kind.
    Ref(Ref),
    /// A point in time.
    Time(Time),
    /// A calendar date.
    Date(Date),
    /// An amount in a currency.
    Money(Money),
    /// A list.
    List(Arc<[Value]>),
    /// Custom properties by key.
    Map(Arc<BTreeMap<String, Value>>),
    /// A structured value, such as an address, as JSON in the shape of the field's Rust type.
    Json(Arc<serde_json::Value>),
    /// A value that a newer program stored and this one cannot read, in its tagged form, which is also its serde form.
    /// It is written back unchanged. It is shown as null, does not compare with anything, and no field accepts it as a
    /// new value.
    Opaque(Arc<serde_json::Value>),
}

impl Value {
    /// Creates a text value.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Value::Text(text.into())
    }

    /// Creates a list value.
    pub fn list(items: impl IntoIterator<Item = Value>) -> Self {
        Value::List(items.into_iter().collect())
    }

    /// Returns `true` for [`Value::Null`].
    pub const fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Returns the text if this is a text value.
    pub fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    /// Returns the id if this is an id value.
    pub const fn as_id(&self) -> Option<Id> {
        if let Value::Id(id) = self { Some(*id) } else { None }
    }

    /// Returns the time if this is a time value.
    pub const fn as_time(&self) -> Option<Time> {
        if let Value::Time(time) = self { Some(*time) } else { None }
    }

    /// Returns the elements of a list, and an empty slice for any other value.
    pub fn items(&self) -> &[Value] {
        if let Value::List(items) = self { items } else { &[] }
    }

    /// Returns the properties by key if this is a map.
    pub fn as_map(&self) -> Option<&BTreeMap<String, Value>> {
        if let Value::Map(map) = self { Some(map) } else { None }
    }

    /// Compares two values of the same type as filters do: numbers by size, texts by code point, amounts in the same
    /// currency by size. Returns `None` if the values are not comparable: a missing or opaque value, different types or
    /// different currencies.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        Some(match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Decimal(a), Value::Decimal(b)) => a.cmp(b),
            (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Value::Id(a), Value::Id(b)) => a.cmp(b),
            (Value::Ref(a), Value::Ref(b)) => a.cmp(b),
            (Value::Time(a), Value::Time(b)) => a.cmp(b),
            (Value::Date(a), Value::Date(b)) => a.cmp(b),
            (Value::Money(a), Value::Money(b)) if a.currency == b.currency => a.amount.cmp(&b.amount),
            _ => return None,
        })
    }

    /// Returns the total order by which lists are sorted: as [`Value::compare`], with missing values last.
    pub fn sort_order(&self, other: &Value) -> Ordering {
        match (self.is_null(), other.is_null()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => self.compare(other).unwrap_or(Ordering::Equal),
        }
    }

    /// Returns the approximate number of bytes that a store needs for this value, as counted by budgets.
    pub fn size(&self) -> usize {
        match self {
            Value::Null | Value::NotLoaded | Value::Redacted | Value::Bool(_) => 1,
            Value::Int(_) | Value::Time(_) | Value::Date(_) => 8,
            Value::Decimal(_) | Value::Id(_) => 16,
            Value::Ref(_) | Value::Money(_) => 20,
            Value::Text(text) => text.len(),
            Value::List(items) => items.iter().map(|item| 1 + item.size()).sum(),
            Value::Map(map) => map.iter().map(|(key, value)| key.len() + 2 + value.size()).sum(),
            Value::Json(json) | Value::Opaque(json) => json_size(json),
        }
    }

    /// Returns the untagged JSON that users see: decimals and times as text, money as an object; values that are not
    /// loaded, redacted or opaque as null.
    pub fn to_json(&self) -> serde_json::Value {
        // Cannot fail: maps have text keys only.
        serde_json::to_value(Plain(self)).unwrap_or_default()
    }
}

/// A value in the form that users see, serialized directly into JSON text: [`Value::to_json`] without building the
/// tree.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a>(pub &'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null | Value::NotLoaded | Value::Redacted | Value::Opaque(_) => serializer.serialize_unit(),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Decimal(number) => number.serialize(serializer),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Id(id) => id.serialize(serializer),
            Value::Ref(target) => target.serialize(serializer),
            Value::Time(time) => time.serialize(serializer),
            Value::Date(date) => date.serialize(serializer),
            Value::Money(money) => money.serialize(serializer),
            Value::List(items) => serializer.collect_seq(items.iter().map(Plain)),
            Value::Map(map) => serializer.collect_map(map.iter().map(|(key, value)| (key, Plain(value)))),
            Value::Json(json) => json.serialize(serializer),
        }
    }
}

/// Returns the size in bytes of structured data as escaped JSON text, which is how the least compact store keeps it.
fn json_size(json: &serde_json::Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Cannot fail: keys are texts, and the counter accepts any bytes.
    match serde_json::to_writer(&mut count, json) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fn tagged<S: Serializer, T: Serialize + ?Sized>(s: S, tag: &'static str, value: &T) -> Result<S::Ok, S::Error> {
            let mut map = s.serialize_map(Some(1))?;
            map.serialize_entry(tag, value)?;
            map.end()
        }
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::NotLoaded => tagged(serializer, "n", &true),
            Value::Redacted => tagged(serializer, "x", &true),
            Value::Bool(flag) => tagged(serializer, "b", flag),
            Value::Int(number) => tagged(serializer, "i", number),
            Value::Decimal(number) => tagged(serializer, "q", number),
            Value::Text(text) => tagged(serializer, "t", text.as_ref()),
            Value::Id(id) => tagged(serializer, "u", id),
            Value::Ref(target) => tagged(serializer, "r", target),
            Value::Time(time) => tagged(serializer, "m", &time.micros()),
            Value::Date(date) => tagged(serializer, "d", date),
            Value::Money(money) => tagged(serializer, "c", money),
            Value::List(items) => tagged(serializer, "l", items.as_ref()),
            Value::Map(map) => tagged(serializer, "p", map.as_ref()),
            Value::Json(json) => tagged(serializer, "j", json.as_ref()),
            Value::Opaque(json) => json.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tagged;
        impl<'de> de::Visitor<'de> for Tagged {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null or an object with one tag and its value")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let tag: String = map.next_key()?.ok_or_else(|| de::Error::custom("a value without a tag"))?;
                let opaque =
                    |json: serde_json::Value| Value::Opaque(Arc::new(serde_json::json!({ tag.as_str(): json })));
                let value = match tag.as_str() {
                    "n" => map.next_value::<bool>().map(|_| Value::NotLoaded)?,
                    "x" => map.next_value::<bool>().map(|_| Value::Redacted)?,
                    "b" => Value::Bool(map.next_value()?),
                    "i" => Value::Int(map.next_value()?),
                    "q" => Value::Decimal(map.next_value()?),
                    "t" => Value::Text(map.next_value::<String>()?.into()),
                    "u" => Value::Id(map.next_value()?),
                    "r" => {
                        let json: serde_json::Value = map.next_value()?;
                        Ref::deserialize(&json).map_or_else(|_| opaque(json), Value::Ref)
                    }
                    "m" => Value::Time(Time::from_micros(map.next_value()?).map_err(de::Error::custom)?),
                    "d" => Value::Date(map.next_value()?),
                    "c" => {
                        let json: serde_json::Value = map.next_value()?;
                        Money::deserialize(&json).map_or_else(|_| opaque(json), Value::Money)
                    }
                    "l" => Value::List(map.next_value::<Vec<Value>>()?.into()),
                    "p" => Value::Map(Arc::new(map.next_value()?)),
                    "j" => Value::Json(Arc::new(map.next_value()?)),
                    _ => opaque(map.next_value()?),
                };
                let mut rest = serde_json::Map::new();
                while let Some((key, json)) = map.next_entry()? {
                    rest.insert(key, json);
                }
                if !rest.is_empty() {
                    if let serde_json::Value::Object(first) = serde_json::to_value(&value).map_err(de::Error::custom)? {
                        rest.extend(first);
                    }
                    return Ok(Value::Opaque(Arc::new(serde_json::Value::Object(rest))));
                }
                Ok(value)
            }
        }
        deserializer.deserialize_any(Tagged)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_newer_program_stored_is_read_and_written_back_as_it_was() {
        let id = "0190c5e0-0000-7000-8000-000000000001";
        for stored in [
            json!({"geo": [1.5, 2]}),
            json!({"geo": null}),
            json!({"r": {"kind": "gadget", "id": id, "more": 1}}),
            json!({"c": {"amount": "1.00", "currency": "ZZZ"}}),
            json!({"t": "hello", "lang": "de"}),
            json!({"geo": 1, "t": "hello"}),
        ] {
            let value: Value = serde_json::from_value(stored.clone()).unwrap();
            assert_eq!(value, Value::Opaque(Arc::new(stored.clone())));
            assert_eq!(serde_json::to_value(&value).unwrap(), stored);
            assert_eq!(value.to_json(), serde_json::Value::Null);
            assert_eq!(value.compare(&value), None);
            let list = json!({"l": [stored.clone(), {"t": "plain"}]});
            let list: Value = serde_json::from_value(list).unwrap();
            assert_eq!(list.items(), [value.clone(), Value::text("plain")]);
            let map = json!({"p": {"key": stored.clone()}}).to_string();
            let map: Value = serde_json::from_str(&map).unwrap();
            assert_eq!(map.as_map().unwrap()["key"], value);
        }
        assert!(serde_json::from_value::<Value>(json!({})).is_err());
        assert!(serde_json::from_value::<Value>(json!("bare")).is_err());
    }
}
