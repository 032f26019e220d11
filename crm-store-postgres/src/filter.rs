//! Translates filters to SQL with the semantics of [`Predicate::holds`]. Every test is two-valued, so `not` is the
//! exact complement.

use crm_core::{
    filter::{Compare, Predicate, Test},
    schema::FieldType,
    store::StoreError,
    value::Value,
};

use crate::{
    args::Statement,
    layout::{Layout, quoted},
    row::ref_text,
};

const NEVER: &str = "false";

/// Returns the condition of a filter on the table with the alias `t`.
pub(crate) fn condition(
    statement: &mut Statement,
    layout: &Layout,
    predicate: &Predicate,
) -> Result<String, StoreError> {
    let parts = |statement: &mut Statement, parts: &[Predicate], word: &str, nothing: &str| {
        let texts = parts.iter().map(|part| condition(statement, layout, part)).collect::<Result<Vec<_>, _>>()?;
        Ok(if texts.is_empty() { nothing.to_owned() } else { format!("({})", texts.join(word)) })
    };
    match predicate {
        Predicate::All(all) => parts(statement, all, " and ", "true"),
        Predicate::Any(any) => parts(statement, any, " or ", NEVER),
        Predicate::Not(part) => Ok(format!("(not {})", condition(statement, layout, part)?)),
        Predicate::Test(test) => Ok(format!("(({}) is true)", self::test(statement, layout, test)?)),
        Predicate::Ids(ids) => {
            let ids: Vec<_> = ids.iter().map(|id| id.uuid()).collect();
            Ok(format!("(t.id = any({}))", statement.bind(ids)?))
        }
    }
}

fn test(statement: &mut Statement, layout: &Layout, test: &Test) -> Result<String, StoreError> {
    let Some(field) = layout.decl.fields.get(test.path.field) else { return Ok(NEVER.to_owned()) };
    match (&test.path.property, field.ty) {
        (Some(key), FieldType::Properties) => property_test(statement, field.name, key, test),
        (Some(key), FieldType::Structs(_)) => member_test(statement, field.name, key, test),
        // Only the custom properties field has keys.
        (Some(_), _) => Ok(if test.compare == Compare::Missing { "true".to_owned() } else { NEVER.to_owned() }),
        (None, _) => field_test(statement, layout, test),
    }
}

fn field_test(statement: &mut Statement, layout: &Layout, test: &Test) -> Result<String, StoreError> {
    let field = &layout.decl.fields[test.path.field];
    let columns = &layout.columns[test.path.field];
    let name = format!("t.{}", quoted(&columns[0].name));
    if test.compare == Compare::Missing {
        return Ok(match field.ty {
            FieldType::Texts(..) | FieldType::Ids(..) | FieldType::Refs(..) => {
                format!("coalesce(cardinality({name}), 0) = 0")
            }
            FieldType::Structs(_) => format!("{name} is null or {name} = '[]'"),
            _ => format!("{name} is null"),
        });
    }
    // Lists do not load long texts, so they cannot be tested.
    if field.is_long() {
        return Ok(NEVER.to_owned());
    }
    let second = columns.get(1).map(|column| format!("t.{}", quoted(&column.name)));
    any_operand(statement, test, |statement, operand| {
        if test.list {
            if !matches!(test.compare, Compare::Eq | Compare::In) {
                return Err(StoreError::BadQuery("a list can only be asked whether it has an element".to_owned()));
            }
            return Ok(match (field.ty, operand) {
                (FieldType::Texts(..), Value::Text(element)) => {
                    Some(format!("{} = any({name})", statement.bind(element.as_ref())?))
                }
                (FieldType::Ids(..), Value::Id(id)) => Some(format!("{} = any({name})", statement.bind(id.uuid())?)),
                (FieldType::Refs(..), Value::Ref(target)) => {
                    Some(format!("{} = any({name})", statement.bind(ref_text(*target))?))
                }
                _ => None,
            });
        }
        Ok(match (field.ty, operand, second.as_deref()) {
            (FieldType::Money, Value::Money(money), Some(currency)) => {
                let amount = format!("{}::numeric", statement.bind(money.amount.to_string())?);
                let code = statement.bind(money.currency.code())?;
                Some(format!("{currency} = {code} and {}", compared(test.compare, &name, &amount)?))
            }
            (FieldType::Ref(_), Value::Ref(target), Some(id)) => {
                only_equal(test.compare)?;
                let kind = statement.bind(target.kind.name())?;
                Some(format!("{name} = {kind} and {id} = {}", statement.bind(target.id.uuid())?))
            }
            (ty, operand, _) if holds(ty, operand) => match statement.bind_value(operand)? {
                Some(bound) => Some(compared(test.compare, &name, &bound)?),
                None => None,
            },
            _ => None,
        })
    })
}

