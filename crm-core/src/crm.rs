//! The entry point: building a [`Crm`], and the use cases that systems add to it.

use std::{any::TypeId, collections::HashMap, sync::Arc, time::Duration};

use crate::{
    audit::Audit,
    companies::shared_hosts::SharedHosts,
    engine::{
        collection::Collection,
        crm::Crm,
        rules::Validator,
        runtime::{Cache, Engine},
        system::{System, Systems},
    },
    kind_table::kinds,
    model::{
        access::Actor,
        clock::{Clock, SystemClock},
        ids::{IdSource, RandomIds},
        records::organization::NewOrganization,
        store::Store,
    },
    organizations::bootstrap::Bootstrap,
    recommendations::Recommendations,
    reports::Reports,
    scoring::{Scoring, Sweeper},
    systems,
    timeline::Timeline,
    totals::Totals,
};

/// Builds a [`Crm`] with a custom clock, id source or validators.
#[must_use]
pub struct Builder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    validators: Vec<Arc<dyn Validator>>,
    systems: Vec<System>,
    max_clock_skew: Duration,
    shared_hosts: SharedHosts,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

impl Builder {
    /// Sets the clock.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the source of ids.
    pub fn ids(mut self, ids: impl IdSource + 'static) -> Self {
        self.ids = Arc::new(ids);
        self
    }

    /// Adds a validator, which applies to every write in addition to the built-in rules.
    pub fn validator(mut self, validator: impl Validator + 'static) -> Self {
        self.validators.push(Arc::new(validator));
        self
    }

    /// Adds a system of the embedder, after the built-in ones.
    pub fn system(mut self, system: System) -> Self {
        self.systems.push(System { is_custom: true, ..system });
        self
    }

    /// Sets how far the clocks of other processes that write to the same store may be ahead of this process' clock. The
    /// default is one minute. A record with a later write cannot be changed, because all later changes would have to be
    /// in the future too: the write fails with [`Error::ClockSkew`](crate::Error::ClockSkew).
    pub const fn max_clock_skew(mut self, skew: Duration) -> Self {
        self.max_clock_skew = skew;
        self
    }

    /// Adds domains that many companies share, including their subdomains. A conversion does not match companies by
    /// them. Free mail, social networks, site builders, link pages and marketplaces are built in.
    pub fn shared_hosts(mut self, hosts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.shared_hosts.add(hosts);
        self
    }

    /// Builds the CRM.
    pub fn build(self) -> Crm {
        Crm {
            engine: Arc::new(Engine {
                store: self.store,
                clock: self.clock,
                ids: self.ids,
                validators: self.validators,
                systems: Arc::new(Systems::new(self.systems)),
                max_clock_skew: i64::try_from(self.max_clock_skew.as_micros()).unwrap_or(i64::MAX),
                settings: HashMap::from([(TypeId::of::<SharedHosts>(), Arc::new(self.shared_hosts) as Arc<_>)]),
                cache: Cache::default(),
                fills_cache: true,
            }),
        }
    }
}

impl Crm {
    /// Creates a CRM over a store, with the system clock.
    pub fn new(store: impl Store + 'static) -> Self {
        Self::builder(store).build()
    }

    /// Creates a CRM over a shared store.
    pub fn shared(store: Arc<dyn Store>) -> Self {
        Self::builder_shared(store).build()
    }

    /// Returns a builder for a CRM over a store.
    pub fn builder(store: impl Store + 'static) -> Builder {
        Self::builder_shared(Arc::new(store))
    }

    /// Returns a builder for a CRM over a shared store.
    pub fn builder_shared(store: Arc<dyn Store>) -> Builder {
        Builder {
            store,
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds::default()),
            validators: Vec::new(),
            systems: systems::built_in(),
            max_clock_skew: Duration::from_mins(1),
            shared_hosts: SharedHosts::default(),
        }
    }

    /// Creates an organization with its built-in roles, two default pipelines and first administrator in one commit.
    /// Returns the administrator's actor.
    pub fn bootstrap(&self, new: NewOrganization) -> Bootstrap<'_> {
        Bootstrap::new(&self.engine, new)
    }

    /// Returns the totals: computed fields that are sums over other records, such as lifetime value, last activity and
    /// next task. [The worker](Crm::worker) updates them. Takes no actor.
    pub const fn totals(&self) -> Totals<'_> {
        Totals::new(self)
    }

    /// Returns timelines: the changes, interactions, tasks and notes of a record, by time.
    pub fn timeline<'a>(&'a self, actor: &'a Actor) -> Timeline<'a> {
        Timeline::new(&self.engine, actor)
    }

    /// Returns the change log of the tenant in the order of recording, for actors who may read the security log.
    pub fn audit<'a>(&'a self, actor: &'a Actor) -> Audit<'a> {
        Audit::new(&self.engine, actor)
    }

    /// Returns scores, at any time, with their contributions.
    pub fn scoring<'a>(&'a self, actor: &'a Actor) -> Scoring<'a> {
        Scoring::new(&self.engine, actor)
    }

    /// Returns recommended next steps for records, with reasons.
    pub fn recommendations<'a>(&'a self, actor: &'a Actor) -> Recommendations<'a> {
        Recommendations::new(&self.engine, actor)
    }

    /// Returns the sweeper, which updates the scores of records, for one tenant or all. [The worker](Crm::worker) runs
    /// it too. Takes no actor.
    pub const fn score_sweeper(&self) -> Sweeper<'_> {
        Sweeper::new(&self.engine)
    }

    /// Returns the sales, pipeline and funnel reports.
    pub fn reports<'a>(&'a self, actor: &'a Actor) -> Reports<'a> {
        Reports::new(&self.engine, actor)
    }
}

macro_rules! collections {
    (records { $($(#[$doc:meta])* $kind:ident($module:ident) = $name:ident, $text:literal, $code:literal;)* } internal { $($rest:tt)* }) => {
        impl Crm {
            $($(#[$doc])*
            pub fn $name<'a>(&'a self, actor: &'a Actor) -> Collection<'a, crate::$module::$kind> {
                Collection::new(&self.engine, actor)
            })*
        }
    };
}

kinds!(collections);
