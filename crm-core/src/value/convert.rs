//! Rust types as field values: the bridge between a record's struct and the erased [`Value`]s that stores see.

use std::{collections::BTreeMap, sync::Arc};

use super::{Currency, Date, Decimal, Id, Money, Ref, Time, Value};

/// A stored value is not of the type that its field declares: the store is damaged, or newer than this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored value is not {expected}")]
pub struct WrongType {
    /// What was expected.
    pub expected: &'static str,
}

/// A Rust type that a field can have.
pub trait FieldValue: Sized {
    /// As a stored value.
    fn into_value(self) -> Value;
    /// From a stored value; a missing value of a type that has a natural nothing (an empty list, `false`, 0, "") is that.
    ///
    /// # Errors
    /// [`WrongType`].
    fn from_value(value: &Value) -> Result<Self, WrongType>;
    /// Writes it over what is there. A text that is there already stays, and stays shared with whoever else has it.
    fn write_into(self, there: &mut Value) {
        *there = self.into_value();
    }
}

/// What a patch's setter takes for a field of type `T`: the type itself and what is plainly meant by it, such as
/// `"text"` for an `Option<String>`.
pub trait Setting<T> {
    /// The field's value.
    fn setting(self) -> T;
}

impl<T> Setting<T> for T {
    fn setting(self) -> T {
        self
    }
}

macro_rules! settings {
    ($($from:ty => $to:ty),* $(,)?) => {
        $(impl Setting<$to> for $from { fn setting(self) -> $to { self.into() } })*
    };
}
settings! { &str => String }
macro_rules! optional_settings {
    ($($from:ty => $to:ty),* $(,)?) => {
        $(impl Setting<Option<$to>> for $from { fn setting(self) -> Option<$to> { Some(self.into()) } })*
    };
}
optional_settings! {
    &str => String, String => String, i64 => i64, Id => Id, Ref => Ref, Time => Time, Date => Date, Money => Money,
    Decimal => Decimal, Currency => Currency, bool => bool,
}

macro_rules! scalar {
    ($($ty:ty, $variant:ident, $expected:literal;)*) => {$(
        impl FieldValue for $ty {
            fn into_value(self) -> Value { Value::$variant(self) }
            fn from_value(value: &Value) -> Result<Self, WrongType> {
                match value {
                    Value::$variant(inner) => Ok(*inner),
                    _ => Err(WrongType { expected: $expected }),
                }
            }
        }
    )*};
}
scalar! {
    Id, Id, "an id"; Ref, Ref, "a reference"; Time, Time, "a time"; Date, Date, "a date";
    Money, Money, "an amount of money";
}

impl FieldValue for bool {
    fn into_value(self) -> Value {
        Value::Bool(self)
    }
    fn from_value(value: &Value) -> Result<Self, WrongType> {
        match value {
            Value::Bool(flag) => Ok(*flag),
            Value::Null => Ok(false),
            _ => Err(WrongType { expected: "true or false" }),
        }
    }
}

impl FieldValue for Decimal {
    fn into_value(self) -> Value {
        Value::Decimal(self)
    }
    fn from_value(value: &Value) -> Result<Self, WrongType> {
        match value {
            Value::Decimal(number) => Ok(*number),
            Value::Null => Ok(Decimal::ZERO),
            _ => Err(WrongType { expected: "a decimal" }),
        }
    }
}

impl FieldValue for i64 {
    fn into_value(self) -> Value {
        Value::Int(self)
    }
    fn from_value(value: &Value) -> Result<Self, WrongType> {
        match value {
            Value::Int(number) => Ok(*number),
            Value::Null => Ok(0),
            _ => Err(WrongType { expected: "a whole number" }),
        }
    }
}

impl FieldValue for String {
    fn into_value(self) -> Value {
        Value::Text(self.into())
    }
    fn write_into(self, there: &mut Value) {
        if there.as_text() != Some(&self) {
            *there = self.into_value();
        }
    }
    fn from_value(value: &Value) -> Result<Self, WrongType> {
        match value {
            Value::Text(text) => Ok(text.as_ref().to_owned()),
            Value::Null | Value::NotLoaded | Value::Redacted => Ok(String::new()),
            _ => Err(WrongType { expected: "a text" }),
        }
    }
}

impl FieldValue for Currency {
    fn into_value(self) -> Value {
        Value::text(self.code())
    }
    fn from_value(value: &Value) -> Result<Self, WrongType> {
        value.as_text().and_then(|code| code.parse().ok()).ok_or(WrongType { expected: "a currency" })
    }
}

impl<T: FieldValue> FieldValue for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }
    fn write_into(self, there: &mut Value) {
        match self {
            Some(value) => value.write_into(there),
            None => *there = Value::Null,
        }
    }
    fn from_value(value: &Value) -> Result<Self, WrongType> {
        match value {
            Value::Null | Value::NotLoaded | Value::Redacted => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }
}

impl<T: FieldValue> FieldValue for Vec<T> {
    fn into_value(self) -> Value {
        // Most lists are empty, and share one allocation.
        if self.is_empty() { Value::List(Arc::default()) } else { Value::list(self.into_iter().map(T::into_value)) }
    }
    fn from_value(value: &Value) -> Result<Self, WrongType> {
        match value {
            Value::List(items) => items.iter().map(T::from_value).collect(),
            Value::Null => Ok(Vec::new()),
            _ => Err(WrongType { expected: "a list" }),
        }
    }
}

impl FieldValue for BTreeMap<String, Value> {
    fn into_value(self) -> Value {
        Value::Map(Arc::new(self))
    }
    fn from_value(value: &Value) -> Result<Self, WrongType> {
        match value {
            Value::Map(map) => Ok(map.as_ref().clone()),
            Value::Null => Ok(BTreeMap::new()),
            _ => Err(WrongType { expected: "a map of properties" }),
        }
    }
}

/// Makes serde structs field values of the structured type: JSON of their own shape.
macro_rules! structured {
    ($($ty:ty),* $(,)?) => {$(
        impl $crate::value::FieldValue for $ty {
            fn into_value(self) -> $crate::value::Value {
                // A struct of plain fields has no way to fail here; were it to, the field would read as missing.
                serde_json::to_value(self)
                    .map_or($crate::value::Value::Null, |json| $crate::value::Value::Json(std::sync::Arc::new(json)))
            }
            fn from_value(value: &$crate::value::Value) -> Result<Self, $crate::value::WrongType> {
                match value {
                    $crate::value::Value::Json(json) => <Self as serde::Deserialize>::deserialize(json.as_ref())
                        .map_err(|_| $crate::value::WrongType { expected: concat!("a ", stringify!($ty)) }),
                    _ => Err($crate::value::WrongType { expected: concat!("a ", stringify!($ty)) }),
                }
            }
        }
    )*};
}
pub(crate) use structured;
