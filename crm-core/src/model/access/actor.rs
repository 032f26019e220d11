//! The actor, which every use case requires.

use std::{collections::BTreeSet, fmt, sync::Arc};

use super::Permission;
use crate::model::{
    change::Origin,
    records::{api_key::ApiKey, role::Role, session::Session, team::Team, user::User},
    value::Id,
};

/// The user, tenant and permissions with which a use case runs. Created per request; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    tenant: Id,
    user: Option<Id<User>>,
    /// The roles and teams that the embedder vouches for; `None` if they are read from the store.
    vouched: Option<Vouched>,
    is_system: bool,
    limits: Option<Arc<BTreeSet<Permission>>>,
    session: Option<Id<Session>>,
    key: Option<Key>,
    origin: Option<Arc<Origin>>,
}

type Vouched = (Arc<[Id<Role>]>, Arc<[Id<Team>]>);

/// How a user whose rights are read from the store is authenticated, and what must be valid in addition to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum By {
    /// Authenticated by the embedder.
    User,
    Session(Id<Session>),
    Key(Id<ApiKey>),
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    id: Id<ApiKey>,
    hash: Arc<str>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Actor {
    /// Returns the tenant's system actor, for jobs. It has all permissions, and the log records no user for its
    /// changes.
    pub fn system(tenant: Id) -> Self {
        Self { is_system: true, ..Self::of(tenant, None, Some(([].into(), [].into()))) }
    }

    fn of(tenant: Id, user: Option<Id<User>>, vouched: Option<Vouched>) -> Self {
        Self { tenant, user, vouched, is_system: false, limits: None, session: None, key: None, origin: None }
    }

    /// Returns the actor of an authenticated user. Each use case reads the user's roles, teams and status from the
    /// store, so that a revoked permission takes effect on the next use case. This costs no additional read: the result
    /// is cached until permissions change.
    pub fn signed_in(tenant: Id, user: Id<User>) -> Self {
        Self::of(tenant, Some(user), None)
    }

    /// Returns an actor from ids that the embedder vouches for: a user with their roles and teams. The grants of the
    /// roles are looked up on each use case. Whether the user has these roles and may still act is not checked: the
    /// caller must check it each time. [`Actor::signed_in`] performs this check.
    pub fn trusted(
        tenant: Id,
        user: Id<User>,
        roles: impl Into<Arc<[Id<Role>]>>,
        teams: impl Into<Arc<[Id<Team>]>>,
    ) -> Self {
        Self::of(tenant, Some(user), Some((roles.into(), teams.into())))
    }

    /// Limits the actor to these permissions, as for an API key. The actor gets only those that the user's roles grant.
    /// Limits accumulate: after two calls, the permissions in both remain. A limited system actor is no longer the
    /// system actor and has no permissions.
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

    /// Sets the session by which the user is signed in. If permissions are looked up, the session must still be valid.
    #[must_use]
    pub const fn in_session(mut self, session: Id<Session>) -> Self {
        self.session = Some(session);
        self
    }

    /// Returns the same actor, authenticated by an API key with this hash of the secret. The key must be valid.
    #[cfg(feature = "auth")]
    #[must_use]
    pub(crate) fn by_key(mut self, id: Id<ApiKey>, hash: &str) -> Self {
        self.key = Some(Key { id, hash: hash.into() });
        self
    }

    /// Sets the origin of changes: an import, a workflow, an API key, the address of a request.
    #[must_use]
    pub fn through(mut self, origin: Origin) -> Self {
        self.origin = Some(Arc::new(origin.plain()));
        self
    }

    /// The tenant.
    pub const fn tenant(&self) -> Id {
        self.tenant
    }

    /// The user; `None` for the system actor.
    pub const fn user(&self) -> Option<Id<User>> {
        self.user
    }

    /// The roles that the embedder vouches for; empty if they are looked up.
    pub fn roles(&self) -> &[Id<Role>] {
        self.vouched.as_ref().map_or(&[], |(roles, _)| roles)
    }

    /// The teams that the embedder vouches for, primary team first; empty if they are looked up.
    pub fn teams(&self) -> &[Id<Team>] {
        self.vouched.as_ref().map_or(&[], |(_, teams)| teams)
    }

    /// Returns `true` for the system actor.
    pub const fn is_system(&self) -> bool {
        self.is_system
    }

    /// The permissions that the actor is limited to; `None` if the actor has all permissions that the roles grant.
    pub fn limits(&self) -> Option<&BTreeSet<Permission>> {
        self.limits.as_deref()
    }

    pub(crate) const fn shared_limits(&self) -> Option<&Arc<BTreeSet<Permission>>> {
        self.limits.as_ref()
    }

    /// The session by which the user is signed in, if it is managed by the CRM.
    pub const fn session(&self) -> Option<Id<Session>> {
        self.session
    }

    /// Returns the user whose rights must be read from the store, and how they are authenticated; `None` if the
    /// embedder vouches for the actor.
    pub(crate) fn looked_up(&self) -> Option<(Id<User>, By)> {
        if self.vouched.is_some() {
            return None;
        }
        let by_session = || self.session.map_or(By::User, By::Session);
        Some((self.user?, self.key.as_ref().map_or_else(by_session, |key| By::Key(key.id))))
    }

    pub(crate) fn key_hash(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.hash.as_ref())
    }

    /// The origin of the actor's changes.
    pub const fn origin(&self) -> Option<&Arc<Origin>> {
        self.origin.as_ref()
    }
}
