//! Compilation of filters: resolves fields, types literals and enforces limits. All faults are reported at once.

use std::sync::Arc;

use super::{Compare, Condition, Filter, Op, Path, Predicate, Test};
use crate::model::{
    records::user::User,
    schema::{FieldType, KindDecl, common},
    value::{
        Calendar, Date, Fault, FaultCode, Id, Kind, Place, Time, Unit, Value, part_of_domain, part_of_phone,
        parts_of_url,
    },
};

/// The maximum nesting depth of a filter.
pub const MAX_DEPTH: usize = 8;
/// The maximum number of conditions in a filter.
pub const MAX_CONDITIONS: usize = 100;
/// The maximum number of values for `in`.
pub const MAX_IN: usize = 100;
/// The maximum number of groups (and, or, not) in a filter.
const MAX_GROUPS: usize = 200;
/// The maximum total size of operands and names in a filter, in bytes.
const MAX_BYTES: usize = 4096;

/// The information the compiler needs about a tenant's custom properties and the actor's field permissions.
pub trait PropertyTypes {
    /// Returns the type of the custom property with this key, or `None` if the tenant has not defined it.
    fn property_type(&self, key: &str) -> Option<FieldType>;
    /// Returns the values that a text field (or `properties.key`) can have, if they are a small known set. Any other
    /// value is then a fault of the filter.
    fn allowed(&self, _field: &str) -> Option<Vec<String>> {
        None
    }
    /// Returns `true` if the field (or `properties.key`) is hidden from the actor, for whom it does not exist.
    fn is_hidden(&self, field: &str) -> bool;
}

/// Compiles filters on one kind.
#[derive(Clone, Copy)]
pub struct Compiler<'a> {
    /// The declaration of the kind.
    pub decl: &'a KindDecl,
    /// The custom properties and hidden fields.
    pub properties: &'a dyn PropertyTypes,
    /// The time that relative times are based on.
    pub now: Time,
    /// The organization's calendar, for days, spans and named periods.
    pub calendar: Calendar,
    /// The user that `me` stands for.
    pub me: Option<Id<User>>,
    /// The default country for phone numbers, as two letters.
    pub default_country: Option<&'a str>,
}

struct State {
    conditions: usize,
    groups: usize,
    bytes: usize,
    faults: Vec<(String, Fault)>,
}

