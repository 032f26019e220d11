//! Imports the rows: companies, users, then deals with their history, in commits as large as the budget allows, several
//! concurrently.
//!
//! The external id of every record is the key of its row, which is claimed. Existing records are skipped, so a run that
//! was killed continues where it stopped, and nothing is imported twice. Existing records are found by first walking
//! the list. Lists may lag; a record that a list does not show yet is rejected as a duplicate, with the same result.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroUsize,
    time::Duration,
};

use crm_core::{
    Crm, Error,
    access::Actor,
    change::Origin,
    collection::{Collection, NewWithHistory},
    companies::{Company, NewCompany},
    deals::{DealPatch, NewDeal},
    filter::Filter,
    listing::ListQuery,
    pipelines::Pipeline,
    roles::Role,
    schema::RecordKind,
    users::{NewUser, User},
    value::{Address, Currency, Date, Id, Money, Time, Value},
};
use futures::{StreamExt as _, stream};

use super::{
    Failure,
    reading::{ACCOUNT_HEADINGS, ACCOUNTS, AGENT_HEADINGS, AGENTS, DEAL_HEADINGS, DEALS},
    rows::{Account, Deal, RowFault, Stage, Year},
    setup::{Place, team_key},
};

/// The number of attempts while the store is temporarily unavailable.
const TRIES: u32 = 4;
/// The maximum depth of parent accounts, which is the CRM's limit.
const MAX_WAVES: usize = 20;

/// The degree of concurrency.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The number of records per batch. A commit holds 22 closed deals (record, claim and two changes each).
    pub batch: NonZeroUsize,
    /// The number of concurrent batches.
    pub in_flight: NonZeroUsize,
}

impl Default for Pace {
    fn default() -> Self {
        let of = |number| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
        Self { batch: of(22), in_flight: of(8) }
    }
}

/// Receives the progress of the import.
pub trait Progress: Send + Sync {
    /// Announces records to import.
    fn expect(&self, _records: u64) {}
    /// Reports imported records.
    fn step(&self, _records: u64) {}
}

/// Ignores the progress.
impl Progress for () {}

/// The result of an import.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// The number of records created by this run.
    pub created: u64,
    /// The number of records that already existed.
    pub already: u64,
    /// The rejected rows, with line and column.
    pub faults: Vec<RowFault>,
}

/// Imports everything.
///
/// # Errors
/// [`Failure`] if the store fails. Records stored before remain.
pub async fn import(
    crm: &Crm,
    place: &Place,
    year: &Year,
    tempo: Pace,
    progress: &dyn Progress,
) -> Result<Import, Failure> {
    let mut import = Import { faults: year.faults.clone(), ..Import::default() };
    let managers = managers(year);
    progress.expect((year.accounts.len() + managers.len() + year.agents.len() + year.deals.len()) as u64);
    let companies = companies(&mut Run { crm, place, tempo, progress, import: &mut import }, year).await?;
    let users = users(&mut Run { crm, place, tempo, progress, import: &mut import }, year, &managers).await?;
    deals(&mut Run { crm, place, tempo, progress, import: &mut import }, year, &companies, &users).await?;
    Ok(import)
}

/// A row to import: its line, its key, and the record to create.
struct Coming<K> {
    line: u64,
    key: String,
    new: NewWithHistory<K>,
}

impl<K: RecordKind> Coming<K> {
    /// Adds the source row to the origin that the log records.
    fn from(mut self, file: &str) -> Self {
        let row = Origin { detail: Some(format!("{file}:{}", self.line)), ..Origin::default() };
        self.new = self.new.through(row);
        self
    }
}

/// The source of a kind of rows, used to name the faulty column.
struct Source {
    file: &'static str,
    headings: &'static [&'static str],
    /// The column of a field.
    column: fn(&str) -> Option<usize>,
}

struct Run<'a> {
    crm: &'a Crm,
    place: &'a Place,
    tempo: Pace,
    progress: &'a dyn Progress,
    import: &'a mut Import,
}

