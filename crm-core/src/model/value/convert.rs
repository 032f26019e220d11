//! Conversion between Rust types and field values: the bridge between the struct of a record and the erased [`Value`]s
//! that stores see.
//!
//! A value that a newer program stored and this one cannot read ([`FieldValue::is_beyond`]) is absent on the typed side
//! and left out of lists. When the record is written, it is kept unchanged, as are unknown keys of structures.

use std::{collections::BTreeMap, sync::Arc};

use super::{Currency, Date, Decimal, Fault, FaultCode, Id, Money, Ref, Time, Value, stored};

/// The error for a stored value that is not of the type declared by its field: the store is damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored value is not {expected}")]
pub struct WrongType {
    /// The expected type.
    pub expected: &'static str,
}

/// A Rust type that a field can have.
pub trait FieldValue: Sized {
    /// Converts into a stored value.
    fn into_value(self) -> Value;
    /// Converts from a stored value. A missing value becomes the empty value of the type if it has one (an empty list,
    /// `false`, 0, "").
    ///
    /// # Errors
    /// [`WrongType`] if the value is of another type.
    fn from_value(value: &Value) -> Result<Self, WrongType>;
    /// Replaces the stored value `there` with this one. A text that is already equal is not replaced, so that it stays
    /// shared; unknown parts of a structure are kept.
    fn write_into(self, there: &mut Value) {
        *there = self.into_value();
    }
    /// As [`FieldValue::write_into`], for a list.
    fn write_list(list: Vec<Self>, there: &mut Value) {
        *there = Vec::<Self>::keep(there, list.into_value());
    }
    /// Returns `true` for a stored value that only a newer program, and not damage, explains.
    fn is_beyond(value: &Value) -> bool {
        matches!(value, Value::Opaque(_))
    }
    /// `true` for structures, whose parts may be unknown.
    const IS_STRUCTURE: bool = false;
    /// Returns the new value with the unknown parts of the held one: unknown keys of structures and unreadable elements
    /// of lists.
    fn keep(_held: &Value, given: Value) -> Value {
        given
    }
    /// Returns the faults of a structure given to replace the held one, each with its location below the field as a
    /// JSON pointer. Unknown parts that are already held unchanged are not faults.
    fn faults(_held: &Value, _given: &Value) -> Vec<(String, Fault)> {
        Vec::new()
    }
}

/// A type that a patch setter accepts for a field of type `T`: `T` itself or a type with an obvious conversion, such as
/// `"text"` for an `Option<String>`.
pub trait Setting<T> {
    /// Converts into the value of the field.
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
    &str => String, String => String, i64 => i64, Ref => Ref, Time => Time, Date => Date, Money => Money,
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
    Ref, Ref, "a reference"; Time, Time, "a time"; Date, Date, "a date";
    Money, Money, "an amount of money";
}

impl<K> Setting<Option<Id<K>>> for Id<K> {
    fn setting(self) -> Option<Id<K>> {
        Some(self)
    }
}

impl<K> From<Id<K>> for Value {
    fn from(id: Id<K>) -> Self {
        Value::Id(id.erase())
    }
}

impl<K> FieldValue for Id<K> {
    fn into_value(self) -> Value {
        self.into()
    }
    fn from_value(value: &Value) -> Result<Self, WrongType> {
        value.as_id().map(Id::typed).ok_or(WrongType { expected: "an id" })
    }
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
            Value::Null | Value::NotLoaded | Value::Redacted | Value::Opaque(_) => Ok(String::new()),
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
    fn is_beyond(value: &Value) -> bool {
        matches!(value, Value::Opaque(_) | Value::Text(_)) && Self::from_value(value).is_err()
    }
}

/// Returns the value, or `None` if it is beyond this program.
fn read_known<T: FieldValue>(value: &Value) -> Result<Option<T>, WrongType> {
    match T::from_value(value) {
        Err(_) if T::is_beyond(value) => Ok(None),
        read => read.map(Some),
    }
}

