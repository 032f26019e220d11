//! The reads of reports: the deals and leads that the actor may see in reports, their stage moves, owners, teams and
//! companies, and exchange rates.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{ages::Entry, money::RateTable};
use crate::{
    deals::{Deal, DealFields as F},
    engine::{
        access::Access,
        draft::{self, Lookup, Stop},
        listing::{self, ListQuery},
        runtime::Engine,
    },
    model::{
        access::{Action, Actor, Permission},
        change::Change,
        error::Error,
        filter::{Filter, Path},
        records::{
            pipeline::{Pipeline, Stage, StageKind},
            rate::{Rate, RateFields},
        },
        schema::{Image, RecordKind, common},
        store::{LogPosition, StageMoveQuery},
        value::{Choice, Currency, Date, Decimal, Id, Kind, Money, Ref, Time, Value},
    },
};

/// Records in one read of a list.
const PAGE: usize = 1000;
/// Records in one read by id.
const BATCH: usize = 1000;

/// The fields of a deal that reports use, as the actor may see them.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) id: Id,
    pub(super) kind: StageKind,
    pub(super) stage: Option<Id<Stage>>,
    pub(super) created_at: Option<Time>,
    pub(super) closed_on: Option<Date>,
    pub(super) close_date: Option<Date>,
    pub(super) probability: Option<i64>,
    pub(super) owner: Option<Id>,
    pub(super) team: Option<Id>,
    pub(super) company: Option<Id>,
    pub(super) value: Option<Money>,
    /// The values of the fields that are grouped by.
    pub(super) fields: Vec<Value>,
}

/// Returns the value at a path, or `Null`.
pub(super) fn value_at<'a>(image: &'a Image, path: &Path) -> &'a Value {
    const MISSING: &Value = &Value::Null;
    let value = image.values.get(path.field).unwrap_or(MISSING);
    match &path.property {
        None => value,
        Some(key) => value.as_map().and_then(|map| map.get(key.as_ref())).unwrap_or(MISSING),
    }
}

/// Returns the money of a value: an amount unchanged, a number in the base currency.
fn money_of(value: &Value, base: Currency) -> Option<Money> {
    match value {
        Value::Money(money) => Some(*money),
        Value::Decimal(number) => Some(Money { amount: *number, currency: base }),
        Value::Int(number) => Some(Money { amount: Decimal::from(*number), currency: base }),
        _ => None,
    }
}

impl Row {
    fn of(image: &Image, value: Option<&Path>, fields: &[Path], base: Currency) -> Self {
        let at = |field: F| &image.values[field as usize];
        let date = |field: F| if let Value::Date(day) = at(field) { Some(*day) } else { None };
        let kind = at(F::stage_kind).as_text().and_then(StageKind::from_name).unwrap_or_default();
        Self {
            id: image.id,
            kind,
            stage: at(F::stage_id).as_id().map(Id::typed),
            created_at: image.values[common::CREATED_AT].as_time(),
            closed_on: date(F::actual_close_date),
            close_date: date(F::close_date),
            probability: if let Value::Int(number) = at(F::probability) { Some(*number) } else { None },
            owner: at(F::owner_id).as_id(),
            team: at(F::team_id).as_id(),
            company: at(F::company_id).as_id(),
            value: value.and_then(|path| money_of(value_at(image, path), base)),
            fields: fields.iter().map(|path| value_at(image, path).clone()).collect(),
        }
    }
}

/// Reads for one report, under one epoch of the definitions.
pub(crate) struct Reader<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) actor: &'a Actor,
    pub(crate) access: &'a Access<'a>,
}