impl Run<'_> {
    /// The administrator, acting through an import.
    fn actor(&self) -> Actor {
        let origin = Origin { through: Some("import".into()), ..Origin::default() };
        self.place.admin.clone().through(origin)
    }

    /// Returns the existing records by external id.
    async fn there<K: RecordKind>(
        &self,
        all: &Collection<'_, K>,
        query: ListQuery,
    ) -> Result<HashMap<String, Id<K>>, Error> {
        let mut there = HashMap::new();
        if !self.place.is_new {
            all.for_each(query, |record| {
                if let Some(key) = &record.external_id {
                    there.insert(key.clone(), record.id);
                }
                Ok(())
            })
            .await?;
        }
        Ok(there)
    }

    /// Creates missing records and adds them to the existing ones. A rejected row is reported and does not stop the
    /// others.
    async fn bring<K: RecordKind>(
        &mut self,
        of: for<'c> fn(&'c Crm, &'c Actor) -> Collection<'c, K>,
        source: &Source,
        coming: Vec<Coming<K>>,
        there: &mut HashMap<String, Id<K>>,
    ) -> Result<(), Failure> {
        let total = coming.len();
        let coming = coming.into_iter().filter(|row| !there.contains_key(&row.key));
        let coming: Vec<Coming<K>> = coming.map(|row| row.from(source.file)).collect();
        let skipped = (total - coming.len()) as u64;
        self.import.already += skipped;
        self.progress.step(skipped);
        let actor = self.actor();
        let mut rows = coming.into_iter().peekable();
        let mut batches: Vec<Vec<Coming<K>>> = Vec::new();
        while rows.peek().is_some() {
            batches.push(rows.by_ref().take(self.tempo.batch.get()).collect());
        }
        let mut done = stream::iter(batches)
            .map(|batch| tokio::spawn(bring_batch(self.crm.clone(), actor.clone(), of, batch)))
            .buffer_unordered(self.tempo.in_flight.get());
        while let Some(batch) = done.next().await {
            for (line, key, outcome) in batch?? {
                match outcome {
                    Outcome::Created(id) => {
                        self.import.created += 1;
                        there.insert(key, id);
                    }
                    Outcome::There(id) => {
                        self.import.already += 1;
                        there.insert(key, id);
                    }
                    Outcome::Refused(error) => self.import.faults.extend(source.faults(line, &error)),
                }
                self.progress.step(1);
            }
        }
        Ok(())
    }

    fn refuse(&mut self, source: &Source, line: u64, column: usize, message: String) {
        let column = Some((column + 1, source.headings[column]));
        self.import.faults.push(RowFault { file: source.file, line, column, message });
    }
}

impl Source {
    /// The faults of a row, by the columns of the rejected fields.
    fn faults(&self, line: u64, error: &Error) -> Vec<RowFault> {
        let fault = |column: Option<usize>, message: String| RowFault {
            file: self.file,
            line,
            column: column.map(|at| (at + 1, self.headings[at])),
            message,
        };
        match error {
            Error::Invalid(faults) => {
                let of = |wrong: &crm_core::error::FieldFault| {
                    fault((self.column)(&wrong.field), format!("{} {}", wrong.field, wrong.fault.message))
                };
                faults.all().iter().map(of).collect()
            }
            other => vec![fault(None, other.to_string())],
        }
    }
}

enum Outcome<K> {
    Created(Id<K>),
    There(Id<K>),
    Refused(Error),
}

/// Creates the records of a batch, with retries while the store is unavailable.
async fn bring_batch<K: RecordKind>(
    crm: Crm,
    actor: Actor,
    of: for<'c> fn(&'c Crm, &'c Actor) -> Collection<'c, K>,
    mut batch: Vec<Coming<K>>,
) -> Result<Vec<(u64, String, Outcome<K>)>, Error> {
    let all = of(&crm, &actor);
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut tries = 0;
    while !batch.is_empty() {
        tries += 1;
        let verdicts = all.create_many(batch.iter().map(|row| row.new.clone()).collect()).await;
        let mut again = Vec::new();
        for (row, verdict) in batch.into_iter().zip(verdicts) {
            let outcome = match verdict {
                Ok(record) => Outcome::Created(record.id),
                Err(Error::Duplicate { field, .. }) if field == "external_id" => {
                    Outcome::There(all.find("external_id", &row.key).await?.id)
                }
                Err(error @ (Error::Unavailable(_) | Error::OutcomeUnknown { .. } | Error::Conflict { .. })) => {
                    if tries == TRIES {
                        return Err(error);
                    }
                    again.push(row);
                    continue;
                }
                Err(error @ (Error::Forbidden { .. } | Error::Damaged(_))) => return Err(error),
                Err(refused) => Outcome::Refused(refused),
            };
            outcomes.push((row.line, row.key, outcome));
        }
        batch = again;
        if !batch.is_empty() {
            tokio::time::sleep(Duration::from_millis(100) * tries).await;
        }
    }
    Ok(outcomes)
}