impl<T: FieldValue> FieldValue for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }
    fn write_into(self, there: &mut Value) {
        match self {
            Some(value) => value.write_into(there),
            None if T::is_beyond(there) => {}
            None => *there = Value::Null,
        }
    }
    fn from_value(value: &Value) -> Result<Self, WrongType> {
        match value {
            Value::Null | Value::NotLoaded | Value::Redacted | Value::Opaque(_) => Ok(None),
            other => read_known(other),
        }
    }
    fn keep(held: &Value, given: Value) -> Value {
        T::keep(held, given)
    }
    fn faults(held: &Value, given: &Value) -> Vec<(String, Fault)> {
        if given.is_null() { Vec::new() } else { T::faults(held, given) }
    }
}

impl<T: FieldValue> FieldValue for Vec<T> {
    fn into_value(self) -> Value {
        // Most lists are empty and share one allocation.
        if self.is_empty() { Value::List(Arc::default()) } else { Value::list(self.into_iter().map(T::into_value)) }
    }
    fn write_into(self, there: &mut Value) {
        T::write_list(self, there);
    }
    fn from_value(value: &Value) -> Result<Self, WrongType> {
        match value {
            Value::List(items) => items.iter().filter_map(|item| read_known(item).transpose()).collect(),
            Value::Null => Ok(Vec::new()),
            _ => Err(WrongType { expected: "a list" }),
        }
    }
    fn keep(held: &Value, given: Value) -> Value {
        let held = held.items();
        if !T::IS_STRUCTURE && !held.iter().any(T::is_beyond) {
            return given;
        }
        let mut items = given.items().to_vec();
        let mut left: Vec<usize> = (0..items.len()).collect();
        for element in held.iter().filter(|_| T::IS_STRUCTURE) {
            if let Some(found) = left.iter().position(|&at| are_one(element, &items[at])) {
                let at = left.remove(found);
                items[at] = T::keep(element, std::mem::take(&mut items[at]));
            }
        }
        for (place, element) in held.iter().enumerate().filter(|(_, element)| T::is_beyond(element)) {
            if !items.iter().any(|item| item == element || are_one(element, item)) {
                items.insert(place.min(items.len()), element.clone());
            }
        }
        Value::List(items.into())
    }
    fn faults(held: &Value, given: &Value) -> Vec<(String, Fault)> {
        let held = held.items();
        let of = |(place, element): (usize, &Value)| {
            let was = held.iter().find(|held| *held == element).or(held.iter().find(|held| are_one(held, element)));
            let faults = T::faults(was.unwrap_or(&Value::Null), element).into_iter();
            faults.map(move |(at, fault)| (format!("/{place}{at}"), fault)).collect::<Vec<_>>()
        };
        if T::IS_STRUCTURE { given.items().iter().enumerate().flat_map(of).collect() } else { Vec::new() }
    }
}

