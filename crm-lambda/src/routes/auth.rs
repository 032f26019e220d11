//! Sign-in and sign-out, passwords, the second factor, sessions.

use axum::{
    extract::{OriginalUri, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use crm_core::{
    auth::{Secret, SignIn, SignedIn},
    organizations::NewOrganization,
    schema::Record,
    sessions::Session,
    users::NewUser,
    value::{Currency, Kind},
};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use utoipa::openapi::{HttpMethod, schema::ObjectBuilder};

use super::PREFIX;
use crate::{
    answer::{Answer, nothing},
    app::App,
    input::{Body, Empty, IdPath},
    openapi::{Operation, Route, array, boolean, integer, kind_view, object, route, text, uuid},
    problem::Problem,
    sign_in::{Claims, Origined, SessionCaller, Stranger},
};

/// The cookie of a browser's refresh token.
const COOKIE: &str = "crm_refresh";
/// The header that must accompany the cookie: a form or an image of another site cannot set it.
const GUARD: &str = "x-crm-request";

/// A route below `/auth`.
fn begin(method: HttpMethod, tail: &str, id: &str, summary: &str) -> Operation {
    route(method, format!("{PREFIX}/auth/{tail}"), "auth", id, summary)
}

fn post(tail: &str, id: &str, summary: &str) -> Operation {
    begin(HttpMethod::Post, tail, id, summary)
}

/// Passwords, reset and invitation tokens, the second factor, sessions.
fn own_routes() -> Vec<Route> {
    let password = |name: &str| object().property(name, text()).required(name);
    vec![
        post("password", "change_password", "Change your password; ends all other sessions")
            .body(password("current").property("new", text()).required("new"))
            .empty(204, "changed")
            .to(change_password),
        post("password/forgot", "forgot_password", "Request a password reset email")
            .public()
            .body(password("email").property("organization", text()).required("organization"))
            .empty(202, "accepted; an email is sent if the user exists")
            .to(forgot_password),
        post("password/reset", "reset_password", "Set a new password with a reset token")
            .public()
            .body(password("password").property("ticket", text()).required("ticket"))
            .empty(204, "password set; all sessions have ended")
            .fails(401)
            .to(reset_password),
        post("invitation/accept", "accept_invitation", "Accept an invitation: set the first password with its token")
            .public()
            .body(password("password").property("ticket", text()).required("ticket"))
            .empty(204, "password set")
            .fails(401)
            .to(accept_invitation),
        post("totp", "begin_totp", "Start setting up a second factor; returns the secret once")
            .body(password("password"))
            .data(
                200,
                object().property("secret", text()).property("url", text()),
                "the secret, to be confirmed with a code",
            )
            .to(begin_totp),
        post("totp/confirm", "confirm_totp", "Enable the second factor with its first code")
            .body(password("code"))
            .data(
                200,
                object().property("recovery_codes", array(text())),
                "recovery codes, shown once; each can be used once",
            )
            .to(confirm_totp),
        post("totp/remove", "remove_totp", "Disable the second factor")
            .body(password("password").property("code", text()).required("code"))
            .empty(204, "off")
            .to(remove_totp),
        begin(HttpMethod::Get, "sessions", "list_sessions", "List your sessions")
            .data(200, array(kind_view(Kind::Session)), "your sessions; `is_current` marks the current one")
            .to(sessions),
        begin(HttpMethod::Delete, "sessions/{id}", "end_session", "End a session").empty(204, "ended").to(end_session),
    ]
}

pub(super) fn routes(registration: bool) -> Vec<Route> {
    let signed = || -> ObjectBuilder {
        object()
            .property("access_token", text())
            .required("access_token")
            .property("token_type", text())
            .property("expires_in", integer())
            .required("expires_in")
            .property("refresh_token", text())
            .property("session_id", uuid())
            .property("user", kind_view(Kind::User))
            .property("organization", kind_view(Kind::Organization))
    };
    let token = || object().property("refresh_token", text());
    let mut all = vec![
        post("login", "login", "Sign in")
            .public()
            .body(
                object()
                    .property("organization", text())
                    .required("organization")
                    .property("email", text())
                    .required("email")
                    .property("password", text())
                    .required("password")
                    .property("code", text())
                    .property("cookie", boolean()),
            )
            .data(
                200,
                signed(),
                "signed in; with `cookie` the refresh token is set as a cookie and not returned in the body",
            )
            .fails(401)
            .to(login),
        post("refresh", "refresh", "Refresh a session: returns a new access token and refresh token")
            .public()
            .body(token())
            .data(200, signed(), "new tokens")
            .fails(401)
            .fails(403)
            .to(refresh),
        post("logout", "logout", "Sign out")
            .public()
            .body(token())
            .empty(204, "signed out")
            .fails(401)
            .fails(403)
            .to(logout),
        post("logout-everywhere", "logout_everywhere", "End all your sessions")
            .body(object())
            .empty(204, "ended")
            .to(logout_everywhere),
    ];
    all.extend(own_routes());
    if registration {
        all.push(
            post("register", "register", "Create an organization and its first administrator")
                .public()
                .body(
                    object()
                        .property(
                            "organization",
                            object()
                                .property("name", text())
                                .required("name")
                                .property("slug", text())
                                .required("slug")
                                .property("base_currency", text())
                                .property("time_zone", text())
                                .property("locale", text())
                                .property("default_country", text()),
                        )
                        .required("organization")
                        .property(
                            "user",
                            object()
                                .property("email", text())
                                .required("email")
                                .property("first_name", text())
                                .property("last_name", text()),
                        )
                        .required("user")
                        .property("password", text())
                        .required("password")
                        .property("cookie", boolean()),
                )
                .data(201, signed(), "signed in as the administrator")
                .to(register),
        );
    }
    all
}

/// The credentials of a sign-in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    organization: String,
    email: String,
    password: Secret,
    #[serde(default)]
    code: Option<Secret>,
    #[serde(default)]
    cookie: bool,
}

async fn login(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Stranger(origin): Stranger,
    Body(body): Body<LoginBody>,
) -> Result<Response, Problem> {
    let with = SignIn { organization: body.organization, email: body.email, password: body.password, code: body.code };
    let signed = app.auth(origin)?.sign_in(&with).await?;
    answer(&app, &signed, body.cookie.then_some(&uri), StatusCode::OK)
}

/// The response to a sign-in, with the refresh token in the body or in a cookie.
fn answer(app: &App, signed: &SignedIn, cookie: Option<&Uri>, status: StatusCode) -> Result<Response, Problem> {
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
    let mut data = json!({
        "access_token": claims.sign(&own.keys)?,
        "token_type": "Bearer",
        "expires_in": own.access_seconds,
        "session_id": signed.session.id,
        "user": {
            "id": signed.user.id,
            "version": signed.user.version,
            "machine_version": signed.user.machine_version,
            "name": signed.user.name,
            "email": signed.user.email,
        },
        "organization": {
            "id": signed.organization.id,
            "version": signed.organization.version,
            "machine_version": signed.organization.machine_version,
            "name": signed.organization.name,
            "slug": signed.organization.slug,
        },
    });
    let seconds = signed.session.expires_at.map_or(0, |until| until.micros() / 1_000_000 - now).max(0);
    let mut whole = match cookie {
        None => {
            data["refresh_token"] = Json::from(signed.refresh_token.expose());
            Answer::ok(data).status(status).into_response()
        }
        Some(uri) => {
            let mut response = Answer::ok(data).status(status).into_response();
            set_cookie(&mut response, signed.refresh_token.expose(), uri, seconds);
            response
        }
    };
    whole.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(whole)
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

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TokenBody {
    refresh_token: Option<Secret>,
}

async fn refresh(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Stranger(origin): Stranger,
    headers: HeaderMap,
    Body(body): Body<TokenBody>,
) -> Result<Response, Problem> {
    let (token, cookie) = refresh_token(&headers, body.refresh_token)?;
    let signed = app.auth(origin)?.refresh(&token).await?;
    answer(&app, &signed, cookie.then_some(&uri), StatusCode::OK)
}

async fn logout(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Stranger(origin): Stranger,
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

async fn logout_everywhere(
    State(app): State<App>,
    SessionCaller(actor): SessionCaller,
    Origined(origin): Origined,
    Body(Empty {}): Body<Empty>,
) -> Result<Response, Problem> {
    app.auth(origin)?.sign_out_everywhere(&actor).await?;
    Ok(nothing())
}

/// The current password and the new one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    current: Secret,
    new: Secret,
}

async fn change_password(
    State(app): State<App>,
    SessionCaller(actor): SessionCaller,
    Origined(origin): Origined,
    Body(body): Body<ChangeBody>,
) -> Result<Response, Problem> {
    app.auth(origin)?.set_password(&actor, &body.current, &body.new).await?;
    Ok(nothing())
}

/// The account whose password was forgotten.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ForgotBody {
    organization: String,
    email: String,
}

async fn forgot_password(
    State(app): State<App>,
    Stranger(origin): Stranger,
    Body(body): Body<ForgotBody>,
) -> Result<Response, Problem> {
    app.auth(origin)?.forgot_password(&body.organization, &body.email).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// A reset or invitation token and the new password.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketBody {
    ticket: Secret,
    password: Secret,
}

async fn reset_password(
    State(app): State<App>,
    Stranger(origin): Stranger,
    Body(body): Body<TicketBody>,
) -> Result<Response, Problem> {
    app.auth(origin)?.reset_password(&body.ticket, &body.password).await?;
    Ok(nothing())
}

async fn accept_invitation(
    State(app): State<App>,
    Stranger(origin): Stranger,
    Body(body): Body<TicketBody>,
) -> Result<Response, Problem> {
    app.auth(origin)?.accept_invitation(&body.ticket, &body.password).await?;
    Ok(nothing())
}

/// The current password.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    password: Secret,
}

