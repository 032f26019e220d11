//! What every use case runs on: the store, the clock, the source of ids, the embedder's validators, and the cache of
//! definitions and rights.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    engine::{
        access::{Authority, Rights},
        definitions::Definitions,
        rules::Validator,
        system::Systems,
    },
    model::{
        access::{Actor, By},
        ambient::{Clock, IdSource},
        error::Error,
        records::session::SessionFields,
        store::{Commit, Epochs, Got, Store, StoreError, Want},
        value::{Id, Kind, Time},
    },
};

/// How many tenants' definitions a process keeps.
const MAX_CACHED_TENANTS: usize = 1000;
/// How many users' rights a process keeps, of all tenants: each in each of their sessions, and each key.
const MAX_CACHED_RIGHTS: usize = 20_000;
/// How often definitions and rights are read anew because one of them changed while the other was read.
const MAX_READS: usize = 8;

/// Whose rights: of which tenant, which user, and by what they are signed in.
type Who = (Id, Id, By);

/// What a process keeps of its tenants, shared by all handles of one CRM.
#[derive(Default)]
pub(crate) struct Cached {
    definitions: HashMap<Id, Arc<Definitions>>,
    rights: HashMap<Who, Arc<Rights>>,
    /// The access epoch that was last seen of a tenant.
    seen: HashMap<Id, Id>,
}

/// The cache of one CRM.
pub(crate) type Cache = Arc<Mutex<Cached>>;

/// Settings of systems, by type: those that the builder was given.
pub(crate) type Settings = HashMap<TypeId, Arc<dyn Any + Send + Sync>>;

