//! Translates filters to DynamoDB filter expressions with the semantics of [`Predicate::holds`].
//!
//! DynamoDB's comparisons are two-valued like those of the core: a comparison with a missing attribute is `false`, and
//! its `NOT` is `true`. The stored form of values differs: an absent attribute stands for the default of the field
//! ([`value::absent`]), times are numbers, and amounts are maps whose currencies must be equal.

use aws_sdk_dynamodb::types::AttributeValue as Attribute;
use crm_core::{
    filter::{Compare, Predicate, Test},
    schema::{FieldType, KindDecl, common},
    value::Value,
};

use crate::{
    expression::Placeholders,
    key::PK,
    layout,
    value::{self, AMOUNT, CURRENCY, DATE, DECIMAL, TIME},
};

/// DynamoDB's limit for the bytes of an expression, and below for its operators.
const MAX_BYTES: usize = 4096;
const MAX_OPERATORS: usize = 300;

/// The predicate cannot be expressed in DynamoDB.
struct Untranslatable;

/// Returns the filter expression of a predicate, whose placeholders are added to `names`. `None` if the predicate
/// cannot be expressed or exceeds the limits; the store then evaluates the filter itself over the same pages.
pub(crate) fn translate(decl: &'static KindDecl, predicate: &Predicate, names: &mut Placeholders) -> Option<String> {
    // DynamoDB rejects unused placeholders, so those of a failed attempt must be discarded.
    let mut attempt = names.clone();
    let mut translation = Translation { decl, names: &mut attempt, operators: 0 };
    let text = translation.predicate(predicate).ok()?;
    if text.len() > MAX_BYTES || translation.operators > MAX_OPERATORS {
        return None;
    }
    *names = attempt;
    Some(text)
}

struct Translation<'a> {
    decl: &'static KindDecl,
    names: &'a mut Placeholders,
    operators: usize,
}

