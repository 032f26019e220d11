//! Reports: aggregations over the leads, deals and stage moves that the actor may see.
//!
//! | report | content | definition |
//! |---|---|---|
//! | [`Reports::sales`] | won, lost, open; win rate; won value; sales cycles; cohorts; velocity | [`Figures`], [`Cycle`], [`Sums`] |
//! | [`Reports::pipeline`] | open deals by stage: count, value, weighted value | [`OpenDeals`] |
//! | [`Reports::ages`] | how long deals have been in a stage, on any day | [`AgeReport`] |
//! | [`Reports::funnel`] | the funnel of leads or deals in a period: entries and exits of stages, conversion, time in stage, velocity, reasons | [`FunnelReport`] |
//!
//! A deal is in a report if a grant of `deal.report` covers it and it is not archived; for leads, the permission is
//! `lead.report`. Fields hidden from the actor by field rules do not exist in reports either. Sums are exact decimals,
//! for each currency and in the organization's base currency by its dated rates; ratios are floats. Metrics exclude
//! impossible values (a deal that closed before it was created, an amount of 10^18 or more), and `left_out` or
//! `out_of_range` counts them. Days, months and quarters are those of the organization's time zone and fiscal year. The
//! times at which records entered stages come from the change log alone.
//!
//! Costs: reports aggregate lists. A report reads every deal of the tenant that the actor may see in reports, 1,000 per
//! round trip, and, if it uses stage entries, every stage move of the pipeline, 1,000 per round trip. On DynamoDB the
//! whole kind is read, at half a read unit for each 4 KB.

mod ages;
mod funnel;
mod groups;
mod money;
mod pipeline;
mod query;
mod read;
mod sales;
mod spread;
#[cfg(feature = "charts")]
mod stage_bars;
mod table;
#[cfg(all(test, feature = "testing"))]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

pub use ages::{AgeReport, OlderThan};
pub use funnel::{
    Ending, FunnelQuery, FunnelReport, Moment, Outcomes, Reason, StageFunnel, StageTransition, TimeInStage, TimeToWin,
    Velocity,
};
pub use money::{Amounts, MissingRate, RateUsed, Sums};
pub use pipeline::{OpenDeals, OpenStage, PipelineReport};
pub use query::{AgesQuery, GroupBy, PipelineQuery, SalesQuery};
pub use sales::{Cycle, Figures, SalesReport};
pub use spread::Spread;
pub use table::{Group, Key, Table};

use crate::{
    engine::{
        access::{Access, Authority},
        definitions::Definitions,
        runtime::Engine,
    },
    model::{
        access::{Action, Actor, Permission},
        error::Error,
        filter::{Filter, Path},
        records::{
            pipeline::{Pipeline, PipelineKind, Stage, StageKind},
            user::UserFields,
        },
        schema::{FieldType, Record},
        value::{Currency, Date, FaultCode, Id, Kind, Money, Time},
    },
};
use groups::{Dimension, Keys, Plan};
use money::Valued;
pub(crate) use money::{InBase, RateTable, overflow};
use pipeline::{OpenFact, OpenTally};
pub(crate) use read::Reader;
use read::Row;
use sales::{CycleDays, Fact, Tally};
use table::Tallies;

/// Reports, with the permissions of an actor.
#[derive(Clone)]
pub struct Reports<'a> {
    engine: &'a Arc<Engine>,
    actor: &'a Actor,
}

impl std::fmt::Debug for Reports<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reports").finish_non_exhaustive()
    }
}

impl<'a> Reports<'a> {
    pub(crate) const fn new(engine: &'a Arc<Engine>, actor: &'a Actor) -> Self {
        Self { engine, actor }
    }

