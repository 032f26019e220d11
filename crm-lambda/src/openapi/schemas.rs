//! Schemas generated from the declarations of the kinds in the core.

use crm_core::{
    catalog,
    schema::{FieldDecl, FieldType, KindDecl, Section},
    timeline::EntryType,
    value::{Choice as _, Kind},
};
use serde_json::json;
use utoipa::openapi::{
    ArrayBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
    schema::{AdditionalProperties, OneOfBuilder, SchemaType},
};

type Item = RefOr<Schema>;

/// An empty object.
pub(crate) fn object() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object))
}

fn typed(ty: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(ty))
}

fn done(builder: ObjectBuilder) -> Item {
    RefOr::T(Schema::Object(builder.build()))
}

/// A string.
pub(crate) fn text() -> Item {
    done(typed(Type::String))
}

/// An integer.
pub(crate) fn integer() -> Item {
    done(typed(Type::Integer))
}

/// A number.
pub(crate) fn number() -> Item {
    done(typed(Type::Number))
}

/// An integer within bounds.
pub(crate) fn bounded(min: i64, max: i64) -> Item {
    done(typed(Type::Integer).minimum(Some(min)).maximum(Some(max)))
}

/// A boolean.
pub(crate) fn boolean() -> Item {
    done(typed(Type::Boolean))
}

/// A UUID.
pub(crate) fn uuid() -> Item {
    done(typed(Type::String).format(Some(SchemaFormat::Custom("uuid".into()))))
}

/// A date and time.
pub(crate) fn time() -> Item {
    done(typed(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))))
}

/// A date.
pub(crate) fn date() -> Item {
    done(typed(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))))
}

/// A decimal number.
fn decimal() -> Item {
    let bounds = "at most 28 digits; written values must be between -10^18 and 10^18 (exclusive)";
    done(typed(Type::String).pattern(Some(r"^-?[0-9]+(\.[0-9]+)?$")).description(Some(bounds)))
}

/// An enumeration of strings.
pub(crate) fn choice<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Item {
    done(typed(Type::String).enum_values(Some(names.into_iter().map(|name| json!(name.into())))))
}

/// An array.
pub(crate) fn array(items: impl Into<RefOr<Schema>>) -> Item {
    RefOr::T(Schema::Array(ArrayBuilder::new().items(items.into()).build()))
}

/// A reference to a named schema.
pub(crate) fn reference(name: &str) -> Item {
    RefOr::Ref(Ref::from_schema_name(name))
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
        other => RefOr::T(Schema::OneOf(OneOfBuilder::new().item(other).item(done(typed(Type::Null))).build())),
    }
}

/// The schema of a field's type.
pub(crate) fn schema_of(ty: FieldType) -> Item {
    match ty {
        FieldType::Bool => boolean(),
        FieldType::Int(min, max) => done(typed(Type::Integer).minimum(Some(min)).maximum(Some(max))),
        FieldType::Decimal => decimal(),
        FieldType::Money => reference("Money"),
        FieldType::Text(max) => done(typed(Type::String).max_length(Some(max))),
        FieldType::Email => done(typed(Type::String).format(Some(SchemaFormat::Custom("email".into())))),
        FieldType::Choice(names) => choice(names.iter().copied()),
        FieldType::Time => time(),
        FieldType::Date => date(),
        FieldType::Id(_) | FieldType::StageId => uuid(),
        FieldType::Ref(kinds) => reference_to(kinds),
        FieldType::Texts(count, max) => limited(done(typed(Type::String).max_length(Some(max))), count),
        FieldType::Ids(_, count) => limited(uuid(), count),
        FieldType::Refs(kinds, count) => limited(reference_to(kinds), count),
        FieldType::Structs(count) => limited(done(object()), count),
        FieldType::Struct => done(object()),
        FieldType::Properties => done(object().additional_properties(Some(AdditionalProperties::FreeForm(true)))),
        _ => text(),
    }
}

/// A reference to a record of one of the kinds.
fn reference_to(kinds: &[Kind]) -> Item {
    done(
        object()
            .property("kind", choice(kinds.iter().map(|kind| kind.name())))
            .required("kind")
            .property("id", uuid())
            .required("id"),
    )
}

fn limited(items: Item, max: usize) -> Item {
    RefOr::T(Schema::Array(ArrayBuilder::new().items(items).max_items(Some(max)).build()))
}

/// `lead` → `Lead`.
pub(crate) fn kind_name(kind: Kind) -> String {
    kind.name().split('_').map(|part| part[..1].to_uppercase() + &part[1..]).collect()
}

fn is_shown(field: &FieldDecl) -> bool {
    !field.marks.secret && field.ty != FieldType::Folded
}

/// A record in a response.
pub(crate) fn kind_view(kind: Kind) -> Item {
    reference(&kind_name(kind))
}

