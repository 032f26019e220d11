//! Rate limits per minute, counted in this process: per user, and per address for unauthenticated requests. Failed
//! sign-ins are also counted in the store.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use crm_core::{access::Actor, users::User, value::Id};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};

use crate::{config::Config, problem::Problem};

/// The number of remembered callers above which those with a full quota are dropped.
const MAX_REMEMBERED: usize = 10_000;
/// The number of requests between two checks of [`MAX_REMEMBERED`].
const TIDY_EVERY: u32 = 1024;

/// The caller by which requests are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Caller {
    User(Id, Option<Id<User>>),
    Address(Option<String>),
}

/// Counts the requests of many callers against one rate.
struct Counter {
    rate: NonZeroU32,
    limiter: RateLimiter<Caller, DashMapStateStore<Caller>, DefaultClock, StateInformationMiddleware>,
    taken: AtomicU32,
}

/// The rate limits of one process.
pub(crate) struct Limits {
    users: Option<Counter>,
    addresses: Option<Counter>,
}

/// The remaining quota of a caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemainingQuota {
    limit: u32,
    remaining: u32,
}

impl Limits {
    pub(crate) fn new(config: &Config) -> Self {
        let counter = |rate: NonZeroU32| Counter {
            rate,
            limiter: RateLimiter::dashmap(Quota::per_minute(rate)).with_middleware::<StateInformationMiddleware>(),
            taken: AtomicU32::new(0),
        };
        Self { users: config.requests_per_minute.map(counter), addresses: config.sign_ins_per_minute.map(counter) }
    }

    /// Counts a request of a user.
    ///
    /// # Errors
    /// 429 with the seconds to wait.
    pub(crate) fn user(&self, actor: &Actor) -> Result<Option<RemainingQuota>, Problem> {
        take(self.users.as_ref(), &Caller::User(actor.tenant(), actor.user()))
    }

    /// Counts an unauthenticated request from an address. Requests from unknown addresses are counted together.
    ///
    /// # Errors
    /// 429 with the seconds to wait.
    pub(crate) fn address(&self, address: Option<&str>) -> Result<Option<RemainingQuota>, Problem> {
        take(self.addresses.as_ref(), &Caller::Address(address.map(str::to_owned)))
    }
}

fn take(counter: Option<&Counter>, caller: &Caller) -> Result<Option<RemainingQuota>, Problem> {
    let Some(Counter { rate, limiter, taken }) = counter else { return Ok(None) };
    // Not at every request: scanning all callers each time would amplify a flood of requests.
    let turn = taken.fetch_add(1, Ordering::Relaxed);
    if turn.is_multiple_of(TIDY_EVERY) && limiter.len() > MAX_REMEMBERED {
        limiter.retain_recent();
    }
    match limiter.check_key(caller) {
        Ok(state) => Ok(Some(RemainingQuota { limit: rate.get(), remaining: state.remaining_burst_capacity() })),
        Err(not_yet) => {
            let wait = not_yet.wait_time_from(DefaultClock::default().now());
            let detail = format!("more than {rate} requests per minute: wait and try again");
            Err(Problem::too_many("too_many_requests", detail, wait.as_secs() + 1))
        }
    }
}

impl RemainingQuota {
    /// Sets the headers of the RateLimit draft.
    pub(crate) fn set_headers(self, headers: &mut HeaderMap) {
        let Self { limit, remaining } = self;
        // Seconds until one more request is allowed.
        let next = 60_u32.div_ceil(limit.max(1));
        for (name, value) in [
            ("ratelimit-policy", format!("\"minute\";q={limit};w=60")),
            ("ratelimit", format!("\"minute\";r={remaining};t={next}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}
