//! The entry point: one plain struct over a store.

use std::{sync::Arc, time::Duration};

use crate::{
    access::{Access, Actor, Permission},
    ambient::{Clock, IdSource, RandomIds, SystemClock},
    audit::Audit,
    collection::Collection,
    companies::shared_hosts::SharedHosts,
    draft::{self, Lookup, Stop},
    engine::{Cache, Engine},
    error::Error,
    kind_table::kinds,
    organizations::{bootstrap::Bootstrap, record::NewOrganization},
    recommendations::Recommendations,
    reports::Reports,
    rules::Validator,
    schema::RecordKind,
    scoring::{Keeper, Scoring},
    store::{Claim, Feed, FeedCursor, FeedPage, FeedPlace, Got, MAX_PLACE_BYTES, Store, Want},
    timeline::Timeline,
    totals::Totals,
    users::signed_in::actor_of,
    value::{Id, Kind, Ref, Time, fold},
    view::View,
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

/// Sets up a [`Crm`] with a clock, a source of ids or validators of one's own.
#[must_use]
pub struct Builder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    validators: Vec<Arc<dyn Validator>>,
    max_clock_skew: Duration,
    shared_hosts: SharedHosts,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").finish_non_exhaustive()
    }
}

impl Builder {
    /// Takes the time from this clock.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Takes ids from this source.
    pub fn ids(mut self, ids: impl IdSource + 'static) -> Self {
        self.ids = Arc::new(ids);
        self
    }

    /// Holds this rule for every writer, besides the built-in ones.
    pub fn validator(mut self, validator: impl Validator + 'static) -> Self {
        self.validators.push(Arc::new(validator));
        self
    }

    /// How far ahead of this process' clock the clocks of others may be that write to the same store; one minute where not
    /// given. A record that was written later than that is not written of, since all that came after would lie in the future
    /// too: [`Error::ClockSkew`] says so.
    pub const fn max_clock_skew(mut self, skew: Duration) -> Self {
        self.max_clock_skew = skew;
        self
    }

    /// Adds hosts that many companies share, each with all that stands below it: a conversion finds no company by them.
    /// Free mail, social networks, site builders, link pages and marketplaces are known.
    pub fn shared_hosts(mut self, hosts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.shared_hosts.add(hosts);
        self
    }

    /// The CRM.
    pub fn build(self) -> Crm {
        Crm {
            engine: Arc::new(Engine {
                store: self.store,
                clock: self.clock,
                ids: self.ids,
                validators: self.validators,
                max_clock_skew: i64::try_from(self.max_clock_skew.as_micros()).unwrap_or(i64::MAX),
                shared_hosts: Arc::new(self.shared_hosts),
                cache: Cache::default(),
                fills_cache: true,
            }),
        }
    }
}

impl Crm {
    /// A CRM over a store, on the machine's clock.
    pub fn new(store: impl Store + 'static) -> Self {
        Self::builder(store).build()
    }

    /// A CRM over a store that is shared.
    pub fn shared(store: Arc<dyn Store>) -> Self {
        Self::builder_shared(store).build()
    }

    /// Sets up a CRM with more than a store.
    pub fn builder(store: impl Store + 'static) -> Builder {
        Self::builder_shared(Arc::new(store))
    }