impl Translation<'_> {
    fn predicate(&mut self, predicate: &Predicate) -> Result<String, Untranslatable> {
        match predicate {
            Predicate::All(parts) => self.join(parts, " AND ", true),
            Predicate::Any(parts) => self.join(parts, " OR ", false),
            Predicate::Not(part) => {
                self.operators += 1;
                Ok(format!("(NOT {})", self.predicate(part)?))
            }
            Predicate::Test(test) => self.test(test),
            // An id is part of a key, which filter expressions cannot access.
            Predicate::Ids(_) => Err(Untranslatable),
        }
    }

    fn join(&mut self, parts: &[Predicate], operator: &str, when_empty: bool) -> Result<String, Untranslatable> {
        let parts = parts.iter().map(|part| self.predicate(part)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.joined(parts, operator, when_empty))
    }

    fn joined(&mut self, mut parts: Vec<String>, operator: &str, when_empty: bool) -> String {
        self.operators += parts.len().saturating_sub(1);
        match parts.len() {
            0 => self.constant(when_empty),
            1 => parts.remove(0),
            _ => format!("({})", parts.join(operator)),
        }
    }

    /// Every item has a key.
    fn constant(&mut self, holds: bool) -> String {
        let key = self.names.name(PK);
        let function = if holds { "attribute_exists" } else { "attribute_not_exists" };
        self.function(&[function, "(", &key, ")"])
    }

    fn function(&mut self, parts: &[&str]) -> String {
        self.operators += 1;
        parts.concat()
    }

    fn path(&mut self, parts: &[&str]) -> String {
        parts.iter().map(|part| self.names.name(part)).collect::<Vec<_>>().join(".")
    }

    fn is_of_type(&mut self, path: &str, ty: &str) -> String {
        let value = self.names.value(Attribute::S(ty.to_owned()));
        self.function(&["attribute_type(", path, ",", &value, ")"])
    }

    fn test(&mut self, test: &Test) -> Result<String, Untranslatable> {
        // Each structured value is stored as one text, which expressions cannot look into.
        if test.path.property.is_some() && matches!(self.decl.fields[test.path.field].ty, FieldType::Structs(_)) {
            return Err(Untranslatable);
        }
        let attribute = layout::attribute(self.decl, test.path.field);
        let parts: Vec<&str> = std::iter::once(attribute).chain(test.path.property.as_deref()).collect();
        let path = self.path(&parts);
        let is_property = test.path.property.is_some();
        match test.compare {
            Compare::Missing => Ok(self.missing(test, &path)),
            Compare::Eq | Compare::In if test.list => {
                let has: Vec<String> = test
                    .operands
                    .iter()
                    .map(|operand| {
                        let stored = if is_property { value::to_tagged(operand) } else { value::to_plain(operand) };
                        let value = self.names.value(stored);
                        self.function(&["contains(", &path, ",", &value, ")"])
                    })
                    .collect();
                let any = self.joined(has, " OR ", false);
                // The stored type of a property may differ from the tenant's current definition, and `contains` also
                // searches texts.
                let is_list = self.is_of_type(&path, "L");
                Ok(self.joined(vec![is_list, any], " AND ", true))
            }
            _ if test.list => Err(Untranslatable),
            Compare::Eq | Compare::In => {
                let tests = test.operands.iter().map(|operand| self.compare(test, &parts, "=", operand));
                let tests = tests.collect::<Result<Vec<_>, _>>()?;
                Ok(self.joined(tests, " OR ", false))
            }
            Compare::Lt => self.first(test, &parts, "<"),
            Compare::Le => self.first(test, &parts, "<="),
            Compare::Gt => self.first(test, &parts, ">"),
            Compare::Ge => self.first(test, &parts, ">="),
            Compare::Contains | Compare::StartsWith => {
                let Some(Value::Text(operand)) = test.operands.first() else { return Ok(self.constant(false)) };
                let is_text = self.is_of_type(&path, "S");
                if operand.is_empty() {
                    return Ok(is_text);
                }
                let function = if test.compare == Compare::Contains { "contains(" } else { "begins_with(" };
                let value = self.names.value(Attribute::S(operand.to_string()));
                let found = self.function(&[function, &path, ",", &value, ")"]);
                Ok(self.joined(vec![is_text, found], " AND ", true))
            }
        }
    }

    fn first(&mut self, test: &Test, parts: &[&str], operator: &str) -> Result<String, Untranslatable> {
        match test.operands.first() {
            Some(operand) => self.compare(test, parts, operator, operand),
            None => Ok(self.constant(false)),
        }
    }

    /// A comparison with one value.
    fn compare(
        &mut self,
        test: &Test,
        parts: &[&str],
        operator: &str,
        operand: &Value,
    ) -> Result<String, Untranslatable> {
        let is_property = test.path.property.is_some();
        let path = self.path(parts);
        let (path, number) = match operand {
            Value::Bool(flag) if !is_property && test.path.field >= common::COUNT => {
                // Stored is `true` or an explicit null; an absent attribute is `false`.
                if operator != "=" {
                    return Err(Untranslatable);
                }
                if !flag {
                    return Ok(self.function(&["attribute_not_exists(", &path, ")"]));
                }
                (path, Attribute::Bool(true))
            }
            Value::Money(money) => {
                let amount = self.path(&[parts, &[AMOUNT]].concat());
                let currency = self.path(&[parts, &[CURRENCY]].concat());
                let value = self.names.value(value::number(money.amount));
                let code = self.names.value(Attribute::S(money.currency.code().to_owned()));
                let same = self.function(&[&currency, "=", &code]);
                let fits = self.function(&[&amount, operator, &value]);
                return Ok(self.joined(vec![same, fits], " AND ", true));
            }
            Value::Decimal(_) | Value::Time(_) | Value::Date(_) if is_property => {
                let tag = match operand {
                    Value::Decimal(_) => DECIMAL,
                    Value::Time(_) => TIME,
                    _ => DATE,
                };
                (self.path(&[parts, &[tag]].concat()), value::to_plain(operand))
            }
            // Kinds sort by their codes here but by lock order elsewhere.
            Value::Ref(_) if operator != "=" => return Err(Untranslatable),
            Value::Bool(_)
            | Value::Int(_)
            | Value::Decimal(_)
            | Value::Text(_)
            | Value::Id(_)
            | Value::Ref(_)
            | Value::Time(_)
            | Value::Date(_) => (path, value::to_plain(operand)),
            // Structured values are not comparable.
            _ => return Ok(self.constant(false)),
        };
        let value = self.names.value(number);
        Ok(self.function(&[&path, operator, &value]))
    }

    fn missing(&mut self, test: &Test, path: &str) -> String {
        let field = test.path.field;
        let is_property = test.path.property.is_some();
        let absent = self.function(&["attribute_not_exists(", path, ")"]);
        let is_null = self.is_of_type(path, "NULL");
        // An absent attribute is the value `false`.
        if !is_property && field >= common::COUNT && self.decl.fields[field].ty == FieldType::Bool {
            return is_null;
        }
        let mut ways = vec![absent, is_null];
        if test.list {
            let zero = self.names.value(value::number(0));
            let is_list = self.is_of_type(path, "L");
            let is_empty = self.function(&["size(", path, ")=", &zero]);
            ways.push(self.joined(vec![is_list, is_empty], " AND ", true));
        }
        self.joined(ways, " OR ", false)
    }
}
