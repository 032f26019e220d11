//! Health of the program and its store, metrics, and public keys.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use crm_core::{access::Actor, value::Id};
use serde::Serialize;
use serde_json::json;
use utoipa::{ToSchema, openapi::HttpMethod};

use crate::{
    answer::Answer,
    app::App,
    config::{Metrics, SignIn},
    openapi::{Item, Route, array, members, open, route, text},
    problem::Problem,
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(HttpMethod::Get, "/health", "health", "health", "Check that the program responds")
            .public()
            .data_as::<Health>(200, "it does")
            .to(health),
        route(HttpMethod::Get, "/health/store", "health", "store_health", "Check that the store responds")
            .public()
            .data_as::<StoreHealth>(200, "it does")
            .to(store),
        route(HttpMethod::Get, "/metrics", "health", "metrics", "Get request metrics in the Prometheus format")
            .public()
            .content(200, "application/openmetrics-text", text(), "histograms by method, route and status")
            .fails(404)
            .to(metrics),
        route(HttpMethod::Get, "/.well-known/jwks.json", "health", "jwks", "Get the public keys of access tokens")
            .public()
            .content(
                200,
                "application/json",
                jwks_schema(),
                "a JSON Web Key Set; empty if tokens are signed with HS256",
            )
            .to(jwks),
    ]
}

/// The health of the program.
#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
    version: &'static str,
}

async fn health() -> Response {
    Answer::ok(Health { status: "ok", version: env!("CARGO_PKG_VERSION") }).into_response()
}

/// The health of the store.
#[derive(Serialize, ToSchema)]
struct StoreHealth {
    status: &'static str,
}

async fn store(State(app): State<App>) -> Result<Response, Problem> {
    // A strongly consistent read of a missing record: it only shows whether the store responds.
    let nobody = Actor::system(Id::NIL);
    app.crm().view_many(&nobody, &[]).await?;
    Ok(Answer::ok(StoreHealth { status: "ok" }).into_response())
}

async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    if app.config().metrics != Metrics::Prometheus {
        return Err(Problem::not_found("page"));
    }
    let text = app.metrics().to_text();
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, media)], text).into_response())
}

fn jwks_schema() -> Item {
    members([("keys", array(open("a JSON Web Key (RFC 7517)")))])
}

async fn jwks(State(app): State<App>) -> Response {
    let keys = match &app.config().sign_in {
        SignIn::Own(own) => json!(own.keys.public()),
        SignIn::Host | SignIn::Outside(_) => json!({"keys": []}),
    };
    ([(header::CONTENT_TYPE, "application/json")], keys.to_string()).into_response()
}