    /// Sets up a CRM over a store that is shared.
    pub fn builder_shared(store: Arc<dyn Store>) -> Builder {
        Builder {
            store,
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds::default()),
            validators: Vec::new(),
            max_clock_skew: Duration::from_mins(1),
            shared_hosts: SharedHosts::default(),
        }
    }

    /// The same CRM on another store, such as one that writes into the caller's open transaction: it reads the shared
    /// cache of definitions and never fills it.
    #[must_use]
    pub fn on(&self, store: impl Store + 'static) -> Self {
        Self {
            engine: Arc::new(Engine {
                store: Arc::new(store),
                clock: Arc::clone(&self.engine.clock),
                ids: Arc::clone(&self.engine.ids),
                validators: self.engine.validators.clone(),
                max_clock_skew: self.engine.max_clock_skew,
                shared_hosts: Arc::clone(&self.engine.shared_hosts),
                cache: Arc::clone(&self.engine.cache),
                fills_cache: false,
            }),
        }
    }

    /// What time it is by the clock of this CRM.
    pub fn now(&self) -> Time {
        self.engine.clock.now()
    }

    /// The records of a kind: what `leads()`, `deals()` and the others give, for code that is generic over kinds.
    pub fn collection<'a, K: RecordKind>(&'a self, actor: &'a Actor) -> Collection<'a, K> {
        Collection::new(&self.engine, actor)
    }

    /// Creates an organization with its built-in roles, its two default pipelines and its first administrator, in one
    /// commit; answers the administrator's actor.
    pub fn bootstrap(&self, new: NewOrganization) -> Bootstrap<'_> {
        Bootstrap::new(&self.engine, new)
    }

    /// The tenant whose organization signs in under a slug. One round trip, strongly consistent. No actor stands before
    /// it: it is how a program that only knows the name finds whose records it is about.
    ///
    /// # Errors
    /// [`Error::NotFound`] where no live organization has it.
    pub async fn tenant_by_slug(&self, slug: &str) -> Result<Id, Error> {
        let claim = Claim::new(Id::NIL, Kind::Organization, "slug", &fold(slug));
        let answer = self.engine.store.get(Id::NIL, &[Want::Claimed(claim)]).await?;
        match answer.got.first() {
            Some(Got::Record(Some(organization))) => Ok(organization.tenant),
            _ => Err(Error::NotFound(Kind::Organization)),
        }
    }

    /// The actor of an active user, as [`Actor::signed_in`]. One round trip, which finds that there is such a user.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such user, or no active one.
    pub async fn actor(&self, tenant: Id, user: Id) -> Result<Actor, Error> {
        actor_of(&self.engine, tenant, Lookup::from(Ref::new(Kind::User, user))).await
    }

    /// The actor of the active user who has this key in another system.
    ///
    /// # Errors
    /// As [`Crm::actor`].
    pub async fn actor_by_external_id(&self, tenant: Id, external_id: &str) -> Result<Actor, Error> {
        let value = crate::value::Value::text(external_id);
        let claim =
            draft::claim_of_value(tenant, Kind::User, "external_id", &value).ok_or(Error::NotFound(Kind::User))?;
        actor_of(&self.engine, tenant, Lookup::Want(Want::Claimed(claim))).await
    }

    /// Every permission that an actor has, with the widest scope of each.
    ///
    /// # Errors
    /// What the store says.
    pub async fn permissions(&self, actor: &Actor) -> Result<Vec<(Permission, crate::access::Scope)>, Error> {
        let definitions = self.engine.authority(actor).await?;
        let access = Access::new(actor, &definitions, self.engine.clock.now());
        Ok(Permission::all().filter_map(|permission| Some((permission, access.widest(permission)?))).collect())
    }

    /// Every change of every tenant after a cursor, each at least once and in no promised order: the outbox, for the
    /// embedder's own consumers. No actor stands before it: it is for the program, not for its users.
    ///
    /// # Errors
    /// What the store says.
    pub async fn feed(&self, after: Option<&FeedCursor>, limit: usize) -> Result<FeedPage, Error> {
        Ok(Feed::feed(self.engine.store.as_ref(), after, limit).await?)
    }

    /// The end of the feed as of now, for a consumer that begins here: what is committed after this call is told behind it.
    ///
    /// # Errors
    /// What the store says.
    pub async fn feed_end(&self) -> Result<FeedCursor, Error> {
        Ok(self.engine.store.feed_end().await?)
    }

    /// How far a consumer of the feed has come: the place that was kept for it last; `None` where none was. Names that
    /// begin with `crm.` are the CRM's own. One strongly consistent read.
    ///
    /// # Errors
    /// What the store says.
    pub async fn feed_place(&self, consumer: &str) -> Result<Option<FeedPlace>, Error> {
        Ok(self.engine.store.feed_place(consumer).await?)
    }

    /// Keeps in the store how far a consumer of the feed has come, once it has done with what it was told up to there: it
    /// goes on from there after a restart, or another process does. `was` is the fence of the place as it was read, 0
    /// where there was none; false where another process has kept one since, which then goes on in place of this one. The
    /// name is the program's, a few dozen characters. One conditional write.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where the place has more than [`MAX_PLACE_BYTES`] as JSON; what the store says.
    pub async fn keep_feed_place(&self, consumer: &str, place: &FeedPlace, was: u64) -> Result<bool, Error> {
        let bytes = serde_json::to_vec(place).map_or(usize::MAX, |json| json.len());
        if bytes > MAX_PLACE_BYTES {
            return Err(Error::TooLarge { what: "the place of a consumer of the feed", limit: MAX_PLACE_BYTES });
        }
        Ok(self.engine.store.keep_feed_place(consumer, place, was).await?)
    }

    /// The tenants that have an organization, by id, after one: for programs that do work in the background for all of them.
    /// No actor stands before it. Fewer than `limit` say that there are no more.
    ///
    /// # Errors
    /// What the store says.
    pub async fn tenants(&self, after: Option<Id>, limit: usize) -> Result<Vec<Id>, Error> {
        Ok(self.engine.store.tenants(after, limit).await?)
    }

    /// What the machine keeps of records though it is a sum over others: lifetime value, last activity, next task. To be
    /// run by the program, after the feed. No actor stands before it.
    pub fn totals(&self) -> Totals<'_> {
        Totals::new(&self.engine)
    }

    /// Many records of whatever kinds by reference, each where the actor may see it; in one round trip (two where one
    /// is seen through a record it is linked to).
    ///
    /// # Errors
    /// What the store says.
    pub async fn view_many(&self, actor: &Actor, records: &[Ref]) -> Result<Vec<Option<View>>, Error> {
        let hints: Vec<Lookup> = records.iter().copied().map(Lookup::from).collect();
        let outcome = draft::decide_only(&self.engine, actor, &hints, &|draft| {
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

    /// What happened to a record: changes, interactions, tasks and notes, by time.
    pub fn timeline<'a>(&'a self, actor: &'a Actor) -> Timeline<'a> {
        Timeline::new(&self.engine, actor)
    }

    /// Every change of the tenant in the order in which it was recorded, for who may read the security log.
    pub fn audit<'a>(&'a self, actor: &'a Actor) -> Audit<'a> {
        Audit::new(&self.engine, actor)
    }

    /// Scores: of any record, at any moment, with what they are made of.
    pub fn scoring<'a>(&'a self, actor: &'a Actor) -> Scoring<'a> {
        Scoring::new(&self.engine, actor)
    }

    /// What to do next about a record, and why.
    pub fn recommendations<'a>(&'a self, actor: &'a Actor) -> Recommendations<'a> {
        Recommendations::new(&self.engine, actor)
    }

    /// Keeps the scores that records carry up to date. To be run by the program; no actor stands before it.
    pub fn score_keeper(&self) -> Keeper<'_> {
        Keeper::new(&self.engine)
    }

    /// Sales and pipeline reports.
    pub fn reports<'a>(&'a self, actor: &'a Actor) -> Reports<'a> {
        Reports::new(&self.engine, actor)
    }
}

macro_rules! collections {
    (records { $($(#[$doc:meta])* $kind:ident($module:ident) = $name:ident, $text:literal, $code:literal;)* } internal { $($rest:tt)* }) => {
        impl Crm {
            $($(#[$doc])*
            pub fn $name<'a>(&'a self, actor: &'a Actor) -> Collection<'a, crate::$module::record::$kind> {
                Collection::new(&self.engine, actor)
            })*
        }
    };
}

kinds!(collections);
