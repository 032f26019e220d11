//! Sign-in, refresh and sign-out.

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use crm_core::{
    auth::{Secret, SignIn, SignedIn},
    organizations::Organization,
    sessions::Session,
    users::User,
    value::Id,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::post;
use crate::{
    answer::{Answer, nothing},
    app::App,
    input::Body,
    openapi::{Route, uuid},
    problem::Problem,
    sign_in::{Claims, Unauthenticated},
};

/// The cookie of a browser's refresh token.
const COOKIE: &str = "crm_refresh";

/// The header that must accompany the cookie: a form or an image of another site cannot set it.
const GUARD: &str = "x-crm-request";

pub(super) fn routes() -> Vec<Route> {
    vec![
        post("login", "login", "Sign in")
            .public()
            .body_as::<LoginBody>()
            .data_as::<SessionTokens<'_>>(
                200,
                "signed in; with `cookie` the refresh token is set as a cookie and not returned in the body",
            )
            .fails(401)
            .to(login),
        post("refresh", "refresh", "Refresh a session: returns a new access token and refresh token")
            .public()
            .body_as::<TokenBody>()
            .data_as::<SessionTokens<'_>>(200, "new tokens")
            .fails(401)
            .fails(403)
            .to(refresh),
        post("logout", "logout", "Sign out")
            .public()
            .body_as::<TokenBody>()
            .empty(204, "signed out")
            .fails(401)
            .fails(403)
            .to(logout),
    ]
}

/// The credentials of a sign-in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    organization: String,
    email: String,
    #[schema(value_type = String)]
    password: Secret,
    #[schema(value_type = Option<String>)]
    code: Option<Secret>,
    #[serde(default)]
    cookie: bool,
}

async fn login(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Unauthenticated(origin): Unauthenticated,
    Body(body): Body<LoginBody>,
) -> Result<Response, Problem> {
    let with = SignIn { organization: body.organization, email: body.email, password: body.password, code: body.code };
    let signed = app.auth(origin)?.sign_in(&with).await?;
    signed_in(&app, &signed, body.cookie.then_some(&uri), StatusCode::OK)
}

/// The tokens of a session, with its user and organization.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionTokens<'a> {
    access_token: String,
    token_type: &'static str,
    /// The seconds for which the access token is valid.
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[schema(schema_with = uuid)]
    session_id: Id<Session>,
    user: SignedInUser<'a>,
    organization: SignedInOrganization<'a>,
}

/// The signed-in user.
#[derive(Serialize, ToSchema)]
struct SignedInUser<'a> {
    #[schema(schema_with = uuid)]
    id: Id<User>,
    version: u64,
    machine_version: u64,
    name: &'a str,
    #[schema(required)]
    email: Option<&'a str>,
}

/// The organization of the signed-in user.
#[derive(Serialize, ToSchema)]
struct SignedInOrganization<'a> {
    #[schema(schema_with = uuid)]
    id: Id<Organization>,
    version: u64,
    machine_version: u64,
    name: &'a str,
    #[schema(required)]
    slug: Option<&'a str>,
}

/// The response to a sign-in, with the refresh token in the body or in a cookie.
pub(super) fn signed_in(
    app: &App,
    signed: &SignedIn,
    cookie: Option<&Uri>,
    status: StatusCode,
) -> Result<Response, Problem> {
    let own = app.own()?;
    let now = app.crm().now().micros() / 1_000_000;
    let claims = Claims {
        iss: own.issuer.clone(),
        aud: own.audience.clone(),
        sub: signed.user.id,
        org: signed.actor.tenant(),
        sid: signed.session.id,
        iat: now,
        exp: now + own.access_seconds,
    };
    let (user, organization) = (&signed.user, &signed.organization);
    let data = SessionTokens {
        access_token: claims.sign(&own.keys)?,
        token_type: "Bearer",
        expires_in: own.access_seconds,
        // A browser keeps it in a cookie, which scripts cannot read.
        refresh_token: cookie.is_none().then(|| signed.refresh_token.expose()),
        session_id: signed.session.id,
        user: SignedInUser {
            id: user.id,
            version: user.version,
            machine_version: user.machine_version,
            name: &user.name,
            email: user.email.as_deref(),
        },
        organization: SignedInOrganization {
            id: organization.id,
            version: organization.version,
            machine_version: organization.machine_version,
            name: &organization.name,
            slug: organization.slug.as_deref(),
        },
    };
    let seconds = signed.session.expires_at.map_or(0, |until| until.micros() / 1_000_000 - now).max(0);
    let mut response = Answer::ok(data).status(status).into_response();
    if let Some(uri) = cookie {
        set_cookie(&mut response, signed.refresh_token.expose(), uri, seconds);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Sets the cookie for the sign-in routes only, wherever the router is mounted.
fn set_cookie(response: &mut Response, token: &str, uri: &Uri, seconds: i64) {
    let path = uri.path();
    let auth = path.find("/auth/").map_or(path, |at| &path[..at + "/auth".len()]);
    let cookie = format!("{COOKIE}={token}; Path={auth}; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// The refresh token of a request: from its body, or from its cookie, which also requires the guard header.
fn refresh_token(headers: &HeaderMap, body: Option<Secret>) -> Result<(Secret, bool), Problem> {
    if let Some(token) = body {
        return Ok((token, false));
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let token = cookies
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
        .ok_or_else(|| Problem::unauthorized("invalid_token", "a refresh token is required in the body or a cookie"))?;
    if !headers.contains_key(GUARD) {
        let detail = "the header X-CRM-Request is required with the cookie, to rule out cross-site requests";
        return Err(Problem::new(StatusCode::FORBIDDEN, "csrf", detail));
    }
    Ok((Secret::from(token), true))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    #[schema(value_type = Option<String>)]
    refresh_token: Option<Secret>,
}

async fn refresh(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Unauthenticated(origin): Unauthenticated,
    headers: HeaderMap,
    Body(body): Body<TokenBody>,
) -> Result<Response, Problem> {
    let (token, cookie) = refresh_token(&headers, body.refresh_token)?;
    let signed = app.auth(origin)?.refresh(&token).await?;
    signed_in(&app, &signed, cookie.then_some(&uri), StatusCode::OK)
}

async fn logout(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Unauthenticated(origin): Unauthenticated,
    headers: HeaderMap,
    Body(body): Body<TokenBody>,
) -> Result<Response, Problem> {
    let (token, cookie) = refresh_token(&headers, body.refresh_token)?;
    app.auth(origin)?.sign_out(&token).await?;
    let mut response = nothing();
    if cookie {
        set_cookie(&mut response, "", &uri, 0);
    }
    Ok(response)
}
