//! Fields with a fixed set of values: an enum whose variants are written in lower `snake_case` everywhere.

/// An enum that is a field's type.
pub trait Choice: Copy + Sized + 'static {
    /// The names of all variants.
    const NAMES: &'static [&'static str];
    /// The variant's name.
    fn name(self) -> &'static str;
    /// The variant of a name.
    fn from_name(name: &str) -> Option<Self>;
}

/// Declares such an enum with its names, its serde form and its place in records.
macro_rules! choices {
    ($($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant,)* }

        impl $crate::value::Choice for $name {
            const NAMES: &'static [&'static str] = &[$($text,)*];
            fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
            fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some($name::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::value::Choice::name(*self))
            }
        }

        impl $crate::value::FieldValue for $name {
            fn into_value(self) -> $crate::value::Value {
                $crate::value::Value::text($crate::value::Choice::name(self))
            }
            fn write_into(self, there: &mut $crate::value::Value) {
                if there.as_text() != Some($crate::value::Choice::name(self)) {
                    *there = self.into_value();
                }
            }
            fn from_value(value: &$crate::value::Value) -> Result<Self, $crate::value::WrongType> {
                // A field that is not filled yet, or not told, reads as the first choice.
                let name = match value {
                    $crate::value::Value::Null => <$name as $crate::value::Choice>::NAMES.first().copied(),
                    other => other.as_text(),
                };
                name.and_then(<$name as $crate::value::Choice>::from_name)
                    .ok_or($crate::value::WrongType { expected: concat!("a ", stringify!($name)) })
            }
        }

        impl $crate::value::Setting<Option<$name>> for $name {
            fn setting(self) -> Option<$name> { Some(self) }
        }
    )*};
}
pub(crate) use choices;
