//! A system: a capability as one folder and one declaration. It says what it adds to the engine: its kinds, what built-in
//! roles may do with them, what takes part in commits, what follows the log, its jobs, and what runs in the background.
//!
//! The engine knows systems by this declaration alone; `systems.rs` is the list of the built-in ones, and
//! [`Builder::system`](crate::crm::Builder::system) adds one of the embedder's own.

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

/// What a capability adds to the engine. Cheap to clone.
///
/// An embedder's own has hooks, followers, jobs and background work, and may grant what there is; kinds are the program's.
#[derive(Clone, Default)]
pub struct System {
    pub(crate) name: &'static str,
    /// True for one of the embedder's.
    pub(crate) is_custom: bool,
    pub(crate) kinds: &'static [Kind],
    pub(crate) grants: Option<fn(BuiltInRole) -> Vec<Grant>>,
    pub(crate) hides: Option<Hides>,
    pub(crate) hooks: Vec<Arc<dyn CommitHook>>,
    pub(crate) followers: Vec<Arc<dyn Follower>>,
    pub(crate) jobs: Vec<Arc<dyn JobHandler>>,
    pub(crate) background: Vec<Arc<dyn Background>>,
}

/// The fields that are hidden from who has some roles because of what the roles hide: what is computed of it would tell it.
pub type Hides = fn(&Definitions, &RoleSet) -> Vec<(Kind, &'static str)>;

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("System").field("name", &self.name).field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

impl System {
    /// A system that adds nothing yet. The name tells it from others in logs.
    pub fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    /// Its kinds. Each kind is of one system.
    #[must_use]
    pub(crate) const fn kinds(mut self, kinds: &'static [Kind]) -> Self {
        self.kinds = kinds;
        self
    }

    /// What each built-in role may do by it, in organizations of any age. `admin` may do everything anyway.
    #[must_use]
    pub fn grants(mut self, grants: fn(BuiltInRole) -> Vec<Grant>) -> Self {
        self.grants = Some(grants);
        self
    }

    /// Hides what would tell fields that roles hide, where the declarations of fields do not say it. Asked once per epoch
    /// and set of roles.
    #[must_use]
    pub fn hides(mut self, hides: Hides) -> Self {
        self.hides = Some(hides);
        self
    }

    /// Takes part in every commit.
    #[must_use]
    pub fn hook(mut self, hook: impl CommitHook + 'static) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// Follows the log of all tenants.
    #[must_use]
    pub fn follower(mut self, follower: impl Follower + 'static) -> Self {
        self.followers.push(Arc::new(follower));
        self
    }

    /// Does the jobs of one type.
    #[must_use]
    pub fn job(mut self, job: impl JobHandler + 'static) -> Self {
        self.jobs.push(Arc::new(job));
        self
    }

    /// Is given time by the worker.
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
