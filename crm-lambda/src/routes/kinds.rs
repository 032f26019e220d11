//! The kinds available to the caller, and the entry point of the API, for clients that discover it.

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use crm_core::{
    access::Scope,
    kinds::{KindInfo, SECTIONS, TYPES},
    value::{Choice as _, Kind},
};
use serde::Serialize;
use utoipa::{ToSchema, openapi::HttpMethod};

use super::{PREFIX, records::path_of};
use crate::{
    answer::Answer,
    app::App,
    config::SignIn,
    input::none_match,
    openapi::{Route, array, boolean, choice, map_of, members, reference, route, text, uuid},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    let kind_name = || choice(Kind::ALL.iter().map(|kind| kind.name()));
    let choices = array(members([("value", text()), ("label", text())]));
    let field = || {
        members([
            ("name", text()),
            ("label", text()),
            ("type", choice(TYPES)),
            ("list", boolean()),
            ("choices?", choices.clone()),
            ("of?", kind_name()),
            ("section", choice(SECTIONS)),
            ("required", boolean()),
            ("unique", boolean()),
            ("reportable", boolean()),
            ("read_only", boolean()),
        ])
    };
    let pipeline =
        members([("id", uuid()), ("name", text()), ("is_default", boolean()), ("stages", array(reference("Stage")))]);
    let kind = members([
        ("kind", kind_name()),
        ("plural", text()),
        ("path", text()),
        ("fields", array(field())),
        ("properties", array(field())),
        ("sorts", array(text())),
        ("pipelines?", array(pipeline)),
        // Each action with its widest scope.
        ("actions", map_of(choice(Scope::NAMES.iter().copied()))),
    ]);
    vec![
        route(
            HttpMethod::Get,
            format!("{PREFIX}/kinds"),
            "kinds",
            "list_kinds",
            "List the kinds that the caller may read",
        )
        .data(200, array(kind), "kinds with their fields; hidden fields are omitted")
        .empty(304, "not modified")
        .to(kinds),
        route(HttpMethod::Get, "/", "health", "start", "Get the name and version of the API")
            .public()
            .data_as::<Start>(200, "name, version and links")
            .empty(303, "redirects browsers to the console or the documentation")
            .to(start),
    ]
}

#[derive(Serialize)]
struct WithPath<'a> {
    path: String,
    #[serde(flatten)]
    info: &'a KindInfo,
}

async fn kinds(State(app): State<App>, caller: Caller, headers: HeaderMap) -> Result<Response, Problem> {
    let found = app.crm().kinds(&caller.actor).await?;
    let tag = format!("\"{}\"", found.tag);
    if none_match(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    // Sessions are listed by their users only; API keys exist if the CRM signs users in.
    let signs_in = matches!(app.config().sign_in, SignIn::Own(_));
    let is_listed = |info: &&KindInfo| match info.kind {
        Kind::Session => false,
        Kind::ApiKey => signs_in,
        _ => true,
    };
    // Properties are listed under the kind they belong to.
    let path = |kind: Kind| match kind {
        Kind::Property => format!("{}/{{kind}}", path_of(kind)),
        _ => path_of(kind),
    };
    let all = found.kinds.iter().filter(is_listed).map(|info| WithPath { path: path(info.kind), info });
    Ok(Answer::ok(all.collect::<Vec<_>>()).header(header::ETAG, &tag).into_response())
}

/// The name and version of the API.
#[derive(Serialize, ToSchema)]
struct Start {
    name: &'static str,
    version: &'static str,
    links: Links,
}

/// The paths to start from, relative to the requested one.
#[derive(Serialize, ToSchema)]
struct Links {
    api: String,
    kinds: String,
    health: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    openapi: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    docs: Option<String>,
}

async fn start(State(app): State<App>, uri: OriginalUri, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let has_page = app.config().docs && cfg!(feature = "docs");
    #[cfg(feature = "console")]
    let has_console = app.config().console.is_some();
    #[cfg(not(feature = "console"))]
    let has_console = false;
    // Relative to the requested path, so that it is valid wherever the router is nested: `crm/docs` below `/crm`.
    let here = uri.path().rsplit('/').next().filter(|last| !last.is_empty()).map(|last| format!("{last}/"));
    let at = |path: &str| format!("{}{path}", here.as_deref().unwrap_or_default());
    let is_browser = accept.split(',').any(|media| media.split(';').next().is_some_and(|it| it.trim() == "text/html"));
    if is_browser && (has_console || has_page) {
        let page = at(if has_console { "console/" } else { "docs" });
        return (StatusCode::SEE_OTHER, [(header::LOCATION, page.as_str()), (header::VARY, "accept")]).into_response();
    }
    let links = Links {
        api: at(&PREFIX[1..]),
        kinds: at(&format!("{}/kinds", &PREFIX[1..])),
        health: at("health"),
        openapi: app.config().docs.then(|| at("openapi.json")),
        docs: has_page.then(|| at("docs")),
    };
    let data = Start { name: "crm", version: env!("CARGO_PKG_VERSION"), links };
    Answer::ok(data).header(header::VARY, "accept").into_response()
}