/// A test of a custom property. Properties are stored as `{"q": "10.5"}`, a value tagged with its type, so a test of
/// one type is `false` for a value of another.
fn property_test(statement: &mut Statement, field: &str, key: &str, test: &Test) -> Result<String, StoreError> {
    let key = statement.bind(key)?;
    let at = format!("t.{} -> {key}", quoted(field));
    if test.compare == Compare::Missing {
        return Ok(format!("coalesce(jsonb_typeof({at}), 'null') = 'null' or ({at}) = '{{\"l\": []}}'"));
    }
    any_operand(statement, test, |statement, operand| {
        if test.list {
            if !matches!(test.compare, Compare::Eq | Compare::In) {
                return Err(StoreError::BadQuery("a list can only be asked whether it has an element".to_owned()));
            }
            let element = serde_json::to_string(&[operand]).map_err(|error| StoreError::BadQuery(error.to_string()))?;
            return Ok(Some(format!("({at} -> 'l') @> {}::jsonb", statement.bind(element)?)));
        }
        let tagged = |tag: &str| format!("({at} ->> '{tag}') collate \"C\"");
        let of = |expression: &str, bound: &str| compared(test.compare, expression, bound).map(Some);
        match operand {
            Value::Bool(flag) => of(&format!("({at} ->> 'b')::boolean"), &statement.bind(*flag)?),
            Value::Int(number) => of(&format!("({at} ->> 'i')::bigint"), &statement.bind(*number)?),
            Value::Decimal(number) => {
                of(&format!("({at} ->> 'q')::numeric"), &format!("{}::numeric", statement.bind(number.to_string())?))
            }
            Value::Text(operand) => of(&tagged("t"), &statement.bind(operand.as_ref())?),
            // The text of an id or a date sorts like its value.
            Value::Id(id) => of(&tagged("u"), &statement.bind(id.to_string())?),
            Value::Date(date) => of(&tagged("d"), &statement.bind(date.to_string())?),
            Value::Time(time) => of(&format!("({at} ->> 'm')::bigint"), &statement.bind(time.micros())?),
            Value::Money(money) => {
                let amount = format!("{}::numeric", statement.bind(money.amount.to_string())?);
                let code = statement.bind(money.currency.code())?;
                let test = compared(test.compare, &format!("({at} -> 'c' ->> 'amount')::numeric"), &amount)?;
                Ok(Some(format!("({at} -> 'c' ->> 'currency') = {code} and {test}")))
            }
            Value::Ref(target) => {
                only_equal(test.compare)?;
                let kind = statement.bind(target.kind.name())?;
                let id = statement.bind(target.id.to_string())?;
                Ok(Some(format!("({at} -> 'r' ->> 'kind') = {kind} and ({at} -> 'r' ->> 'id') = {id}")))
            }
            _ => Ok(None),
        }
    })
}

/// A test of a member of each structured value in a list. One of them must match.
fn member_test(statement: &mut Statement, field: &str, member: &str, test: &Test) -> Result<String, StoreError> {
    let member = format!("(e ->> {}) collate \"C\"", statement.bind(member)?);
    let holds = any_operand(statement, test, |statement, operand| match operand {
        Value::Text(wanted) if !wanted.contains('\0') => {
            Ok(Some(compared(test.compare, &member, &statement.bind(wanted.as_ref())?)?))
        }
        _ => Ok(None),
    })?;
    let name = format!("t.{}", quoted(field));
    let items = format!("jsonb_array_elements(case jsonb_typeof({name}) when 'array' then {name} else '[]' end)");
    Ok(format!("exists (select from {items} e where {holds})"))
}

/// The test of the first operand, or for `in` of any operand. An operand that the field cannot hold makes it `false`.
fn any_operand(
    statement: &mut Statement,
    test: &Test,
    mut one: impl FnMut(&mut Statement, &Value) -> Result<Option<String>, StoreError>,
) -> Result<String, StoreError> {
    let count = if test.compare == Compare::In { test.operands.len() } else { 1 };
    let mut texts = Vec::with_capacity(count);
    for operand in test.operands.iter().take(count) {
        if let Some(text) = one(statement, operand)? {
            texts.push(format!("({text})"));
        }
    }
    Ok(if texts.is_empty() { NEVER.to_owned() } else { texts.join(" or ") })
}

fn only_equal(compare: Compare) -> Result<(), StoreError> {
    if matches!(compare, Compare::Eq | Compare::In) {
        Ok(())
    } else {
        Err(StoreError::BadQuery("a reference can only be asked whether it equals another".to_owned()))
    }
}

fn compared(compare: Compare, left: &str, right: &str) -> Result<String, StoreError> {
    Ok(match compare {
        Compare::Eq | Compare::In => format!("{left} = {right}"),
        Compare::Lt => format!("{left} < {right}"),
        Compare::Le => format!("{left} <= {right}"),
        Compare::Gt => format!("{left} > {right}"),
        Compare::Ge => format!("{left} >= {right}"),
        Compare::Contains => format!("strpos({left}, {right}) > 0"),
        Compare::StartsWith => format!("starts_with({left}, {right})"),
        Compare::Missing => return Err(StoreError::BadQuery("`missing` takes no value".to_owned())),
    })
}

/// Returns `true` if a field of the type can hold the value. A value that it cannot hold equals none of its values and
/// must not be sent to the server.
pub(crate) fn holds(ty: FieldType, value: &Value) -> bool {
    match (ty, value) {
        (FieldType::Bool, Value::Bool(_))
        | (FieldType::Int(..), Value::Int(_))
        | (FieldType::Decimal, Value::Decimal(_))
        | (FieldType::Time, Value::Time(_))
        | (FieldType::Date, Value::Date(_))
        | (FieldType::Id(_) | FieldType::StageId, Value::Id(_))
        | (FieldType::Ref(_), Value::Ref(_)) => true,
        (
            FieldType::Text(_)
            | FieldType::Folded
            | FieldType::Email
            | FieldType::Phone
            | FieldType::Domain
            | FieldType::Url
            | FieldType::Key
            | FieldType::Currency
            | FieldType::TimeZone
            | FieldType::Choice(_),
            // PostgreSQL does not accept texts with NUL.
            Value::Text(text),
        ) => !text.contains('\0'),
        _ => false,
    }
}