impl Compiler<'_> {
    /// Compiles a filter into a predicate.
    ///
    /// # Errors
    /// All faults, by field: unknown fields, wrong types, operators that the type does not support, exceeded limits.
    pub fn compile(&self, filter: &Filter) -> Result<Predicate, Vec<(String, Fault)>> {
        let mut state = State { conditions: 0, groups: 0, bytes: 0, faults: Vec::new() };
        let predicate = self.part(filter, 1, &mut state);
        if state.conditions > MAX_CONDITIONS || state.groups > MAX_GROUPS {
            let fault =
                Fault::new(FaultCode::TooLarge, format!("a filter may have at most {MAX_CONDITIONS} conditions"))
                    .with("max", MAX_CONDITIONS);
            state.faults = vec![("filter".to_owned(), fault)];
        } else if state.bytes > MAX_BYTES {
            let fault = Fault::new(
                FaultCode::TooLarge,
                format!("the values of a filter may have at most {MAX_BYTES} bytes in total"),
            )
            .with("max", MAX_BYTES);
            state.faults = vec![("filter".to_owned(), fault)];
        }
        if state.faults.is_empty() { Ok(predicate) } else { Err(state.faults) }
    }

    /// Returns the path and type of the field with this name.
    ///
    /// # Errors
    /// `unknown_field`, also if the field is hidden.
    pub fn resolve(&self, name: &str) -> Result<(Path, FieldType), Fault> {
        let unknown = || {
            let shown: String = name.chars().take(80).collect();
            Fault::new(FaultCode::UnknownField, format!("`{}` has no field `{shown}`", self.decl.kind))
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
                let fault =
                    Fault::new(FaultCode::TooDeep, format!("a filter may be nested at most {MAX_DEPTH} levels deep"))
                        .with("max", MAX_DEPTH);
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
            Filter::Unknown(_) => {
                let fault = Fault::new(
                    FaultCode::UnknownCondition,
                    "contains a condition that this version of the program does not know: replace it, or upgrade the program",
                );
                state.faults.push(("filter".to_owned(), fault));
                Predicate::never()
            }
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
        state.bytes += condition.field.len();
        let literals: Vec<&serde_json::Value> = match (condition.op, &condition.value) {
            (Op::Missing, serde_json::Value::Null) => Vec::new(),
            (Op::Missing, _) => return Err(Fault::new(FaultCode::WrongType, "`missing` takes no value")),
            (Op::In | Op::Written, serde_json::Value::Array(items)) if items.len() > MAX_IN => {
                return Err(
                    Fault::new(FaultCode::TooMany, format!("at most {MAX_IN} values can be given")).with("max", MAX_IN)
                );
            }
            (Op::In | Op::Written, serde_json::Value::Array(items)) => items.iter().collect(),
            (Op::In, _) => return Err(Fault::new(FaultCode::WrongType, "`in` takes a list of values")),
            (_, value) => vec![value],
        };
        if condition.field == "id" {
            return self.ids(condition.op, &literals, state);
        }
        let (path, ty) = self.resolve(&condition.field)?;
        let field = Field { name: &condition.field, path, ty: ty.element(), list: ty.is_list() };
        let compare = match condition.op {
            Op::Written => return self.written(&field, &literals, state),
            Op::Eq | Op::Ne => Compare::Eq,
            Op::Lt => Compare::Lt,
            Op::Le => Compare::Le,
            Op::Gt => Compare::Gt,
            Op::Ge => Compare::Ge,
            Op::In => Compare::In,
            Op::Contains if field.list => Compare::Eq,
            Op::Contains => Compare::Contains,
            Op::StartsWith => Compare::StartsWith,
            Op::Missing => Compare::Missing,
        };
        field.takes(compare)?;
        if compare == Compare::Missing {
            return Ok(field.test(compare, Vec::new()));
        }
        let mut operands = Vec::with_capacity(literals.len());
        for literal in literals {
            operands.extend(self.operands(&field, compare, literal)?);
        }
        let compared = self.compared(&field, compare, operands, state);
        Ok(if condition.op == Op::Ne { Predicate::Not(Box::new(compared)) } else { compared })
    }

    fn ids(&self, op: Op, literals: &[&serde_json::Value], state: &mut State) -> Result<Predicate, Fault> {
        let mut ids = Vec::with_capacity(literals.len());
        for literal in literals {
            for text in pieces(literal, op == Op::Written, |_| false)? {
                match FieldType::Id(self.decl.kind).read_json(&text)? {
                    Value::Id(id) => ids.push(id),
                    _ => return Err(Fault::new(FaultCode::WrongType, "must not be empty")),
                }
            }
        }
        state.bytes += ids.len() * 16;
        match op {
            Op::Eq | Op::In | Op::Written if ids.len() <= MAX_IN => Ok(Predicate::Ids(ids)),
            Op::Ne => Ok(Predicate::Not(Box::new(Predicate::Ids(ids)))),
            Op::Eq | Op::In | Op::Written => {
                Err(Fault::new(FaultCode::TooMany, format!("at most {MAX_IN} values can be given")).with("max", MAX_IN))
            }
            _ => Err(Fault::new(FaultCode::WrongOperator, "`id` supports only `eq`, `ne` and `in`")),
        }
    }

    /// Compiles equality with one of several values written as texts.
    fn written(
        &self,
        field: &Field<'_>,
        literals: &[&serde_json::Value],
        state: &mut State,
    ) -> Result<Predicate, Fault> {
        let allowed = self.properties.allowed(field.name);
        let is_allowed = |text: &str| allowed.as_ref().is_some_and(|names| names.iter().any(|name| name == text));
        let separates = allowed.is_some() || is_separable(field.ty);
        let (mut operands, mut missing) = (Vec::new(), false);
        for literal in literals {
            for text in pieces(literal, separates, is_allowed)? {
                let text = text.as_str().unwrap_or_default();
                if text.trim().is_empty() {
                    field.takes(Compare::Missing)?;
                    missing = true;
                } else {
                    field.takes(Compare::Eq)?;
                    operands.extend(self.operands(field, Compare::Eq, &read_text(field.ty, text)?)?);
                }
            }
        }
        if operands.len() > MAX_IN {
            return Err(
                Fault::new(FaultCode::TooMany, format!("at most {MAX_IN} values can be given")).with("max", MAX_IN)
            );
        }
        let compare = if operands.len() == 1 { Compare::Eq } else { Compare::In };
        let equal = self.compared(field, compare, operands, state);
        Ok(if missing { field.test(Compare::Missing, Vec::new()).or(equal) } else { equal })
    }

    /// Compiles the tests of a field against operands, at least one of which must hold.
    fn compared(&self, field: &Field<'_>, compare: Compare, operands: Vec<Operand>, state: &mut State) -> Predicate {
        // For the first of several member fields, all members count.
        let all =
            self.decl.members_of(field.path.field).filter(|_| field.path.property.is_none()).filter(|&(at, _)| {
                matches!(compare, Compare::Eq | Compare::In | Compare::Contains | Compare::StartsWith)
                    && !self.properties.is_hidden(self.decl.fields[at].name)
            });
        let every = all.map(|(at, member)| Field {
            path: Path { field: at, property: Some(Arc::from(member)) },
            list: true,
            ..*field
        });
        let field = every.as_ref().unwrap_or(field);
        let (mut values, mut any) = (Vec::new(), Vec::new());
        for operand in operands {
            match (operand, compare) {
                (Operand::Value(value), _) => {
                    state.bytes += value.size();
                    values.push(value);
                }
                (Operand::Between(first, last), Compare::Eq | Compare::In) => any.push(Predicate::All(vec![
                    field.test(Compare::Ge, vec![first]),
                    field.test(Compare::Le, vec![last]),
                ])),
                (Operand::Between(first, _), Compare::Lt | Compare::Ge) => values.push(first),
                (Operand::Between(_, last), _) => values.push(last),
            }
        }
        match compare {
            _ if values.is_empty() => {}
            // One alternative per operand.
            Compare::Contains | Compare::StartsWith => {
                any.extend(values.into_iter().map(|value| field.test(compare, vec![value])));
            }
            _ => any.insert(0, field.test(compare, values)),
        }
        if any.len() == 1 { any.remove(0) } else { Predicate::Any(any) }
    }

    /// Returns the operands of a literal: one, or for a partial text one for each form it can have in the stored text.
    fn operands(&self, field: &Field<'_>, compare: Compare, json: &serde_json::Value) -> Result<Vec<Operand>, Fault> {
        if json.is_null() {
            return Err(Fault::new(FaultCode::WrongType, "use `missing` to test for a missing value"));
        }
        let value = match field.ty {
            FieldType::Time | FieldType::Date => return Ok(vec![self.moment(field.ty, json)?]),
            FieldType::Id(Kind::User) if json == "me" => {
                let me = self.me.ok_or_else(|| {
                    Fault::new(FaultCode::WrongType, "`me` is not available: the caller is not a user")
                })?;
                return Ok(vec![Operand::Value(Value::from(me))]);
            }
            ty => ty.read_json(json)?,
        };
        if let (Compare::Contains | Compare::StartsWith, Value::Text(text)) = (compare, &value) {
            let parts = parts(field.ty, compare, text, self.default_country)?;
            return Ok(parts.into_iter().map(|part| Operand::Value(Value::text(part))).collect());
        }
        let normal = match field.ty {
            // The bounds of an integer field restrict stored values, not operands.
            FieldType::Int(..) => value,
            ty => ty.normalize(value, self.default_country)?,
        };
        if normal.is_null() {
            return Err(Fault::new(FaultCode::WrongType, "must not be empty"));
        }
        if let (Compare::Eq | Compare::In, Some(text)) = (compare, normal.as_text())
            && let Some(names) = self.properties.allowed(field.name)
            && !names.iter().any(|name| name == text)
        {
            return Err(Fault::new(FaultCode::UnknownChoice, format!("must be one of {}", names.join(", ")))
                .with("allowed", names.iter().map(ToString::to_string).collect::<Vec<_>>()));
        }
        Ok(vec![Operand::Value(normal)])
    }

    /// Reads a time or a date: `2026-11-01T09:30:00Z`, `2026-11-01`, `"now"`, `{"days": -7}`, `{"hours": 3}`, or a
    /// named period such as `"today"` or `"last_quarter"`. Days and periods are in the organization's calendar.
    fn moment(&self, ty: FieldType, json: &serde_json::Value) -> Result<Operand, Fault> {
        let wrong = || {
            Fault::new(
                FaultCode::WrongType,
                format!(
                    "must be {}, a day, `now`, an offset such as {{\"days\": -7}} (minutes, hours, days, weeks, months, quarters, \
                     years), or a period such as today, this_week, last_quarter or last_7_days",
                    ty.describe()
                ),
            )
        };
        let calendar = &self.calendar;
        let today = calendar.day(self.now);
        let at = |time: Time| match ty {
            FieldType::Time => Operand::Value(Value::Time(time)),
            _ => Operand::Value(Value::Date(calendar.day(time))),
        };
        match json {
            serde_json::Value::String(text) if text == "now" => Ok(at(self.now)),
            serde_json::Value::String(text) => {
                let day = || text.parse::<Date>().ok().map(|day| day..=day);
                match (calendar.period(text, today).or_else(day), ty) {
                    (Some(days), FieldType::Time) => {
                        let (first, last) = calendar.instants(&days).into_inner();
                        Ok(Operand::Between(Value::Time(first), Value::Time(last)))
                    }
                    (Some(days), _) if days.start() == days.end() => Ok(Operand::Value(Value::Date(*days.start()))),
                    (Some(days), _) => Ok(Operand::Between(Value::Date(*days.start()), Value::Date(*days.end()))),
                    (None, FieldType::Time) => text.parse().map(at).map_err(|_| wrong()),
                    (None, _) => Err(wrong()),
                }
            }
            serde_json::Value::Object(map) if map.len() == 1 => {
                let (unit, count) = map.iter().next().ok_or_else(wrong)?;
                let count = count
                    .as_i64()
                    .ok_or_else(|| Fault::new(FaultCode::WrongType, "an offset must be a whole number"))?;
                let exact = |micros: i64| at(self.now.plus_micros(count.saturating_mul(micros)));
                match (unit.as_str(), Unit::of(unit), ty) {
                    ("minutes", ..) => Ok(exact(60_000_000)),
                    ("hours", ..) => Ok(exact(3_600_000_000)),
                    (_, Some(unit), FieldType::Time) => Ok(at(calendar.later_time(self.now, unit, count))),
                    (_, Some(unit), _) => Ok(Operand::Value(Value::Date(calendar.later(today, unit, count)))),
                    (_, None, _) => Err(wrong()),
                }
            }
            _ => Err(wrong()),
        }
    }
}

