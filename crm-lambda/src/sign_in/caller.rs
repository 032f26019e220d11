//! The caller of a request: an [`Actor`], from an access token, an API key, the host's middleware or an external
//! issuer.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
};
use crm_core::{access::Actor, auth::Secret, change::Origin};

use crate::{app::App, config::SignIn, limits::RemainingQuota, problem::Problem};

/// Passes a request's actor and remaining quota to the middleware, for the log, the security log and the headers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    pub(crate) actor: Arc<OnceLock<Actor>>,
    pub(crate) remaining: Arc<OnceLock<RemainingQuota>>,
}

/// The authenticated caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The actor that calls the use cases.
    pub(crate) actor: Actor,
}

/// The origin of a request, its address and program, for the change log and the security log.
pub(crate) fn origin_of(parts: &Parts, app: &App) -> Origin {
    let text = |name| parts.headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    Origin {
        through: None,
        detail: None,
        address: address_of(parts, app.config().trusted_proxies).map(|address| address.to_string()),
        user_agent: text(header::USER_AGENT).map(str::to_owned),
    }
}

/// The address of the caller: from API Gateway; otherwise, behind `proxies` trusted proxies, the address seen by the
/// outermost of them; otherwise the connection's. Headers that a caller can set are not trusted beyond those proxies.
fn address_of(parts: &Parts, proxies: usize) -> Option<IpAddr> {
    #[cfg(feature = "lambda")]
    if let Some(lambda_http::request::RequestContext::ApiGatewayV2(context)) = parts.extensions.get() {
        return context.http.source_ip.as_deref()?.parse().ok();
    }
    let direct = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    if proxies == 0 {
        return direct;
    }
    let forwarded: Vec<&str> = parts
        .headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let outermost = forwarded.len().checked_sub(proxies).and_then(|at| forwarded.get(at));
    outermost.and_then(|address| address.parse().ok()).or(direct)
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing =
        || Problem::unauthorized("unauthenticated", "authentication is required: send Authorization: Bearer …");
    let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let text = value.to_str().map_err(|_| missing())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token.trim()) } else { Err(missing()) }
}

/// Rejects cross-site writes. A host may sign users in by a cookie, which a browser also sends with a form of another
/// site. Forms cannot set custom headers, and browsers state the origin of a request: a write must show one of these.
///
/// # Errors
/// 403 with the code `cross_site`.
fn refuse_cross_site(parts: &Parts) -> Result<(), Problem> {
    let is_safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let same_origin = parts.headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
    if is_safe || same_origin || parts.headers.contains_key("x-crm-request") {
        return Ok(());
    }
    let detail = "the header X-CRM-Request (any value) is required to rule out cross-site requests";
    Err(Problem::new(StatusCode::FORBIDDEN, "cross_site", detail))
}

impl Caller {
    async fn of(parts: &Parts, app: &App) -> Result<Self, Problem> {
        match &app.config().sign_in {
            SignIn::Host => match parts.extensions.get::<Actor>() {
                Some(actor) => {
                    refuse_cross_site(parts)?;
                    Ok(Self { actor: actor.clone() })
                }
                None => Err(Problem::unauthorized("unauthenticated", "authentication is required")),
            },
            SignIn::Outside(issuer) => {
                let actor = issuer.actor(app.crm(), bearer(&parts.headers)?).await?;
                Ok(Self { actor })
            }
            SignIn::Own(own) => {
                let token = bearer(&parts.headers)?;
                if let Some(key) = token.strip_prefix("crm_") {
                    let key = Secret::from(format!("crm_{key}"));
                    let actor = app.auth(origin_of(parts, app))?.authenticate_key(&key).await?;
                    return Ok(Self { actor });
                }
                let verified = app.tokens().verify(token, own, app.crm().now())?;
                if own.checks_sessions {
                    let (auth, actor) = (app.auth(Origin::default())?, &verified.actor);
                    let (session, user) = (actor.session().unwrap_or_default(), actor.user().unwrap_or_default());
                    if !auth.session_is_live(actor.tenant(), session, user).await? {
                        return Err(Problem::unauthorized("invalid_token", "the session has ended: sign in again"));
                    }
                }
                Ok(Self { actor: verified.actor })
            }
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller = Self::of(parts, app).await?;
        let mut origin = origin_of(parts, app);
        if let Some(given) = caller.actor.origin() {
            origin.through.clone_from(&given.through);
            origin.detail.clone_from(&given.detail);
        }
        let caller = Self { actor: caller.actor.through(origin) };
        let remaining = app.limits().user(&caller.actor)?;
        if let Some(slot) = parts.extensions.get::<Slot>() {
            let _ = slot.actor.set(caller.actor.clone());
            remaining.map(|remaining| slot.remaining.set(remaining));
        }
        Ok(caller)
    }
}

/// A caller with a session. Operations on sign-in itself are not available to API keys.
#[derive(Clone, Debug)]
pub(crate) struct SessionCaller(pub(crate) Actor);

impl FromRequestParts<App> for SessionCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Caller { actor } = Caller::from_request_parts(parts, app).await?;
        if actor.session().is_some() {
            return Ok(Self(actor));
        }
        let detail = "this requires a signed-in user, not an API key";
        Err(Problem::new(StatusCode::FORBIDDEN, "session_needed", detail))
    }
}

/// The origin of a request.
#[derive(Clone, Debug)]
pub(crate) struct RequestOrigin(pub(crate) Origin);

impl FromRequestParts<App> for RequestOrigin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self(origin_of(parts, app)))
    }
}

/// The origin of an unauthenticated request, rate-limited per address.
#[derive(Clone, Debug)]
pub(crate) struct Unauthenticated(pub(crate) Origin);

impl FromRequestParts<App> for Unauthenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let origin = origin_of(parts, app);
        let remaining = app.limits().address(origin.address.as_deref())?;
        if let (Some(slot), Some(remaining)) = (parts.extensions.get::<Slot>(), remaining) {
            let _ = slot.remaining.set(remaining);
        }
        Ok(Self(origin))
    }
}
