//! The state shared by the handlers: the CRM, the configuration, the limits, the metrics.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::{Router, http::StatusCode};
use crm_core::{Crm, access::Actor, auth::Auth, change::Origin, users::User, value::Id};

use crate::{
    config::{Config, OwnSignIn, SignIn},
    limits::Limits,
    metrics::Metrics,
    problem::Problem,
    sign_in::VerifiedTokenCache,
};

/// The number of remembered refusals above which expired ones are dropped.
const MAX_REMEMBERED: usize = 10_000;
/// The minimum time in microseconds between two log entries of the same refusal.
const REFUSALS: i64 = 60_000_000;

/// The time of the last refusal by tenant, user and subject, in microseconds.
type Refusals = HashMap<(Id, Option<Id<User>>, String), i64>;

struct Inner {
    crm: Crm,
    config: Config,
    limits: Limits,
    metrics: Metrics,
    tokens: VerifiedTokenCache,
    /// The time at which each refusal was last recorded.
    refusals: Mutex<Refusals>,
    /// The finished router, for the operations of a batch.
    routes: OnceLock<Router>,
    document: OnceLock<Arc<str>>,
}

/// The state shared by the handlers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

impl App {
    pub(crate) fn new(crm: Crm, config: Config) -> Self {
        let limits = Limits::new(&config);
        let inner = Inner {
            crm,
            config,
            limits,
            metrics: Metrics::default(),
            tokens: VerifiedTokenCache::default(),
            refusals: Mutex::default(),
            routes: OnceLock::new(),
            document: OnceLock::new(),
        };
        Self(Arc::new(inner))
    }

    pub(crate) fn crm(&self) -> &Crm {
        &self.0.crm
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The cache of verified access tokens.
    pub(crate) fn tokens(&self) -> &VerifiedTokenCache {
        &self.0.tokens
    }

    pub(crate) fn routes(&self) -> &OnceLock<Router> {
        &self.0.routes
    }

    pub(crate) fn document(&self) -> &OnceLock<Arc<str>> {
        &self.0.document
    }

    /// The configuration of sign-in by the CRM itself.
    ///
    /// # Errors
    /// 404 if users are signed in by the host or by an external issuer.
    pub(crate) fn own(&self) -> Result<&OwnSignIn, Problem> {
        match &self.0.config.sign_in {
            SignIn::Own(own) => Ok(own),
            SignIn::Host | SignIn::Outside(_) => {
                Err(Problem::new(StatusCode::NOT_FOUND, "not_found", "sign-in is handled elsewhere"))
            }
        }
    }

    /// The use cases of sign-in for a request origin.
    ///
    /// # Errors
    /// As [`App::own`].
    pub(crate) fn auth(&self, origin: Origin) -> Result<Auth<'_>, Problem> {
        Ok(self.crm().auth(&self.own()?.policy).through(origin))
    }

    /// Records a refusal in the security log, at most once a minute for the same refusal.
    pub(crate) async fn record_refusal(&self, actor: &Actor, what: &str) {
        let Ok(own) = self.own() else { return };
        let now = self.crm().now().micros();
        {
            let mut recorded = self.0.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            if recorded.len() > MAX_REMEMBERED {
                recorded.retain(|_, last| now - *last < REFUSALS);
            }
            let last = recorded.entry((actor.tenant(), actor.user(), what.to_owned())).or_insert(i64::MIN);
            if now.saturating_sub(*last) < REFUSALS {
                return;
            }
            *last = now;
        }
        if let Err(error) = self.crm().auth(&own.policy).record_refusal(actor, what).await {
            tracing::warn!(%error, "a refusal could not be recorded in the security log");
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }
}
