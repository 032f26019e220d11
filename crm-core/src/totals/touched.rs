//! Whose totals some changes may have moved.
//!
//! A change names what it led away from and what it led to (a deal's old and new company, a task's links before and
//! after); what it leaves alone (the company of a deal that was won) is read from the record as it is now. What has
//! changed in between has changes of its own, which name it.

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

/// Won deals that are walked together after a change of a rate: few, so that what they touch is done in one go.
const PAGE: usize = 100;

/// The fields of a kind on which totals rest.
fn fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Deal => &["company_id", "primary_contact_id", "stage_id", "value", "actual_close_date", "archived_at"],
        Kind::Interaction => &["links", "completed_at", "archived_at"],
        Kind::Task => &["links", "status", "due_at", "archived_at"],
        Kind::Rate => &["currency", "day", "rate", "archived_at"],
        _ => &[],
    }
}

/// Whether a change may move totals, or brings others with it.
pub(super) fn matters(change: &Change) -> bool {
    rests_on(change) || !Consequence::of(change).is_empty()
}

/// Whether a change may move totals.
fn rests_on(change: &Change) -> bool {
    fields(change.record.kind).iter().any(|name| change.field(name).is_some())
}

/// What changes of one tenant may have moved, as far as it has not been computed: it can be put away and gone on with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Touched {
    /// What was changed, and has not been read yet.
    #[serde(rename = "s", default, skip_serializing_if = "BTreeSet::is_empty")]
    subjects: BTreeSet<Ref>,
    /// Records whose totals are to be computed.
    #[serde(rename = "n", default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) records: BTreeSet<Ref>,
    /// Amounts that are worth something else.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    revaluation: Option<Revaluation>,
    /// Changes that bring others with them.
    #[serde(rename = "c", default, skip_serializing_if = "VecDeque::is_empty")]
    pub(super) consequences: VecDeque<Consequence>,
}

impl Touched {
    /// Adds what a change may have moved. Reads nothing.
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

    /// A record whose totals are to be computed.
    pub(super) fn of(record: Ref) -> Self {
        Self { records: BTreeSet::from([record]), ..Self::default() }
    }

    /// How many records it names.
    pub(super) fn len(&self) -> usize {
        self.subjects.len() + self.records.len() + self.consequences.len() + usize::from(self.revaluation.is_some())
    }

    /// True where nothing is left to do.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds more records to compute: first what was changed is read, in one strong read, then a page of the won deals
    /// whose amounts are worth something else is walked at each call. False where nothing is left to find.
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

/// What a record counts for, as it is.
fn ends(image: &Image, touched: &mut BTreeSet<Ref>) {
    for name in ["company_id", "primary_contact_id", "links"] {
        named(name, image.get(name), touched);
    }
}

/// The records with totals that a field names.
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

/// Amounts that are worth something else than before: of which currencies, of deals closed since when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Revaluation {
    #[serde(rename = "c")]
    currencies: BTreeSet<Currency>,
    #[serde(rename = "d")]
    since: Option<Date>,
    /// How far the deals have been walked.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    after: Option<Position>,
}

impl Revaluation {
    fn add(&mut self, currency: &Value, day: &Value) {
        self.currencies.extend(Currency::from_value(currency).ok());
        let day = Date::from_value(day).ok();
        self.since = self.since.min(day).or(self.since).or(day);
    }

    /// Adds the companies and contacts of the won deals on the next page whose amounts these are; false at the end. The
    /// latest rate of the day or before counts, so a rate moves what closed since its day.
    async fn walk(&mut self, reader: &Reader<'_>, touched: &mut BTreeSet<Ref>) -> Result<bool, Error> {
        let Some(since) = self.since else { return Ok(false) };
        // What has no day of its own is converted by today's rate.
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
