//! Registration of an organization and its first administrator.

use axum::{
    extract::{OriginalUri, State},
    http::StatusCode,
    response::Response,
};
use crm_core::{auth::Secret, organizations::NewOrganization, users::NewUser, value::Currency, value::FaultCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    post,
    sign_in::{SessionTokens, signed_in},
};
use crate::{app::App, input::Body, openapi::Route, problem::Problem, sign_in::Unauthenticated};

pub(super) fn route() -> Route {
    post("register", "register", "Create an organization and its first administrator")
        .public()
        .body_as::<RegisterBody>()
        .data_as::<SessionTokens<'_>>(201, "signed in as the administrator")
        .to(register)
}

/// The organization to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RegisterOrganization {
    name: String,
    slug: String,
    base_currency: Option<String>,
    time_zone: Option<String>,
    locale: Option<String>,
    default_country: Option<String>,
}

/// Its first administrator.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RegisterAdmin {
    email: String,
    first_name: Option<String>,
    last_name: Option<String>,
}

/// The organization, its administrator and the administrator's password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RegisterBody {
    organization: RegisterOrganization,
    user: RegisterAdmin,
    #[schema(value_type = String)]
    password: Secret,
    /// The one-time token that the server printed at its first start. Needed where registration is closed.
    #[schema(value_type = Option<String>)]
    setup_token: Option<Secret>,
    #[serde(default)]
    cookie: bool,
}

async fn register(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Unauthenticated(origin): Unauthenticated,
    Body(body): Body<RegisterBody>,
) -> Result<Response, Problem> {
    let own = app.own()?;
    let mut setup = match &own.setup {
        Some(setup) if !own.registration => Some(setup.reserve(app.crm(), body.setup_token.as_ref()).await?),
        _ => None,
    };
    let given = body.organization;
    let base_currency = given.base_currency.map(|code| code.parse::<Currency>()).transpose().map_err(|_| {
        crm_core::Error::invalid("base_currency", FaultCode::UnknownCurrency, "must be an ISO 4217 currency code")
    })?;
    let organization = NewOrganization {
        name: given.name,
        slug: Some(given.slug),
        base_currency,
        time_zone: given.time_zone,
        locale: given.locale,
        default_country: given.default_country,
        ..NewOrganization::default()
    };
    let admin = NewUser {
        email: Some(body.user.email),
        first_name: body.user.first_name,
        last_name: body.user.last_name,
        ..NewUser::default()
    };
    let signed = app.auth(origin)?.register(organization, admin, &body.password).await?;
    if let Some(is_used) = &mut setup {
        **is_used = true;
    }
    signed_in(&app, &signed, body.cookie.then_some(&uri), StatusCode::CREATED)
}