/// Parents first: an account is imported in the wave after its parent's.
async fn companies(run: &mut Run<'_>, year: &Year) -> Result<HashMap<String, Id<Company>>, Failure> {
    let source = Source { file: ACCOUNTS, headings: ACCOUNT_HEADINGS, column: account_column };
    let mut there = run.there(&run.crm.companies(&run.place.admin), ListQuery::new().sort("name")).await?;
    let mut waiting: Vec<&Account> = year.accounts.iter().collect();
    for _ in 0..MAX_WAVES {
        let (ready, later): (Vec<&Account>, Vec<&Account>) =
            waiting.into_iter().partition(|row| row.parent.as_ref().is_none_or(|parent| there.contains_key(parent)));
        waiting = later;
        if ready.is_empty() {
            break;
        }
        let coming = ready.into_iter().map(|row| company(row, &there)).collect();
        run.bring(Crm::companies, &source, coming, &mut there).await?;
    }
    for row in waiting {
        let parent = row.parent.as_deref().unwrap_or_default();
        run.refuse(&source, row.line, 6, format!("`{parent}` is no account, or one below itself"));
    }
    Ok(there)
}

fn company(row: &Account, there: &HashMap<String, Id<Company>>) -> Coming<Company> {
    let country = row.country.as_ref();
    let new = NewCompany {
        name: row.name.clone(),
        industry: row.sector.clone(),
        founded_year: row.founded,
        annual_revenue: row.revenue.map(|revenue| Money::new(revenue, Currency::USD)),
        employee_count: row.employees,
        addresses: country
            .map(|country| Address { country: Some(country.clone()), ..Address::default() })
            .into_iter()
            .collect(),
        parent_id: row.parent.as_ref().and_then(|parent| there.get(parent).copied()),
        properties: country.map(|country| ("country".to_owned(), Value::text(country.as_str()))).into_iter().collect(),
        external_id: Some(row.name.clone()),
        ..Default::default()
    };
    Coming { line: row.line, key: row.name.clone(), new: NewWithHistory::new(new) }
}

fn account_column(field: &str) -> Option<usize> {
    Some(match field {
        "name" | "external_id" => 0,
        "industry" => 1,
        "founded_year" => 2,
        "annual_revenue" => 3,
        "employee_count" => 4,
        "addresses" | "properties.country" => 5,
        "parent_id" => 6,
        _ => return None,
    })
}

/// The line and the region of the first agent of each manager.
fn managers(year: &Year) -> BTreeMap<&str, (u64, &str)> {
    let mut managers = BTreeMap::new();
    for agent in &year.agents {
        managers.entry(agent.manager.as_str()).or_insert((agent.line, agent.region.as_str()));
    }
    managers
}

/// Managers first, then their agents.
async fn users(
    run: &mut Run<'_>,
    year: &Year,
    managers: &BTreeMap<&str, (u64, &str)>,
) -> Result<HashMap<String, Id<User>>, Failure> {
    let source = Source { file: AGENTS, headings: AGENT_HEADINGS, column: agent_column };
    let mut there = run.there(&run.crm.users(&run.place.admin), ListQuery::new().sort("name")).await?;
    let place = run.place;
    let user = |line, name: &str, role: Id<Role>, team: String, manager: Option<Id<User>>| {
        let (first, last) = name.split_once(' ').unwrap_or((name, ""));
        let new = NewUser {
            first_name: Some(first.to_owned()),
            last_name: Some(last.to_owned()).filter(|last| !last.is_empty()),
            role_ids: vec![role],
            team_ids: place.teams.get(&team).copied().into_iter().collect(),
            manager_id: manager,
            external_id: Some(name.to_owned()),
            ..Default::default()
        };
        Coming { line, key: name.to_owned(), new: NewWithHistory::new(new) }
    };
    let first = managers
        .iter()
        .map(|(name, (line, region))| user(*line, name, place.manager, team_key(region, name), None))
        .collect();
    run.bring(Crm::users, &source, first, &mut there).await?;
    let agents = year.agents.iter().filter(|agent| !managers.contains_key(agent.name.as_str()));
    let then = agents
        .map(|agent| {
            let manager = there.get(&agent.manager).copied();
            user(agent.line, &agent.name, place.rep, team_key(&agent.region, &agent.manager), manager)
        })
        .collect();
    run.bring(Crm::users, &source, then, &mut there).await?;
    Ok(there)
}

fn agent_column(field: &str) -> Option<usize> {
    Some(match field {
        "first_name" | "last_name" | "external_id" => 0,
        "manager_id" => 1,
        "team_ids" => 2,
        _ => return None,
    })
}

