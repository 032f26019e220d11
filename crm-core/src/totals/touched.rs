//! Whose totals some changes may have moved.
//!
//! A change names what it led away from and what it led to (a deal's old and new company, a task's links before and
//! after); what it leaves alone (the company of a deal that was won) is read from the record as it is now. What has
//! changed in between has changes of its own, which name it.

use std::collections::BTreeSet;

use super::has_totals;
use crate::{
    access::Action,
    change::Change,
    deals::{Deal, DealFields},
    error::Error,
    filter::{Filter, Op},
    listing::ListQuery,
    rates::RateFields,
    reports::Reader,
    schema::Image,
    store::{Got, Want},
    value::{Currency, Date, FieldValue as _, Kind, Ref, Value},
};

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

/// Whether a change may move totals.
pub(super) fn matters(change: &Change) -> bool {
    fields(change.record.kind).iter().any(|name| change.field(name).is_some())
}

/// The records whose totals changes of one tenant may have moved, in order. One strong read of what was changed; with
/// rates among it, a walk over won deals.
pub(super) async fn records(reader: &Reader<'_>, changes: &[&Change]) -> Result<BTreeSet<Ref>, Error> {
    let mut touched = BTreeSet::new();
    let mut moved = Revaluation::default();
    for change in changes {
        for field in &change.fields {
            for value in [&field.old, &field.new] {
                named(&field.field, value, &mut touched);
            }
        }
        if change.record.kind == Kind::Rate {
            let was = |name: &str| change.field(name).map_or(&Value::Null, |field| &field.old);
            moved.currency(was("currency"));
            moved.since(was("day"));
        }
    }
    let subjects: BTreeSet<Ref> = changes.iter().map(|change| change.record).collect();
    let wants: Vec<Want> = subjects.into_iter().map(Want::Record).collect();
    for got in reader.engine.store.get(reader.actor.tenant(), &wants).await?.got {
        let Got::Record(Some(image)) = got else { continue };
        match image.kind() {
            Kind::Rate => {
                moved.currency(&image.values[RateFields::currency as usize]);
                moved.since(&image.values[RateFields::day as usize]);
            }
            _ => ends(&image, &mut touched),
        }
    }
    moved.walk(reader, &mut touched).await?;
    Ok(touched)
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
#[derive(Default)]
struct Revaluation {
    currencies: BTreeSet<Currency>,
    since: Option<Date>,
}

impl Revaluation {
    fn currency(&mut self, value: &Value) {
        self.currencies.extend(Currency::from_value(value).ok());
    }

    fn since(&mut self, value: &Value) {
        let day = Date::from_value(value).ok();
        self.since = self.since.min(day).or(self.since).or(day);
    }

    /// Adds the companies and contacts of the won deals whose amounts these are. The latest rate of the day or before
    /// counts, so a rate moves what closed since its day.
    async fn walk(&self, reader: &Reader<'_>, touched: &mut BTreeSet<Ref>) -> Result<(), Error> {
        let Some(since) = self.since else { return Ok(()) };
        // What has no day of its own is converted by today's rate.
        let closed = [Filter::is("close_date", Op::Ge, since.to_string()), Filter::missing("actual_close_date")];
        let won = Filter::eq("stage_kind", "won").and(Filter::any(closed));
        let query = ListQuery::new().filter(won).sort("close_date");
        reader
            .walk::<Deal>(&query, Action::Read, |image| {
                if let Value::Money(money) = &image.values[DealFields::value as usize]
                    && self.currencies.contains(&money.currency)
                {
                    ends(&image, touched);
                }
                Ok(())
            })
            .await
    }
}
