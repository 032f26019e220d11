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

use serde::{Deserialize, Serialize};

/// A condition on a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
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

    /// Whether some condition is on the field of this name.
    pub fn names(&self, field: &str) -> bool {
        match self {
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
