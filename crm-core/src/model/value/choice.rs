//! Fields with a fixed set of values: enums whose variants are written in lower `snake_case` everywhere.
//!
//! Newer programs may add variants. A stored name that this program does not know is read as the variant `Unknown`,
//! which keeps the name. In input it is refused, by serde and by fields alike.

use std::{
    collections::BTreeSet,
    fmt,
    marker::PhantomData,
    sync::{Mutex, PoisonError},
};

use serde::{
    Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, VariantAccess, Visitor},
};

/// An enum that is the type of a field.
pub trait Choice: Copy + Sized + 'static {
    /// The names of all variants except `Unknown`: the names that may be written.
    const NAMES: &'static [&'static str];
    /// Returns the name of the variant.
    fn name(self) -> &'static str;
    /// Returns the variant with this name.
    fn from_name(name: &str) -> Option<Self>;
}

/// The name of a choice that a newer program stored and this one does not know. It cannot be constructed by users, and
/// is written back unchanged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnknownChoice(&'static str);

/// The maximum number of names kept: programs add a few dozen over time, and a damaged store must not grow it without
/// bound.
const MAX_KEPT: usize = 1_000;
/// The maximum size in bytes of a name that is kept.
const MAX_NAME: usize = 64;

impl UnknownChoice {
    /// Returns the name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// Creates one from a stored name. Each name is leaked once, so that choices stay `Copy`; beyond the limit all
    /// others become `unknown`.
    pub(crate) fn of(name: &str) -> Self {
        static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(name) {
            return Self(known);
        }
        if kept.len() >= MAX_KEPT || name.len() > MAX_NAME {
            return Self("unknown");
        }
        let name: &'static str = Box::leak(name.into());
        kept.insert(name);
        Self(name)
    }
}

impl fmt::Debug for UnknownChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

/// Reads a choice by name. An unknown name is refused, except when read from the store, where it arrives as bytes
/// ([`read`](super::stored::read)), which JSON never produces.
pub(crate) fn read_choice<'de, C: Choice, D: Deserializer<'de>>(
    deserializer: D,
    unknown: fn(UnknownChoice) -> C,
) -> Result<C, D::Error> {
    struct ByName<C>(fn(UnknownChoice) -> C, PhantomData<C>);
    impl<'de, C: Choice> Visitor<'de> for ByName<C> {
        type Value = C;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "one of {}", C::NAMES.join(", "))
        }
        fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<C, A::Error> {
            let (choice, variant) = access.variant_seed(self)?;
            variant.unit_variant()?;
            Ok(choice)
        }
        fn visit_str<E: Error>(self, name: &str) -> Result<C, E> {
            C::from_name(name).ok_or_else(|| E::unknown_variant(name, C::NAMES))
        }
        fn visit_bytes<E: Error>(self, stored: &[u8]) -> Result<C, E> {
            let name = std::str::from_utf8(stored).map_err(E::custom)?;
            Ok(C::from_name(name).unwrap_or_else(|| (self.0)(UnknownChoice::of(name))))
        }
    }
    impl<'de, C: Choice> DeserializeSeed<'de> for ByName<C> {
        type Value = C;
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<C, D::Error> {
            deserializer.deserialize_identifier(self)
        }
    }
    deserializer.deserialize_enum("choice", C::NAMES, ByName(unknown, PhantomData))
}

/// Declares such an enum with its names, serde form and field conversion. `Unknown` comes first, so that it compares as
/// the least.
macro_rules! choices {
    ($($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            /// A choice that a newer program stored and this one does not know. It is kept, and cannot be written as a
            /// new value.
            Unknown($crate::model::value::UnknownChoice),
            $($(#[$doc])* $variant,)*
        }

        impl $crate::model::value::Choice for $name {
            const NAMES: &'static [&'static str] = &[$($text,)*];
            fn name(self) -> &'static str {
                match self { $name::Unknown(stored) => stored.as_str(), $($name::$variant => $text,)* }
            }
            fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some($name::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::model::value::Choice::name(*self))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($crate::model::value::Choice::name(*self))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::model::value::read_choice(deserializer, $name::Unknown)
            }
        }

        impl $crate::model::value::FieldValue for $name {
            fn into_value(self) -> $crate::model::value::Value {
                $crate::model::value::Value::text($crate::model::value::Choice::name(self))
            }
            fn write_into(self, there: &mut $crate::model::value::Value) {
                if Self::from_value(there) != Ok(self) || there.is_null() {
                    *there = self.into_value();
                }
            }
            fn from_value(value: &$crate::model::value::Value) -> Result<Self, $crate::model::value::WrongType> {
                // A field that is not filled yet, or is withheld, reads as the first choice.
                let name = match value {
                    $crate::model::value::Value::Null => <$name as $crate::model::value::Choice>::NAMES.first().copied(),
                    other => other.as_text(),
                };
                let name = name.ok_or($crate::model::value::WrongType { expected: concat!("a ", stringify!($name)) })?;
                Ok(<$name as $crate::model::value::Choice>::from_name(name)
                    .unwrap_or_else(|| $name::Unknown($crate::model::value::UnknownChoice::of(name))))
            }
        }

        impl $crate::model::value::Setting<Option<$name>> for $name {
            fn setting(self) -> Option<$name> { Some(self) }
        }
    )*};
}
pub(crate) use choices;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{
        records::pipeline::StageKind,
        value::{FieldValue, Value, stored},
    };

    #[test]
    fn a_stored_name_that_is_unknown_is_kept_and_one_from_outside_is_refused() {
        let stored = Value::text("paused");
        let kind = StageKind::from_value(&stored).unwrap();
        assert_eq!((kind.name(), kind.to_string().as_str()), ("paused", "paused"));
        assert_eq!((kind.into_value(), StageKind::from_name("paused")), (stored, None));
        assert_eq!(serde_json::to_value(kind).unwrap(), "paused");
        assert!(kind < StageKind::Open, "the least of them");
        assert_eq!(kind, stored::read::<StageKind>(&json!("paused"), stored::Mode::Stored).0.unwrap());
        assert_ne!(kind, StageKind::from_value(&Value::text("frozen")).unwrap());
        assert!(!StageKind::NAMES.contains(&"unknown"));
        for given in ["paused", "unknown", "Open", ""] {
            let error = serde_json::from_value::<StageKind>(json!(given)).unwrap_err().to_string();
            assert!(error.contains("expected one of `open`, `won`, `lost`"), "{error}");
            assert!(serde_json::from_str::<StageKind>(&json!(given).to_string()).is_err());
        }
        assert_eq!(serde_json::from_value::<StageKind>(json!("won")).unwrap(), StageKind::Won);
        // A name over the limit matches none of the choices and is kept as stored.
        let long = Value::text("x".repeat(MAX_NAME + 1));
        let mut there = long.clone();
        StageKind::from_value(&long).unwrap().write_into(&mut there);
        assert_eq!(there, long);
    }
}
