//! The filter language as plain data: fields, operators, values, relative times, and / or / not.
//!
//! ```
//! # use crm_core::filter::{Filter, Op};
//! let filter: Filter = serde_json::from_str(
//!     r#"{"and": [{"field": "source", "op": "eq", "value": "web"},
//!                 {"not": {"field": "created_at", "op": "lt", "value": {"days": -7}}}]}"#,
//! )?;
//! assert_eq!(filter, Filter::eq("source", "web").and(Filter::is("created_at", Op::Lt, serde_json::json!({"days": -7})).negate()));
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Visitor};

use crate::model::value::stored;

/// A condition on a record.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Filter {
    /// All parts match; `true` if empty.
    All {
        /// The parts.
        and: Vec<Filter>,
    },
    /// At least one part matches; `false` if empty.
    Any {
        /// The parts.
        or: Vec<Filter>,
    },
    /// The exact complement.
    Not {
        /// The part that must not match.
        not: Box<Filter>,
    },
    /// A comparison of one field with a value.
    Is(Condition),
    /// A stored condition that a newer program wrote and this one does not know, kept as stored. It never compiles, so
    /// everything that depends on it is closed: a stage gate admits nothing, a grant grants nothing. Deserialized from
    /// the store only.
    Unknown(serde_json::Value),
}

/// The form of a condition in input.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
#[serde(expecting = "must be a condition: {field, op, value}, {and: [...]}, {or: [...]} or {not: {...}}")]
enum Written {
    All { and: Vec<Filter> },
    Any { or: Vec<Filter> },
    Not { not: Box<Filter> },
    Is(Condition),
}

impl From<Written> for Filter {
    fn from(written: Written) -> Self {
        match written {
            Written::All { and } => Filter::All { and },
            Written::Any { or } => Filter::Any { or },
            Written::Not { not } => Filter::Not { not },
            Written::Is(condition) => Filter::Is(condition),
        }
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Filter;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a condition")
            }
            fn visit_newtype_struct<D: Deserializer<'de>>(self, written: D) -> Result<Filter, D::Error> {
                Written::deserialize(written).map(Filter::from)
            }
            fn visit_some<D: Deserializer<'de>>(self, stored: D) -> Result<Filter, D::Error> {
                serde_json::Value::deserialize(stored).map(Filter::of_stored)
            }
        }
        deserializer.deserialize_newtype_struct(stored::AT_REST, Either)
    }
}

/// A comparison of one field with a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The name of the field, or `properties.key`.
    pub field: String,
    /// The operator.
    pub op: Op,
    /// The value in the field's JSON form. Times and dates also accept `"now"`, an offset such as `{"days": -7}`
    /// (minutes, hours, days, weeks, months, quarters, years) from the time at which the filter is evaluated, or a
    /// period such as `"today"`, `"this_week"`, `"last_quarter"` or `"last_7_days"`: `eq` matches times within the
    /// period, `ge` from its start, `gt` after its end. For a time, a day is such a period. `"me"` stands for the
    /// current user. An array for `in`; absent for `missing`.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub value: serde_json::Value,
}

/// A comparison operator. For a missing field, all operators except `missing` and `ne` are false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Equal to the value; a list contains it.
    Eq,
    /// Not equal to the value, or missing.
    Ne,
    /// Less than the value.
    Lt,
    /// Less than or equal to the value.
    Le,
    /// Greater than the value.
    Gt,
    /// Greater than or equal to the value.
    Ge,
    /// Equal to one of up to 100 values.
    In,
    /// The text contains the value (case-sensitive), or the list contains it.
    Contains,
    /// The text starts with the value (case-sensitive).
    StartsWith,
    /// The field is missing or an empty list.
    Missing,
    /// Equal to one of the values (a text or an array of texts), each written as in a query parameter: `5`, `true`,
    /// `10.50 EUR`, `lead:0190…`; an empty text matches a missing value. Commas separate ids, numbers, times and
    /// choices.
    Written,
}

impl Op {
    /// The JSON names of all operators, in the order of their declaration.
    pub const NAMES: [&'static str; 11] =
        ["eq", "ne", "lt", "le", "gt", "ge", "in", "contains", "starts_with", "missing", "written"];
}

impl Filter {
    /// Compares a field with a value.
    pub fn is(field: impl Into<String>, op: Op, value: impl Into<serde_json::Value>) -> Self {
        Filter::Is(Condition { field: field.into(), op, value: value.into() })
    }

    /// Matches records whose field equals the value.
    pub fn eq(field: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        Self::is(field, Op::Eq, value)
    }

