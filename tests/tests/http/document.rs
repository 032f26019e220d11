//! The OpenAPI document is up to date and complete, and the page that shows it loads nothing from elsewhere.

use std::fmt::Write as _;

use crm_core::{catalog, value::FaultCode};
use serde_json::{Value as Json, json};

use crate::{
    api::{Api, User},
    made_up,
};

/// The path of the document in the repository.
pub(crate) const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

#[tokio::test]
async fn the_checked_in_document_is_what_is_served() {
    let api = Api::new();
    let served = api.ask("GET", "/openapi.json").send().await.is(200);
    let pretty = format!("{}\n", serde_json::to_string_pretty(&served.json).expect("JSON"));
    if std::env::var_os("CRM_WRITE_OPENAPI").is_some() {
        std::fs::write(CHECKED_IN, &pretty).expect("it can be written");
    }
    let checked_in = std::fs::read_to_string(CHECKED_IN).unwrap_or_default();
    assert!(
        checked_in == pretty,
        "docs/openapi.json is stale: CRM_WRITE_OPENAPI=1 cargo test -p tests --test http document"
    );
    assert_eq!(served.json["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
}

/// A kind that is shown to users has routes.
#[tokio::test]
async fn every_kind_that_is_shown_to_users_has_routes() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let kinds = api.get(&admin, "kinds").await.is(200);
    let document = api.ask("GET", "/openapi.json").send().await.is(200);
    for kind in kinds.data().as_array().expect("kinds") {
        let path = kind["path"].as_str().unwrap_or_else(|| panic!("{} has no routes", kind["kind"]));
        let mut known = document.json["paths"].as_object().expect("paths").keys();
        assert!(known.any(|known| known.starts_with(path)), "{path}");
    }
}

/// The page that lists the fault codes is made from their enum.
#[test]
fn the_page_of_fault_codes_is_what_the_enum_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/fault_codes.md");
    let mut page = "# Fault codes\n\nThe `code` of each fault in `errors` of a response, and of `Fault` in the library. Codes are stable. \
                    `params` holds the values\nthat the message names, such as `max`. A `Validator` may add codes of its own.\n\n\
                    | code | meaning |\n|---|---|\n"
        .to_owned();
    for code in FaultCode::ALL {
        let _ = writeln!(page, "| `{code}` | {} |", code.description());
    }
    if std::env::var_os("CRM_WRITE_OPENAPI").is_some() {
        std::fs::write(path, &page).expect("it can be written");
    }
    let checked_in = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        checked_in == page,
        "docs/fault_codes.md is stale: CRM_WRITE_OPENAPI=1 cargo test -p tests --test http document"
    );
}

