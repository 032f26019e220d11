//! The kinds available to the caller, and the entry point of the API, for clients that discover it.

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use crm_core::{
    kinds::{KindInfo, SECTIONS, TYPES},
    value::Kind,
};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::HttpMethod;

use super::{PREFIX, records::path_of};
use crate::{
    answer::Answer,
    app::App,
    config::SignIn,
    input::none_match,
    openapi::{Route, array, boolean, choice, object, route, text, uuid},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    let kind_name = || choice(Kind::ALL.iter().map(|kind| kind.name()));
    let field = || {
        object()
            .property("name", text())
            .required("name")
            .property("label", text())
            .required("label")
            .property("type", choice(TYPES))
            .required("type")
            .property("list", boolean())
            .required("list")
            .property("choices", array(object().property("value", text()).property("label", text())))
            .property("of", kind_name())
            .property("section", choice(SECTIONS))
            .required("section")
            .property("required", boolean())
            .required("required")
            .property("unique", boolean())
            .required("unique")
            .property("reportable", boolean())
            .required("reportable")
            .property("read_only", boolean())
            .required("read_only")
    };
    let pipeline = object()
        .property("id", uuid())
        .required("id")
        .property("name", text())
        .property("is_default", boolean())
        .property("stages", array(object().property("id", uuid()).property("key", text()).property("name", text())));
    let kind = object()
        .property("kind", kind_name())
        .required("kind")
        .property("plural", text())
        .required("plural")
        .property("path", text())
        .required("path")
        .property("fields", array(field()))
        .required("fields")
        .property("properties", array(field()))
        .required("properties")
        .property("sorts", array(text()))
        .required("sorts")
        .property("pipelines", array(pipeline))
        .property("actions", object().description(Some("each action with its widest scope: own, team, all")))
        .required("actions");
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
            .data(200, object(), "name, version and links")
            .empty(303, "redirects browsers to the documentation")
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

async fn start(State(app): State<App>, uri: OriginalUri, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let has_page = app.config().docs && cfg!(feature = "docs");
    // Relative to the requested path, so that it is valid wherever the router is nested: `crm/docs` below `/crm`.
    let here = uri.path().rsplit('/').next().filter(|last| !last.is_empty()).map(|last| format!("{last}/"));
    let at = |path: &str| format!("{}{path}", here.as_deref().unwrap_or_default());
    if has_page && accept.split(',').any(|media| media.split(';').next().is_some_and(|it| it.trim() == "text/html")) {
        return (StatusCode::SEE_OTHER, [(header::LOCATION, at("docs").as_str()), (header::VARY, "accept")])
            .into_response();
    }
    let mut links =
        json!({"api": at(&PREFIX[1..]), "kinds": at(&format!("{}/kinds", &PREFIX[1..])), "health": at("health")});
    if app.config().docs {
        links["openapi"] = json!(at("openapi.json"));
    }
    if has_page {
        links["docs"] = json!(at("docs"));
    }
    let data = json!({"name": "crm", "version": env!("CARGO_PKG_VERSION"), "links": links});
    Answer::ok(data).header(header::VARY, "accept").into_response()
}
