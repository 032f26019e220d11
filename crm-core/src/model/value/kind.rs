//! The kinds of record, in a single table: name, plural and code.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kind_table::kinds;

macro_rules! declare {
    (records { $($records:tt)* } internal { $($internal:tt)* }) => {
        declare! { @kinds $($records)* $($internal)* }
        declare! { @internal $($internal)* }
    };
    (@internal $($(#[$doc:meta])* $kind:ident($module:ident) = $plural:ident, $name:literal, $code:literal;)*) => {
        impl Kind {
            /// Returns `true` for kinds that only authentication use cases or the CRM itself read and write: they have
            /// no permissions and are never shown to users.
            pub const fn is_internal(self) -> bool {
                matches!(self, $(Kind::$kind)|*)
            }
        }
    };
    (@kinds $($(#[$doc:meta])* $kind:ident($module:ident) = $plural:ident, $name:literal, $code:literal;)*) => {
        /// A kind of record. Its fields and indexes are in its declaration (`crm_core::schema`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// All kinds, in declared order.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            /// Returns the name in `snake_case`, as in JSON, SQL and permissions.
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name,)* }
            }

            /// Returns the plural, as in routes.
            pub const fn plural(self) -> &'static str {
                match self { $(Kind::$kind => stringify!($plural),)* }
            }

            /// Returns a two-character code, for stores with short keys. Codes are stored, so an assigned code never
            /// changes. Codes sort as names do, so that ordering by either is the same.
            pub const fn code(self) -> &'static str {
                match self { $(Kind::$kind => $code,)* }
            }

            /// Returns the kind with this [code](Kind::code).
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Kind::$kind),)* _ => None }
            }
        }
    };
}

kinds!(declare);

impl Kind {
    /// The kinds that tasks, interactions, notes and associations may refer to.
    pub const LINKED: &'static [Kind] = &[
        Kind::Team,
        Kind::User,
        Kind::Company,
        Kind::Contact,
        Kind::Lead,
        Kind::Deal,
        Kind::Task,
        Kind::Interaction,
        Kind::Note,
    ];

    /// The kinds that records are merged and converted from.
    pub const SOURCES: &'static [Kind] = &[Kind::Company, Kind::Contact, Kind::Lead, Kind::Deal];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error for a text that does not name a kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of record")]
pub struct UnknownKind(pub String);

impl FromStr for Kind {
    type Err = UnknownKind;
    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Kind::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| UnknownKind(text.chars().take(64).collect()))
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

const COUNT: usize = Kind::ALL.len();

impl super::Choice for Kind {
    const NAMES: &'static [&'static str] = &{
        let mut names = [""; COUNT];
        let mut at = 0;
        while at < COUNT {
            names[at] = Kind::ALL[at].name();
            at += 1;
        }
        names
    };
    fn name(self) -> &'static str {
        Kind::name(self)
    }
    fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }
}

impl super::FieldValue for Kind {
    fn into_value(self) -> super::Value {
        super::Value::text(self.name())
    }
    fn from_value(value: &super::Value) -> Result<Self, super::WrongType> {
        value.as_text().and_then(|name| name.parse().ok()).ok_or(super::WrongType { expected: "a kind" })
    }
    fn is_beyond(value: &super::Value) -> bool {
        matches!(value, super::Value::Opaque(_) | super::Value::Text(_)) && Self::from_value(value).is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_two_characters_and_sort_as_names_do() {
        let mut kinds = Kind::ALL.to_vec();
        kinds.sort_by_key(|kind| kind.name());
        assert!(kinds.windows(2).all(|pair| pair[0].code() < pair[1].code()), "{kinds:?}");
        for kind in kinds {
            assert!(kind.code().len() == 2 && kind.code().bytes().all(|byte| byte.is_ascii_alphanumeric()), "{kind}");
            assert_eq!(Kind::from_code(kind.code()), Some(kind));
        }
    }
}
