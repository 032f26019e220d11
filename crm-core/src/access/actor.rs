//! Who acts: nothing can be done without an [`Actor`].

use std::{collections::BTreeSet, sync::Arc};

use super::Permission;
use crate::{change::Origin, value::Id};

/// Who acts, for which tenant, with which roles and teams. Built per request; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    tenant: Id,
    user: Option<Id>,
    roles: Arc<[Id]>,
    teams: Arc<[Id]>,
    is_system: bool,
    limits: Option<Arc<BTreeSet<Permission>>>,
    session: Option<Id>,
    origin: Option<Arc<Origin>>,
}

impl Actor {
    /// The tenant's system actor, for jobs: it may do everything, and the log says that nobody did it.
    pub fn system(tenant: Id) -> Self {
        Self {
            tenant,
            user: None,
            roles: [].into(),
            teams: [].into(),
            is_system: true,
            limits: None,
            session: None,
            origin: None,
        }
    }

    /// An actor from ids that the embedder trusts: a user, the roles and the teams that the user has. What the roles
    /// grant is looked up at each use case.
    pub fn trusted(tenant: Id, user: Id, roles: impl Into<Arc<[Id]>>, teams: impl Into<Arc<[Id]>>) -> Self {
        Self { user: Some(user), roles: roles.into(), teams: teams.into(), is_system: false, ..Self::system(tenant) }
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

    /// The same actor, signed in by this session.
    #[must_use]
    pub const fn in_session(mut self, session: Id) -> Self {
        self.session = Some(session);
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

    /// The user's roles.
    pub fn roles(&self) -> &[Id] {
        &self.roles
    }

    /// The user's teams, the primary one first.
    pub fn teams(&self) -> &[Id] {
        &self.teams
    }

    /// True for the system.
    pub const fn is_system(&self) -> bool {
        self.is_system
    }

    /// The permissions that the actor is limited to; `None` for who may do all that their roles grant.
    pub fn limits(&self) -> Option<&BTreeSet<Permission>> {
        self.limits.as_deref()
    }

    /// By which session the user is signed in, where it is one of the CRM's own.
    pub const fn session(&self) -> Option<Id> {
        self.session
    }

    /// Through what.
    pub const fn origin(&self) -> Option<&Arc<Origin>> {
        self.origin.as_ref()
    }
}
