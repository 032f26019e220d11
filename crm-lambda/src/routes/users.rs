//! Users: the routes of records, and invitation, sign-out, deactivation and activation.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use crm_core::{
    auth::Email,
    roles::Role,
    teams::Team,
    users::{NewUser, User},
    value::{Id, Kind, Time},
};
use serde::{Deserialize, Serialize};
use utoipa::{ToSchema, openapi::HttpMethod};

use super::{
    auth::shown_once,
    records::{collection, path_of, write_one},
};
use crate::{
    answer::{Answer, nothing},
    app::App,
    input::{ActionOptions, Body, Empty, IdPath},
    openapi::{Item, Operation, Route, array, kind_view, route, time, uuid},
    problem::Problem,
    sign_in::{Caller, RequestOrigin},
};

pub(super) fn routes() -> Vec<Route> {
    let path = path_of(Kind::User);
    let mut all = collection::<User>();
    all.extend(super::jobs::deactivate_route());
    all.push(
        route(HttpMethod::Post, format!("{path}/{{id}}/activate"), "users", "activate_user", "Reactivate a user")
            .body_as::<Empty>()
            .idempotent()
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
            .body_as::<InviteBody>()
            .data(201, kind_view(Kind::User), "the user, who can sign in after setting a password")
            .to(invite),
        route(
            HttpMethod::Post,
            format!("{path}/{{id}}/invite-again"),
            "users",
            "invite_again",
            "Send the invitation again",
        )
        .body_as::<Empty>()
        .empty(204, "sent; the previous token is no longer valid")
        .to(invite_again),
        link("invitation_link", "Create an invitation to hand over, without an email").to(invitation_link),
        link("reset_link", "Create a password reset to hand over, without an email").to(reset_link),
        route(
            HttpMethod::Post,
            format!("{path}/{{id}}/sign-out"),
            "users",
            "sign_out_user",
            "End all sessions of a user",
        )
        .body_as::<Empty>()
        .empty(204, "ended")
        .to(sign_out),
    ]
}

fn link(action: &'static str, summary: &'static str) -> Operation {
    route(HttpMethod::Post, format!("{}/{{id}}/{action}", path_of(Kind::User)), "users", action, summary)
        .body_as::<Empty>()
        .data_as::<Link<'_>>(200, "the token, shown once; the previous one is no longer valid")
}

fn ids() -> Item {
    array(uuid())
}

/// The user to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InviteBody {
    email: String,
    #[schema(schema_with = ids)]
    role_ids: Vec<Id<Role>>,
    #[serde(default)]
    #[schema(schema_with = ids)]
    team_ids: Vec<Id<Team>>,
    first_name: Option<String>,
    last_name: Option<String>,
    job_title: Option<String>,
    #[schema(schema_with = uuid)]
    manager_id: Option<Id<User>>,
}

async fn invite(
    State(app): State<App>,
    caller: Caller,
    RequestOrigin(origin): RequestOrigin,
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
    RequestOrigin(origin): RequestOrigin,
    IdPath(id): IdPath<User>,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    app.auth(origin)?.invite_again(&caller.actor, id).await?;
    Ok(nothing())
}

/// A token that sets a user's password, once.
#[derive(Serialize, ToSchema)]
struct Link<'a> {
    token: &'a str,
    #[schema(schema_with = time)]
    expires_at: Time,
}

fn shown(letter: &Email) -> Response {
    shown_once(Link { token: letter.ticket.expose(), expires_at: letter.expires_at })
}

async fn invitation_link(
    State(app): State<App>,
    caller: Caller,
    RequestOrigin(origin): RequestOrigin,
    IdPath(id): IdPath<User>,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    Ok(shown(&app.auth(origin)?.invitation_link(&caller.actor, id).await?))
}

async fn reset_link(
    State(app): State<App>,
    caller: Caller,
    RequestOrigin(origin): RequestOrigin,
    IdPath(id): IdPath<User>,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    Ok(shown(&app.auth(origin)?.reset_link(&caller.actor, id).await?))
}

async fn sign_out(
    State(app): State<App>,
    caller: Caller,
    RequestOrigin(origin): RequestOrigin,
    IdPath(id): IdPath<User>,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    app.auth(origin)?.sign_out_user(&caller.actor, id).await?;
    Ok(nothing())
}

async fn activate(
    State(app): State<App>,
    caller: Caller,
    IdPath(id): IdPath<User>,
    options: ActionOptions,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    let pending = app.crm().users(&caller.actor).activate(id);
    write_one(pending, options.0, StatusCode::OK).await
}
