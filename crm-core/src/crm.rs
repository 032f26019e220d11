//! The entry point: [`Crm`], a struct over a store.

use std::{any::TypeId, collections::HashMap, sync::Arc, time::Duration};

use crate::{
    audit::Audit,
    companies::shared_hosts::SharedHosts,
    engine::{
        access::{Access, BuiltInRole},
        collection::Collection,
        draft::{self, Lookup, Stop},
        rules::Validator,
        runtime::{Cache, Engine},
        signed_in::actor_of,
        system::{System, Systems},
        view::View,
        worker::Worker,
    },
    kind_table::kinds,
    model::{
        access::{Actor, Grant, Permission},
        clock::{Clock, SystemClock},
        error::Error,
        ids::{IdSource, RandomIds},
        records::organization::NewOrganization,
        schema::RecordKind,
        store::{Claim, Feed, FeedCursor, FeedPage, FeedPlace, Got, MAX_PLACE_BYTES, Store, Want},
        value::{Id, Kind, Ref, Time, fold},
    },
    organizations::bootstrap::Bootstrap,
    recommendations::Recommendations,
    reports::Reports,
    scoring::{Scoring, Sweeper},
    systems,
    timeline::Timeline,
    totals::Totals,
};

/// A CRM over a store. Cheap to clone; all clones share one cache of definitions.
///
/// ```
/// # use crm_core::{Crm, MemoryStore, organizations::NewOrganization, leads::NewLead};
/// # futures::executor::block_on(async {
/// let crm = Crm::new(MemoryStore::new());
/// let admin = crm.bootstrap(NewOrganization { name: "Acme".into(), ..Default::default() }).await?;
/// let lead = crm.leads(&admin).create(NewLead { name: "Ada".into(), ..Default::default() }).await?;
/// assert_eq!(lead.status, "new");
/// # Ok::<(), crm_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Crm {
    pub(crate) engine: Arc<Engine>,
}

