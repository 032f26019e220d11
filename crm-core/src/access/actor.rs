//! Who acts: nothing can be done without an [`Actor`].

use std::{collections::BTreeSet, fmt, sync::Arc};

use super::Permission;
use crate::{change::Origin, value::Id};

/// Who acts, and for which tenant. Built per request; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    tenant: Id,
    user: Option<Id>,
    /// Roles and teams that the embedder vouches for; `None` where the store is asked for them.
    vouched: Option<Vouched>,
    is_system: bool,
    limits: Option<Arc<BTreeSet<Permission>>>,
    session: Option<Id>,
    key: Option<Key>,
    origin: Option<Arc<Origin>>,
}

/// Roles, and teams.
type Vouched = (Arc<[Id]>, Arc<[Id]>);

/// By what a user whose rights are looked up is signed in: what has to be good besides the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum By {
    /// Somebody else says so.
    User,
    /// A session.
    Session(Id),
    /// An API key.
    Key(Id),
}

/// The API key that was shown.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    id: Id,
    hash: Arc<str>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Actor {
    /// The tenant's system actor, for jobs: it may do everything, and the log says that nobody did it.
    pub fn system(tenant: Id) -> Self {
        Self { is_system: true, ..Self::of(tenant, None, Some(([].into(), [].into()))) }
    }

    fn of(tenant: Id, user: Option<Id>, vouched: Option<Vouched>) -> Self {
        Self { tenant, user, vouched, is_system: false, limits: None, session: None, key: None, origin: None }
    }

    /// A user of whom it is known who they are, and nothing else: their roles and teams, and whether they may act at all,
    /// are what the store says at each use case. Withdrawn rights are so withdrawn at the next one. This costs no read
    /// more: what was read stays cached until somebody's rights change.
    pub fn signed_in(tenant: Id, user: Id) -> Self {
        Self::of(tenant, Some(user), None)
    }

    /// An actor from ids that the embedder vouches for: a user, the roles and the teams that the user has. What the roles
    /// grant is looked up at each use case; whether the user has them, and may still act, is not: it is for whoever
    /// builds such an actor to ask each time. [`Actor::signed_in`] asks by itself.
    pub fn trusted(tenant: Id, user: Id, roles: impl Into<Arc<[Id]>>, teams: impl Into<Arc<[Id]>>) -> Self {
        Self::of(tenant, Some(user), Some((roles.into(), teams.into())))
    }

    /// The same actor, allowed no more than these permissions, and of them only what the user's roles grant: an API
    /// key. Limits only ever narrow: of two, what is in both remains. A system actor that is limited is the system no
    /// more, and may do nothing.
    #[must_use]
    pub fn limited_to(mut self, permissions: impl IntoIterator<Item = Permission>) -> Self {
        let mut within: BTreeSet<Permission> = permissions.into_iter().collect();
        if let Some(before) = &self.limits {
            within.retain(|permission| before.contains(permission));
        }
        self.limits = Some(Arc::new(within));
        self.is_system = false;
        self
    }

    /// The same actor, signed in by this session. Where their rights are looked up, the session has to go on.
    #[must_use]
    pub const fn in_session(mut self, session: Id) -> Self {
        self.session = Some(session);
        self
    }

    /// The same actor, signed in by an API key whose secret has this hash: the key has to be good.
    #[cfg(feature = "auth")]
    #[must_use]
    pub(crate) fn by_key(mut self, id: Id, hash: &str) -> Self {
        self.key = Some(Key { id, hash: hash.into() });
        self
    }

    /// The same actor, through something: an import, a workflow, an API key, a request's address.
    #[must_use]
    pub fn through(mut self, origin: Origin) -> Self {
        self.origin = Some(Arc::new(origin.plain()));
        self
    }

    /// Whose data.
    pub const fn tenant(&self) -> Id {
        self.tenant
    }

    /// Which user; `None` for the system.
    pub const fn user(&self) -> Option<Id> {
        self.user
    }

    /// The roles that the embedder vouches for; none where they are looked up.
    pub fn roles(&self) -> &[Id] {
        self.vouched.as_ref().map_or(&[], |(roles, _)| roles)
    }

    /// The teams that the embedder vouches for, the primary one first; none where they are looked up.
    pub fn teams(&self) -> &[Id] {
        self.vouched.as_ref().map_or(&[], |(_, teams)| teams)
    }

    /// True for the system.
    pub const fn is_system(&self) -> bool {
        self.is_system
    }

    /// The permissions that the actor is limited to; `None` for who may do all that their roles grant.
    pub fn limits(&self) -> Option<&BTreeSet<Permission>> {
        self.limits.as_deref()
    }

    pub(super) const fn shared_limits(&self) -> Option<&Arc<BTreeSet<Permission>>> {
        self.limits.as_ref()
    }

    /// By which session the user is signed in, where it is one of the CRM's own.
    pub const fn session(&self) -> Option<Id> {
        self.session
    }

    /// The user whose rights the store is to be asked for, and by what they are signed in; `None` where the embedder
    /// vouches for them.
    pub(crate) fn looked_up(&self) -> Option<(Id, By)> {
        if self.vouched.is_some() {
            return None;
        }
        let by_session = || self.session.map_or(By::User, By::Session);
        Some((self.user?, self.key.as_ref().map_or_else(by_session, |key| By::Key(key.id))))
    }

    /// The hash of the API key that was shown.
    pub(crate) fn key_hash(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.hash.as_ref())
    }

    /// Through what.
    pub const fn origin(&self) -> Option<&Arc<Origin>> {
        self.origin.as_ref()
    }
}
