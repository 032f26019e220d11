//! The OpenAPI document, and the page that shows it. The page loads nothing from other servers.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use utoipa::openapi::HttpMethod;

use crate::{
    app::App,
    openapi::{Route, document, open, route, text},
    problem::Problem,
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(HttpMethod::Get, "/openapi.json", "documentation", "openapi", "Get this document")
            .public()
            .content(200, "application/json", open("an OpenAPI document"), "OpenAPI 3.1")
            .to(openapi),
        route(HttpMethod::Get, "/docs", "documentation", "docs", "Browse and try the API")
            .public()
            .content(200, "text/html", text(), "the page")
            .to(page),
        route(HttpMethod::Get, "/docs/{file}", "documentation", "docs_file", "Get an asset of the documentation page")
            .public()
            .content(200, "*/*", text(), "a style, a script or a picture")
            .fails(404)
            .to(file),
    ]
}

async fn openapi(State(app): State<App>) -> Response {
    let text = app.document().get_or_init(|| {
        let whole = document(&super::all(app.config()));
        Arc::from(whole.to_json().unwrap_or_default())
    });
    ([(header::CONTENT_TYPE, "application/json")], text.to_string()).into_response()
}

/// Allows the page's own scripts and styles, and requests to the API.
const POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

async fn page(headers: HeaderMap) -> Result<Response, Problem> {
    of_page("index.html", &headers)
}

async fn file(path: axum::extract::RawPathParams, headers: HeaderMap) -> Result<Response, Problem> {
    of_page(path.iter().next().map(|(_, value)| value).unwrap_or_default(), &headers)
}

fn of_page(name: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    Ok(([(header::CONTENT_SECURITY_POLICY, POLICY)], asset(name, headers)?).into_response())
}

/// Returns a file of the page. Files are stored compressed and sent compressed to clients that accept it.
#[cfg(feature = "docs")]
fn asset(name: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    use std::io::Read as _;
    use utoipa_swagger_ui::Config;
    // Relative, so that the page works wherever the router is nested.
    let config = Arc::new(Config::from("openapi.json").try_it_out_enabled(true).persist_authorization(true));
    let name = if name.is_empty() { "index.html" } else { name };
    let Ok(Some(file)) = utoipa_swagger_ui::serve(name, config) else { return Err(Problem::not_found("file")) };
    let is_page = name == "index.html";
    if file.gzpipped && !is_page && takes_gzip(headers) {
        let headers = [(header::CONTENT_TYPE, file.content_type.as_str()), (header::CONTENT_ENCODING, "gzip")];
        return Ok((headers, file.bytes.into_owned()).into_response());
    }
    let mut bytes = Vec::new();
    if file.gzpipped {
        flate2::read::GzDecoder::new(file.bytes.as_ref()).read_to_end(&mut bytes).map_err(|_| Problem::internal())?;
    } else {
        bytes = file.bytes.into_owned();
    }
    if is_page {
        // The page is at /docs, its files below it.
        bytes = String::from_utf8_lossy(&bytes)
            .replace("\"./", "\"docs/")
            .replace("\"index.css", "\"docs/index.css")
            .into_bytes();
    }
    Ok(([(header::CONTENT_TYPE, file.content_type)], bytes).into_response())
}

/// `true` if the client accepts gzip with a weight other than zero.
#[cfg(feature = "docs")]
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let weight = |part: &str| part.strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"))
            && parts.filter_map(weight).all(|weight| weight > 0.0)
    })
}

#[cfg(not(feature = "docs"))]
fn asset(_: &str, _: &HeaderMap) -> Result<Response, Problem> {
    Err(Problem::not_found("page (the program was built without the documentation page)"))
}
