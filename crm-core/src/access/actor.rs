//! Who acts: nothing can be done without an [`Actor`].

use std::sync::Arc;

use crate::{change::Origin, value::Id};

/// Who acts, for which tenant, with which roles and teams. Built per request; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    tenant: Id,
    user: Option<Id>,
    roles: Arc<[Id]>,
    teams: Arc<[Id]>,
    is_system: bool,
    origin: Option<Arc<Origin>>,
}

impl Actor {
    /// The tenant's system actor, for jobs: it may do everything, and the log says that nobody did it.
    pub fn system(tenant: Id) -> Self {
        Self { tenant, user: None, roles: [].into(), teams: [].into(), is_system: true, origin: None }
    }

    /// An actor from ids that the embedder trusts: a user, the roles and the teams that the user has. What the roles
    /// grant is looked up at each use case.
    pub fn trusted(tenant: Id, user: Id, roles: impl Into<Arc<[Id]>>, teams: impl Into<Arc<[Id]>>) -> Self {
        Self { tenant, user: Some(user), roles: roles.into(), teams: teams.into(), is_system: false, origin: None }
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

    /// Through what.
    pub const fn origin(&self) -> Option<&Arc<Origin>> {
        self.origin.as_ref()
    }
}
