//! Shared by all tests: a prepared tenant on a memory store, and assertions on errors.

use std::{
    future::Future,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use crm_core::{
    Error, MemoryStore,
    access::{Action, Actor, FieldAccess, FieldRule, Grant, Scope},
    clock::Clock,
    pipelines::{NewPipeline, Pipeline, Stage},
    roles::{NewRole, Role},
    schema::Record,
    teams::Team,
    testing::Ready,
    users::{NewUser, User},
    value::{Id, Kind, Time},
};

pub fn run<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(future)
}

/// A prepared tenant with its store.
pub struct World {
    pub store: MemoryStore,
    ready: Ready,
}

impl Deref for World {
    type Target = Ready;
    fn deref(&self) -> &Ready {
        &self.ready
    }
}

impl World {
    pub async fn new() -> Self {
        Self::on(MemoryStore::new(), 0).await
    }

    /// Adds a tenant to a store.
    pub async fn on(store: MemoryStore, number: u32) -> Self {
        let ready = Ready::numbered(Arc::new(store.clone()), number).await.expect("a ready tenant");
        Self { store, ready }
    }

    /// The content of the store as text: equal snapshots before and after mean that nothing was stored.
    pub fn snapshot(&self) -> String {
        let all = format!("{:?}", self.store);
        all.split_once(", faults: Faults").map_or(all.clone(), |(state, _)| state.to_owned())
    }

    /// The number of changes in the log, of all tenants.
    pub async fn changes(&self) -> usize {
        self.crm.feed(None, usize::MAX / 2).await.expect("a feed").changes.len()
    }

    /// Creates a role.
    pub async fn role(&self, key: &str, grants: Vec<Grant>, rules: Vec<FieldRule>) -> Record<Role> {
        let new = NewRole { key: key.into(), name: key.into(), grants, field_rules: rules, ..Default::default() };
        self.crm.roles(&self.admin).create(new).await.expect("a role").into_value()
    }

    /// Creates an actor with these roles in the prepared tenant's team.
    pub async fn actor_with(&self, name: &str, roles: Vec<Id<Role>>) -> Actor {
        self.member(name, roles, vec![self.team.id]).await.0
    }

    /// Creates an actor with these roles and teams, and returns it with the user's record.
    pub async fn member(&self, name: &str, role_ids: Vec<Id<Role>>, team_ids: Vec<Id<Team>>) -> (Actor, Record<User>) {
        let new = NewUser {
            first_name: Some(name.into()),
            external_id: Some(name.into()),
            role_ids,
            team_ids,
            ..Default::default()
        };
        let user = self.crm.users(&self.admin).create(new).await.expect("a user").into_value();
        (self.crm.actor(self.admin.tenant(), user.id).await.expect("an actor"), user)
    }

    pub async fn role_id(&self, key: &str) -> Id<Role> {
        self.crm.roles(&self.admin).find("key", key).await.expect("a role").id
    }

    /// A sales representative with these field rules.
    pub async fn restricted_rep(&self, name: &str, rules: Vec<FieldRule>) -> Actor {
        let rep = self.role_id("sales_rep").await;
        let rules = self.role(&format!("{name}_rules"), Vec::new(), rules).await;
        self.actor_with(name, vec![rep, rules.id]).await
    }

    /// Creates a pipeline of deals.
    pub async fn pipeline(&self, name: &str, stages: Vec<Stage>) -> Record<Pipeline> {
        let new = NewPipeline { name: name.into(), stages, ..Default::default() };
        self.crm.pipelines(&self.admin).create(new).await.expect("a pipeline").into_value()
    }

    /// A prepared tenant with another path to the store.
    pub fn from_ready(store: MemoryStore, ready: Ready) -> Self {
        Self { store, ready }
    }
}

/// A clock that advances by a number of microseconds at each reading; zero at first.
#[derive(Clone, Debug)]
pub struct Ticking {
    micros: Arc<AtomicI64>,
    step: Arc<AtomicI64>,
}

impl From<Time> for Ticking {
    fn from(time: Time) -> Self {
        Self { micros: Arc::new(AtomicI64::new(time.micros())), step: Arc::default() }
    }
}

impl Ticking {
    pub fn tick(&self, micros: i64) {
        self.step.store(micros, Ordering::SeqCst);
    }

    pub fn advance_seconds(&self, seconds: i64) {
        self.micros.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Ticking {
    fn now(&self) -> Time {
        Time::from_micros(self.micros.fetch_add(self.step.load(Ordering::SeqCst), Ordering::SeqCst)).unwrap()
    }
}

pub fn stage(pipeline: &Pipeline, key: &str) -> Id<Stage> {
    pipeline.stage_by_key(key).expect("a stage").id
}

pub fn hidden(kind: Kind, field: &str) -> FieldRule {
    FieldRule { kind, field: field.into(), access: FieldAccess::Hidden }
}

pub fn read_only(kind: Kind, field: &str) -> FieldRule {
    FieldRule { kind, field: field.into(), access: FieldAccess::ReadOnly }
}

/// Grants of several actions on several kinds.
pub fn grants(kinds: &[Kind], actions: &[Action], scope: Scope) -> Vec<Grant> {
    kinds.iter().flat_map(|&kind| actions.iter().map(move |&action| Grant::new(kind, action, scope))).collect()
}

/// The faults of an invalid input as `field code`, sorted.
pub fn faults<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<String> {
    match result {
        Err(Error::Invalid(faults)) => {
            let mut all: Vec<String> =
                faults.all().iter().map(|fault| format!("{} {}", fault.field, fault.fault.code)).collect();
            assert!(
                faults.all().iter().all(|fault| fault.fault.message.len() > 5 && fault.fault.message.len() < 2000),
                "a message must tell what would be right, and be bounded: {faults:?}"
            );
            all.sort();
            all
        }
        other => panic!("expected invalid input, got {other:?}"),
    }
}

#[track_caller]
pub fn assert_fault<T: std::fmt::Debug>(result: Result<T, Error>, expected: &str) {
    let all = faults(result);
    assert!(all.iter().any(|fault| fault == expected), "expected `{expected}` among {all:?}");
}

#[track_caller]
pub fn assert_forbidden<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::Forbidden { .. })), "expected forbidden, got {result:?}");
}

#[track_caller]
pub fn assert_not_found<T: std::fmt::Debug>(result: Result<T, Error>) {
    assert!(matches!(result, Err(Error::NotFound(_))), "expected not found, got {result:?}");
}

/// Asserts an error of any kind, without a panic and without damage.
#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(Error::Forbidden { .. } | Error::NotFound(_) | Error::Invalid(_) | Error::Conflict { .. }) => {}
        other => panic!("expected a refusal, got {other:?}"),
    }
}
