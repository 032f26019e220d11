//! Compiled filters: every literal typed, every field resolved. The core evaluates them; stores translate them.

use std::{cmp::Ordering, sync::Arc};

use crate::{
    schema::{FieldType, Image},
    value::{Id, Value},
};

/// A compiled filter over images of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// All hold; true when empty.
    All(Vec<Predicate>),
    /// At least one holds; false when empty.
    Any(Vec<Predicate>),
    /// The exact complement.
    Not(Box<Predicate>),
    /// One test of one field.
    Test(Test),
    /// The record is one of these.
    Ids(Vec<Id>),
}

/// Where a tested value is: a declared field, a custom property in the field `properties`, or a member of each of a
/// field's structured values (then [`Test::list`]: one of them has to fit).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The field's position in the declaration.
    pub field: usize,
    /// The property's key, where the field is `properties`; the member's name, where it has structured values.
    pub property: Option<Arc<str>>,
}

/// How a value is tested. Every test is two-valued: a missing value makes all but `Missing` false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Equal to the operand; on a list: has it.
    Eq,
    /// Less than the operand, by [`Value::compare`].
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Equal to one of the operands (a list: has one of them).
    In,
    /// A text that contains the operand, letter for letter.
    Contains,
    /// A text that begins with the operand, letter for letter.
    StartsWith,
    /// Missing: null, or an empty list.
    Missing,
}

/// One test of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Of what.
    pub path: Path,
    /// The type of what is there (of the elements, where [`Test::list`]).
    pub ty: FieldType,
    /// True where the field is a list.
    pub list: bool,
    /// How.
    pub compare: Compare,
    /// Against what: one for most, up to 100 for `In`, none for `Missing`. Every one is of type `ty`, never null.
    pub operands: Vec<Value>,
}

impl Predicate {
    /// What holds of every record.
    pub const fn always() -> Self {
        Predicate::All(Vec::new())
    }

    /// What holds of none.
    pub const fn never() -> Self {
        Predicate::Any(Vec::new())
    }

    /// True where this holds of every record by its form.
    pub fn is_always(&self) -> bool {
        matches!(self, Predicate::All(parts) if parts.iter().all(Predicate::is_always))
    }

    /// True where this holds of no record by its form.
    pub fn is_never(&self) -> bool {
        match self {
            Predicate::Any(parts) => parts.iter().all(Predicate::is_never),
            Predicate::All(parts) => parts.iter().any(Predicate::is_never),
            _ => false,
        }
    }

    /// Both.
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

    /// At least one of the two.
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

    /// The test that a field equals a value.
    pub fn field_eq(image_field: usize, ty: FieldType, value: Value) -> Self {
        Predicate::Test(Test {
            path: Path { field: image_field, property: None },
            ty: ty.element(),
            list: ty.is_list(),
            compare: Compare::Eq,
            operands: vec![value],
        })
    }

    /// Whether it holds of a record.
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
    /// The value at this place; missing where there is none.
    pub fn value<'a>(&self, image: &'a Image) -> &'a Value {
        let field = image.values.get(self.field).unwrap_or(&Value::Null);
        match &self.property {
            None => field,
            Some(key) => field.as_map().and_then(|map| map.get(key.as_ref())).unwrap_or(&Value::Null),
        }
    }
}

impl Test {
    /// Whether it holds of a record.
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

/// As [`Value::compare`] saying equal. Texts of different lengths are told apart without a look at them.
fn same(value: &Value, operand: &Value) -> bool {
    match (value, operand) {
        (Value::Text(one), Value::Text(other)) => one == other,
        _ => value.compare(operand) == Some(Ordering::Equal),
    }
}

fn text_test(value: &Value, operand: &Value, holds: impl Fn(&str, &str) -> bool) -> bool {
    matches!((value, operand), (Value::Text(whole), Value::Text(part)) if holds(whole, part))
}
