//! The engine: store, clock, id source, validators, systems, and the cache of definitions and rights, shared by all use
//! cases.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing::Instrument as _;

use crate::{
    engine::{
        access::{Authority, Rights},
        definitions::Definitions,
        rules::Validator,
        system::Systems,
    },
    model::{
        access::{Actor, By},
        clock::Clock,
        error::Error,
        ids::IdSource,
        records::{session::SessionFields, user::User},
        store::{Commit, CommitId, Epochs, Got, Store, StoreError, Want},
        value::{Id, Kind, Time},
    },
};

/// The number of tenants whose definitions a process caches.
const MAX_CACHED_TENANTS: usize = 1000;
/// The number of cached rights of all tenants: one for each session and API key of each user.
const MAX_CACHED_RIGHTS: usize = 20_000;
/// The maximum number of reads if definitions or rights change while they are read.
const MAX_READS: usize = 8;

/// The tenant and user of rights, and how the user is authenticated.
type Who = (Id, Id<User>, By);

/// The cached definitions and rights of a process, shared by all handles of one CRM.
#[derive(Default)]
pub(crate) struct Cached {
    definitions: HashMap<Id, Arc<Definitions>>,
    rights: HashMap<Who, Arc<Rights>>,
    /// The access epoch last seen, by tenant.
    seen: HashMap<Id, CommitId>,
}

pub(crate) type Cache = Arc<Mutex<Cached>>;

/// Settings of systems, by type: those that the builder was given.
pub(crate) type Settings = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

pub(crate) struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) validators: Vec<Arc<dyn Validator>>,
    /// The built-in systems and those of the embedder.
    pub(crate) systems: Arc<Systems>,
    /// The maximum time by which the clocks of other writers may be ahead of this process' clock, in microseconds.
    pub(crate) max_clock_skew: i64,
    /// Settings of systems, by type.
    pub(crate) settings: Settings,
    pub(crate) cache: Cache,
    /// `false` on a store that sees uncommitted writes: it reads the cache but never fills it.
    pub(crate) fills_cache: bool,
}

fn get_span(actor: &Actor, wants: &[Want]) -> tracing::Span {
    tracing::debug_span!("crm.get", tenant = %actor.tenant(), wants = wants.len())
}

fn who(actor: &Actor) -> Option<Who> {
    actor.looked_up().map(|(user, by)| (actor.tenant(), user, by))
}