    /// Matches records without a value in the field.
    pub fn missing(field: impl Into<String>) -> Self {
        Self::is(field, Op::Missing, serde_json::Value::Null)
    }

    /// Matches records whose field equals one of the values.
    pub fn one_of<V: Into<serde_json::Value>>(field: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        Self::is(field, Op::In, serde_json::Value::Array(values.into_iter().map(Into::into).collect()))
    }

    /// Matches if all parts match.
    pub fn all(parts: impl IntoIterator<Item = Filter>) -> Self {
        Filter::All { and: parts.into_iter().collect() }
    }

    /// Matches if at least one part matches.
    pub fn any(parts: impl IntoIterator<Item = Filter>) -> Self {
        Filter::Any { or: parts.into_iter().collect() }
    }

    /// Matches if both match.
    #[must_use]
    pub fn and(self, other: Filter) -> Self {
        match self {
            Filter::All { mut and } => {
                and.push(other);
                Filter::All { and }
            }
            first => Filter::All { and: vec![first, other] },
        }
    }

    /// Reads a stored condition part by part; unknown parts stay in place.
    fn of_stored(json: serde_json::Value) -> Self {
        let parts = |json: &mut serde_json::Value| {
            Some(json.as_array_mut()?.iter_mut().map(|part| Filter::of_stored(part.take())).collect())
        };
        let Some(map) = json.as_object() else { return Filter::Unknown(json) };
        let name = map.keys().next().filter(|_| map.len() == 1).cloned();
        let mut whole = json;
        let known = match name.as_deref() {
            Some("and") => parts(&mut whole["and"]).map(|and| Filter::All { and }),
            Some("or") => parts(&mut whole["or"]).map(|or| Filter::Any { or }),
            Some("not") => Some(Filter::Not { not: Box::new(Filter::of_stored(whole["not"].take())) }),
            _ => Condition::deserialize(&whole).ok().map(Filter::Is),
        };
        known.unwrap_or(Filter::Unknown(whole))
    }

    /// Returns `true` if any part is unknown.
    pub(crate) fn is_unknown(&self) -> bool {
        match self {
            Filter::All { and: parts } | Filter::Any { or: parts } => parts.iter().any(Filter::is_unknown),
            Filter::Not { not } => not.is_unknown(),
            Filter::Is(_) => false,
            Filter::Unknown(_) => true,
        }
    }

    /// Returns `true` if any condition is on the field with this name. For an unknown part, `true` if the name occurs
    /// in it.
    pub fn names(&self, field: &str) -> bool {
        fn has(json: &serde_json::Value, text: &str) -> bool {
            match json {
                serde_json::Value::String(one) => one == text,
                serde_json::Value::Array(items) => items.iter().any(|item| has(item, text)),
                serde_json::Value::Object(map) => map.iter().any(|(key, value)| key == text || has(value, text)),
                _ => false,
            }
        }
        match self {
            Filter::Unknown(json) => has(json, field),
            Filter::All { and: parts } | Filter::Any { or: parts } => parts.iter().any(|part| part.names(field)),
            Filter::Not { not } => not.names(field),
            Filter::Is(condition) => condition.field == field,
        }
    }

    /// Matches if this does not match.
    #[must_use]
    pub fn negate(self) -> Self {
        Filter::Not { not: Box::new(self) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stored_condition_is_read_part_by_part_and_written_back() {
        for stored in [
            json!({"and": [{"field": "a", "op": "eq", "value": 1}, {"field": "b", "op": "near", "value": 1}]}),
            json!({"not": {"or": [{"xor": []}]}}),
            json!({"and": [], "unless": {"field": "a", "op": "missing"}}),
            json!({"field": "a", "op": "eq", "value": 1, "fold": true}),
            json!("whatever"),
        ] {
            let filter = stored::read::<Filter>(&stored, stored::Mode::Stored).0.unwrap();
            assert!(filter.is_unknown(), "{stored}");
            assert_eq!(serde_json::to_value(&filter).unwrap(), stored);
            assert!(serde_json::from_value::<Filter>(stored.clone()).is_err(), "{stored}");
            assert!(stored::read::<Filter>(&stored, stored::Mode::Given).0.is_err(), "{stored}");
        }
        let known = json!({"and": [{"field": "a", "op": "eq", "value": 1}, {"not": {"field": "b", "op": "missing"}}]});
        let filter = stored::read::<Filter>(&known, stored::Mode::Stored).0.unwrap();
        assert_eq!(filter, serde_json::from_value(known).unwrap());
        assert!(!filter.is_unknown() && filter.names("b") && !filter.names("c"));
        assert!(Filter::Unknown(json!({"ask": [{"of": "c"}]})).names("c"));
    }
}
