//! Every JSON response of these tests is what the document says of its operation: the right types, no member that the
//! document does not name, none missing that it says is always there.

use std::sync::OnceLock;

use serde_json::Value as Json;

/// The checked-in document.
fn document() -> &'static Json {
    static DOCUMENT: OnceLock<Json> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let text = std::fs::read_to_string(super::document::CHECKED_IN).expect("docs/openapi.json");
        serde_json::from_str(&text).expect("JSON")
    })
}

/// Asserts that a response conforms to the document. Responses of unknown routes are not described.
#[track_caller]
pub(crate) fn conforms(method: &str, path: &str, status: u16, body: &Json) {
    // While the document is being written, the one on disk is of before.
    if std::env::var_os("CRM_WRITE_OPENAPI").is_some() {
        return;
    }
    let path = path.split('?').next().unwrap_or_default();
    let Some(operation) = operation(method, path) else { return };
    let response = resolve(&operation["responses"][status.to_string()]);
    let media = if status < 400 { "application/json" } else { "application/problem+json" };
    let schema = &response["content"][media]["schema"];
    let mut faults = Vec::new();
    check(schema, body, "", &mut faults);
    assert!(!schema.is_null() && faults.is_empty(), "{method} {path} answers {status}: {faults:?} in {body}");
}

/// The operation of a request. A literal segment of a path goes before a parameter.
fn operation(method: &str, path: &str) -> Option<&'static Json> {
    let segments: Vec<&str> = path.split('/').collect();
    let fits = |template: &&String| {
        let parts: Vec<&str> = template.split('/').collect();
        parts.len() == segments.len()
            && parts.iter().zip(&segments).all(|(part, segment)| part.starts_with('{') || part == segment)
    };
    let paths = document()["paths"].as_object()?;
    let template = paths.keys().filter(fits).min_by_key(|template| template.matches('{').count())?;
    paths[template].get(method.to_lowercase())
}

fn resolve(schema: &'static Json) -> &'static Json {
    match schema["$ref"].as_str() {
        Some(reference) => document().pointer(&reference[1..]).expect("a reference leads somewhere"),
        None => schema,
    }
}

/// Collects where a value is not what the schema says: the keywords that the document uses.
pub(crate) fn check(schema: &'static Json, value: &Json, at: &str, faults: &mut Vec<String>) {
    let schema = resolve(schema);
    for (keyword, at_most) in [("oneOf", 1), ("anyOf", usize::MAX)] {
        let Some(all) = schema[keyword].as_array() else { continue };
        let fits = |one: &&'static Json| {
            let mut faults = Vec::new();
            check(one, value, at, &mut faults);
            faults.is_empty()
        };
        let count = all.iter().filter(fits).count();
        if count == 0 || count > at_most {
            faults.push(format!("{at}: {count} of {keyword} fit"));
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Json::String(one) => vec![one],
        Json::Array(many) => many.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    let is_type = |name: &&str| match *name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    if !types.is_empty() && !types.iter().any(is_type) {
        return faults.push(format!("{at}: not of type {types:?}"));
    }
    if schema["enum"].as_array().is_some_and(|names| !names.contains(value)) {
        faults.push(format!("{at}: not of the enum"));
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        values.iter().enumerate().for_each(|(index, value)| check(items, value, &format!("{at}/{index}"), faults));
    }
    let Some(object) = value.as_object().filter(|_| types.contains(&"object")) else { return };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        if !object.contains_key(name) {
            faults.push(format!("{at}: no `{name}`"));
        }
    }
    for (name, value) in object {
        let at = format!("{at}/{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema @ Json::Object(_))) => check(schema, value, &at, faults),
            (None, Some(Json::Bool(true))) => {}
            (None, _) => faults.push(format!("{at}: not in the document")),
        }
    }
}
