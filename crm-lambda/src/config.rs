//! What a deployment decides about its API, as a plain value: the binaries read it from the environment, a program that
//! mounts the router writes it down.

use std::{
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crm_core::auth::Policy;

pub use crate::sign_in::{KeyError, KeyRing, OutsideIssuer, SetupToken, TokenKey};

/// Configuration of the HTTP API.
#[derive(Debug)]
pub struct Config {
    /// How users sign in.
    pub sign_in: SignIn,
    /// Number of trusted proxies in front of this program: this many entries at the end of `X-Forwarded-For` are
    /// trusted.
    pub trusted_proxies: usize,
    /// Origins of web pages that may call the API from a browser, such as `https://app.example.com`. None by default.
    pub allowed_origins: Vec<String>,
    /// Requests per minute and user in this process, also the burst size; `None` if something in front limits them.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Requests per minute and address in this process to routes that require no authentication; `None` if something in
    /// front limits them. Failed sign-ins are also counted in the store, across all processes.
    pub sign_ins_per_minute: Option<NonZeroU32>,
    /// The request timeout.
    pub timeout: Duration,
    /// Where request metrics are published.
    pub metrics: Metrics,
    /// `true` to serve `/docs` and `/openapi.json`.
    pub docs: bool,
    /// The web console at `/console/`; `None` by default.
    #[cfg(feature = "console")]
    pub console: Option<Console>,
    /// Called for every response with a server error (5xx).
    pub on_server_error: Option<ErrorHook>,
}

impl Config {
    /// Creates a configuration with these ways to sign in and default values: 600 requests per minute and user, 60
    /// sign-in requests per minute and address, a timeout of 25 seconds, documentation, no metrics.
    pub fn new(sign_in: SignIn) -> Self {
        Self {
            sign_in,
            trusted_proxies: 0,
            allowed_origins: Vec::new(),
            requests_per_minute: NonZeroU32::new(600),
            sign_ins_per_minute: NonZeroU32::new(60),
            timeout: Duration::from_secs(25),
            metrics: Metrics::Off,
            docs: true,
            #[cfg(feature = "console")]
            console: None,
            on_server_error: None,
        }
    }
}

/// The web console. It signs users in as [`SignIn`] says.
#[cfg(feature = "console")]
#[derive(Clone, Debug)]
pub struct Console {
    /// The name of the product, shown before an organization is known. `CRM` by default.
    pub title: String,
    /// The colour of buttons and links as `#rrggbb`; that of the organization's branding by default.
    pub accent: Option<String>,
    /// Origins whose pages may show the console in a frame, such as `https://app.example.com`. None by default.
    pub frame_ancestors: Vec<String>,
    /// With [`SignIn::Outside`]: an address of the same origin, relative to `/console/`, that answers `GET` with
    /// `{"access_token": "…"}` for the user signed in to the host.
    pub token_from: Option<String>,
}

#[cfg(feature = "console")]
impl Default for Console {
    fn default() -> Self {
        Self { title: "CRM".to_owned(), accent: None, frame_ancestors: Vec::new(), token_from: None }
    }
}

/// Describes a response with a server error (5xx). Contains no address, no id of a record or a user, and no request
/// data.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerError<'a> {
    /// The request's id, as its log line and its answer have it.
    pub request_id: &'a str,
    /// The trace it belongs to, where its `traceparent` says so.
    pub trace_id: Option<&'a str>,
    /// The method.
    pub method: &'a str,
    /// The route, such as `/api/v1/leads/{id}`.
    pub route: &'a str,
    /// The status.
    pub status: u16,
    /// The problem's code, such as `unavailable`.
    pub code: Option<&'static str>,
}

/// Called for each response with a server error (5xx), for example to report to an error tracking service. It runs
/// while the request is served, so it must not block; a panic in it is logged and ignored.
#[derive(Clone)]
pub struct ErrorHook(Arc<dyn Fn(&ServerError<'_>) + Send + Sync>);

impl ErrorHook {
    /// Calls this.
    pub fn new(hook: impl Fn(&ServerError<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    pub(crate) fn call(&self, error: &ServerError<'_>) {
        if catch_unwind(AssertUnwindSafe(|| (self.0)(error))).is_err() {
            tracing::error!(request_id = error.request_id, "the hook for errors panicked");
        }
    }
}

impl std::fmt::Debug for ErrorHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ErrorHook")
    }
}

/// How users sign in.
#[derive(Debug)]
pub enum SignIn {
    /// The CRM itself: passwords, second factor, sessions, API keys.
    Own(Box<OwnSignIn>),
    /// The host's middleware, which puts a [`crm_core::access::Actor`] into the request's extensions. There are no
    /// routes of sign-in then. Since it may go by a cookie, a request that changes something needs the header
    /// `X-CRM-Request` or `Sec-Fetch-Site: same-origin`.
    Host,
    /// An issuer of its own, by its published keys. There are no routes of sign-in then.
    Outside(Box<OutsideIssuer>),
}

/// Sign-in managed by the CRM.
#[derive(Debug)]
pub struct OwnSignIn {
    /// The keys that sign access tokens.
    pub keys: KeyRing,
    /// The `iss` of access tokens, usually the API's own address.
    pub issuer: String,
    /// The `aud` of access tokens.
    pub audience: String,
    /// Lifetime of an access token in seconds.
    pub access_seconds: i64,
    /// `true` to check the session in the store on each request, at one read, so that a sign-out takes effect
    /// immediately instead of within 30 seconds. Sessions ended by others and revoked permissions always take effect on
    /// the next request.
    pub checks_sessions: bool,
    /// `true` to let anyone register an organization.
    pub registration: bool,
    /// Lets the holder of a token register the first organization of an empty store. None by default.
    pub setup: Option<SetupToken>,
    /// `true` to serve `/auth/*`. Access tokens and API keys are verified in any case.
    pub routes: bool,
    /// Passwords, lockout, lifetimes, mail.
    pub policy: Policy,
}

impl OwnSignIn {
    /// Creates a configuration with these keys and issuer and default values: tokens of 15 minutes, routes, no
    /// registration, no session checks.
    pub fn new(keys: KeyRing, issuer: impl Into<String>, policy: Policy) -> Self {
        let issuer = issuer.into();
        Self {
            keys,
            audience: issuer.clone(),
            issuer,
            access_seconds: 15 * 60,
            checks_sessions: false,
            registration: false,
            setup: None,
            routes: true,
            policy,
        }
    }
}

/// Where figures on requests go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metrics {
    /// Nowhere.
    #[default]
    Off,
    /// `/metrics`, as Prometheus reads it.
    Prometheus,
    /// The log, in `CloudWatch`'s embedded metric format.
    Emf,
}
