//! Who one is: one's own user, organization and permissions.

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
    records::{WriteParams, patch_of, version_in, write, written},
};
use crate::{
    answer::Answer,
    app::App,
    input::{Body, IdempotencyKey, IfMatch, Params, object as object_of},
    openapi::{Route, kind_patch, kind_view, object, route},
    problem::Problem,
    sign_in::Caller,
};

pub(super) fn routes() -> Vec<Route> {
    let path = format!("{PREFIX}/me");
    vec![
        route(HttpMethod::Get, &path, "me", "get_me", "Who one is, and what one may do")
            .data(
                200,
                object()
                    .property("user", kind_view(Kind::User))
                    .property("organization", kind_view(Kind::Organization))
                    .property("permissions", object()),
                "user, organization, and each permission with its widest scope",
            )
            .to(get),
        route(HttpMethod::Patch, &path, "me", "update_me", "Change one's own profile")
            .body(kind_patch(Kind::User))
            .conditional()
            .dated()
            .data(200, kind_view(Kind::User), "the user as they are now")
            .to(update),
    ]
}

async fn get(State(app): State<App>, caller: Caller, params: Params) -> Result<Response, Problem> {
    params.done()?;
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
    let json_of = |at: usize| views.get(at).and_then(Option::as_ref).map(|view| view.to_json(None));
    let data = json!({"user": json_of(0), "organization": json_of(1), "permissions": permissions});
    Ok(Answer::ok(data).into_response())
}

async fn update(
    State(app): State<App>,
    caller: Caller,
    condition: IfMatch,
    params: Params,
    Body(body): Body<Json>,
) -> Result<Response, Problem> {
    let params = WriteParams::read(params)?;
    let mut object = object_of(body)?;
    let based_on = version_in(&mut object)?;
    let mut pending = app.crm().users(&caller.actor).update_me(patch_of(&object)?);
    if let Some(version) = based_on {
        pending = pending.based_on(version);
    }
    written(&caller, write(pending, &params, IdempotencyKey(None), condition).await?, StatusCode::OK)
}
