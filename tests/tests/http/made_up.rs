//! Bodies generated from a kind's declaration, so that the tests of isolation cover kinds without a handwritten body.

use crm_core::{
    catalog::decl,
    schema::{FieldType, Section, common},
    value::Kind,
};
use serde_json::{Map, Value as Json, json};

/// Returns a body that creates a record of a kind: every writable field has a unique value, except references and
/// composite values.
pub fn body_of(kind: Kind) -> Json {
    let mut body = Map::new();
    let fields = decl(kind).fields.iter().enumerate().skip(common::COUNT);
    for (at, field) in fields.filter(|(_, field)| field.section == Section::User) {
        let word = format!("zq{at}{}", field.name.replace('_', ""));
        let value = match field.ty {
            FieldType::Text(_) | FieldType::LongText | FieldType::Key => json!(word),
            FieldType::Email => json!(format!("{word}@zq.example")),
            FieldType::Phone => json!(format!("+15551230{at:03}")),
            FieldType::Domain => json!(format!("{word}.example")),
            FieldType::Url => json!(format!("https://{word}.example/")),
            FieldType::Currency => json!("EUR"),
            FieldType::TimeZone => json!("Pacific/Chatham"),
            FieldType::Choice(names) => json!(names.last()),
            FieldType::Bool => json!(true),
            FieldType::Int(least, most) => json!(i64::try_from(71_000 + at).unwrap_or(71_000).clamp(least, most)),
            FieldType::Decimal => json!(format!("{at}31.4159")),
            FieldType::Money => json!({"amount": format!("{at}27182"), "currency": "USD"}),
            FieldType::Time => json!(format!("2031-03-04T05:{at:02}:00Z")),
            FieldType::Date => json!(format!("2031-{:02}-17", at % 12 + 1)),
            FieldType::Texts(..) => json!([word]),
            _ => continue,
        };
        body.insert(field.name.to_owned(), value);
    }
    let missing = decl(kind).fields.iter().find(|field| field.marks.required && !body.contains_key(field.name));
    assert!(missing.is_none(), "{kind}: `{}` is required and cannot be made up", missing.map_or("", |f| f.name));
    Json::Object(body)
}