enum Operand {
    /// A single value.
    Value(Value),
    /// All values from the first to the last: the days of a period, the instants of a day.
    Between(Value, Value),
}

#[derive(Clone)]
struct Field<'a> {
    name: &'a str,
    path: Path,
    /// The type of the elements if the field is a list.
    ty: FieldType,
    list: bool,
}

impl Field<'_> {
    fn takes(&self, compare: Compare) -> Result<(), Fault> {
        if takes(self.ty, compare, self.list) {
            return Ok(());
        }
        let list = if self.list { "a list with elements that are each " } else { "" };
        let message = format!("`{}` is {list}{} and does not support this operator", self.name, self.ty.describe());
        Err(Fault::new(FaultCode::WrongOperator, message))
    }

    fn test(&self, compare: Compare, operands: Vec<Value>) -> Predicate {
        Predicate::Test(Test { path: self.path.clone(), ty: self.ty, list: self.list, compare, operands })
    }
}

/// Returns the forms that a partial text can have in the stored text.
fn parts(ty: FieldType, compare: Compare, part: &str, default_country: Option<&str>) -> Result<Vec<String>, Fault> {
    if part.contains('\0') {
        return Err(Fault::new(FaultCode::Nul, "must not contain NUL characters"));
    }
    let place = if compare == Compare::StartsWith { Place::Start } else { Place::Within };
    Ok(match ty {
        FieldType::Email => vec![part.trim().to_lowercase()],
        FieldType::Phone => vec![part_of_phone(part, place, default_country)?],
        FieldType::Domain => vec![part_of_domain(part, place)?],
        FieldType::Url => parts_of_url(part, place)?,
        FieldType::Key => vec![part.trim().to_ascii_lowercase()],
        FieldType::Currency => vec![part.trim().to_ascii_uppercase()],
        _ => vec![part.to_owned()],
    })
}