    /// Returns the sales report of a pipeline: won, lost and open deals, win rate, won value and sales cycles, for all
    /// deals and for each group of each requested table. The figures are defined at [`Figures`] and [`Cycle`].
    ///
    /// The amount of a won deal in another currency is converted with the latest rate on or before its close date (or
    /// today, if a won deal has no close date).
    ///
    /// Costs one read for each 1,000 deals; with `cycle_from` or a cohort one for each 1,000 stage moves; with owners,
    /// managers or companies one each for each 1,000 of these; one for each foreign currency.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a pipeline that is not a deal pipeline, [`Error::Forbidden`] without any grant of
    /// `deal.report`, [`Error::Invalid`] with every fault of filter and groupings (`unknown_field` for a hidden field,
    /// `not_reportable`, `unknown_stage`) and for a period that ends before it starts (`bad_period`),
    /// [`Error::TooLarge`] for more than 10,000 groups in a table or 28 digits in a sum.
    pub async fn sales(&self, query: &SalesQuery) -> Result<SalesReport, Error> {
        let now = self.engine.clock.now();
        let definitions = self.definitions().await?;
        let access = Access::new(self.actor, &definitions, now);
        let reader = Reader { engine: self.engine, actor: self.actor, access: &access };
        let pipeline = pipeline_of(&access, query.pipeline)?;
        let mut plan = groups::plan(&access, pipeline, &query.tables)?;
        let cycle_from = match &query.cycle_from {
            Some(key) => Some(stage_of(pipeline, key, "cycle_from")?),
            None => None,
        };
        plan.entries.extend(cycle_from);
        // If the actor may not see values, deals have none.
        let value = groups::seen(&access, Kind::Deal, "value").ok().map(|(path, _)| path);
        let filter = query.narrow.condition()?;
        let rows = reader.deals(pipeline.id, filter.as_ref(), value.as_ref(), &plan.fields).await?;
        let keys = reader_keys(&reader, &definitions, pipeline.id, &plan, &rows).await?;
        let won = |row: &&Row| row.kind == StageKind::Won;
        let mut rates = reader.rates(&currencies(rows.iter().filter(won))).await?;
        let (zone, base) = (definitions.zone(), definitions.base_currency());
        let today = now.date_in(zone);
        let mut overall = Tally::default();
        let mut tables: Vec<Tallies<Tally>> = plan.tables.iter().map(|_| Tallies::new()).collect();
        for row in &rows {
            let began = match cycle_from {
                Some(stage) => keys.entered(row.id, stage),
                None => row.created_at.map(|at| at.date_in(zone)),
            };
            let day = row.closed_on.unwrap_or(today);
            let value = if row.kind == StageKind::Won { valued(row.value, day, &mut rates) } else { None };
            let fact = Fact { kind: row.kind, value, cycle: CycleDays::of(row.kind, began, row.closed_on, today) };
            overall.add(&fact);
            for (tallies, dimensions) in tables.iter_mut().zip(&plan.tables) {
                tallies.at(keys.of(row, dimensions))?.add(&fact);
            }
        }
        let (used, missing) = rates.notes()?;
        Ok(SalesReport {
            overall: overall.figures(base)?,
            tables: finish(tables, &query.tables, &plan, &keys, |tally: Tally| tally.figures(base))?,
            base_currency: base,
            rates: used,
            missing_rates: missing,
        })
    }

