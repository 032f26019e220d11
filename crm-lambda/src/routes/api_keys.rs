//! API keys: creation and rotation, which return the secret once. Otherwise as other records.

use std::time::Duration;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::Response,
};
use crm_core::{
    access::Permission,
    api_keys::ApiKey,
    auth::NewKey,
    value::{FaultCode, Id, Kind, Time},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use utoipa::{ToSchema, openapi::HttpMethod};

use super::{
    auth::shown_once,
    records::{location, members, path_of},
};
use crate::{
    app::App,
    input::{Body, IdPath},
    openapi::{Item, Route, kind_view, route, time},
    problem::Problem,
    sign_in::{Caller, RequestOrigin},
};

pub(super) fn routes() -> Vec<Route> {
    let path = path_of(Kind::ApiKey);
    let mut all = super::records::read_only::<ApiKey>(&path);
    all.retain(|route| route.path == path);
    all.extend(vec![
        route(HttpMethod::Post, &path, "api_keys", "create_api_key", "Create an API key")
            .body_as::<CreateKeyBody>()
            .data_as::<KeyWithSecret<'_>>(201, "the key, shown once")
            .to(create),
        route(
            HttpMethod::Post,
            format!("{path}/{{id}}/rotate"),
            "api_keys",
            "rotate_api_key",
            "Rotate the secret of a key",
        )
        .body_as::<RotateKeyBody>()
        .data_as::<KeyWithSecret<'_>>(200, "the new secret, shown once; the previous one stays valid for the overlap")
        .to(rotate),
    ]);
    all.extend(members::<ApiKey>());
    all
}

/// The purpose and permissions of a new key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateKeyBody {
    name: String,
    permissions: Vec<String>,
    #[schema(schema_with = time)]
    expires_at: Option<Time>,
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    RequestOrigin(origin): RequestOrigin,
    Body(body): Body<CreateKeyBody>,
) -> Result<Response, Problem> {
    let mut faults = crm_core::error::Faults::new();
    let mut permissions: Vec<Permission> = Vec::with_capacity(body.permissions.len().min(500));
    for (at, text) in body.permissions.iter().enumerate().take(500) {
        match text.parse() {
            Ok(permission) => permissions.push(permission),
            Err(message) => {
                let message: String = message;
                faults.push(format!("permissions[{at}]"), FaultCode::UnknownPermission, message);
            }
        }
    }
    faults.into_result()?;
    let new = NewKey { name: body.name, permissions, expires_at: body.expires_at };
    let (record, secret) = app.auth(origin)?.create_key(&caller.actor, &new).await?;
    let mut response = shown(&app, &caller, record.id, secret.expose()).await?;
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(value) = location(crm_core::value::Ref::new(Kind::ApiKey, record.id)).parse() {
        response.headers_mut().insert(header::LOCATION, value);
    }
    Ok(response)
}

/// An API key with its secret.
#[derive(Serialize, ToSchema)]
struct KeyWithSecret<'a> {
    key: &'a str,
    #[schema(schema_with = api_key)]
    api_key: Json,
}

fn api_key() -> Item {
    kind_view(Kind::ApiKey)
}

async fn shown(app: &App, caller: &Caller, id: Id<ApiKey>, secret: &str) -> Result<Response, Problem> {
    // The creator may lack permission to read the key: the secret is returned in any case.
    let view = match app.crm().api_keys(&caller.actor).view(id).await {
        Ok(view) => json!(view),
        Err(_) => json!({"id": id, "version": 1, "machine_version": 0}),
    };
    Ok(shown_once(KeyWithSecret { key: secret, api_key: view }))
}

/// How long both secrets are valid.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotateKeyBody {
    #[serde(default)]
    #[schema(maximum = 2_592_000)]
    overlap_seconds: u64,
}

async fn rotate(
    State(app): State<App>,
    caller: Caller,
    RequestOrigin(origin): RequestOrigin,
    IdPath(id): IdPath<ApiKey>,
    Body(body): Body<RotateKeyBody>,
) -> Result<Response, Problem> {
    let overlap = Duration::from_secs(body.overlap_seconds);
    let (record, secret) = app.auth(origin)?.rotate_key(&caller.actor, id, overlap).await?;
    shown(&app, &caller, record.id, secret.expose()).await
}