async fn begin_totp(
    State(app): State<App>,
    SessionCaller(actor): SessionCaller,
    Origined(origin): Origined,
    Body(body): Body<PasswordBody>,
) -> Result<Response, Problem> {
    let factor = app.auth(origin)?.begin_second_factor(&actor, &body.password).await?;
    Ok(shown_once(json!({"secret": factor.secret.expose(), "url": factor.url.expose()})))
}

/// A code of the second factor.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    code: Secret,
}

async fn confirm_totp(
    State(app): State<App>,
    SessionCaller(actor): SessionCaller,
    Origined(origin): Origined,
    Body(body): Body<CodeBody>,
) -> Result<Response, Problem> {
    let codes = app.auth(origin)?.confirm_second_factor(&actor, &body.code).await?;
    let codes: Vec<&str> = codes.iter().map(Secret::expose).collect();
    Ok(shown_once(json!({"recovery_codes": codes})))
}

/// The current password and a code.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RemoveBody {
    password: Secret,
    code: Secret,
}

async fn remove_totp(
    State(app): State<App>,
    SessionCaller(actor): SessionCaller,
    Origined(origin): Origined,
    Body(body): Body<RemoveBody>,
) -> Result<Response, Problem> {
    app.auth(origin)?.remove_second_factor(&actor, &body.password, &body.code).await?;
    Ok(nothing())
}

