//! How many requests one may send a minute: counted in this process, per user, and per address where nobody has signed in
//! yet. Failed sign-ins are counted in the store besides.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use crm_core::{access::Actor, value::Id};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};

use crate::{config::Config, problem::Problem};

/// Callers remembered before those that have rested are forgotten.
const MAX_REMEMBERED: usize = 10_000;
/// Requests from one look at them to the next.
const TIDY_EVERY: u32 = 1024;

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Caller {
    User(Id, Option<Id>),
    Address(Option<String>),
}

/// Requests of many callers, each counted against one rate.
struct Counter {
    rate: NonZeroU32,
    limiter: RateLimiter<Caller, DashMapStateStore<Caller>, DefaultClock, StateInformationMiddleware>,
    taken: AtomicU32,
}

/// The limits of one process.
pub(crate) struct Limits {
    users: Option<Counter>,
    addresses: Option<Counter>,
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    limit: u32,
    left: u32,
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

    /// Takes one request out of what its user may send.
    ///
    /// # Errors
    /// 429 with the seconds to wait.
    pub(crate) fn user(&self, actor: &Actor) -> Result<Option<Left>, Problem> {
        take(self.users.as_ref(), &Caller::User(actor.tenant(), actor.user()))
    }

    /// Takes one request to sign in out of what may come from an address. Those of an unknown address are counted
    /// together.
    ///
    /// # Errors
    /// 429 with the seconds to wait.
    pub(crate) fn address(&self, address: Option<&str>) -> Result<Option<Left>, Problem> {
        take(self.addresses.as_ref(), &Caller::Address(address.map(str::to_owned)))
    }
}

fn take(counter: Option<&Counter>, caller: &Caller) -> Result<Option<Left>, Problem> {
    let Some(Counter { rate, limiter, taken }) = counter else { return Ok(None) };
    // Now and then: looking through all of them at each request is what a flood of callers would like.
    let turn = taken.fetch_add(1, Ordering::Relaxed);
    if turn.is_multiple_of(TIDY_EVERY) && limiter.len() > MAX_REMEMBERED {
        limiter.retain_recent();
    }
    match limiter.check_key(caller) {
        Ok(state) => Ok(Some(Left { limit: rate.get(), left: state.remaining_burst_capacity() })),
        Err(not_yet) => {
            let wait = not_yet.wait_time_from(DefaultClock::default().now());
            let detail = format!("more than {rate} requests a minute: wait");
            Err(Problem::too_many("too_many_requests", detail, wait.as_secs() + 1))
        }
    }
}

impl Left {
    /// Tells it, as the RateLimit headers' draft has it.
    pub(crate) fn tell(self, headers: &mut HeaderMap) {
        let Self { limit, left } = self;
        // One more every so many seconds.
        let next = 60_u32.div_ceil(limit.max(1));
        for (name, value) in [
            ("ratelimit-policy", format!("\"minute\";q={limit};w=60")),
            ("ratelimit", format!("\"minute\";r={left};t={next}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}
