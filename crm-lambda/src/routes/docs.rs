//! The document, and the page to read and try it: everything the page needs comes from here.

use std::sync::Arc;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::openapi::HttpMethod;

use crate::{
    app::App,
    openapi::{Route, document, object, route, text},
    problem::Problem,
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(HttpMethod::Get, "/openapi.json", "documentation", "openapi", "This document")
            .public()
            .content(200, "application/json", object(), "OpenAPI 3.1")
            .to(openapi),
        route(HttpMethod::Get, "/docs", "documentation", "docs", "A page to read and try the API")
            .public()
            .content(200, "text/html", text(), "the page")
            .to(page),
        route(HttpMethod::Get, "/docs/{file}", "documentation", "docs_file", "What the page is made of")
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

async fn page() -> Result<Response, Problem> {
    asset("index.html")
}

async fn file(path: axum::extract::RawPathParams) -> Result<Response, Problem> {
    asset(path.iter().next().map(|(_, value)| value).unwrap_or_default())
}

#[cfg(feature = "docs")]
fn asset(name: &str) -> Result<Response, Problem> {
    use utoipa_swagger_ui::Config;
    // Relative, so that the page works wherever the router is nested.
    let config = Arc::new(Config::from("openapi.json").try_it_out_enabled(true).persist_authorization(true));
    let name = if name.is_empty() { "index.html" } else { name };
    match utoipa_swagger_ui::serve(name, config) {
        Ok(Some(file)) => {
            let mut bytes = file.bytes.into_owned();
            if name == "index.html" {
                // The page stands at /docs, its files below it.
                bytes = String::from_utf8_lossy(&bytes)
                    .replace("\"./", "\"docs/")
                    .replace("\"index.css", "\"docs/index.css")
                    .into_bytes();
            }
            Ok(([(header::CONTENT_TYPE, file.content_type)], bytes).into_response())
        }
        _ => Err(Problem::not_found("file")),
    }
}

#[cfg(not(feature = "docs"))]
fn asset(_: &str) -> Result<Response, Problem> {
    Err(Problem::not_found("page: this program was built without it"))
}
