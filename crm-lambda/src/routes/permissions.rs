//! All permissions, those of the caller, and the effective grants of a role.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use crm_core::{
    access::{Action, Permission, Scope},
    roles::Role,
    value::{Choice, Kind},
};
use serde::Serialize;
use utoipa::{ToSchema, openapi::HttpMethod};

use super::{PREFIX, records::path_of};
use crate::{
    answer::Answer,
    app::App,
    input::IdPath,
    openapi::{Item, Route, array, choice, or_null, reference, route},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(HttpMethod::Get, format!("{PREFIX}/permissions"), "roles", "list_permissions", "List every permission")
            .list_as::<HeldPermission>("each permission with the widest scope in which the caller has it, or null")
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
            array(reference("Grant")),
            "what the program gives to a built-in role less what the organization withholds, what the organization adds, \
             and what is inherited; nothing of an archived role",
        )
        .to(grants),
    ]
}

/// A permission, and the widest scope in which the caller has it.
#[derive(Serialize, ToSchema)]
struct HeldPermission {
    permission: String,
    #[schema(schema_with = kind)]
    resource: Kind,
    #[schema(schema_with = action)]
    action: Action,
    #[schema(schema_with = some_scope, required)]
    scope: Option<Scope>,
}

fn kind() -> Item {
    choice(Kind::ALL.iter().map(|kind| kind.name()))
}

fn action() -> Item {
    choice(Action::NAMES.iter().copied())
}

fn some_scope() -> Item {
    or_null(choice(Scope::NAMES.iter().copied()))
}

async fn list(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let held = app.crm().permissions(&caller.actor).await?;
    let all: Vec<HeldPermission> = Permission::all()
        .map(|permission| HeldPermission {
            permission: permission.to_string(),
            resource: permission.resource,
            action: permission.action,
            scope: held.iter().find(|(one, _)| *one == permission).map(|(_, scope)| *scope),
        })
        .collect();
    Ok(Answer::ok(all).into_response())
}

async fn grants(State(app): State<App>, caller: Caller, IdPath(id): IdPath<Role>) -> Result<Response, Problem> {
    Ok(Answer::ok(app.crm().roles(&caller.actor).grants(id).await?).into_response())
}
