//! For tests: a clock to advance, counted ids, and a ready tenant.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use crate::{
    access::Actor,
    ambient::{Clock, IdSource},
    crm::Crm,
    error::Error,
    leads::record::{Lead, NewLead},
    organizations::record::NewOrganization,
    pipelines::record::Pipeline,
    schema::Record,
    store::{MemoryStore, Store},
    teams::record::{NewTeam, Team},
    users::record::{NewUser, User},
    value::{Id, Time},
};

/// A clock that stands still until it is told to go on. Clones share one time.
#[derive(Clone, Debug)]
pub struct TestClock {
    micros: Arc<AtomicI64>,
}

impl TestClock {
    /// A clock that shows this time, such as `2026-01-05T09:00:00Z`; 1970 for a text that is no time.
    pub fn at(time: &str) -> Self {
        Self { micros: Arc::new(AtomicI64::new(time.parse().unwrap_or(Time::EPOCH).micros())) }
    }

    /// What it shows.
    pub fn now(&self) -> Time {
        Time::from_micros(self.micros.load(Ordering::SeqCst)).unwrap_or(Time::EPOCH)
    }

    /// Sets it, forwards or back.
    pub fn set(&self, time: Time) {
        self.micros.store(time.micros(), Ordering::SeqCst);
    }

    /// Lets so many days of 24 hours go by.
    pub fn advance_days(&self, days: i64) {
        self.set(self.now().plus_days(days));
    }

    /// Lets so many seconds go by.
    pub fn advance_seconds(&self, seconds: i64) {
        self.set(self.now().plus_micros(seconds.saturating_mul(1_000_000)));
    }
}

impl Clock for TestClock {
    fn now(&self) -> Time {
        TestClock::now(self)
    }
}

/// Ids that count up from 1, so that two runs of a test make the same ones.
#[derive(Debug, Default)]
pub struct CountedIds {
    next: AtomicU64,
}

impl CountedIds {
    /// Ids of a series of their own: two series share none.
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

/// A tenant with an administrator, a team of a manager and a representative, the default pipelines and a lead of the
/// representative's.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The CRM.
    pub crm: Crm,
    /// Its clock, at 2026-01-05T09:00:00Z, a Monday.
    pub clock: TestClock,
    /// The administrator.
    pub admin: Actor,
    /// The team.
    pub team: Record<Team>,
    /// The team's manager, with the role `sales_manager`.
    pub manager: Actor,
    /// The manager's record.
    pub manager_user: Record<User>,
    /// The team's representative, with the role `sales_rep`.
    pub rep: Actor,
    /// The representative's record.
    pub rep_user: Record<User>,
    /// The default pipeline of leads.
    pub lead_pipeline: Record<Pipeline>,
    /// The default pipeline of deals.
    pub deal_pipeline: Record<Pipeline>,
    /// A new lead of the representative's.
    pub lead: Record<Lead>,
}

impl Ready {
    /// In memory.
    ///
    /// # Errors
    /// None that memory could have.
    pub async fn in_memory() -> Result<Self, Error> {
        Self::on(Arc::new(MemoryStore::new())).await
    }

    /// On a store.
    ///
    /// # Errors
    /// What the store says.
    pub async fn on(store: Arc<dyn Store>) -> Result<Self, Error> {
        Self::numbered(store, 0).await
    }

    /// On a store that has other such tenants: each number makes another one.
    ///
    /// # Errors
    /// What the store says.
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
        for kind in [crate::pipelines::record::PipelineKind::Lead, crate::pipelines::record::PipelineKind::Deal] {
            pipelines.extend(definitions.default_pipeline(kind).cloned());
        }
        let deal_pipeline = pipelines.pop().ok_or(Error::NotFound(crate::value::Kind::Pipeline))?;
        let lead_pipeline = pipelines.pop().ok_or(Error::NotFound(crate::value::Kind::Pipeline))?;
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

/// A user of a team with one of the built-in roles.
///
/// # Errors
/// What the store says.
pub async fn user(crm: &Crm, admin: &Actor, name: &str, role: &str, team: Id) -> Result<Record<User>, Error> {
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