impl Engine {
    /// Returns a system's setting; its default if the builder was given none.
    pub(crate) fn setting<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let given = self.settings.get(&TypeId::of::<T>()).cloned();
        given.and_then(|given| given.downcast().ok()).unwrap_or_default()
    }

    /// Returns 32 unpredictable bytes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if no randomness is available.
    pub(crate) fn secret(&self) -> Result<[u8; 32], Error> {
        match self.ids.secret() {
            none if none == [0; 32] => Err(Error::Unavailable(StoreError::unavailable("no randomness for secrets"))),
            secret => Ok(secret),
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cached> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the cached definitions, of any epoch.
    pub(crate) fn cached(&self, tenant: Id) -> Option<Arc<Definitions>> {
        self.cache().definitions.get(&tenant).cloned()
    }

    /// Returns the cached definitions and rights of the actor, of any epochs; `None` if either is missing or too old to
    /// be used.
    pub(crate) fn cached_for(&self, actor: &Actor) -> Option<Authority> {
        let definitions = self.cached(actor.tenant())?;
        if who(actor).is_none() {
            return Some(Authority::new(definitions, None));
        }
        let now = self.clock.now();
        let rights = self.cached_rights(actor, now)?;
        Self::is_good(actor, &definitions, &rights, now).then(|| Authority::new(definitions, Some(rights)))
    }

    /// Returns the cached rights of an actor, of any epoch, if they are fresh.
    pub(crate) fn cached_rights(&self, actor: &Actor, now: Time) -> Option<Arc<Rights>> {
        self.cache().rights.get(&who(actor)?).filter(|rights| rights.are_fresh(now)).cloned()
    }

    pub(crate) fn keep_rights(&self, actor: &Actor, rights: Rights) -> Arc<Rights> {
        let rights = Arc::new(rights);
        if let Some(who) = who(actor).filter(|_| self.fills_cache) {
            let mut cache = self.cache();
            if cache.rights.len() >= MAX_CACHED_RIGHTS {
                cache.rights.clear();
            }
            cache.rights.insert(who, Arc::clone(&rights));
        }
        rights
    }

    fn note_seen(&self, tenant: Id, epoch: CommitId) {
        if self.fills_cache {
            let mut cache = self.cache();
            if cache.seen.len() >= MAX_CACHED_TENANTS {
                cache.seen.clear();
            }
            cache.seen.insert(tenant, epoch);
        }
    }

    /// Removes rights from the cache that a commit of this process has changed, including those of a session that its
    /// own user ended, which changes no epoch.
    pub(crate) fn forget(&self, commit: &Commit) {
        if commit.touches_access() {
            self.cache().rights.retain(|(tenant, ..), _| *tenant != commit.tenant);
            self.note_seen(commit.tenant, commit.id);
        }
        for session in commit.writes.iter().map(|write| &write.after) {
            if session.kind() == Kind::Session
                && let Some(user) = session.at(SessionFields::user_id).as_id()
            {
                self.cache().rights.remove(&(commit.tenant, user.typed(), By::Session(session.id.typed())));
            }
        }
    }

    /// Returns `true` if an actor with these rights may act now. Sessions and keys are not valid while the organization
    /// is suspended.
    fn is_good(actor: &Actor, definitions: &Definitions, rights: &Rights, now: Time) -> bool {
        let is_let_in = definitions.is_open() || actor.looked_up().is_none_or(|(_, by)| by == By::User);
        is_let_in && actor.key_hash().is_none_or(|hash| rights.hold(hash, now)) && !rights.have_ended(now)
    }

    /// Reads records and the rights of the actor, in one round trip if nothing has changed since the last read: the
    /// first read of each use case. One more read if the access epoch has changed, and one if the definitions epoch
    /// has.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] if the actor may no longer act; errors of the store.
    pub(crate) async fn read(&self, actor: &Actor, wants: &[Want]) -> Result<(Vec<Got>, Authority), Error> {
        let known = self.cached_rights(actor, self.clock.now());
        let (mut got, epochs, known) = if known.is_none() && who(actor).is_some() {
            let (got, epochs, rights) = self.read_rights(actor, wants, None).await?;
            (got, epochs, Some(rights))
        } else {
            let answer = self.store.get(actor.tenant(), wants).instrument(get_span(actor, wants)).await?;
            (answer.got, answer.epochs, known)
        };
        got.truncate(wants.len());
        Ok((got, self.settle(actor, known, epochs).await?))
    }

    /// Returns the authority of an actor under epochs that have just been read. No read if it is cached under them.
    ///
    /// # Errors
    /// As [`Engine::read`].
    pub(crate) async fn authority_under(&self, actor: &Actor, epochs: Epochs) -> Result<Authority, Error> {
        self.settle(actor, self.cached_rights(actor, self.clock.now()), epochs).await
    }

    /// Reads rights and definitions whose epochs have changed, until both are of the same time.
    async fn settle(
        &self,
        actor: &Actor,
        mut known: Option<Arc<Rights>>,
        mut epochs: Epochs,
    ) -> Result<Authority, Error> {
        for _ in 0..MAX_READS {
            if who(actor).is_some() && known.as_ref().is_none_or(|rights| rights.epoch != epochs.access) {
                let (_, read, rights) = self.read_rights(actor, &[], Some(epochs.access)).await?;
                (epochs, known) = (read, Some(rights));
            }
            let (definitions, read) = self.definitions(actor.tenant(), epochs).await?;
            let authority = Authority::new(definitions, known.clone());
            if !authority.holds_under(read) {
                epochs = read;
                continue;
            }
            let is_good = |rights: &Arc<Rights>| Self::is_good(actor, &authority, rights, self.clock.now());
            return if known.as_ref().is_none_or(is_good) { Ok(authority) } else { Err(Error::Unauthenticated) };
        }
        Err(Error::Unavailable(StoreError::unavailable("definitions and rights change faster than they can be read")))
    }

    /// Returns the current authority of an actor. One round trip.
    ///
    /// # Errors
    /// As [`Engine::read`].
    pub(crate) async fn authority(&self, actor: &Actor) -> Result<Authority, Error> {
        Ok(self.read(actor, &[]).await?.1)
    }

    /// Reads records and the rights of the actor in one round trip, and caches the rights under the access epoch known
    /// before. A store may read the epochs after the records of the same call, and outdated rights cached under a newer
    /// epoch would never be read again.
    pub(crate) async fn read_rights(
        &self,
        actor: &Actor,
        wants: &[Want],
        known: Option<CommitId>,
    ) -> Result<(Vec<Got>, Epochs, Arc<Rights>), Error> {
        let now = self.clock.now();
        let known = known.or_else(|| self.cache().seen.get(&actor.tenant()).copied()).unwrap_or(Id::NIL);
        let mut all = wants.to_vec();
        all.extend(Rights::wants(actor).into_iter().filter(|want| !wants.contains(want)));
        let answer = self.store.get(actor.tenant(), &all).instrument(get_span(actor, &all)).await?;
        let got: Vec<(Want, Got)> = all.into_iter().zip(answer.got).collect();
        self.note_seen(actor.tenant(), answer.epochs.access);
        // Rights that are not cached may have the current epoch.
        let epoch = if self.fills_cache { known } else { answer.epochs.access };
        let rights = Rights::read(actor, &got, epoch, now).ok_or(Error::Unauthenticated)?;
        let rights = self.keep_rights(actor, rights);
        Ok((got.into_iter().map(|(_, got)| got).collect(), answer.epochs, rights))
    }

    /// Returns the tenant's definitions under the definitions epoch, from the cache or the store, and the epochs under
    /// which they were read.
    async fn definitions(&self, tenant: Id, epochs: Epochs) -> Result<(Arc<Definitions>, Epochs), Error> {
        let cached = self.cached(tenant).filter(|definitions| definitions.epoch == epochs.definitions);
        if let Some(cached) = cached {
            return Ok((cached, epochs));
        }
        let stored = self.store.definitions(tenant).await?;
        let read = Arc::new(Definitions::under(&stored, Arc::clone(&self.systems))?);
        if self.fills_cache && !read.epoch.is_nil() {
            let mut cache = self.cache();
            if cache.definitions.len() >= MAX_CACHED_TENANTS {
                cache.definitions.clear();
            }
            cache.definitions.insert(tenant, Arc::clone(&read));
        }
        Ok((read, stored.epochs))
    }
}
