//! The caller's own user, organization and permissions.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use crm_core::{
    access::Scope,
    value::{Choice, Kind, Ref},
    view::View,
};
use serde::Serialize;
use serde_json::Value as Json;
use utoipa::{ToSchema, openapi::HttpMethod};

use super::{
    PREFIX,
    records::{patch_of, version_in, write_one},
};
use crate::{
    answer::Answer,
    app::App,
    input::{Body, UpdateOptions, object as object_of},
    openapi::{Item, Route, choice, kind_patch, kind_view, map_of, or_null, route},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    let path = format!("{PREFIX}/me");
    vec![
        route(HttpMethod::Get, &path, "me", "get_me", "Get your user, organization and permissions")
            .data_as::<Me<'_>>(200, "user, organization, and each permission with its widest scope")
            .to(get),
        route(HttpMethod::Patch, &path, "me", "update_me", "Update your profile")
            .body(kind_patch(Kind::User))
            .conditional()
            .backdatable()
            .data(200, kind_view(Kind::User), "the user")
            .to(update),
    ]
}

/// The caller.
#[derive(Serialize, ToSchema)]
struct Me<'a> {
    #[schema(schema_with = user, required)]
    user: Option<&'a View>,
    #[schema(schema_with = organization, required)]
    organization: Option<&'a View>,
    #[schema(schema_with = permissions)]
    permissions: BTreeMap<String, Scope>,
}

fn user() -> Item {
    or_null(kind_view(Kind::User))
}

fn organization() -> Item {
    or_null(kind_view(Kind::Organization))
}

fn permissions() -> Item {
    map_of(choice(Scope::NAMES.iter().copied()))
}

async fn get(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let actor = &caller.actor;
    let user = actor.user().ok_or_else(|| Problem::not_found("user"))?;
    let wanted = [Ref::new(Kind::User, user), Ref::new(Kind::Organization, actor.tenant())];
    let views = app.crm().view_many(actor, &wanted).await?;
    let permissions = app.crm().permissions(actor).await?;
    let permissions = permissions.into_iter().map(|(permission, scope)| (permission.to_string(), scope)).collect();
    let view = |at: usize| views.get(at).and_then(Option::as_ref);
    let data = Me { user: view(0), organization: view(1), permissions };
    Ok(Answer::ok(data).into_response())
}

async fn update(
    State(app): State<App>,
    caller: Caller,
    options: UpdateOptions,
    Body(body): Body<Json>,
) -> Result<Response, Problem> {
    let mut object = object_of(body)?;
    let based_on = version_in(&mut object)?;
    let mut pending = app.crm().users(&caller.actor).update_me(patch_of(&object)?);
    if let Some(version) = based_on {
        pending = pending.based_on(version);
    }
    write_one(pending, options.0, StatusCode::OK).await
}
