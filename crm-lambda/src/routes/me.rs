//! The caller's own user, organization and permissions.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use crm_core::value::{Choice, Kind, Ref};
use serde_json::{Map, Value as Json, json};
use utoipa::openapi::HttpMethod;

use super::{
    PREFIX,
    records::{patch_of, version_in, write, written},
};
use crate::{
    answer::Answer,
    app::App,
    input::{Body, Setting, object as object_of},
    openapi::{Route, kind_patch, kind_view, object, route},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    let path = format!("{PREFIX}/me");
    vec![
        route(HttpMethod::Get, &path, "me", "get_me", "Get your user, organization and permissions")
            .data(
                200,
                object()
                    .property("user", kind_view(Kind::User))
                    .property("organization", kind_view(Kind::Organization))
                    .property("permissions", object()),
                "user, organization, and each permission with its widest scope",
            )
            .to(get),
        route(HttpMethod::Patch, &path, "me", "update_me", "Update your profile")
            .body(kind_patch(Kind::User))
            .conditional()
            .dated()
            .data(200, kind_view(Kind::User), "the user")
            .to(update),
    ]
}

async fn get(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let actor = &caller.actor;
    let user = actor.user().ok_or_else(|| Problem::not_found("user"))?;
    let wanted = [Ref::new(Kind::User, user), Ref::new(Kind::Organization, actor.tenant())];
    let views = app.crm().view_many(actor, &wanted).await?;
    let permissions: Map<String, Json> = app
        .crm()
        .permissions(actor)
        .await?
        .into_iter()
        .map(|(permission, scope)| (permission.to_string(), Json::from(scope.name())))
        .collect();
    let data = json!({"user": views.first(), "organization": views.get(1), "permissions": permissions});
    Ok(Answer::ok(data).into_response())
}

async fn update(
    State(app): State<App>,
    caller: Caller,
    told: Setting,
    Body(body): Body<Json>,
) -> Result<Response, Problem> {
    let mut object = object_of(body)?;
    let based_on = version_in(&mut object)?;
    let mut pending = app.crm().users(&caller.actor).update_me(patch_of(&object)?);
    if let Some(version) = based_on {
        pending = pending.based_on(version);
    }
    written(&caller, write(pending, told.0).await?, StatusCode::OK)
}
