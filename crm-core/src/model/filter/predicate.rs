//! Compiled filters, with every field resolved and every literal typed. The core evaluates them; stores translate them.

use std::{cmp::Ordering, sync::Arc};

use crate::model::{
    schema::{FieldType, Image},
    value::{Id, Value},
};

/// A compiled filter over images of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// All parts match; `true` if empty.
    All(Vec<Predicate>),
    /// At least one part matches; `false` if empty.
    Any(Vec<Predicate>),
    /// The exact complement.
    Not(Box<Predicate>),
    /// A test of one field.
    Test(Test),
    /// The record has one of these ids.
    Ids(Vec<Id>),
}

/// The location of a tested value: a declared field, a custom property in the field `properties`, or a member of each
/// of a field's structured values (then [`Test::list`] is set, and at least one must match).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The position of the field in the declaration.
    pub field: usize,
    /// The key of the property if the field is `properties`; the name of the member if the field has structured values.
    pub property: Option<Arc<str>>,
}

/// A comparison. Every test is two-valued: a missing value makes all comparisons except `Missing` false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Equal to the operand; for a list, contains it.
    Eq,
    /// Less than the operand, by [`Value::compare`].
    Lt,
    /// Less than or equal to the operand.
    Le,
    /// Greater than the operand.
    Gt,
    /// Greater than or equal to the operand.
    Ge,
    /// Equal to one of the operands; for a list, contains one of them.
    In,
    /// Contains the operand (text, case-sensitive).
    Contains,
    /// Starts with the operand (text, case-sensitive).
    StartsWith,
    /// Missing: null or an empty list.
    Missing,
}

/// A test of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// The location of the tested value.
    pub path: Path,
    /// The type of the tested value (of the elements if [`Test::list`] is set).
    pub ty: FieldType,
    /// `true` if the field is a list.
    pub list: bool,
    /// The comparison.
    pub compare: Compare,
    /// The operands: one for most comparisons, up to 100 for `In`, none for `Missing`. All have the type `ty` and are
    /// not null.
    pub operands: Vec<Value>,
}

impl Predicate {
    /// Returns the predicate that matches every record.
    pub const fn always() -> Self {
        Predicate::All(Vec::new())
    }

    /// Returns the predicate that matches no record.
    pub const fn never() -> Self {
        Predicate::Any(Vec::new())
    }

    /// Returns `true` if this trivially matches every record.
    pub fn is_always(&self) -> bool {
        matches!(self, Predicate::All(parts) if parts.iter().all(Predicate::is_always))
    }

    /// Returns `true` if this trivially matches no record.
    pub fn is_never(&self) -> bool {
        match self {
            Predicate::Any(parts) => parts.iter().all(Predicate::is_never),
            Predicate::All(parts) => parts.iter().any(Predicate::is_never),
            _ => false,
        }
    }

    /// Matches if both match.
    #[must_use]
    pub fn and(self, other: Predicate) -> Self {
        match (self, other) {
            (first, second) if first.is_always() => second,
            (first, second) if second.is_always() => first,
            (Predicate::All(mut parts), Predicate::All(more)) => {
                parts.extend(more);
                Predicate::All(parts)
            }
            (Predicate::All(mut parts), second) => {
                parts.push(second);
                Predicate::All(parts)
            }
            (first, Predicate::All(mut parts)) => {
                parts.insert(0, first);
                Predicate::All(parts)
            }
            (first, second) => Predicate::All(vec![first, second]),
        }
    }

    /// Matches if at least one of the two matches.
    #[must_use]
    pub fn or(self, other: Predicate) -> Self {
        match (self, other) {
            (first, _) if first.is_always() => first,
            (_, second) if second.is_always() => second,
            (Predicate::Any(mut parts), Predicate::Any(more)) => {
                parts.extend(more);
                Predicate::Any(parts)
            }
            (Predicate::Any(mut parts), second) => {
                parts.push(second);
                Predicate::Any(parts)
            }
            (first, Predicate::Any(mut parts)) => {
                parts.insert(0, first);
                Predicate::Any(parts)
            }
            (first, second) => Predicate::Any(vec![first, second]),
        }
    }

    /// Creates the test that a field equals a value.
    pub fn field_eq(image_field: usize, ty: FieldType, value: Value) -> Self {
        Predicate::Test(Test {
            path: Path { field: image_field, property: None },
            ty: ty.element(),
            list: ty.is_list(),
            compare: Compare::Eq,
            operands: vec![value],
        })
    }

    /// Returns `true` if this matches a record.
    pub fn holds(&self, image: &Image) -> bool {
        match self {
            Predicate::All(parts) => parts.iter().all(|part| part.holds(image)),
            Predicate::Any(parts) => parts.iter().any(|part| part.holds(image)),
            Predicate::Not(part) => !part.holds(image),
            Predicate::Test(test) => test.holds(image),
            Predicate::Ids(ids) => ids.contains(&image.id),
        }
    }
}

impl Path {
    /// Returns the value at this path, or null if there is none.
    pub fn value<'a>(&self, image: &'a Image) -> &'a Value {
        let field = image.values.get(self.field).unwrap_or(&Value::Null);
        match &self.property {
            None => field,
            Some(key) => field.as_map().and_then(|map| map.get(key.as_ref())).unwrap_or(&Value::Null),
        }
    }
}

impl Test {
    /// Returns `true` if this matches a record.
    pub fn holds(&self, image: &Image) -> bool {
        let value = self.path.value(image);
        if self.compare == Compare::Missing {
            return value.is_null() || matches!(value, Value::List(items) if items.is_empty());
        }
        if self.list
            && let Some(member) = &self.path.property
            && let Some(Value::List(items)) = image.values.get(self.path.field)
        {
            let members = items.iter().filter_map(|item| match item {
                Value::Json(json) => json.get(member.as_ref())?.as_str().map(Value::text),
                _ => None,
            });
            return members.into_iter().any(|text| self.holds_of(&text));
        }
        if self.list { value.items().iter().any(|item| self.holds_of(item)) } else { self.holds_of(value) }
    }

    fn holds_of(&self, value: &Value) -> bool {
        let order = |operand: &Value| value.compare(operand);
        let Some(operand) = self.operands.first() else { return false };
        match self.compare {
            Compare::Eq => same(value, operand),
            Compare::In => self.operands.iter().any(|operand| same(value, operand)),
            Compare::Lt => order(operand) == Some(Ordering::Less),
            Compare::Le => matches!(order(operand), Some(Ordering::Less | Ordering::Equal)),
            Compare::Gt => order(operand) == Some(Ordering::Greater),
            Compare::Ge => matches!(order(operand), Some(Ordering::Greater | Ordering::Equal)),
            Compare::Contains => text_test(value, operand, |text, part| text.contains(part)),
            Compare::StartsWith => text_test(value, operand, |text, part| text.starts_with(part)),
            Compare::Missing => false,
        }
    }
}

/// Equivalent to [`Value::compare`] returning equal, but compares lengths of texts first.
fn same(value: &Value, operand: &Value) -> bool {
    match (value, operand) {
        (Value::Text(one), Value::Text(other)) => one == other,
        _ => value.compare(operand) == Some(Ordering::Equal),
    }
}

fn text_test(value: &Value, operand: &Value, holds: impl Fn(&str, &str) -> bool) -> bool {
    matches!((value, operand), (Value::Text(whole), Value::Text(part)) if holds(whole, part))
}
