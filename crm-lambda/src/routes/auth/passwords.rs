//! Passwords: change, reset by email, and the first one of an invited user.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use crm_core::auth::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::post;
use crate::{
    answer::nothing,
    app::App,
    input::Body,
    openapi::Route,
    problem::Problem,
    sign_in::{RequestOrigin, SessionCaller, Unauthenticated},
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        post("password", "change_password", "Change your password; ends all other sessions")
            .body_as::<ChangePasswordBody>()
            .empty(204, "changed")
            .to(change_password),
        post("password/forgot", "forgot_password", "Request a password reset email")
            .public()
            .body_as::<ForgotPasswordBody>()
            .empty(202, "accepted; an email is sent if the user exists")
            .to(forgot_password),
        post("password/reset", "reset_password", "Set a new password with a reset token")
            .public()
            .body_as::<SetPasswordBody>()
            .empty(204, "password set; all sessions have ended")
            .fails(401)
            .to(reset_password),
        post("invitation/accept", "accept_invitation", "Accept an invitation: set the first password with its token")
            .public()
            .body_as::<SetPasswordBody>()
            .empty(204, "password set")
            .fails(401)
            .to(accept_invitation),
    ]
}

/// The current password and the new one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangePasswordBody {
    #[schema(value_type = String)]
    current: Secret,
    #[schema(value_type = String)]
    new: Secret,
}

async fn change_password(
    State(app): State<App>,
    SessionCaller(actor): SessionCaller,
    RequestOrigin(origin): RequestOrigin,
    Body(body): Body<ChangePasswordBody>,
) -> Result<Response, Problem> {
    app.auth(origin)?.set_password(&actor, &body.current, &body.new).await?;
    Ok(nothing())
}

/// The account whose password was forgotten.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ForgotPasswordBody {
    organization: String,
    email: String,
}

async fn forgot_password(
    State(app): State<App>,
    Unauthenticated(origin): Unauthenticated,
    Body(body): Body<ForgotPasswordBody>,
) -> Result<Response, Problem> {
    app.auth(origin)?.forgot_password(&body.organization, &body.email).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// A reset or invitation token and the new password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetPasswordBody {
    #[schema(value_type = String)]
    ticket: Secret,
    #[schema(value_type = String)]
    password: Secret,
}

async fn reset_password(
    State(app): State<App>,
    Unauthenticated(origin): Unauthenticated,
    Body(body): Body<SetPasswordBody>,
) -> Result<Response, Problem> {
    app.auth(origin)?.reset_password(&body.ticket, &body.password).await?;
    Ok(nothing())
}

async fn accept_invitation(
    State(app): State<App>,
    Unauthenticated(origin): Unauthenticated,
    Body(body): Body<SetPasswordBody>,
) -> Result<Response, Problem> {
    app.auth(origin)?.accept_invitation(&body.ticket, &body.password).await?;
    Ok(nothing())
}
