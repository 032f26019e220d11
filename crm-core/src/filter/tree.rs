//! The condition language as plain data: fields, operators, values, and / or / not, relative times.
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

use crate::value::stored;

/// A condition on a record.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Filter {
    /// All hold; true when empty.
    All {
        /// The parts.
        and: Vec<Filter>,
    },
    /// At least one holds; false when empty.
    Any {
        /// The parts.
        or: Vec<Filter>,
    },
    /// The exact complement.
    Not {
        /// What must not hold.
        not: Box<Filter>,
    },
    /// One field against one value.
    Is(Condition),
    /// A condition that a newer program stored and this one does not know, as it is stored. It never compiles, so what
    /// depends on it is closed: a stage's gate lets nothing in, a grant grants nothing. From JSON it is read at rest only.
    Unknown(serde_json::Value),
}

/// A condition as it is written from outside.
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

/// One field against one value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The field's name, or `properties.key`.
    pub field: String,
    /// How they compare.
    pub op: Op,
    /// The value in the field's own JSON form. For a time or a date also `"now"`, a span such as `{"days": -7}` (minutes,
    /// hours, days, weeks, months, quarters, years) from the moment the filter is used, or a period such as `"today"`,
    /// `"this_week"`, `"last_quarter"` or `"last_7_days"`: `eq` is within it, `ge` from its beginning, `gt` after its end.
    /// Of a time a day is such a period. `"me"` for a user is who asks. An array for `in`; absent for `missing`.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub value: serde_json::Value,
}

/// How a field and a value compare. All are false for a missing field but `missing` and `ne`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Equal; a list contains it.
    Eq,
    /// Not `eq`.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Equal to one of up to 100 values.
    In,
    /// A text that contains the value, letter for letter; a list that has it.
    Contains,
    /// A text that begins with the value, letter for letter.
    StartsWith,
    /// The field is missing (or an empty list).
    Missing,
    /// Equal to one of the values (a text, or an array of texts), each written as in a query parameter: `5`, `true`,
    /// `10.50 EUR`, `lead:0190…`; an empty text asks for a missing value. Commas separate ids, numbers, times and the
    /// values of closed lists.
    Written,
}

impl Filter {
    /// One field against one value.
    pub fn is(field: impl Into<String>, op: Op, value: impl Into<serde_json::Value>) -> Self {
        Filter::Is(Condition { field: field.into(), op, value: value.into() })
    }

    /// The field equals the value.
    pub fn eq(field: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        Self::is(field, Op::Eq, value)
    }

    /// The field is missing.
    pub fn missing(field: impl Into<String>) -> Self {
        Self::is(field, Op::Missing, serde_json::Value::Null)
    }

    /// The field equals one of the values.
    pub fn one_of<V: Into<serde_json::Value>>(field: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        Self::is(field, Op::In, serde_json::Value::Array(values.into_iter().map(Into::into).collect()))
    }

    /// All of the parts.
    pub fn all(parts: impl IntoIterator<Item = Filter>) -> Self {
        Filter::All { and: parts.into_iter().collect() }
    }

    /// At least one of the parts.
    pub fn any(parts: impl IntoIterator<Item = Filter>) -> Self {
        Filter::Any { or: parts.into_iter().collect() }
    }

    /// Both.
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

    /// A stored condition, part by part: what is unknown in it stands where it stood.
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

    /// Whether some part of it is unknown.
    pub(crate) fn is_unknown(&self) -> bool {
        match self {
            Filter::All { and: parts } | Filter::Any { or: parts } => parts.iter().any(Filter::is_unknown),
            Filter::Not { not } => not.is_unknown(),
            Filter::Is(_) => false,
            Filter::Unknown(_) => true,
        }
    }

    /// Whether some condition is on the field of this name. Of what is unknown, whether it has the name in it.
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

    /// The complement.
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