/// Returns `true` if two elements of a list of structures are the same element, possibly changed.
fn are_one(held: &Value, given: &Value) -> bool {
    matches!((held, given), (Value::Json(held), Value::Json(given)) if stored::are_one(held, given))
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

/// The common behavior of `structured!` types.
pub(crate) trait Structure: serde::Serialize + serde::de::DeserializeOwned + PartialEq {
    /// The name of the type in errors.
    const NAME: &'static str;
    /// `true` if an unknown key or choice may change the meaning of the rest: the value is then not read at all rather
    /// than in part.
    const WHOLE: bool;

    fn read(value: &Value) -> Result<Self, WrongType> {
        let Value::Json(json) = value else { return Err(WrongType { expected: Self::NAME }) };
        match stored::read(json, stored::Mode::Stored) {
            (Ok(_), unknown) if Self::WHOLE && !unknown.is_empty() => Err(WrongType { expected: Self::NAME }),
            (read, _) => read.map_err(|_| WrongType { expected: Self::NAME }),
        }
    }

    /// As [`FieldValue::keep`].
    fn kept(held: &Value, mut given: Value) -> Value {
        // A type that is read only as a whole is replaced as a whole.
        if let (Value::Json(held), Value::Json(given), false) = (held, &mut given, Self::WHOLE)
            && held != given
        {
            let (_, unknown) = stored::read::<Self>(held, stored::Mode::Stored);
            stored::keep(&unknown, held, Arc::make_mut(given));
        }
        given
    }

    /// As [`FieldValue::faults`].
    fn faults_of(held: &Value, given: &Value) -> Vec<(String, Fault)> {
        if held == given {
            return Vec::new();
        }
        let Value::Json(json) = given else {
            return vec![(String::new(), Fault::new(FaultCode::WrongType, "must be an object"))];
        };
        let held = if let Value::Json(held) = held { held } else { &serde_json::Value::Null };
        let is_there = |at: &str| held.pointer(at).is_some_and(|there| Some(there) == json.pointer(at));
        let (mut read, mut unknown) = stored::read::<Self>(json, stored::Mode::Given);
        if read.as_ref().is_err_and(|error| is_there(&error.at)) {
            (read, unknown) = stored::read(json, stored::Mode::GivenBack);
        }
        let new = unknown.iter().filter(|unknown| !is_there(&unknown.at));
        let mut faults: Vec<(String, Fault)> = new.map(|unknown| (unknown.at.clone(), unknown.fault())).collect();
        if let (Err(error), true) = (read, faults.is_empty()) {
            faults.push((error.at, Fault::new(FaultCode::WrongType, error.why)));
        }
        faults
    }
}

/// Makes serde structs field values of the structured type, stored as JSON in their own shape. Types after `whole` are
/// read only if no part of them is unknown.
macro_rules! structured {
    ($($ty:ty),* $(; whole $($whole:ty),*)?) => {
        $($crate::model::value::structured!(@ $ty, false);)*
        $($($crate::model::value::structured!(@ $whole, true);)*)?
    };
    (@ $ty:ty, $whole:literal) => {
        impl $crate::model::value::Structure for $ty {
            const NAME: &'static str = concat!("a ", stringify!($ty));
            const WHOLE: bool = $whole;
        }
        impl $crate::model::value::FieldValue for $ty {
            const IS_STRUCTURE: bool = true;
            fn into_value(self) -> $crate::model::value::Value {
                // Cannot fail for a struct of plain fields; if it did, the field would read as missing.
                serde_json::to_value(self)
                    .map_or($crate::model::value::Value::Null, |json| $crate::model::value::Value::Json(std::sync::Arc::new(json)))
            }
            fn from_value(value: &$crate::model::value::Value) -> Result<Self, $crate::model::value::WrongType> {
                $crate::model::value::Structure::read(value)
            }
            fn write_into(self, there: &mut $crate::model::value::Value) {
                if Self::from_value(there).as_ref() != Ok(&self) {
                    *there = Self::keep(there, self.into_value());
                }
            }
            fn write_list(list: Vec<Self>, there: &mut $crate::model::value::Value) {
                if Vec::from_value(there).as_ref() != Ok(&list) {
                    *there = Vec::<Self>::keep(there, list.into_value());
                }
            }
            fn is_beyond(value: &$crate::model::value::Value) -> bool {
                matches!(value, $crate::model::value::Value::Opaque(_))
                    || matches!(value, $crate::model::value::Value::Json(_)) && Self::from_value(value).is_err()
            }
            fn keep(held: &$crate::model::value::Value, given: $crate::model::value::Value) -> $crate::model::value::Value {
                <Self as $crate::model::value::Structure>::kept(held, given)
            }
            fn faults(held: &$crate::model::value::Value, given: &$crate::model::value::Value) -> Vec<(String, $crate::model::value::Fault)> {
                <Self as $crate::model::value::Structure>::faults_of(held, given)
            }
        }
    };
}
pub(crate) use structured;
