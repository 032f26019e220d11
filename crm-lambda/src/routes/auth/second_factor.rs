//! The second factor: time-based codes and recovery codes.

use axum::{extract::State, response::Response};
use crm_core::auth::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{post, shown_once};
use crate::{
    answer::nothing,
    app::App,
    input::Body,
    openapi::Route,
    problem::Problem,
    sign_in::{RequestOrigin, SessionCaller},
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        post("totp", "begin_totp", "Start setting up a second factor; returns the secret once")
            .body_as::<PasswordBody>()
            .data_as::<SecondFactorSecret<'_>>(200, "the secret, to be confirmed with a code")
            .to(begin_totp),
        post("totp/confirm", "confirm_totp", "Enable the second factor with its first code")
            .body_as::<CodeBody>()
            .data_as::<RecoveryCodes<'_>>(200, "recovery codes, shown once; each can be used once")
            .to(confirm_totp),
        post("totp/remove", "remove_totp", "Disable the second factor")
            .body_as::<RemoveSecondFactorBody>()
            .empty(204, "off")
            .to(remove_totp),
    ]
}

/// The current password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    #[schema(value_type = String)]
    password: Secret,
}

/// The secret of a second factor, and the same as a URL for an authenticator app.
#[derive(Serialize, ToSchema)]
struct SecondFactorSecret<'a> {
    secret: &'a str,
    url: &'a str,
}

async fn begin_totp(
    State(app): State<App>,
    SessionCaller(actor): SessionCaller,
    RequestOrigin(origin): RequestOrigin,
    Body(body): Body<PasswordBody>,
) -> Result<Response, Problem> {
    let factor = app.auth(origin)?.begin_second_factor(&actor, &body.password).await?;
    Ok(shown_once(SecondFactorSecret { secret: factor.secret.expose(), url: factor.url.expose() }))
}

/// A code of the second factor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    #[schema(value_type = String)]
    code: Secret,
}

/// Codes that replace the second factor.
#[derive(Serialize, ToSchema)]
struct RecoveryCodes<'a> {
    recovery_codes: Vec<&'a str>,
}

async fn confirm_totp(
    State(app): State<App>,
    SessionCaller(actor): SessionCaller,
    RequestOrigin(origin): RequestOrigin,
    Body(body): Body<CodeBody>,
) -> Result<Response, Problem> {
    let codes = app.auth(origin)?.confirm_second_factor(&actor, &body.code).await?;
    Ok(shown_once(RecoveryCodes { recovery_codes: codes.iter().map(Secret::expose).collect() }))
}

/// The current password and a code.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RemoveSecondFactorBody {
    #[schema(value_type = String)]
    password: Secret,
    #[schema(value_type = String)]
    code: Secret,
}

async fn remove_totp(
    State(app): State<App>,
    SessionCaller(actor): SessionCaller,
    RequestOrigin(origin): RequestOrigin,
    Body(body): Body<RemoveSecondFactorBody>,
) -> Result<Response, Problem> {
    app.auth(origin)?.remove_second_factor(&actor, &body.password, &body.code).await?;
    Ok(nothing())
}