async fn deals(
    run: &mut Run<'_>,
    year: &Year,
    companies: &HashMap<String, Id<Company>>,
    users: &HashMap<String, Id<User>>,
) -> Result<(), Failure> {
    let source = Source { file: DEALS, headings: DEAL_HEADINGS, column: deal_column };
    let here = Filter::eq("pipeline_id", run.place.pipeline.id.to_string());
    let mut there = run.there(&run.crm.deals(&run.place.admin), ListQuery::new().filter(here)).await?;
    let stages = Stages::of(run.place)?;
    let prices: HashMap<&str, Money> = year
        .products
        .iter()
        .map(|product| (product.name.as_str(), Money::new(product.list_price, Currency::USD)))
        .collect();
    let mut coming = Vec::with_capacity(year.deals.len());
    for row in &year.deals {
        let owner = users.get(&row.agent).copied();
        let company = row.account.as_ref().map(|account| companies.get(account).copied());
        match (owner, company) {
            (None, _) => run.refuse(&source, row.line, 1, format!("`{}` was left out", row.agent)),
            (_, Some(None)) => {
                let account = row.account.as_deref().unwrap_or_default();
                run.refuse(&source, row.line, 3, format!("`{account}` was left out"));
            }
            (Some(owner), company) => {
                let price = prices.get(row.product.as_str()).copied();
                coming.push(deal(row, owner, company.flatten(), price, &stages));
            }
        }
    }
    run.bring(Crm::deals, &source, coming, &mut there).await
}

/// The stages of the pipeline, and the calendar that defines midnight.
struct Stages {
    pipeline: Id<Pipeline>,
    prospecting: Id<crm_core::pipelines::Stage>,
    engaging: Id<crm_core::pipelines::Stage>,
    won: Id<crm_core::pipelines::Stage>,
    lost: Id<crm_core::pipelines::Stage>,
}

impl Stages {
    fn of(place: &Place) -> Result<Self, Failure> {
        let id = |key: &str| {
            let missing = || Failure::Data(format!("the pipeline `{}` has no stage `{key}`", place.pipeline.name));
            place.pipeline.stage_by_key(key).map(|stage| stage.id).ok_or_else(missing)
        };
        Ok(Self {
            pipeline: place.pipeline.id,
            prospecting: id("prospecting")?,
            engaging: id("engaging")?,
            won: id("won")?,
            lost: id("lost")?,
        })
    }
}

/// The deal with its dates as history: created as engaging on the day of engagement, and won or lost on the closing
/// day. A deal that was never engaged is created at the time of the import.
fn deal(
    row: &Deal,
    owner: Id<User>,
    company: Option<Id<Company>>,
    price: Option<Money>,
    stages: &Stages,
) -> Coming<crm_core::deals::Deal> {
    let mut properties = BTreeMap::from([("product".to_owned(), Value::text(row.product.as_str()))]);
    properties.extend(price.map(|price| ("list_price".to_owned(), Value::Money(price))));
    let first = if row.stage == Stage::Prospecting { stages.prospecting } else { stages.engaging };
    let new = NewDeal {
        title: match &row.account {
            Some(account) => format!("{} for {account}", row.product),
            None => row.product.clone(),
        },
        pipeline_id: Some(stages.pipeline),
        stage_id: Some(first),
        owner_id: Some(owner),
        company_id: company,
        properties,
        external_id: Some(row.id.clone()),
        ..Default::default()
    };
    let new = NewWithHistory::new(new);
    let closed = |stage: Id<crm_core::pipelines::Stage>, value| {
        DealPatch::new().stage_id(stage).value(Money::new(value, Currency::USD))
    };
    let new = match row.stage {
        Stage::Prospecting => new,
        Stage::Engaging { since } => new.created_at(midnight(since)),
        Stage::Won { since, on, value } => {
            new.created_at(midnight(since)).then(midnight(on), closed(stages.won, value))
        }
        Stage::Lost { since, on, value } => {
            new.created_at(midnight(since)).then(midnight(on), closed(stages.lost, value))
        }
    };
    Coming { line: row.line, key: row.id.clone(), new }
}

/// Midnight in the organization's time zone, which is UTC here.
fn midnight(day: Date) -> Time {
    day.midnight()
}

fn deal_column(field: &str) -> Option<usize> {
    Some(match field {
        "external_id" => 0,
        "owner_id" => 1,
        "title" | "properties.product" | "properties.list_price" => 2,
        "company_id" => 3,
        "stage_id" => 4,
        "created_at" => 5,
        "occurred_at" => 6,
        "value" => 7,
        _ => return None,
    })
}