pub(crate) struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) validators: Vec<Arc<dyn Validator>>,
    /// The built-in systems, and the embedder's.
    pub(crate) systems: Arc<Systems>,
    /// How far ahead of this process' clock what others wrote may be, in microseconds.
    pub(crate) max_clock_skew: i64,
    /// Settings of systems, by type.
    pub(crate) settings: Settings,
    pub(crate) cache: Cache,
    /// False on a store that sees what is not committed yet: it reads the cache and never fills it.
    pub(crate) fills_cache: bool,
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

    /// Thirty-two bytes that nobody can guess.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where there is no randomness to make them of.
    pub(crate) fn secret(&self) -> Result<[u8; 32], Error> {
        match self.ids.secret() {
            none if none == [0; 32] => Err(Error::Unavailable(StoreError::unavailable("no randomness for secrets"))),
            secret => Ok(secret),
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cached> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The definitions that are cached, of whatever epoch.
    pub(crate) fn cached(&self, tenant: Id) -> Option<Arc<Definitions>> {
        self.cache().definitions.get(&tenant).cloned()
    }

    /// The definitions and the actor's rights that are cached, of whatever epochs; `None` where one of them is not, or
    /// is too old to be believed.
    pub(crate) fn cached_for(&self, actor: &Actor) -> Option<Authority> {
        let definitions = self.cached(actor.tenant())?;
        if who(actor).is_none() {
            return Some(Authority::new(definitions, None));
        }
        let now = self.clock.now();
        let rights = self.cached_rights(actor, now)?;
        Self::is_good(actor, &definitions, &rights, now).then(|| Authority::new(definitions, Some(rights)))
    }

    /// The cached rights of an actor, of whatever epoch, where they are fresh.
    pub(crate) fn cached_rights(&self, actor: &Actor, now: Time) -> Option<Arc<Rights>> {
        self.cache().rights.get(&who(actor)?).filter(|rights| rights.are_fresh(now)).cloned()
    }

    /// Keeps rights that were read.
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

    fn note_seen(&self, tenant: Id, epoch: Id) {
        if self.fills_cache {
            let mut cache = self.cache();
            if cache.seen.len() >= MAX_CACHED_TENANTS {
                cache.seen.clear();
            }
            cache.seen.insert(tenant, epoch);
        }
    }

    /// Forgets the rights that a commit of this process has changed: at once also of a session that its own user ended,
    /// which moves no epoch.
    pub(crate) fn forget(&self, commit: &Commit) {
        if commit.touches_access() {
            self.cache().rights.retain(|(tenant, ..), _| *tenant != commit.tenant);
            self.note_seen(commit.tenant, commit.id);
        }
        for session in commit.writes.iter().map(|write| &write.after) {
            if session.kind() == Kind::Session
                && let Some(user) = session.at(SessionFields::user_id).as_id()
            {
                self.cache().rights.remove(&(commit.tenant, user, By::Session(session.id)));
            }
        }
    }

    /// Whether an actor with these rights may act now. Sessions and keys are good for nothing while the organization is
    /// suspended.
    fn is_good(actor: &Actor, definitions: &Definitions, rights: &Rights, now: Time) -> bool {
        let is_let_in = definitions.is_open() || actor.looked_up().is_none_or(|(_, by)| by == By::User);
        is_let_in && actor.key_hash().is_none_or(|hash| rights.hold(hash, now)) && !rights.have_ended(now)
    }

    /// Reads what is wanted, and what an actor may do, in one round trip where nothing has changed since it was last
    /// read: this is the read that each use case begins with. Another one for the rights where the access epoch moved,
    /// and one for the definitions where theirs did.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] where the actor may not act any more; what the store says.
    pub(crate) async fn read(&self, actor: &Actor, wants: &[Want]) -> Result<(Vec<Got>, Authority), Error> {
        let known = self.cached_rights(actor, self.clock.now());
        let (mut got, epochs, known) = if known.is_none() && who(actor).is_some() {
            let (got, epochs, rights) = self.read_rights(actor, wants, None).await?;
            (got, epochs, Some(rights))
        } else {
            let answer = self.store.get(actor.tenant(), wants).await?;
            (answer.got, answer.epochs, known)
        };
        got.truncate(wants.len());
        Ok((got, self.settle(actor, known, epochs).await?))
    }

    /// What an actor may do under these epochs, which have just been read: no read for what is cached under them.
    ///
    /// # Errors
    /// As [`Engine::read`].
    pub(crate) async fn authority_under(&self, actor: &Actor, epochs: Epochs) -> Result<Authority, Error> {
        self.settle(actor, self.cached_rights(actor, self.clock.now()), epochs).await
    }

    /// Reads the rights, and the definitions, that are not those of the epochs, until they are of one moment.
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

    /// What an actor may do now. One round trip.
    ///
    /// # Errors
    /// As [`Engine::read`].
    pub(crate) async fn authority(&self, actor: &Actor) -> Result<Authority, Error> {
        Ok(self.read(actor, &[]).await?.1)
    }

    /// Reads what is wanted and what the store says of the actor, in one round trip, and keeps the latter: under the
    /// access epoch that was known before, since a store may read the epochs later than the records of the same call, and
    /// rights that are older than their epoch would be believed for ever.
    pub(crate) async fn read_rights(
        &self,
        actor: &Actor,
        wants: &[Want],
        known: Option<Id>,
    ) -> Result<(Vec<Got>, Epochs, Arc<Rights>), Error> {
        let now = self.clock.now();
        let known = known.or_else(|| self.cache().seen.get(&actor.tenant()).copied()).unwrap_or(Id::NIL);
        let mut all = wants.to_vec();
        all.extend(Rights::wants(actor).into_iter().filter(|want| !wants.contains(want)));
        let answer = self.store.get(actor.tenant(), &all).await?;
        let got: Vec<(Want, Got)> = all.into_iter().zip(answer.got).collect();
        self.note_seen(actor.tenant(), answer.epochs.access);
        // What is not kept need not be right for longer than this.
        let epoch = if self.fills_cache { known } else { answer.epochs.access };
        let rights = Rights::read(actor, &got, epoch, now).ok_or(Error::Unauthenticated)?;
        let rights = self.keep_rights(actor, rights);
        Ok((got.into_iter().map(|(_, got)| got).collect(), answer.epochs, rights))
    }

    /// The tenant's definitions under the definitions epoch: the cached ones, or read anew; with the epochs that held
    /// when they were read.
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