/// The body that creates a record.
pub(crate) fn kind_new(kind: Kind) -> Item {
    reference(&format!("New{}", kind_name(kind)))
}

/// The body that updates a record.
pub(crate) fn kind_patch(kind: Kind) -> Item {
    reference(&format!("{}Patch", kind_name(kind)))
}

/// A change of the log.
pub(crate) fn change() -> Item {
    reference("Change")
}

/// An entry of a timeline: its type, and its content under the name of that type.
pub(crate) fn timeline_entry() -> Item {
    let mut entry = object()
        .property("type", choice(EntryType::NAMES.iter().copied()))
        .required("type")
        .property("change", change());
    for kind in [Kind::Interaction, Kind::Task, Kind::Note] {
        entry = entry.property(kind.name(), kind_view(kind));
    }
    done(entry)
}

fn view_of(decl: &KindDecl) -> Schema {
    let mut whole = object()
        .description(Some("Fields that the caller may not see are omitted; lists omit long texts."))
        .property("id", uuid())
        .required("id")
        .property("version", integer())
        .required("version")
        .property("machine_version", integer())
        .required("machine_version");
    for field in decl.fields.iter().filter(|field| is_shown(field)) {
        let schema = match field.ty {
            // Stored values may predate a rule: a response only promises the type.
            FieldType::Int(..) => integer(),
            FieldType::Text(_) => text(),
            ty => schema_of(ty),
        };
        let plain = matches!(field.ty, FieldType::Bool | FieldType::Properties) || field.ty.is_list();
        whole = whole.property(field.name, if plain { schema } else { or_null(schema) });
    }
    Schema::Object(whole.build())
}

fn input_of(decl: &KindDecl, is_new: bool) -> Schema {
    let mut whole = object().additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    for field in decl.fields.iter().filter(|field| field.section == Section::Person) {
        // No field is `required`: a default may fill it, and fields that are really missing are reported by name.
        whole = whole.property(field.name, or_null(schema_of(field.ty)));
    }
    if !is_new {
        whole = whole.property("version", integer());
    }
    Schema::Object(whole.build())
}

fn change_schema() -> Schema {
    Schema::Object(
        object()
            .property("record", reference("Ref"))
            .property("group", choice(["person", "machine"]))
            .property("version", integer())
            .property("commit", uuid())
            .property("recorded_at", time())
            .property("occurred_at", time())
            .property("by", or_null(uuid()))
            .property("action", text())
            .property("fields", array(done(object())))
            .property("undoable", boolean())
            .property("not_undoable", done(object().property("code", text()).property("detail", text())))
            .required("record")
            .required("version")
            .required("fields")
            .build(),
    )
}

/// All named schemas.
pub(super) fn all() -> Vec<(String, Schema)> {
    let plain = |item: Item| match item {
        RefOr::T(schema) => schema,
        RefOr::Ref(_) => Schema::Object(object().build()),
    };
    let mut all = vec![
        (
            "Money".to_owned(),
            Schema::Object(
                object()
                    .property("amount", decimal())
                    .required("amount")
                    .property("currency", text())
                    .required("currency")
                    .build(),
            ),
        ),
        (
            "Ref".to_owned(),
            Schema::Object(
                object()
                    .property("kind", choice(Kind::ALL.iter().map(|kind| kind.name())))
                    .required("kind")
                    .property("id", uuid())
                    .required("id")
                    .build(),
            ),
        ),
        ("Change".to_owned(), change_schema()),
        (
            "Plan".to_owned(),
            Schema::Object(
                object()
                    .description(Some("The changes that a write would make. Nothing was written."))
                    .property("changes", array(reference("Change")))
                    .required("changes")
                    .property("items", integer())
                    .required("items")
                    .build(),
            ),
        ),
        (
            "Problem".to_owned(),
            Schema::Object(
                object()
                    .description(Some("RFC 9457"))
                    .property("type", text())
                    .required("type")
                    .property("title", text())
                    .required("title")
                    .property("status", integer())
                    .required("status")
                    .property("code", text())
                    .required("code")
                    .property("detail", text())
                    .required("detail")
                    .property("errors", array(reference("FieldError")))
                    .build(),
            ),
        ),
        (
            "FieldError".to_owned(),
            Schema::Object(
                object()
                    .property("field", text())
                    .required("field")
                    .property("code", text())
                    .required("code")
                    .property("params", done(object()))
                    .property("message", text())
                    .required("message")
                    .build(),
            ),
        ),
    ];
    all.push(("Filter".to_owned(), plain(done(object().description(Some("A filter, as in the parameter `filter`."))))));
    for decl in catalog::all().filter(|decl| !decl.kind.is_internal()) {
        let name = kind_name(decl.kind);
        all.push((name.clone(), view_of(decl)));
        all.push((format!("New{name}"), input_of(decl, true)));
        all.push((format!("{name}Patch"), input_of(decl, false)));
    }
    all
}
