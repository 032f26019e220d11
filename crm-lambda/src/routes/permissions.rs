//! Every permission there is, and what the caller has of it.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use crm_core::{access::Permission, value::Choice};
use serde_json::{Value as Json, json};
use utoipa::openapi::HttpMethod;

use super::PREFIX;
use crate::{
    answer::Answer,
    app::App,
    openapi::{Route, array, object, route, text},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    let permission = object().property("permission", text()).property("resource", text()).property("action", text());
    vec![
        route(HttpMethod::Get, format!("{PREFIX}/permissions"), "roles", "list_permissions", "List every permission")
            .data(200, array(permission), "each with the widest scope in which the caller has it, or null")
            .to(list),
    ]
}

async fn list(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let held = app.crm().permissions(&caller.actor).await?;
    let all: Vec<Json> = Permission::all()
        .map(|permission| {
            let scope = held.iter().find(|(one, _)| *one == permission).map(|(_, scope)| scope.name());
            json!({
                "permission": permission.to_string(),
                "resource": permission.resource,
                "action": permission.action.name(),
                "scope": scope,
            })
        })
        .collect();
    Ok(Answer::ok(all).into_response())
}
