//! Users: the routes of records, and invitation, sign-out, deactivation and activation.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use crm_core::{
    users::{NewUser, User},
    value::{Id, Kind},
};
use serde::Deserialize;
use utoipa::openapi::HttpMethod;

use super::records::{collection, path_of, write, written};
use crate::{
    answer::{Answer, nothing},
    app::App,
    input::{Acting, Body, Empty, IdPath},
    openapi::{Route, array, kind_view, object, route, text, uuid},
    problem::Problem,
    sign_in::{Caller, Origined},
};

pub(super) fn routes() -> Vec<Route> {
    let path = path_of(Kind::User);
    let mut all = collection::<User>();
    all.extend(super::jobs::deactivate_route());
    all.push(
        route(HttpMethod::Post, format!("{path}/{{id}}/activate"), "users", "activate_user", "Reactivate a user")
            .body(object())
            .repeatable()
            .conditional()
            .data(200, kind_view(Kind::User), "the user")
            .to(activate),
    );
    all
}

/// The routes of users who sign in with the CRM.
pub(super) fn invitations() -> Vec<Route> {
    let path = path_of(Kind::User);
    vec![
        route(HttpMethod::Post, format!("{path}/invitations"), "users", "invite_user", "Invite a user by email")
            .body(
                object()
                    .property("email", text())
                    .required("email")
                    .property("role_ids", array(uuid()))
                    .required("role_ids")
                    .property("team_ids", array(uuid()))
                    .property("first_name", text())
                    .property("last_name", text())
                    .property("job_title", text())
                    .property("manager_id", uuid()),
            )
            .data(201, kind_view(Kind::User), "the user, who can sign in after setting a password")
            .to(invite),
        route(
            HttpMethod::Post,
            format!("{path}/{{id}}/invite-again"),
            "users",
            "invite_again",
            "Send the invitation again",
        )
        .body(object())
        .empty(204, "sent; the previous token is no longer valid")
        .to(invite_again),
        route(
            HttpMethod::Post,
            format!("{path}/{{id}}/sign-out"),
            "users",
            "sign_out_user",
            "End all sessions of a user",
        )
        .body(object())
        .empty(204, "ended")
        .to(sign_out),
    ]
}

/// The user to invite.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InviteBody {
    email: String,
    role_ids: Vec<Id>,
    #[serde(default)]
    team_ids: Vec<Id>,
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
    #[serde(default)]
    job_title: Option<String>,
    #[serde(default)]
    manager_id: Option<Id>,
}

async fn invite(
    State(app): State<App>,
    caller: Caller,
    Origined(origin): Origined,
    Body(body): Body<InviteBody>,
) -> Result<Response, Problem> {
    let new = NewUser {
        email: Some(body.email),
        role_ids: body.role_ids,
        team_ids: body.team_ids,
        first_name: body.first_name,
        last_name: body.last_name,
        job_title: body.job_title,
        manager_id: body.manager_id,
        ..NewUser::default()
    };
    let user = app.auth(origin)?.invite(&caller.actor, new).await?;
    let view = app.crm().users(&caller.actor).view(user.id).await?;
    let location = super::records::location(view.reference());
    let answer = Answer::ok(view).status(StatusCode::CREATED);
    Ok(answer.header(axum::http::header::LOCATION, &location).into_response())
}

async fn invite_again(
    State(app): State<App>,
    caller: Caller,
    Origined(origin): Origined,
    IdPath(id): IdPath,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    app.auth(origin)?.invite_again(&caller.actor, id).await?;
    Ok(nothing())
}

async fn sign_out(
    State(app): State<App>,
    caller: Caller,
    Origined(origin): Origined,
    IdPath(id): IdPath,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    app.auth(origin)?.sign_out_user(&caller.actor, id).await?;
    Ok(nothing())
}

async fn activate(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath,
    told: Acting,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    let pending = app.crm().users(&caller.actor).activate(id);
    written(&caller, write(pending, told.0).await?, StatusCode::OK)
}
