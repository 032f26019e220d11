//! Compiling a filter: fields resolved, literals typed, limits held. Everything wrong is reported at once.

use std::sync::Arc;

use super::{Compare, Condition, Filter, Op, Path, Predicate, Test};
use crate::{
    schema::{FieldType, KindDecl, common},
    value::{Fault, Time, Value},
};

/// How deep a filter may nest.
pub const MAX_DEPTH: usize = 8;
/// How many conditions it may have.
pub const MAX_CONDITIONS: usize = 100;
/// How many values `in` may have.
pub const MAX_IN: usize = 100;
/// How many groups (and, or, not) it may have.
const MAX_GROUPS: usize = 200;
/// How many bytes its operands and names may have in all.
const MAX_BYTES: usize = 4096;

/// What the compiler must know of a tenant's custom properties and of the actor's field rules.
pub trait PropertyTypes {
    /// The type of the custom property of a key, where the tenant has defined it.
    fn property_type(&self, key: &str) -> Option<FieldType>;
    /// Whether the field (or `properties.key`) does not exist for whoever asks.
    fn is_hidden(&self, field: &str) -> bool;
}

/// Compiles filters on one kind.
#[derive(Clone, Copy)]
pub struct Compiler<'a> {
    /// The kind.
    pub decl: &'a KindDecl,
    /// Its custom properties, and what is hidden.
    pub properties: &'a dyn PropertyTypes,
    /// The moment that relative times are relative to.
    pub now: Time,
    /// The organization's time zone, for relative dates.
    pub zone: chrono_tz::Tz,
    /// Two letters, for phone numbers.
    pub default_country: Option<&'a str>,
}

struct State {
    conditions: usize,
    groups: usize,
    bytes: usize,
    faults: Vec<(String, Fault)>,
}