/// Returns the values in a literal written as text, split at commas if the type allows it.
fn pieces(
    literal: &serde_json::Value,
    separates: bool,
    is_whole: impl Fn(&str) -> bool,
) -> Result<Vec<serde_json::Value>, Fault> {
    match literal {
        serde_json::Value::String(text) if separates && !is_whole(text) && text.contains(',') => {
            // An empty piece is a typing error, not a test for a missing value.
            let pieces = text.split(',').map(str::trim).filter(|piece| !piece.is_empty());
            Ok(pieces.map(|piece| serde_json::Value::String(piece.to_owned())).collect())
        }
        serde_json::Value::String(_) => Ok(vec![literal.clone()]),
        _ => Err(Fault::new(FaultCode::WrongType, "must be a string or a list of strings")),
    }
}

/// Returns `true` for types whose written values contain no comma, so that commas can separate them.
const fn is_separable(ty: FieldType) -> bool {
    matches!(
        ty,
        FieldType::Id(_)
            | FieldType::StageId
            | FieldType::Choice(_)
            | FieldType::Bool
            | FieldType::Int(..)
            | FieldType::Decimal
            | FieldType::Key
            | FieldType::Currency
            | FieldType::TimeZone
            | FieldType::Time
            | FieldType::Date
    )
}

