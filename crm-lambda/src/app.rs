//! What the handlers share: the CRM, the configuration, the limits, the figures.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::{Router, http::StatusCode};
use crm_core::{Crm, access::Actor, auth::Auth, change::Origin, value::Id};
use governor::{
    Quota, RateLimiter, clock::DefaultClock, middleware::StateInformationMiddleware, state::keyed::DashMapStateStore,
};

use crate::{
    config::{Config, OwnSignIn, SignIn},
    observe::Figures,
    problem::Problem,
};

type Limiter =
    RateLimiter<(Id, Option<Id>), DashMapStateStore<(Id, Option<Id>)>, DefaultClock, StateInformationMiddleware>;

/// Users that the limiter remembers before it forgets those that have rested.
const MAX_LIMITED: usize = 10_000;
/// Microseconds between two entries of the same refusal.
const REFUSALS: i64 = 60_000_000;

struct Inner {
    crm: Crm,
    config: Config,
    limiter: Option<(NonZeroU32, Limiter)>,
    figures: Figures,
    /// When a refusal was last noted.
    refusals: Mutex<HashMap<(Id, Option<Id>, String), i64>>,
    /// The finished router, for requests within a batch.
    routes: OnceLock<Router>,
    document: OnceLock<Arc<str>>,
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

impl App {
    pub(crate) fn new(crm: Crm, config: Config) -> Self {
        let limiter = config.requests_per_minute.map(|rate| {
            (rate, RateLimiter::dashmap(Quota::per_minute(rate)).with_middleware::<StateInformationMiddleware>())
        });
        let inner = Inner {
            crm,
            config,
            limiter,
            figures: Figures::default(),
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

    pub(crate) fn figures(&self) -> &Figures {
        &self.0.figures
    }

    pub(crate) fn routes(&self) -> &OnceLock<Router> {
        &self.0.routes
    }

    pub(crate) fn document(&self) -> &OnceLock<Arc<str>> {
        &self.0.document
    }

    /// Sign-in by the CRM itself.
    ///
    /// # Errors
    /// 404 where somebody else signs users in.
    pub(crate) fn own(&self) -> Result<&OwnSignIn, Problem> {
        match &self.0.config.sign_in {
            SignIn::Own(own) => Ok(own),
            SignIn::Host | SignIn::Outside(_) => {
                Err(Problem::new(StatusCode::NOT_FOUND, "not_found", "users do not sign in here"))
            }
        }
    }

    /// The use cases of sign-in, for a request from somewhere.
    ///
    /// # Errors
    /// As [`App::own`].
    pub(crate) fn auth(&self, origin: Origin) -> Result<Auth<'_>, Problem> {
        Ok(self.crm().auth(&self.own()?.policy).through(origin))
    }

    /// Notes in the security log that somebody was refused something; of the same refusals one a minute.
    pub(crate) async fn record_refusal(&self, actor: &Actor, what: &str) {
        let Ok(own) = self.own() else { return };
        let now = self.crm().now().micros();
        {
            let mut told = self.0.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            if told.len() > MAX_LIMITED {
                told.retain(|_, last| now - *last < REFUSALS);
            }
            let last = told.entry((actor.tenant(), actor.user(), what.to_owned())).or_insert(i64::MIN);
            if now.saturating_sub(*last) < REFUSALS {
                return;
            }
            *last = now;
        }
        if let Err(error) = self.crm().auth(&own.policy).record_refusal(actor, what).await {
            tracing::warn!(%error, "a refusal could not be noted in the security log");
        }
    }

    /// Takes one request out of what its user may send.
    ///
    /// # Errors
    /// 429 with the seconds to wait.
    pub(crate) fn limit(&self, actor: &Actor) -> Result<(), Problem> {
        let Some((rate, limiter)) = &self.0.limiter else { return Ok(()) };
        if limiter.len() > MAX_LIMITED {
            limiter.retain_recent();
        }
        match limiter.check_key(&(actor.tenant(), actor.user())) {
            Ok(_) => Ok(()),
            Err(not_yet) => {
                let wait = not_yet.wait_time_from(governor::clock::Clock::now(&DefaultClock::default()));
                let detail = format!("more than {rate} requests a minute: wait");
                Err(Problem::too_many("too_many_requests", detail, wait.as_secs() + 1))
            }
        }
    }
}
