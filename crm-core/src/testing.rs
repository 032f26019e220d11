//! Test support: a manual clock, sequential ids, and a prepared tenant.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use crate::{
    engine::crm::Crm,
    leads::{Lead, NewLead},
    model::{
        access::Actor,
        clock::Clock,
        error::Error,
        ids::IdSource,
        records::{
            organization::NewOrganization,
            pipeline::Pipeline,
            team::{NewTeam, Team},
            user::{NewUser, User},
        },
        schema::Record,
        store::{MemoryStore, Store},
        value::{Id, Time},
    },
};

/// A clock that advances only when told to. Clones share the same time.
#[derive(Clone, Debug)]
pub struct TestClock {
    micros: Arc<AtomicI64>,
}

impl TestClock {
    /// Creates a clock at a time such as `2026-01-05T09:00:00Z`; 1970 if the text is not a time.
    pub fn at(time: &str) -> Self {
        Self { micros: Arc::new(AtomicI64::new(time.parse().unwrap_or(Time::EPOCH).micros())) }
    }

    /// Returns the current time of the clock.
    pub fn now(&self) -> Time {
        Time::from_micros(self.micros.load(Ordering::SeqCst)).unwrap_or(Time::EPOCH)
    }

    /// Sets the time, forwards or backwards.
    pub fn set(&self, time: Time) {
        self.micros.store(time.micros(), Ordering::SeqCst);
    }

    /// Advances the clock by `days` days of 24 hours.
    pub fn advance_days(&self, days: i64) {
        self.set(self.now().plus_days(days));
    }

    /// Advances the clock by `seconds` seconds.
    pub fn advance_seconds(&self, seconds: i64) {
        self.set(self.now().plus_micros(seconds.saturating_mul(1_000_000)));
    }
}

impl Clock for TestClock {
    fn now(&self) -> Time {
        TestClock::now(self)
    }
}

/// Ids that count up from 1, so that repeated runs of a test generate the same ids.
#[derive(Debug, Default)]
pub struct CountedIds {
    next: AtomicU64,
}

impl CountedIds {
    /// Creates a series of ids. Different series have no ids in common.
    pub fn series(number: u32) -> Self {
        Self { next: AtomicU64::new(u64::from(number) << 32) }
    }
}

impl IdSource for CountedIds {
    fn id(&self, now: Time) -> Id {
        let count = self.next.fetch_add(1, Ordering::SeqCst) + 1;
        let mut tail = [0_u8; 10];
        tail[2..].copy_from_slice(&count.to_be_bytes());
        Id::from_parts(u64::try_from(now.micros() / 1000).unwrap_or_default(), tail)
    }

    fn secret(&self) -> [u8; 32] {
        [7; 32]
    }
}

/// A tenant with an administrator, a team with a manager and a representative, the default pipelines and a lead owned
/// by the representative.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The CRM.
    pub crm: Crm,
    /// The clock, initially at 2026-01-05T09:00:00Z, a Monday.
    pub clock: TestClock,
    /// The administrator.
    pub admin: Actor,
    /// The team.
    pub team: Record<Team>,
    /// The manager of the team, with the role `sales_manager`.
    pub manager: Actor,
    /// The user record of the manager.
    pub manager_user: Record<User>,
    /// The representative in the team, with the role `sales_rep`.
    pub rep: Actor,
    /// The user record of the representative.
    pub rep_user: Record<User>,
    /// The default pipeline for leads.
    pub lead_pipeline: Record<Pipeline>,
    /// The default pipeline for deals.
    pub deal_pipeline: Record<Pipeline>,
    /// A new lead owned by the representative.
    pub lead: Record<Lead>,
}

impl Ready {
    /// Creates the tenant in a new store in memory.
    ///
    /// # Errors
    /// None are expected from a store in memory.
    pub async fn in_memory() -> Result<Self, Error> {
        Self::on(Arc::new(MemoryStore::new())).await
    }

    /// Creates the tenant in a store.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn on(store: Arc<dyn Store>) -> Result<Self, Error> {
        Self::numbered(store, 0).await
    }

    /// Creates a further tenant in a store that already has such tenants; each number creates a different one.
    ///
    /// # Errors
    /// Any error of the store.
    pub async fn numbered(store: Arc<dyn Store>, number: u32) -> Result<Self, Error> {
        let clock = TestClock::at("2026-01-05T09:00:00Z");
        let crm = Crm::builder_shared(store).clock(clock.clone()).ids(CountedIds::series(number)).build();
        let admin = crm.bootstrap(NewOrganization { name: "Acme".into(), ..Default::default() }).await?;
        let team = crm.teams(&admin).create(NewTeam { name: "North".into(), ..Default::default() }).await?.into_value();
        let manager_user = user(&crm, &admin, "Mary", "sales_manager", team.id).await?;
        let rep_user = user(&crm, &admin, "Rob", "sales_rep", team.id).await?;
        let manager = crm.actor(admin.tenant(), manager_user.id).await?;
        let rep = crm.actor(admin.tenant(), rep_user.id).await?;
        let mut pipelines: Vec<Record<Pipeline>> = Vec::new();
        let definitions = crm.pipelines(&admin).definitions().await?;
        for kind in
            [crate::model::records::pipeline::PipelineKind::Lead, crate::model::records::pipeline::PipelineKind::Deal]
        {
            pipelines.extend(definitions.default_pipeline(kind).cloned());
        }
        let deal_pipeline = pipelines.pop().ok_or(Error::NotFound(crate::model::value::Kind::Pipeline))?;
        let lead_pipeline = pipelines.pop().ok_or(Error::NotFound(crate::model::value::Kind::Pipeline))?;
        let new = NewLead {
            first_name: Some("Ada".into()),
            last_name: Some("Lovelace".into()),
            email: Some("ada@engines.example".into()),
            company_name: Some("Engines Ltd".into()),
            ..Default::default()
        };
        let lead = crm.leads(&rep).create(new).await?.into_value();
        Ok(Self { crm, clock, admin, team, manager, manager_user, rep, rep_user, lead_pipeline, deal_pipeline, lead })
    }
}

/// Creates a user in a team with one of the built-in roles.
///
/// # Errors
/// Any error of the store.
pub async fn user(crm: &Crm, admin: &Actor, name: &str, role: &str, team: Id<Team>) -> Result<Record<User>, Error> {
    let role = crm.roles(admin).find("key", role).await?;
    let new = NewUser {
        first_name: Some(name.to_owned()),
        external_id: Some(name.to_lowercase()),
        role_ids: vec![role.id],
        team_ids: vec![team],
        ..Default::default()
    };
    Ok(crm.users(admin).create(new).await?.into_value())
}
