//! The OpenAPI document is up to date and complete, and the page that shows it loads nothing from elsewhere.

use serde_json::Value as Json;

use crate::api::Api;

/// The path of the document in the repository.
const CHECKED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

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