impl Reader<'_> {
    /// Visits the live deals of a pipeline that the actor may see in reports and that match a filter, in the order of
    /// their creation. One read for each 1,000 deals examined.
    pub(super) async fn deals(
        &self,
        pipeline: Id<Pipeline>,
        filter: Option<&Filter>,
        value: Option<&Path>,
        fields: &[Path],
    ) -> Result<Vec<Row>, Error> {
        let mut query = ListQuery::new().filter(Filter::eq("pipeline_id", pipeline.to_string()));
        if let Some(filter) = filter {
            query = query.filter(filter.clone());
        }
        let base = self.access.definitions().base_currency();
        let mut rows = Vec::new();
        self.walk::<Deal>(&query, Action::Report, |image| {
            rows.push(Row::of(&image, value, fields, base));
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// Visits every record of a list, as the actor sees it. One read for each 1,000 records examined.
    pub(crate) async fn walk<K: RecordKind>(
        &self,
        query: &ListQuery,
        action: Action,
        mut each: impl FnMut(Arc<Image>) -> Result<(), Error> + Send,
    ) -> Result<(), Error> {
        let plan = listing::plan(self.access, K::decl(), query, action)?;
        let mut after = None;
        loop {
            let page = listing::walk_page(self.engine, self.actor.tenant(), &plan, after, PAGE).await?;
            for image in &page.items {
                each(self.access.mask(image))?;
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Visits every stage move within a pipeline before a time, in the order in which they occurred. One read for each
    /// 1,000 moves.
    pub(super) async fn moves(
        &self,
        pipeline: Id<Pipeline>,
        until: Time,
        mut each: impl FnMut(&Change) + Send,
    ) -> Result<(), Error> {
        let mut query =
            StageMoveQuery { tenant: self.actor.tenant(), pipeline, from: Time::MIN, until, after: None, limit: PAGE };
        loop {
            let page = self.engine.store.stage_moves(&query).await?;
            page.changes.iter().for_each(&mut each);
            query.after = page.changes.last().map(|change| LogPosition {
                time: change.occurred_at,
                record: change.record,
                group: change.group,
                version: change.version,
            });
            if !page.more || query.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Visits every entry of a pipeline's deals into a stage, in the order in which they occurred, at the cost of
    /// [`Reader::moves`].
    pub(super) async fn entries(
        &self,
        pipeline: Id<Pipeline>,
        mut each: impl FnMut(Id, Entry) + Send,
    ) -> Result<(), Error> {
        self.moves(pipeline, Time::MAX, |change| {
            let moved = change.field("stage_id").and_then(|field| field.new.as_id());
            if let (Kind::Deal, Some(stage)) = (change.record.kind, moved) {
                each(change.record.id, (change.occurred_at, stage.typed()));
            }
        })
        .await
    }

    /// Returns the time of each deal's first entry into each of some stages. No read if no stage is requested.
    pub(super) async fn first_entries(
        &self,
        pipeline: Id<Pipeline>,
        stages: &BTreeSet<Id<Stage>>,
    ) -> Result<HashMap<(Id, Id<Stage>), Time>, Error> {
        let mut entries: HashMap<(Id, Id<Stage>), Time> = HashMap::new();
        if !stages.is_empty() {
            self.entries(pipeline, |deal, (at, stage)| {
                if stages.contains(&stage) {
                    entries.entry((deal, stage)).or_insert(at);
                }
            })
            .await?;
        }
        Ok(entries)
    }

    /// Returns the records with these ids that the actor may read, as the actor sees them. One round trip for each
    /// 1,000.
    pub(super) async fn records(
        &self,
        kind: Kind,
        ids: impl IntoIterator<Item = Id>,
    ) -> Result<HashMap<Id, Arc<Image>>, Error> {
        let ids: BTreeSet<Id> = ids.into_iter().collect();
        let refs: Vec<Ref> = ids.into_iter().map(|id| Ref::new(kind, id)).collect();
        let mut found = HashMap::with_capacity(refs.len());
        for batch in refs.chunks(BATCH) {
            let hints: Vec<Lookup> = batch.iter().map(|&record| record.into()).collect();
            let outcome = draft::decide_only(self.engine, self.actor, &hints, &mut |draft| {
                let mut seen = Vec::with_capacity(batch.len());
                for &record in batch {
                    match draft.read(record) {
                        Ok(_) => seen.push(record),
                        Err(Stop::Refuse(Error::NotFound(_))) => {}
                        Err(stop) => return Err(stop),
                    }
                }
                Ok(seen)
            })
            .await?;
            found.extend(outcome.images.iter().map(|image| (image.id, self.access.mask(image))));
        }
        Ok(found)
    }

    /// Returns the companies with these ids that the actor may read and see in reports.
    pub(super) async fn companies(&self, ids: impl IntoIterator<Item = Id>) -> Result<HashMap<Id, Arc<Image>>, Error> {
        let mut companies = self.records(Kind::Company, ids).await?;
        companies.retain(|_, image| self.access.allows(Action::Report, image));
        Ok(companies)
    }

    /// Returns all rates of some currencies. One read for each currency, and none if nothing is to be converted.
    /// Without the permission to read rates, the table is empty.
    pub(super) async fn rates(&self, currencies: &BTreeSet<Currency>) -> Result<RateTable, Error> {
        let mut table = RateTable::new(self.access.definitions().base_currency());
        self.add_rates(&mut table, currencies).await?;
        Ok(table)
    }

    /// Adds all rates of some currencies to a table.
    pub(crate) async fn add_rates(&self, table: &mut RateTable, currencies: &BTreeSet<Currency>) -> Result<(), Error> {
        let base = self.access.definitions().base_currency();
        if !self.access.has(Permission::new(Kind::Rate, Action::Read)) {
            return Ok(());
        }
        for currency in currencies.iter().filter(|&&currency| currency != base) {
            let query = ListQuery::new().filter(Filter::eq("currency", currency.code())).sort("day");
            self.walk::<Rate>(&query, Action::Read, |image| {
                let day = &image.values[RateFields::day as usize];
                let rate = &image.values[RateFields::rate as usize];
                if let (Value::Date(day), Value::Decimal(rate)) = (day, rate) {
                    table.add(*currency, *day, *rate);
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}
