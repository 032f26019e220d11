//! The types and checks of values of custom properties.

use std::sync::Arc;

use crate::model::{
    records::property::{Property, PropertyType},
    schema::FieldType,
    value::{Decimal, Fault, FaultCode, Kind, Value},
};

/// Returns the field type of a custom property; `None` if the property's type is unknown: its values are kept, but can
/// be neither written nor queried.
pub fn property_type(property: &Property) -> Option<FieldType> {
    Some(match property.r#type {
        PropertyType::Unknown(_) => return None,
        // All properties share one map that lists also carry, so a long text is bounded by the size of the map.
        PropertyType::Text | PropertyType::Select => FieldType::Text(255),
        PropertyType::LongText => FieldType::Text(16_000),
        PropertyType::Integer => FieldType::Int(i64::MIN, i64::MAX),
        PropertyType::Decimal => FieldType::Decimal,
        PropertyType::Money => FieldType::Money,
        PropertyType::Boolean => FieldType::Bool,
        PropertyType::Date => FieldType::Date,
        PropertyType::Datetime => FieldType::Time,
        PropertyType::MultiSelect => FieldType::Texts(50, 255),
        PropertyType::Url => FieldType::Url,
        PropertyType::Email => FieldType::Email,
        PropertyType::Phone => FieldType::Phone,
        PropertyType::Reference => {
            FieldType::Id(property.rules.as_ref().and_then(|rules| rules.kind).unwrap_or(Kind::Contact))
        }
    })
}

/// Like [`property_type`], for a given value.
///
/// # Errors
/// `unknown_type`.
pub(crate) fn written_type(property: &Property) -> Result<FieldType, Fault> {
    property_type(property).ok_or_else(|| {
        let message = format!("is of the type `{}`, which requires a newer version of the program", property.r#type);
        Fault::new(FaultCode::UnknownType, message)
    })
}

/// Normalizes a value of a custom property and checks the property's rules. Values that the record already holds
/// (`held`) may stay, as a whole or for each of several options.
///
/// # Errors
/// A [`Fault`] that describes valid values.
pub fn check_property(
    property: &Property,
    value: Value,
    held: Option<&Value>,
    default_country: Option<&str>,
) -> Result<Value, Fault> {
    let ty = written_type(property)?;
    let value = ty.normalize(value, default_country)?;
    if held == Some(&value) {
        return Ok(value);
    }
    let value = ty.within_bounds(value)?;
    let had = held.map(Value::items).unwrap_or_default();
    let options = |text: &str| {
        property.options.iter().any(|option| option.value == text && !option.archived)
            || had.iter().any(|item| item.as_text() == Some(text))
    };
    let unknown = || {
        let names: Vec<&str> =
            property.options.iter().filter(|option| !option.archived).map(|option| option.value.as_str()).collect();
        Fault::new(FaultCode::UnknownChoice, format!("must be one of {}", names.join(", ")))
            .with("allowed", names.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    match (&property.r#type, &value) {
        (PropertyType::Select, Value::Text(text)) if !options(text) => return Err(unknown()),
        (PropertyType::MultiSelect, Value::List(items))
            if !items.iter().all(|item| item.as_text().is_some_and(options)) =>
        {
            return Err(unknown());
        }
        _ => {}
    }
    if let Some(rules) = &property.rules {
        let size = match &value {
            Value::Int(number) => Some(Decimal::from(*number)),
            Value::Decimal(number) => Some(*number),
            Value::Money(money) => Some(money.amount),
            Value::Text(text) => Some(Decimal::from(i64::try_from(text.chars().count()).unwrap_or(i64::MAX))),
            _ => None,
        };
        let of_text = if value.as_text().is_some() { " characters" } else { "" };
        if let (Some(size), Some(min)) = (size, rules.min)
            && size < Decimal::from(min)
        {
            return Err(Fault::new(FaultCode::TooSmall, format!("must be at least {min}{of_text}")).with("min", min));
        }
        if let (Some(size), Some(max)) = (size, rules.max)
            && size > Decimal::from(max)
        {
            return Err(Fault::new(FaultCode::TooLarge, format!("must be at most {max}{of_text}")).with("max", max));
        }
    }
    Ok(match value {
        Value::List(items) if items.is_empty() => Value::Null,
        other => other,
    })
}

/// Returns the claimed form of a unique property's value: equal values have equal texts.
pub fn claim_text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null | Value::NotLoaded | Value::Redacted | Value::Opaque(_) => return None,
        Value::Text(text) => crate::model::value::fold(text),
        other => other.to_json().to_string(),
    })
}

/// Returns the properties of a record by key, or an empty map.
pub fn map_of(value: &Value) -> std::collections::BTreeMap<String, Value> {
    match value {
        Value::Map(map) => Arc::unwrap_or_clone(Arc::clone(map)),
        _ => std::collections::BTreeMap::new(),
    }
}