/// Converts a value written as text to the JSON form of the field.
fn read_text(ty: FieldType, text: &str) -> Result<serde_json::Value, Fault> {
    let wrong = || Fault::new(FaultCode::WrongType, format!("must be {}", ty.describe()));
    let object = || serde_json::from_str::<serde_json::Value>(text).ok().filter(serde_json::Value::is_object);
    Ok(match ty {
        FieldType::Bool => serde_json::Value::Bool(text.trim().parse().map_err(|_| wrong())?),
        FieldType::Int(..) => text.trim().parse::<i64>().map_err(|_| wrong())?.into(),
        FieldType::Money => {
            match object() {
                Some(object) => object,
                None => Value::Money(text.parse().map_err(|_| {
                    Fault::new(FaultCode::WrongType, "must be an amount and a currency such as 10.50 EUR")
                })?)
                .to_json(),
            }
        }
        FieldType::Ref(_) => {
            if let Some(object) = object() {
                return Ok(object);
            }
            let (kind, id) = text.trim().split_once(':').ok_or_else(|| {
                Fault::new(
                    FaultCode::WrongType,
                    "must be a kind and an id, such as lead:0190c0de-0000-7000-8000-000000000000",
                )
            })?;
            serde_json::json!({"kind": kind, "id": id})
        }
        _ => serde_json::Value::String(text.trim().to_owned()),
    })
}

/// Returns `true` if a type supports a comparison.
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
        // Lists omit long text, so it cannot be tested there.
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

/// No custom properties and no hidden fields, for tests and for use by stores.
impl PropertyTypes for () {
    fn property_type(&self, _: &str) -> Option<FieldType> {
        None
    }
    fn is_hidden(&self, _: &str) -> bool {
        false
    }
}