    /// Returns the pipeline report: the open deals of a pipeline by stage, with count, value and value weighted by
    /// probability, for all deals and for each group of each requested table.
    ///
    /// Amounts in other currencies are converted with the latest rate on or before today.
    ///
    /// Costs as [`Reports::sales`].
    ///
    /// # Errors
    /// As [`Reports::sales`]; [`Error::Invalid`] also for a value that is neither an amount nor a number.
    pub async fn pipeline(&self, query: &PipelineQuery) -> Result<PipelineReport, Error> {
        let now = self.engine.clock.now();
        let definitions = self.definitions().await?;
        let access = Access::new(self.actor, &definitions, now);
        let reader = Reader { engine: self.engine, actor: self.actor, access: &access };
        let pipeline = pipeline_of(&access, query.pipeline)?;
        let plan = groups::plan(&access, pipeline, &query.tables)?;
        let value = measure(&access, &query.value)?;
        let open = Filter::eq("stage_kind", StageKind::Open.to_string());
        let filter = match query.narrow.condition()? {
            Some(filter) => open.and(filter),
            None => open,
        };
        let rows = reader.deals(pipeline.id, Some(&filter), Some(&value), &plan.fields).await?;
        let keys = reader_keys(&reader, &definitions, pipeline.id, &plan, &rows).await?;
        let mut rates = reader.rates(&currencies(rows.iter())).await?;
        let (day, base) = (now.date_in(definitions.zone()), definitions.base_currency());
        let mut total = OpenTally::default();
        let mut stages: HashMap<Id<Stage>, OpenTally> = HashMap::new();
        let mut tables: Vec<Tallies<OpenTally>> = plan.tables.iter().map(|_| Tallies::new()).collect();
        for row in &rows {
            let fact = OpenFact { value: valued(row.value, day, &mut rates), probability: row.probability };
            total.add(&fact);
            if let Some(stage) = row.stage {
                stages.entry(stage).or_default().add(&fact);
            }
            for (tallies, dimensions) in tables.iter_mut().zip(&plan.tables) {
                tallies.at(keys.of(row, dimensions))?.add(&fact);
            }
        }
        let (used, missing) = rates.notes()?;
        Ok(PipelineReport {
            total: total.finish(base)?,
            stages: open_stages(pipeline, stages, base)?,
            tables: finish(tables, &query.tables, &plan, &keys, |tally: OpenTally| tally.finish(base))?,
            base_currency: base,
            day,
            rates: used,
            missing_rates: missing,
        })
    }

    /// Returns how long the deals that are in a stage at the end of a day have been there: the day minus the day of
    /// entry. Whether a deal is in the stage on that day, and since when, comes from the change log. Permissions and
    /// filter use the deals as they are now.
    ///
    /// Costs one read for each 1,000 deals and one for each 1,000 stage moves.
    ///
    /// # Errors
    /// As [`Reports::sales`].
    pub async fn ages(&self, query: &AgesQuery) -> Result<AgeReport, Error> {
        let now = self.engine.clock.now();
        let definitions = self.definitions().await?;
        let access = Access::new(self.actor, &definitions, now);
        let reader = Reader { engine: self.engine, actor: self.actor, access: &access };
        let pipeline = pipeline_of(&access, query.pipeline)?;
        let stage = stage_of(pipeline, &query.stage, "stage")?;
        let zone = definitions.zone();
        let on = query.on.unwrap_or_else(|| now.date_in(zone));
        let rows = reader.deals(pipeline.id, query.filter.as_ref(), None, &[]).await?;
        let seen: HashSet<Id> = rows.iter().map(|row| row.id).collect();
        let mut entries: HashMap<Id, Vec<ages::Entry>> = HashMap::new();
        reader
            .entries(pipeline.id, |deal, entry| {
                if seen.contains(&deal) {
                    entries.entry(deal).or_default().push(entry);
                }
            })
            .await?;
        let all = entries.values().filter_map(|entries| ages::age(entries, stage, on, zone)).collect();
        Ok(ages::report(all, on, &query.older_than))
    }

    async fn definitions(&self) -> Result<Authority, Error> {
        self.engine.authority(self.actor).await
    }
}

/// Returns the pipeline, after verifying the permission and the fields that every report requires.
fn pipeline_of<'a>(access: &Access<'a>, id: Id<Pipeline>) -> Result<&'a Record<Pipeline>, Error> {
    demand(access, Kind::Deal)?;
    access
        .definitions()
        .pipeline(id)
        .filter(|pipeline| pipeline.kind == PipelineKind::Deal)
        .ok_or(Error::NotFound(Kind::Pipeline))
}

