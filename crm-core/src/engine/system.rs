//! Systems: a system is one capability in one folder, with one declaration. It declares what it adds to the engine:
//! kinds, grants of built-in roles, commit hooks, followers of the log, jobs and background work.
//!
//! The engine knows systems only by this declaration. `systems.rs` lists the built-in ones;
//! [`Builder::system`](crate::Builder::system) adds one of the embedder.

use std::{ops::Deref, sync::Arc};

use crate::{
    engine::{
        access::{BuiltInRole, RoleSet},
        definitions::Definitions,
        draft::CommitHook,
        followers::Follower,
        jobs::JobHandler,
        worker::Background,
    },
    model::{
        access::{Grant, Permission, Scope},
        value::Kind,
    },
};

/// The declaration of a system. Cheap to clone.
///
/// A system of the embedder can have hooks, followers, jobs and background work, and grants on existing kinds. It
/// cannot add kinds.
#[derive(Clone, Default)]
pub struct System {
    pub(crate) name: &'static str,
    /// `true` for a system of the embedder.
    pub(crate) is_custom: bool,
    pub(crate) kinds: &'static [Kind],
    pub(crate) grants: Option<fn(BuiltInRole) -> Vec<Grant>>,
    pub(crate) hides: Option<Hides>,
    pub(crate) hooks: Vec<Arc<dyn CommitHook>>,
    pub(crate) followers: Vec<Arc<dyn Follower>>,
    pub(crate) jobs: Vec<Arc<dyn JobHandler>>,
    pub(crate) background: Vec<Arc<dyn Background>>,
}

/// Returns the fields to hide from users with a set of roles, because they are computed from fields that the roles
/// hide.
pub type Hides = fn(&Definitions, &RoleSet) -> Vec<(Kind, &'static str)>;

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System").field("name", &self.name).field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

impl System {
    /// Creates an empty system. The name identifies it in logs.
    pub fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// Sets the kinds of the system. Each kind belongs to one system.
    #[must_use]
    pub(crate) const fn kinds(mut self, kinds: &'static [Kind]) -> Self {
        self.kinds = kinds;
        self
    }

    /// Sets the grants that each built-in role gets in all organizations, new and existing. `admin` has all permissions
    /// anyway.
    #[must_use]
    pub fn grants(mut self, grants: fn(BuiltInRole) -> Vec<Grant>) -> Self {
        self.grants = Some(grants);
        self
    }

    /// Hides fields that would reveal fields hidden by roles, for dependencies that are not declared on the fields.
    /// Called once per epoch and set of roles.
    #[must_use]
    pub fn hides(mut self, hides: Hides) -> Self {
        self.hides = Some(hides);
        self
    }

    /// Adds a hook that takes part in every commit.
    #[must_use]
    pub fn hook(mut self, hook: impl CommitHook + 'static) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// Adds a follower of the log of all tenants.
    #[must_use]
    pub fn follower(mut self, follower: impl Follower + 'static) -> Self {
        self.followers.push(Arc::new(follower));
        self
    }

    /// Adds the handler of one type of job.
    #[must_use]
    pub fn job(mut self, job: impl JobHandler + 'static) -> Self {
        self.jobs.push(Arc::new(job));
        self
    }

    /// Adds background work, which the worker runs.
    #[must_use]
    pub fn background(mut self, background: impl Background + 'static) -> Self {
        self.background.push(Arc::new(background));
        self
    }
}

/// The systems of one CRM, and what is worked out of them once.
#[derive(Debug, Default)]
pub(crate) struct Systems {
    all: Vec<System>,
    grants: Vec<(BuiltInRole, Vec<Grant>)>,
}

impl Systems {
    pub(crate) fn new(all: Vec<System>) -> Self {
        let given = |role: BuiltInRole| match role {
            BuiltInRole::Admin => Permission::all().map(|p| Grant::new(p.resource, p.action, Scope::All)).collect(),
            role => all.iter().filter_map(|system| system.grants).flat_map(|grants| grants(role)).collect(),
        };
        Self { grants: BuiltInRole::ALL.map(|role| (role, given(role))).into(), all }
    }

    /// What they give to a built-in role together.
    pub(crate) fn grants(&self, role: BuiltInRole) -> &[Grant] {
        self.grants.iter().find(|(of, _)| *of == role).map_or(&[], |(_, grants)| grants)
    }
}

impl Deref for Systems {
    type Target = [System];

    fn deref(&self) -> &[System] {
        &self.all
    }
}