impl std::fmt::Debug for Crm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crm").finish_non_exhaustive()
    }
}

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
    /// in the future too: the write fails with [`Error::ClockSkew`].
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

    /// Returns the same CRM on another store, such as one that writes into the caller's open transaction. It reads the
    /// shared cache of definitions but never fills it.
    #[must_use]
    pub fn on(&self, store: impl Store + 'static) -> Self {
        Self {
            engine: Arc::new(Engine {
                store: Arc::new(store),
                clock: Arc::clone(&self.engine.clock),
                ids: Arc::clone(&self.engine.ids),
                validators: self.engine.validators.clone(),
                systems: Arc::clone(&self.engine.systems),
                max_clock_skew: self.engine.max_clock_skew,
                settings: self.engine.settings.clone(),
                cache: Arc::clone(&self.engine.cache),
                fills_cache: false,
            }),
        }
    }

    /// Returns the grants that the built-in systems and those of the embedder give to a built-in role. Each
    /// organization has them, except for those it withholds, in addition to those it adds.
    pub fn built_in_grants(&self, role: BuiltInRole) -> &[Grant] {
        self.engine.systems.grants(role)
    }

    /// Returns the current time of the CRM's clock.
    pub fn now(&self) -> Time {
        self.engine.clock.now()
    }

    /// Returns the records of a kind, like `leads()` and `deals()`, for code that is generic over kinds.
    pub fn collection<'a, K: RecordKind>(&'a self, actor: &'a Actor) -> Collection<'a, K> {
        Collection::new(&self.engine, actor)
    }

    /// Creates an organization with its built-in roles, two default pipelines and first administrator in one commit.
    /// Returns the administrator's actor.
    pub fn bootstrap(&self, new: NewOrganization) -> Bootstrap<'_> {
        Bootstrap::new(&self.engine, new)
    }

    /// Returns the tenant whose organization has this slug. Takes no actor: a program that only knows the name uses
    /// this to find the tenant. One strongly consistent round trip.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no active organization has the slug.
    pub async fn tenant_by_slug(&self, slug: &str) -> Result<Id, Error> {
        let claim = Claim::new(Id::NIL, Kind::Organization, "slug", &fold(slug));
        let answer = self.engine.store.get(Id::NIL, &[Want::Claimed(claim)]).await?;
        match answer.got.first() {
            Some(Got::Record(Some(organization))) => Ok(organization.tenant),
            _ => Err(Error::NotFound(Kind::Organization)),
        }
    }

    /// Returns the actor of an active user, like [`Actor::signed_in`], after checking in one round trip that the user
    /// exists.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the user does not exist or is not active.
    pub async fn actor(&self, tenant: Id, user: Id) -> Result<Actor, Error> {
        actor_of(&self.engine, tenant, Lookup::from(Ref::new(Kind::User, user))).await
    }

    /// Returns the actor of the active user with this external id.
    ///
    /// # Errors
    /// As [`Crm::actor`].
    pub async fn actor_by_external_id(&self, tenant: Id, external_id: &str) -> Result<Actor, Error> {
        let value = crate::model::value::Value::text(external_id);
        let claim =
            draft::claim_of_value(tenant, Kind::User, "external_id", &value).ok_or(Error::NotFound(Kind::User))?;
        actor_of(&self.engine, tenant, Lookup::Want(Want::Claimed(claim))).await
    }

    /// Returns all permissions of an actor, each with its widest scope.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn permissions(&self, actor: &Actor) -> Result<Vec<(Permission, crate::model::access::Scope)>, Error> {
        let definitions = self.engine.authority(actor).await?;
        let access = Access::new(actor, &definitions, self.engine.clock.now());
        Ok(Permission::all().filter_map(|permission| Some((permission, access.widest(permission)?))).collect())
    }

    /// Returns the changes of all tenants after a cursor, each at least once and in no guaranteed order: the outbox,
    /// for the embedder's consumers. Takes no actor, because it is for the program and not for its users.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn feed(&self, after: Option<&FeedCursor>, limit: usize) -> Result<FeedPage, Error> {
        Ok(Feed::feed(self.engine.store.as_ref(), after, limit).await?)
    }

    /// Returns the current end of the feed, for a consumer that starts here: everything committed after this call is
    /// delivered after it.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn feed_end(&self) -> Result<FeedCursor, Error> {
        Ok(self.engine.store.feed_end().await?)
    }

    /// Returns the stored position of a feed consumer, or `None` if there is none. Names that start with `crm.` are
    /// reserved for the CRM. One strongly consistent read.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, Error> {
        Ok(self.engine.store.feed_place(consumer).await?)
    }

    /// Stores the position of a feed consumer after it has processed everything up to there, so that it, or another
    /// process, continues from there after a restart. `was` is the fence of the position as it was read, 0 if there was
    /// none. Returns `false` if another process has stored a position since; that process then continues in place of
    /// this one. The name is chosen by the program and has a few dozen characters. One conditional write.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the position has more than [`MAX_PLACE_BYTES`] as JSON; errors of the store.
    pub async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, Error> {
        let bytes = serde_json::to_vec(place).map_or(usize::MAX, |json| json.len());
        if bytes > MAX_PLACE_BYTES {
            return Err(Error::TooLarge { what: "the size of a feed position", limit: MAX_PLACE_BYTES });
        }
        Ok(self.engine.store.keep_feed_place(consumer, place, was).await?)
    }

    /// Returns the tenants that have an organization, by id, after the given one, for background work across tenants.
    /// Takes no actor. Fewer than `limit` results mean that there are no more.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, Error> {
        Ok(self.engine.store.tenants(after, limit).await?)
    }

    /// Returns the worker, which performs all background work: followers of the log, jobs, scores. The program runs it
    /// repeatedly. Takes no actor.
    pub const fn worker(&self) -> Worker<'_> {
        Worker::new(self)
    }

    /// Returns the totals: computed fields that are sums over other records, such as lifetime value, last activity and
    /// next task. [The worker](Crm::worker) updates them. Takes no actor.
    pub const fn totals(&self) -> Totals<'_> {
        Totals::new(self)
    }

    /// Returns many records of any kind by reference, each if the actor may see it, in one round trip (two if a record
    /// is visible only through a linked record).
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn view_many(&self, actor: &Actor, records: &[Ref]) -> Result<Vec<Option<View>>, Error> {
        let hints: Vec<Lookup> = records.iter().copied().map(Lookup::from).collect();
        let outcome = draft::decide_only(&self.engine, actor, &hints, &mut |draft| {
            let mut seen = Vec::with_capacity(records.len());
            let mut missing = Vec::new();
            for &record in records {
                match draft.read(record) {
                    Ok(_) => seen.push(record),
                    Err(Stop::Refuse(Error::NotFound(_))) => {}
                    Err(Stop::Need(lookups)) => missing.extend(lookups),
                    Err(refuse) => return Err(refuse),
                }
            }
            draft.want_all(missing);
            draft.stop_if_missing()?;
            Ok(seen)
        })
        .await?;
        let access = Access::new(actor, &outcome.definitions, outcome.now);
        let found = |record: &Ref| outcome.images.iter().find(|image| image.reference() == *record);
        Ok(records.iter().map(|record| found(record).map(|image| View::new(image, &access))).collect())
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
