//! The web console: its index at `/console/`, its files below a path that changes with them. They are not part of the
//! API, therefore not of its document.

use axum::{
    Router,
    extract::Path,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use crm_console::{Page, asset, hash, index, policy};

use crate::{
    app::App,
    config::{Console, SignIn},
    problem::Problem,
};

pub(crate) fn router(console: &Console, sign_in: &SignIn) -> Router<App> {
    let sign_in = match (sign_in, &console.token_from) {
        (SignIn::Own(_), _) => crm_console::SignIn::Own,
        (SignIn::Outside(_), Some(address)) => crm_console::SignIn::Token(address),
        (SignIn::Host | SignIn::Outside(_), _) => crm_console::SignIn::Host,
    };
    let accent = console.accent.as_deref();
    let html = index(&Page { title: &console.title, accent, sign_in, ..Page::default() });
    let ancestors: Vec<&str> = console.frame_ancestors.iter().map(String::as_str).collect();
    let policy = HeaderValue::from_str(&policy(&ancestors)).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let page = move || async move {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ];
        (headers, html).into_response()
    };
    // Relative, so that it is right wherever the router is nested.
    let to_page = || async { (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "console/")]) };
    Router::new()
        .route("/console", get(to_page))
        .route("/console/", get(page))
        .route("/console/{hash}/{*path}", get(file))
}

async fn file(Path((version, path)): Path<(String, String)>) -> Result<Response, Problem> {
    let found = asset(&path).filter(|_| version == hash()).ok_or_else(|| Problem::not_found("file"))?;
    let headers = [
        (header::CONTENT_TYPE, found.mime),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::VARY, "accept-encoding"),
    ];
    Ok((headers, found.text.as_ref()).into_response())
}
