//! All permissions, those of the caller, and the effective grants of a role.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use crm_core::{
    access::{Action, Permission, Scope},
    value::{Choice, Kind},
};
use serde_json::{Value as Json, json};
use utoipa::openapi::HttpMethod;

use super::{PREFIX, records::path_of};
use crate::{
    answer::Answer,
    app::App,
    input::IdPath,
    openapi::{Route, array, choice, object, route, text},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    let permission = object().property("permission", text()).property("resource", text()).property("action", text());
    let grant = object()
        .property("resource", choice(Kind::ALL.iter().map(|kind| kind.name())))
        .required("resource")
        .property("action", choice(Action::NAMES.iter().copied()))
        .required("action")
        .property("scope", choice(Scope::NAMES.iter().copied()))
        .required("scope")
        .property("condition", object());
    vec![
        route(HttpMethod::Get, format!("{PREFIX}/permissions"), "roles", "list_permissions", "List every permission")
            .data(200, array(permission), "each permission with the widest scope in which the caller has it, or null")
            .to(list),
        route(
            HttpMethod::Get,
            format!("{}/{{id}}/grants", path_of(Kind::Role)),
            "roles",
            "list_role_grants",
            "List the effective grants of a role",
        )
        .data(
            200,
            array(grant),
            "what the program gives to a built-in role less what the organization withholds, what the organization adds, \
             and what is inherited; nothing of an archived role",
        )
        .to(grants),
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

async fn grants(State(app): State<App>, caller: Caller, IdPath(id): IdPath) -> Result<Response, Problem> {
    Ok(Answer::ok(app.crm().roles(&caller.actor).grants(id).await?).into_response())
}
