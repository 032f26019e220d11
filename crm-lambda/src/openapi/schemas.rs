//! Schemas of plain values, and of what is made of them.

use serde_json::json;
use utoipa::openapi::{
    ArrayBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
    schema::{AdditionalProperties, AnyOfBuilder, OneOfBuilder, SchemaType},
};

/// A schema, or a reference to a named one.
pub(crate) type Item = RefOr<Schema>;

/// An empty object.
pub(crate) fn object() -> ObjectBuilder {
    typed(Type::Object)
}

pub(super) fn typed(ty: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(ty))
}

/// A string.
pub(crate) fn text() -> Item {
    typed(Type::String).into()
}

/// An integer.
pub(crate) fn integer() -> Item {
    typed(Type::Integer).into()
}

/// A number.
pub(crate) fn number() -> Item {
    typed(Type::Number).into()
}

/// An integer within bounds.
pub(crate) fn bounded(min: i64, max: i64) -> Item {
    typed(Type::Integer).minimum(Some(min)).maximum(Some(max)).into()
}

/// A boolean.
pub(crate) fn boolean() -> Item {
    typed(Type::Boolean).into()
}

/// A UUID.
pub(crate) fn uuid() -> Item {
    typed(Type::String).format(Some(SchemaFormat::Custom("uuid".into()))).into()
}

/// A date and time.
pub(crate) fn time() -> Item {
    typed(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
}

/// A date.
pub(crate) fn date() -> Item {
    typed(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))).into()
}

/// A decimal number.
pub(crate) fn decimal() -> Item {
    let bounds = "at most 28 digits; written values must be between -10^18 and 10^18 (exclusive)";
    typed(Type::String).pattern(Some(r"^-?[0-9]+(\.[0-9]+)?$")).description(Some(bounds)).into()
}

/// Any JSON value.
pub(crate) fn any() -> Item {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
}

/// An enumeration of strings.
pub(crate) fn choice<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Item {
    typed(Type::String).enum_values(Some(names.into_iter().map(|name| json!(name.into())))).into()
}

/// An array.
pub(crate) fn array(items: impl Into<Item>) -> Item {
    RefOr::T(Schema::Array(ArrayBuilder::new().items(items.into()).build()))
}

/// An array of at most `max` items.
pub(super) fn limited(items: Item, max: usize) -> Item {
    RefOr::T(Schema::Array(ArrayBuilder::new().items(items).max_items(Some(max)).build()))
}

/// An object with these members. A member may be absent if its name ends with `?` here.
pub(crate) fn members<const N: usize>(members: [(&str, Item); N]) -> Item {
    let add = |whole: ObjectBuilder, (name, schema): (&str, Item)| match name.strip_suffix('?') {
        Some(name) => whole.property(name, schema),
        None => whole.property(name, schema).required(name),
    };
    members.into_iter().fold(object(), add).into()
}

/// An object of values of one schema by arbitrary names.
pub(crate) fn map_of(values: impl Into<Item>) -> Item {
    object().additional_properties(Some(AdditionalProperties::RefOr(values.into()))).into()
}

/// An object whose members are not part of this document.
pub(crate) fn open(description: &str) -> Item {
    object().additional_properties(Some(AdditionalProperties::FreeForm(true))).description(Some(description)).into()
}

/// A value of at least one of several schemas.
pub(crate) fn any_of<const N: usize>(items: [Item; N]) -> Item {
    items.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item).into()
}

/// A value of exactly one of several schemas.
pub(crate) fn either<const N: usize>(items: [Item; N]) -> Item {
    items.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item).into()
}

/// A reference to a named schema.
pub(crate) fn reference(name: &str) -> Item {
    RefOr::Ref(Ref::from_schema_name(name))
}

/// Adds a description.
pub(super) fn described(item: Item, description: &str) -> Item {
    match item {
        RefOr::T(Schema::Object(mut object)) => {
            object.description = Some(description.to_owned());
            RefOr::T(Schema::Object(object))
        }
        other => other,
    }
}

/// Makes a schema nullable.
pub(crate) fn or_null(item: Item) -> Item {
    match item {
        RefOr::T(Schema::Object(mut object)) => {
            if let SchemaType::Type(ty) = object.schema_type.clone() {
                object.schema_type = SchemaType::Array(vec![ty, Type::Null]);
            }
            if let Some(values) = &mut object.enum_values {
                values.push(serde_json::Value::Null);
            }
            RefOr::T(Schema::Object(object))
        }
        RefOr::T(Schema::Array(mut array)) => {
            array.schema_type = SchemaType::Array(vec![Type::Array, Type::Null]);
            RefOr::T(Schema::Array(array))
        }
        other => either([other, typed(Type::Null).into()]),
    }
}