/// A response that must not be cached.
pub(super) fn shown_once(data: Json) -> Response {
    let mut response = Answer::ok(data).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn sessions(State(app): State<App>, SessionCaller(actor): SessionCaller) -> Result<Response, Problem> {
    let sessions = app.auth(crm_core::change::Origin::default())?.sessions(&actor).await?;
    let shown = |session: &Record<Session>| {
        json!({
            "id": session.id,
            "version": session.version,
            "machine_version": session.machine_version,
            "created_at": session.created_at,
            "expires_at": session.expires_at,
            "rotated_at": session.rotated_at,
            "address": session.address,
            "user_agent": session.user_agent,
            "second_factor": session.second_factor,
            "is_current": actor.session() == Some(session.id),
        })
    };
    Ok(Answer::ok(sessions.iter().map(shown).collect::<Vec<_>>()).into_response())
}

async fn end_session(
    State(app): State<App>,
    SessionCaller(actor): SessionCaller,
    Origined(origin): Origined,
    IdPath(id): IdPath,
) -> Result<Response, Problem> {
    app.auth(origin)?.end_session(&actor, id).await?;
    Ok(nothing())
}

/// The organization to register.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrganizationBody {
    name: String,
    slug: String,
    #[serde(default)]
    base_currency: Option<String>,
    #[serde(default)]
    time_zone: Option<String>,
    #[serde(default)]
    locale: Option<String>,
    #[serde(default)]
    default_country: Option<String>,
}

/// Its first administrator.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdminBody {
    email: String,
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
}

/// The organization, its administrator and the administrator's password.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegisterBody {
    organization: OrganizationBody,
    user: AdminBody,
    password: Secret,
    #[serde(default)]
    cookie: bool,
}

async fn register(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Stranger(origin): Stranger,
    Body(body): Body<RegisterBody>,
) -> Result<Response, Problem> {
    let given = body.organization;
    let base_currency = given.base_currency.map(|code| code.parse::<Currency>()).transpose().map_err(|_| {
        crm_core::Error::invalid("base_currency", "unknown_currency", "must be an ISO 4217 currency code")
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
    answer(&app, &signed, body.cookie.then_some(&uri), StatusCode::CREATED)
}
