//! [`Crm`]: the engine as embedders, job handlers, followers and background work see it. Systems add their use cases to it.

use std::sync::Arc;

use crate::{
    engine::{
        access::{Access, BuiltInRole},
        collection::Collection,
        draft::{self, Lookup, Stop},
        runtime::Engine,
        signed_in::actor_of,
        view::View,
        worker::Worker,
    },
    model::{
        access::{Actor, Grant, Permission, Scope},
        error::Error,
        records::user::User,
        schema::RecordKind,
        store::{Claim, Feed, FeedCursor, FeedPage, FeedPlace, Got, MAX_PLACE_BYTES, Store, Want},
        value::{Id, Kind, Ref, Time, Value, fold},
    },
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

impl Crm {
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
    pub async fn actor(&self, tenant: Id, user: Id<User>) -> Result<Actor, Error> {
        actor_of(&self.engine, tenant, Lookup::from(Ref::new(Kind::User, user))).await
    }

    /// Returns the actor of the active user with this external id.
    ///
    /// # Errors
    /// As [`Crm::actor`].
    pub async fn actor_by_external_id(&self, tenant: Id, external_id: &str) -> Result<Actor, Error> {
        let value = Value::text(external_id);
        let claim =
            draft::claim_of_value(tenant, Kind::User, "external_id", &value).ok_or(Error::NotFound(Kind::User))?;
        actor_of(&self.engine, tenant, Lookup::Want(Want::Claimed(claim))).await
    }

    /// Returns all permissions of an actor, each with its widest scope.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn permissions(&self, actor: &Actor) -> Result<Vec<(Permission, Scope)>, Error> {
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
}