/// Every reference in a document.
fn references<'a>(json: &'a Json, found: &mut Vec<&'a str>) {
    match json {
        Json::Object(map) => {
            found.extend(map.get("$ref").and_then(Json::as_str));
            map.values().for_each(|value| references(value, found));
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let api = Api::new();
    let document = api.ask("GET", "/openapi.json").send().await.is(200).json;
    let mut all = Vec::new();
    references(&document, &mut all);
    assert!(all.len() > 100);
    for reference in all {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let mut names = Vec::new();
    for item in document["paths"].as_object().expect("paths").values() {
        for operation in item.as_object().expect("operations").values() {
            names.push(operation["operationId"].as_str().expect("a name"));
            assert!(operation["summary"].is_string() && operation["responses"]["400"].is_object());
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

/// The places of objects of which a schema says nothing: neither members nor that others are allowed.
fn bare_objects(schema: &Json, at: &str, found: &mut Vec<String>) {
    match schema {
        Json::Object(map) => {
            let is_object = schema["type"] == "object"
                || schema["type"].as_array().is_some_and(|types| types.contains(&json!("object")));
            if is_object && !map.contains_key("properties") && !map.contains_key("additionalProperties") {
                found.push(at.to_owned());
            }
            map.iter().for_each(|(name, value)| bare_objects(value, &format!("{at}/{name}"), found));
        }
        Json::Array(items) => items.iter().for_each(|item| bare_objects(item, at, found)),
        _ => {}
    }
}

#[tokio::test]
async fn no_operation_takes_or_answers_an_object_of_which_nothing_is_said() {
    let api = Api::new();
    let document = api.ask("GET", "/openapi.json").send().await.is(200).json;
    let mut found = Vec::new();
    bare_objects(&document["paths"], "paths", &mut found);
    bare_objects(&document["components"]["schemas"], "schemas", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

/// The smallest bodies that create a record, of the kinds whose bodies cannot be made up: the route, the kind and the
/// body.
async fn smallest(api: &Api, admin: &User) -> Vec<(String, String, Json)> {
    let lead = api.post(admin, "leads", json!({"name": "Ada"})).await.is(201).id();
    let lead = json!({"kind": "lead", "id": lead});
    let company =
        json!({"kind": "company", "id": api.post(admin, "companies", json!({"name": "Ash"})).await.is(201).id()});
    let contact =
        json!({"kind": "contact", "id": api.post(admin, "contacts", json!({"name": "Bo"})).await.is(201).id()});
    let role = api.role(admin, "sales_rep").await;
    let stages = json!([{"key": "open", "name": "Open", "kind": "open"}]);
    let rules = json!([{"key": "r", "when": {"field": "source", "op": "eq", "value": "web"}, "points": 1000}]);
    let definition = json!({"groups": [{"key": "g", "rules": rules}]});
    let all = [
        ("roles", "Role", json!({"key": "helper", "name": "Helper"})),
        ("users", "User", json!({"role_ids": [role], "external_id": "x-1"})),
        ("pipelines", "Pipeline", json!({"name": "Second", "stages": stages})),
        ("properties/lead", "Property", json!({"key": "seats", "name": "Seats"})),
        ("rates", "Rate", json!({"currency": "CHF", "day": "2024-05-06", "rate": "0.9"})),
        ("interactions", "Interaction", json!({"type": "meeting", "subject": "Kick-off", "links": [lead]})),
        ("notes", "Note", json!({"content": "Hello", "links": [lead]})),
        ("associations", "Association", json!({"from": contact, "to": company, "label": "adviser"})),
        ("scoring/models", "ScoringModel", json!({"key": "m", "name": "M", "kind": "lead", "definition": definition})),
    ];
    all.into_iter().map(|(route, kind, body)| (route.to_owned(), kind.to_owned(), body)).collect()
}

#[tokio::test]
async fn the_required_fields_of_a_new_record_are_those_without_which_it_is_refused() {
    let api = Api::new();
    let admin = api.register("acme").await;
    let document = api.ask("GET", "/openapi.json").send().await.is(200).json;
    let mut all = smallest(&api, &admin).await;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let body = &item["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        let Some(name) = body.as_str().and_then(|name| name.strip_prefix("#/components/schemas/New")) else { continue };
        if all.iter().all(|(_, known, _)| known != name) {
            let kind = catalog::all().find(|decl| decl.kind.name().replace('_', "") == name.to_lowercase());
            let mut body = made_up::body_of(kind.expect("a kind").kind);
            let required = required_of(&document, name);
            body.as_object_mut().expect("an object").retain(|field, _| required.contains(&json!(field)));
            all.push((path.trim_start_matches("/api/v1/").to_owned(), name.to_owned(), body));
        }
    }
    for (route, kind, body) in all {
        let mut required = required_of(&document, &kind);
        for field in &required {
            let mut without = body.clone();
            without.as_object_mut().expect("an object").remove(field.as_str().expect("a name")).expect("it is there");
            let refused = api.post(&admin, &route, without).await.problem(422, "invalid");
            let errors = refused.json["errors"].as_array().expect("errors");
            // A missing number is read as 0.
            let code = if kind == "Rate" && field == "rate" { "too_small" } else { "required" };
            let is_said = errors.iter().any(|error| error["field"] == *field && error["code"] == code);
            assert!(is_said, "{kind} without {field}: {}", refused.text);
        }
        // A name is made of others, or a user is known by one of two: the document cannot say so.
        if !matches!(kind.as_str(), "Lead" | "Contact" | "User") {
            let mut given: Vec<Json> = body.as_object().expect("an object").keys().map(|name| json!(name)).collect();
            given.sort_by_key(Json::to_string);
            required.sort_by_key(Json::to_string);
            assert_eq!(given, required, "{kind}");
            api.post(&admin, &route, body).await.is(201);
        }
    }
}

/// The fields that the document requires of a new record.
fn required_of(document: &Json, kind: &str) -> Vec<Json> {
    let schema = &document["components"]["schemas"][format!("New{kind}")];
    schema["required"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn the_document_names_every_operator_of_filters() {
    let api = Api::new();
    let document = api.ask("GET", "/openapi.json").send().await.is(200).json;
    let names = document["components"]["schemas"]["Condition"]["properties"]["op"]["enum"].as_array().expect("names");
    // What the parser knows, in its own words.
    let error = serde_json::from_value::<crm_core::filter::Op>(json!("")).expect_err("no operator").to_string();
    assert_eq!(error.matches('`').count(), 2 * names.len() + 2, "{error}");
    for name in names {
        assert!(error.contains(&format!("`{}`", name.as_str().expect("a name"))), "{name}: {error}");
    }
}

#[tokio::test]
async fn the_page_is_made_of_what_is_here() {
    let api = Api::new();
    let page = api.ask("GET", "/docs").send().await.is(200);
    assert!(page.headers["content-type"].to_str().is_ok_and(|media| media.starts_with("text/html")));
    assert!(!page.text.contains("https://") && !page.text.contains("http://"), "{}", page.text);
    assert!(page.text.matches("docs/").count() >= 6, "{}", page.text);
    for part in page.text.split(['"', '\'']).filter(|part| part.starts_with("docs/")) {
        let file = api.ask("GET", &format!("/{part}")).send().await;
        assert_eq!(file.status.as_u16(), 200, "{part}");
        assert!(!file.headers.contains_key("content-encoding"), "{part}: nobody said that they take it");
        assert!(!file.text.starts_with('\u{1f}'), "{part} is packed, and nobody was told");
    }
    let asked = api.ask("GET", "/docs/swagger-ui-bundle.js");
    let packed = asked.header("accept-encoding", "br, gzip;q=0.8").send().await.is(200);
    assert_eq!(packed.headers["content-encoding"], "gzip");
    let refused = api.ask("GET", "/docs/swagger-ui.css").header("accept-encoding", "gzip;q=0").send().await.is(200);
    assert!(!refused.headers.contains_key("content-encoding"));
    api.ask("GET", "/docs/nothing.js").send().await.problem(404, "not_found");
    let policy = page.headers["content-security-policy"].to_str().expect("a policy").to_owned();
    assert!(policy.contains("default-src 'self'"), "{policy}");
}

#[tokio::test]
async fn health_figures_and_headers() {
    let api = Api::new();
    let health = api.ask("GET", "/health").header("x-request-id", "abc-1").send().await.is(200);
    assert_eq!(health.headers["x-request-id"], "abc-1");
    assert_eq!(health.headers["x-content-type-options"], "nosniff");
    assert_eq!(health.headers["cache-control"], "private, no-store");
    let strange = api.ask("GET", "/health/store").header("x-request-id", "a b/").send().await;
    assert_ne!(strange.is(200).headers["x-request-id"], "a b/");
    api.ask("GET", "/metrics").send().await.problem(404, "not_found");
    let jwks = api.ask("GET", "/.well-known/jwks.json").send().await.is(200);
    assert_eq!(jwks.text, r#"{"keys":[]}"#, "nothing of a symmetric key");
}
