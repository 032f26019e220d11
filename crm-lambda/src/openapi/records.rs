//! Schemas of records, generated from the declarations of the kinds in the core.

use crm_core::{
    catalog,
    schema::{FieldDecl, FieldType, KindDecl, Section},
    value::Kind,
};
use utoipa::openapi::{
    Schema, SchemaFormat, Type,
    schema::{AdditionalProperties, ObjectBuilder},
};

use super::{
    schemas::{
        Item, boolean, bounded, choice, date, decimal, integer, limited, members, object, open, or_null, reference,
        text, time, typed, uuid,
    },
    structs,
};

/// `lead` → `Lead`.
fn kind_name(kind: Kind) -> String {
    kind.name().split('_').map(|part| part[..1].to_uppercase() + &part[1..]).collect()
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

/// Fields to set on a record that exists or has other sources of its required fields.
pub(crate) fn kind_fields(kind: Kind) -> Item {
    reference(&format!("{}Fields", kind_name(kind)))
}

/// The schema of a field of a kind.
fn schema_of(kind: Kind, field: &FieldDecl) -> Item {
    match field.ty {
        FieldType::Bool => boolean(),
        FieldType::Int(min, max) => bounded(min, max),
        FieldType::Decimal => decimal(),
        FieldType::Money => reference("Money"),
        FieldType::Text(max) => typed(Type::String).max_length(Some(max)).into(),
        FieldType::Email => typed(Type::String).format(Some(SchemaFormat::Custom("email".into()))).into(),
        FieldType::Choice(names) => choice(names.iter().copied()),
        FieldType::Time => time(),
        FieldType::Date => date(),
        FieldType::Id(_) | FieldType::StageId => uuid(),
        FieldType::Ref(kinds) => reference_to(kinds),
        FieldType::Texts(count, max) => limited(typed(Type::String).max_length(Some(max)).into(), count),
        FieldType::Ids(_, count) => limited(uuid(), count),
        FieldType::Refs(kinds, count) => limited(reference_to(kinds), count),
        FieldType::Structs(count) => limited(structs::of_field(kind, field.name), count),
        FieldType::Struct => structs::of_field(kind, field.name),
        FieldType::Properties => open("values of custom properties by key"),
        _ => text(),
    }
}

/// A reference to a record of one of the kinds.
fn reference_to(kinds: &[Kind]) -> Item {
    members([("kind", choice(kinds.iter().map(|kind| kind.name()))), ("id", uuid())])
}

fn view_of(decl: &KindDecl) -> Schema {
    let mut whole =
        object().description(Some("Fields that the caller may not see are omitted; lists omit long texts."));
    for (name, schema) in [("id", uuid()), ("version", integer()), ("machine_version", integer())] {
        whole = whole.property(name, schema).required(name);
    }
    let is_shown = |field: &&FieldDecl| !field.marks.secret && field.ty != FieldType::Folded;
    for field in decl.fields.iter().filter(is_shown) {
        let schema = match field.ty {
            // Stored values may predate a rule: a response only promises the type.
            FieldType::Int(..) => integer(),
            FieldType::Text(_) => text(),
            _ => schema_of(decl.kind, field),
        };
        let plain = matches!(field.ty, FieldType::Bool | FieldType::Properties) || field.ty.is_list();
        whole = whole.property(field.name, if plain { schema } else { or_null(schema) });
    }
    Schema::Object(whole.build())
}

/// The fields of a kind that a caller can set.
fn input_of(decl: &KindDecl) -> ObjectBuilder {
    let closed = object().additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
    let fields = decl.fields.iter().filter(|field| field.section == Section::User);
    fields.fold(closed, |whole, field| whole.property(field.name, or_null(schema_of(decl.kind, field))))
}

fn new_of(decl: &KindDecl) -> ObjectBuilder {
    decl.fields.iter().filter(|field| must_be_given(decl.kind, field)).fold(input_of(decl), |whole, field| {
        // A required field cannot be null.
        whole.property(field.name, schema_of(decl.kind, field)).required(field.name)
    })
}

/// `true` if a new record of the kind is rejected without the field: it is required, and neither another field nor a
/// default fills it.
fn must_be_given(kind: Kind, field: &FieldDecl) -> bool {
    let is_filled = match kind {
        // The path names the kind.
        Kind::Property => field.name == "kind",
        _ => false,
    };
    field.marks.required && field.section == Section::User && field.derived_from.is_empty() && !is_filled
}

/// The named schemas of all kinds.
pub(super) fn all() -> Vec<(String, Item)> {
    let of_kind = |decl: &'static KindDecl| {
        let name = kind_name(decl.kind);
        [
            (format!("New{name}"), new_of(decl).into()),
            (format!("{name}Patch"), input_of(decl).property("version", integer()).into()),
            (format!("{name}Fields"), input_of(decl).into()),
            (name, view_of(decl).into()),
        ]
    };
    catalog::all().filter(|decl| !decl.kind.is_internal()).flat_map(of_kind).collect()
}
