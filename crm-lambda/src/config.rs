//! What a deployment decides about its API, as a plain value: the binaries read it from the environment, a program that
//! mounts the router writes it down.

use std::{
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crm_core::auth::Policy;

pub use crate::sign_in::{KeyError, KeyRing, OutsideIssuer, TokenKey};

/// How the API is served.
#[derive(Debug)]
pub struct Config {
    /// Who signs users in.
    pub sign_in: SignIn,
    /// Proxies of one's own in front of this program: so many entries at the end of `X-Forwarded-For` are believed.
    pub trusted_proxies: usize,
    /// Origins of web pages that may call the API from a browser, such as `https://app.example.com`. None by default.
    pub allowed_origins: Vec<String>,
    /// Requests a minute of one user in this process, with as many at once; `None` where something in front limits.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Requests a minute of one address, in this process, to the routes that nobody has to be signed in for; `None` where
    /// something in front limits. Failed sign-ins are counted in the store besides, across all processes.
    pub sign_ins_per_minute: Option<NonZeroU32>,
    /// How long a request may take.
    pub timeout: Duration,
    /// Where figures on requests go.
    pub metrics: Metrics,
    /// True where jobs go on by themselves once a request has begun them: in a process that lives on. On Lambda they go
    /// on whenever somebody asks how far they are.
    pub background_jobs: bool,
    /// True where `/docs` and `/openapi.json` are served.
    pub docs: bool,
    /// Told of every answer that says the fault is the server's (5xx).
    pub on_server_error: Option<ErrorHook>,
}

impl Config {
    /// An API with these ways to sign in, and for the rest what suits most: 600 requests a minute and user, 60 to sign in
    /// from an address, 25 seconds a request, documentation, no metrics.
    pub fn new(sign_in: SignIn) -> Self {
        Self {
            sign_in,
            trusted_proxies: 0,
            allowed_origins: Vec::new(),
            requests_per_minute: NonZeroU32::new(600),
            sign_ins_per_minute: NonZeroU32::new(60),
            timeout: Duration::from_secs(25),
            metrics: Metrics::Off,
            background_jobs: true,
            docs: true,
            on_server_error: None,
        }
    }
}

/// An answer of 5xx: what is to be told of it. No address, no id of a record or a user, nothing that was sent.
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

/// What is called with each answer of 5xx: the way to a service that collects errors. It is called where the request is
/// served, so it hands on and does not wait; a panic in it is logged and goes no further.
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

/// Who signs users in.
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

/// Sign-in by the CRM itself.
#[derive(Debug)]
pub struct OwnSignIn {
    /// The keys that access tokens are signed with.
    pub keys: KeyRing,
    /// Who signs, in `iss`: the API's own address as a rule.
    pub issuer: String,
    /// For whom, in `aud`.
    pub audience: String,
    /// Seconds that an access token lives.
    pub access_seconds: i64,
    /// True where each request asks the store whether its session still lives, for one read: one that its own user ended is
    /// over at once, and not within 30 seconds. What others end, or withdraw, is in force at the next request in any case.
    pub checks_sessions: bool,
    /// True where anybody may register an organization of their own.
    pub registration: bool,
    /// True where `/auth/*` is served; the rules of sign-in hold for access tokens and API keys in any case.
    pub routes: bool,
    /// Passwords, lockout, lifetimes, mail.
    pub policy: Policy,
}

impl OwnSignIn {
    /// With these keys, as the issuer of this name, and for the rest what suits most: tokens of 15 minutes, routes, no
    /// registration, sessions not asked for.
    pub fn new(keys: KeyRing, issuer: impl Into<String>, policy: Policy) -> Self {
        let issuer = issuer.into();
        Self {
            keys,
            audience: issuer.clone(),
            issuer,
            access_seconds: 15 * 60,
            checks_sessions: false,
            registration: false,
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