impl Compiler<'_> {
    /// The predicate of a filter.
    ///
    /// # Errors
    /// Every fault, by field: an unknown field, a wrong type, an operator that the type has not, a limit passed.
    pub fn compile(&self, filter: &Filter) -> Result<Predicate, Vec<(String, Fault)>> {
        let mut state = State { conditions: 0, groups: 0, bytes: 0, faults: Vec::new() };
        let predicate = self.part(filter, 1, &mut state);
        if state.conditions > MAX_CONDITIONS || state.groups > MAX_GROUPS {
            let fault = Fault::new("too_large", format!("a filter may have at most {MAX_CONDITIONS} conditions"));
            state.faults = vec![("filter".to_owned(), fault)];
        } else if state.bytes > MAX_BYTES {
            let fault = Fault::new("too_large", format!("a filter's values may have at most {MAX_BYTES} bytes in all"));
            state.faults = vec![("filter".to_owned(), fault)];
        }
        if state.faults.is_empty() { Ok(predicate) } else { Err(state.faults) }
    }

    /// Where the field of a name is, and its type.
    ///
    /// # Errors
    /// `unknown_field`, also for a hidden one.
    pub fn resolve(&self, name: &str) -> Result<(Path, FieldType), Fault> {
        let unknown = || {
            let shown: String = name.chars().take(80).collect();
            Fault::new("unknown_field", format!("`{}` has no field `{shown}`", self.decl.kind))
        };
        if self.properties.is_hidden(name) {
            return Err(unknown());
        }
        if let Some(key) = name.strip_prefix("properties.") {
            let ty = self.properties.property_type(key).ok_or_else(unknown)?;
            return Ok((Path { field: common::PROPERTIES, property: Some(Arc::from(key)) }, ty));
        }
        let position = self.decl.position(name).ok_or_else(unknown)?;
        let field = &self.decl.fields[position];
        if field.marks.secret || matches!(field.ty, FieldType::Properties) || position == common::SEARCH_TEXT {
            return Err(unknown());
        }
        Ok((Path { field: position, property: None }, field.ty))
    }

    fn part(&self, filter: &Filter, depth: usize, state: &mut State) -> Predicate {
        if depth > MAX_DEPTH {
            if state.faults.is_empty() {
                let fault = Fault::new("too_deep", format!("a filter may nest at most {MAX_DEPTH} deep"));
                state.faults.push(("filter".to_owned(), fault));
            }
            return Predicate::never();
        }
        if state.conditions > MAX_CONDITIONS || state.groups > MAX_GROUPS {
            return Predicate::never();
        }
        state.groups += usize::from(!matches!(filter, Filter::Is(_)));
        match filter {
            Filter::All { and } => Predicate::All(and.iter().map(|part| self.part(part, depth + 1, state)).collect()),
            Filter::Any { or } => Predicate::Any(or.iter().map(|part| self.part(part, depth + 1, state)).collect()),
            Filter::Not { not } => Predicate::Not(Box::new(self.part(not, depth + 1, state))),
            Filter::Is(condition) => {
                state.conditions += 1;
                match self.condition(condition, state) {
                    Ok(predicate) => predicate,
                    Err(fault) => {
                        let field = condition.field.chars().take(80).collect();
                        state.faults.push((field, fault));
                        Predicate::never()
                    }
                }
            }
        }
    }

    fn condition(&self, condition: &Condition, state: &mut State) -> Result<Predicate, Fault> {
        let (path, ty) = self.resolve(&condition.field)?;
        state.bytes += condition.field.len();
        let list = ty.is_list();
        let element = ty.element();
        let compare = match condition.op {
            Op::Eq | Op::Ne => Compare::Eq,
            Op::Lt => Compare::Lt,
            Op::Le => Compare::Le,
            Op::Gt => Compare::Gt,
            Op::Ge => Compare::Ge,
            Op::In => Compare::In,
            Op::Contains if list => Compare::Eq,
            Op::Contains => Compare::Contains,
            Op::StartsWith => Compare::StartsWith,
            Op::Missing => Compare::Missing,
        };
        if !takes(element, compare, list) {
            let message = format!("`{}` is {} and cannot be compared so", condition.field, ty.describe());
            return Err(Fault::new("wrong_operator", message));
        }
        let literals: Vec<&serde_json::Value> = match (compare, &condition.value) {
            (Compare::Missing, serde_json::Value::Null) => Vec::new(),
            (Compare::Missing, _) => return Err(Fault::new("wrong_type", "`missing` takes no value")),
            (Compare::In, serde_json::Value::Array(items)) if items.len() > MAX_IN => {
                return Err(Fault::new("too_many", format!("`in` takes at most {MAX_IN} values")));
            }
            (Compare::In, serde_json::Value::Array(items)) => items.iter().collect(),
            (Compare::In, _) => return Err(Fault::new("wrong_type", "`in` takes a list of values")),
            (_, value) => vec![value],
        };
        let mut operands = Vec::with_capacity(literals.len());
        for literal in literals {
            let operand = self.literal(element, compare, literal)?;
            state.bytes += operand.size();
            operands.push(operand);
        }
        if compare == Compare::In && operands.is_empty() {
            return Ok(Predicate::never());
        }
        let test = Predicate::Test(Test { path, ty: element, list, compare, operands });
        Ok(if condition.op == Op::Ne { Predicate::Not(Box::new(test)) } else { test })
    }

    fn literal(&self, ty: FieldType, compare: Compare, json: &serde_json::Value) -> Result<Value, Fault> {
        if json.is_null() {
            return Err(Fault::new("wrong_type", "a missing value is tested by `missing`"));
        }
        if let Some(moment) = self.relative(json)? {
            match ty {
                FieldType::Time => return Ok(Value::Time(moment)),
                FieldType::Date => return Ok(Value::Date(moment.date_in(self.zone))),
                _ => {}
            }
        }
        let value = ty.read_json(json)?;
        // A part of a text need not be an address or a choice of its own.
        if matches!(compare, Compare::Contains | Compare::StartsWith) {
            if value.as_text().is_some_and(|text| text.contains('\0')) {
                return Err(Fault::new("nul", "must not contain the character NUL"));
            }
            return Ok(value);
        }
        let normal = match ty {
            // The bounds of a whole number are for what is stored, not for what is asked.
            FieldType::Int(..) => value,
            _ => ty.normalize(value, self.default_country)?,
        };
        if normal.is_null() { Err(Fault::new("wrong_type", "must not be empty")) } else { Ok(normal) }
    }

    /// `"now"`, `{"days": -7}`, `{"hours": 3}`, `{"minutes": 5}`.
    fn relative(&self, json: &serde_json::Value) -> Result<Option<Time>, Fault> {
        match json {
            serde_json::Value::String(text) if text == "now" => Ok(Some(self.now)),
            serde_json::Value::Object(map) if map.len() == 1 => {
                let (unit, count) =
                    map.iter().next().map_or(("", None), |(unit, count)| (unit.as_str(), count.as_i64()));
                let micros: i64 = match unit {
                    "minutes" => 60_000_000,
                    "hours" => 3_600_000_000,
                    "days" => 86_400_000_000,
                    "weeks" => 7 * 86_400_000_000,
                    _ => return Ok(None),
                };
                let count = count.ok_or_else(|| Fault::new("wrong_type", "a relative time takes a whole number"))?;
                Ok(Some(self.now.plus_micros(count.saturating_mul(micros))))
            }
            _ => Ok(None),
        }
    }
}

/// Which comparisons a type has.
fn takes(ty: FieldType, compare: Compare, list: bool) -> bool {
    let text = matches!(
        ty,
        FieldType::Text(_)
            | FieldType::Email
            | FieldType::Phone
            | FieldType::Domain
            | FieldType::Url
            | FieldType::Key
            | FieldType::Currency
            | FieldType::TimeZone
    );
    match compare {
        // Lists leave long text out, so nothing can be asked of it there.
        Compare::Missing => !matches!(ty, FieldType::LongText),
        Compare::Contains | Compare::StartsWith => text && !list,
        Compare::Lt | Compare::Le | Compare::Gt | Compare::Ge => {
            !list
                && (text
                    || matches!(
                        ty,
                        FieldType::Int(..) | FieldType::Decimal | FieldType::Money | FieldType::Time | FieldType::Date
                    ))
        }
        Compare::Eq | Compare::In => {
            !matches!(ty, FieldType::Struct | FieldType::Structs(_) | FieldType::Properties | FieldType::LongText)
        }
    }
}

/// For tests and stores' own use: no custom properties, nothing hidden.
impl PropertyTypes for () {
    fn property_type(&self, _: &str) -> Option<FieldType> {
        None
    }
    fn is_hidden(&self, _: &str) -> bool {
        false
    }
}
