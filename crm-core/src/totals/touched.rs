//! The records whose totals some changes may affect.
//!
//! A change names the related records before and after it (a deal's old and new company, a task's old and new links).
//! Unchanged relations (the company of a deal that was won) are read from the current record. If they have changed
//! meanwhile, there is another change that names them.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{consequences::Consequence, has_totals};
use crate::{
    deals::{Deal, DealFields},
    engine::listing::{self, ListQuery},
    model::{
        access::Action,
        change::Change,
        error::Error,
        filter::{Filter, Op},
        records::rate::RateFields,
        schema::{Image, RecordKind as _},
        store::{Got, Position, Want},
        value::{Currency, Date, FieldValue as _, Kind, Ref, Value},
    },
    reports::Reader,
};

/// The number of won deals read together after a change of a rate: small, so that the records they affect are processed
/// at once.
const PAGE: usize = 100;

/// The fields of a kind from which totals are computed.
fn fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Deal => &["company_id", "primary_contact_id", "stage_id", "value", "actual_close_date", "archived_at"],
        Kind::Interaction => &["links", "completed_at", "archived_at"],
        Kind::Task => &["links", "status", "due_at", "archived_at"],
        Kind::Rate => &["currency", "day", "rate", "archived_at"],
        _ => &[],
    }
}

/// `true` if a change may affect totals or has consequences.
pub(super) fn matters(change: &Change) -> bool {
    rests_on(change) || !Consequence::of(change).is_empty()
}

/// `true` if a change may affect totals.
fn rests_on(change: &Change) -> bool {
    fields(change.record.kind).iter().any(|name| change.field(name).is_some())
}

/// The unprocessed effects of changes of one tenant. Can be stored and resumed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Touched {
    /// Changed records that have not been read yet.
    #[serde(rename = "s", default, skip_serializing_if = "BTreeSet::is_empty")]
    subjects: BTreeSet<Ref>,
    /// Records whose totals have to be computed.
    #[serde(rename = "n", default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) records: BTreeSet<Ref>,
    /// Amounts with a new value in the base currency.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    revaluation: Option<Revaluation>,
    /// Changes with consequences.
    #[serde(rename = "c", default, skip_serializing_if = "VecDeque::is_empty")]
    pub(super) consequences: VecDeque<Consequence>,
}

impl Touched {
    /// Adds the effects of a change. Reads nothing.
    pub(super) fn add(&mut self, change: &Change) {
        self.consequences.extend(Consequence::of(change));
        if !rests_on(change) {
            return;
        }
        for field in &change.fields {
            for value in [&field.old, &field.new] {
                named(&field.field, value, &mut self.records);
            }
        }
        if change.record.kind == Kind::Rate {
            let was = |name: &str| change.field(name).map_or(&Value::Null, |field| &field.old);
            self.revaluation.get_or_insert_default().add(was("currency"), was("day"));
        }
        self.subjects.insert(change.record);
    }

    /// The effect that one record has to be computed.
    pub(super) fn of(record: Ref) -> Self {
        Self { records: BTreeSet::from([record]), ..Self::default() }
    }

    /// The number of records named.
    pub(super) fn len(&self) -> usize {
        self.subjects.len() + self.records.len() + self.consequences.len() + usize::from(self.revaluation.is_some())
    }

    /// `true` if nothing is left to do.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds further records to compute: first reads the changed records in one strongly consistent read, then, in each
    /// call, a page of the won deals whose amounts have a new value. Returns `false` if nothing is left to find.
    pub(super) async fn find(&mut self, reader: &Reader<'_>) -> Result<bool, Error> {
        if self.subjects.is_empty() && self.records.is_empty() && self.revaluation.is_none() {
            return Ok(false);
        }
        if !self.subjects.is_empty() {
            let wants: Vec<Want> = self.subjects.iter().copied().map(Want::Record).collect();
            for got in reader.engine.store.get(reader.actor.tenant(), &wants).await?.got {
                let Got::Record(Some(image)) = got else { continue };
                if image.kind() == Kind::Rate {
                    let (currency, day) = (RateFields::currency as usize, RateFields::day as usize);
                    self.revaluation.get_or_insert_default().add(&image.values[currency], &image.values[day]);
                } else {
                    ends(&image, &mut self.records);
                }
            }
            self.subjects.clear();
        } else if let Some(revaluation) = &mut self.revaluation
            && !revaluation.walk(reader, &mut self.records).await?
        {
            self.revaluation = None;
        }
        Ok(true)
    }
}

/// Adds the records to whose totals a record currently contributes.
fn ends(image: &Image, touched: &mut BTreeSet<Ref>) {
    for name in ["company_id", "primary_contact_id", "links"] {
        named(name, image.get(name), touched);
    }
}

/// Adds the records with totals that a field names.
fn named(field: &str, value: &Value, touched: &mut BTreeSet<Ref>) {
    let kind = match field {
        "company_id" => Kind::Company,
        "primary_contact_id" => Kind::Contact,
        "links" => {
            let refs = value.items().iter().filter_map(|item| Ref::from_value(item).ok());
            touched.extend(refs.filter(|target| has_totals(target.kind)));
            return;
        }
        _ => return,
    };
    touched.extend(value.as_id().map(|id| Ref::new(kind, id)));
}

/// Amounts with a new value in the base currency: the currencies, and the day from which deals are affected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Revaluation {
    #[serde(rename = "c")]
    currencies: BTreeSet<Currency>,
    #[serde(rename = "d")]
    since: Option<Date>,
    /// The position reached in the list of deals.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    after: Option<Position>,
}

impl Revaluation {
    fn add(&mut self, currency: &Value, day: &Value) {
        self.currencies.extend(Currency::from_value(currency).ok());
        let day = Date::from_value(day).ok();
        self.since = self.since.min(day).or(self.since).or(day);
    }

    /// Adds the companies and contacts of the affected won deals on the next page. Returns `false` at the end. The
    /// latest rate on or before a day applies, so a rate affects deals that closed on its day or later.
    async fn walk(&mut self, reader: &Reader<'_>, touched: &mut BTreeSet<Ref>) -> Result<bool, Error> {
        let Some(since) = self.since else { return Ok(false) };
        // A deal without a close date is converted at today's rate.
        let closed = [Filter::is("close_date", Op::Ge, since.to_string()), Filter::missing("actual_close_date")];
        let won = Filter::eq("stage_kind", "won").and(Filter::any(closed));
        let query = ListQuery::new().filter(won).sort("close_date");
        let plan = listing::plan(reader.access, Deal::decl(), &query, Action::Read)?;
        let page = listing::walk_page(reader.engine, reader.actor.tenant(), &plan, self.after.clone(), PAGE).await?;
        for image in &page.items {
            if let Value::Money(money) = &image.values[DealFields::value as usize]
                && self.currencies.contains(&money.currency)
            {
                ends(image, touched);
            }
        }
        self.after = page.next;
        Ok(self.after.is_some())
    }
}