/// Verifies the permission and the fields that every report requires.
fn demand(access: &Access<'_>, kind: Kind) -> Result<(), Error> {
    access.demand(Permission::new(kind, Action::Report))?;
    for name in ["pipeline_id", "stage_id", "stage_kind"] {
        groups::seen(access, kind, name).map_err(|(field, fault)| Error::invalid(field, fault.code, fault.message))?;
    }
    Ok(())
}

fn stage_of(pipeline: &Pipeline, key: &str, named: &str) -> Result<Id<Stage>, Error> {
    groups::stage(pipeline, key).map_err(|fault| Error::invalid(named, fault.code, fault.message))
}

/// Returns the field that the report sums.
fn measure(access: &Access<'_>, name: &str) -> Result<Path, Error> {
    let (path, ty) = groups::seen(access, Kind::Deal, name)
        .map_err(|(field, fault)| Error::invalid(field, fault.code, fault.message))?;
    if !matches!(ty, FieldType::Money | FieldType::Decimal | FieldType::Int(..)) {
        return Err(Error::invalid(name, FaultCode::WrongType, "must be an amount or a number"));
    }
    Ok(path)
}

fn currencies<'r>(rows: impl Iterator<Item = &'r Row>) -> BTreeSet<Currency> {
    rows.filter_map(|row| row.value).map(|value| value.currency).collect()
}

fn valued(value: Option<Money>, day: Date, rates: &mut RateTable) -> Option<Valued> {
    value.map(|money| Valued { money, in_base: rates.convert(money, day) })
}

/// Reads the data from which the keys of the rows are derived.
async fn reader_keys<'d>(
    reader: &Reader<'_>,
    definitions: &'d Definitions,
    pipeline: Id<Pipeline>,
    plan: &Plan,
    rows: &[Row],
) -> Result<Keys<'d>, Error> {
    let entries: HashMap<(Id, Id<Stage>), Time> = reader.first_entries(pipeline, &plan.entries).await?;
    let mut users = HashMap::new();
    if plan.owners {
        users = reader.records(Kind::User, rows.iter().filter_map(|row| row.owner)).await?;
    }
    if plan.managers {
        let managers: Vec<Id> = users
            .values()
            .filter_map(|user| user.at(UserFields::manager_id).as_id())
            .filter(|manager| !users.contains_key(manager))
            .collect();
        users.extend(reader.records(Kind::User, managers).await?);
    }
    let companies = if plan.companies {
        reader.companies(rows.iter().filter_map(|row| row.company)).await?
    } else {
        HashMap::new()
    };
    Ok(Keys { definitions, calendar: definitions.calendar(), users, companies, entries })
}

fn finish<T: Default, F>(
    tallies: Vec<Tallies<T>>,
    asked: &[Vec<GroupBy>],
    plan: &Plan,
    keys: &Keys<'_>,
    figures: impl Fn(T) -> Result<F, Error>,
) -> Result<Vec<Table<F>>, Error> {
    let dimension = |table: usize, at: usize| -> &Dimension { &plan.tables[table][at] };
    tallies
        .into_iter()
        .zip(asked)
        .enumerate()
        .map(|(table, (tallies, by))| {
            tallies.table(by.clone(), |at, key| keys.name(dimension(table, at), key), &figures)
        })
        .collect()
}

fn open_stages(
    pipeline: &Pipeline,
    mut tallies: HashMap<Id<Stage>, OpenTally>,
    base: Currency,
) -> Result<Vec<OpenStage>, Error> {
    let mut stages: Vec<_> = pipeline.stages.iter().filter(|stage| stage.kind == StageKind::Open).collect();
    stages.sort_by_key(|stage| stage.position);
    let mut open = Vec::with_capacity(stages.len());
    for stage in stages {
        let tally = tallies.remove(&stage.id);
        if stage.retired && tally.is_none() {
            continue;
        }
        let found = tally.unwrap_or_default().finish(base)?;
        open.push(OpenStage { id: stage.id, key: stage.key.clone(), name: stage.name.clone(), open: found });
    }
    Ok(open)
}
