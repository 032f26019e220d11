//! The totals of one record, computed from lists.

use std::collections::BTreeSet;

use crate::{
    companies::CompanyFields,
    contacts::ContactFields,
    deals::{Deal, DealFields},
    engine::listing::{self, ListQuery},
    interactions::{Interaction, InteractionFields},
    leads::LeadFields,
    model::{
        access::Action,
        error::Error,
        filter::Filter,
        schema::{Image, RecordKind},
        value::{Currency, Date, Decimal, ExactSum, Kind, Money, Ref, Value},
    },
    reports::{InBase, MissingRate, RateTable, Reader, overflow},
    tasks::{Task, TaskFields},
};

/// Deals that a sum of won deals omits.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pub(super) without_rate: Vec<MissingRate>,
    pub(super) out_of_range: u64,
}

/// Computes the totals of records of one tenant; rates are read once per currency.
pub(super) struct Books<'a> {
    pub(super) reader: Reader<'a>,
    rates: RateTable,
    known: BTreeSet<Currency>,
}

impl<'a> Books<'a> {
    pub(super) fn new(reader: Reader<'a>) -> Self {
        let base = reader.access.definitions().base_currency();
        Self { reader, rates: RateTable::new(base), known: BTreeSet::from([base]) }
    }

    /// Returns a record's totals by field, and the deals they omit. Empty for a kind without totals.
    pub(super) async fn totals(&mut self, image: &Image) -> Result<(Vec<(usize, Value)>, LeftOut), Error> {
        let record = image.reference();
        let won = match record.kind {
            Kind::Lead => return Ok((self.of_lead(record).await?, LeftOut::default())),
            Kind::Contact => ("primary_contact_id", ContactFields::lifetime_value as usize),
            Kind::Company => ("company_id", CompanyFields::lifetime_value as usize),
            _ => return Ok((Vec::new(), LeftOut::default())),
        };
        let (buyer, field) = won;
        let (sum, left_out) = self.won(buyer, record).await?;
        Ok((vec![(field, Value::Decimal(sum))], left_out))
    }

    async fn of_lead(&self, lead: Ref) -> Result<Vec<(usize, Value)>, Error> {
        let held = linking(lead).filter(Filter::missing("completed_at").negate()).sort("happens_at").descending();
        let last = self.first::<Interaction>(&held, InteractionFields::completed_at as usize).await?;
        let open = linking(lead).filter(Filter::eq("is_open", true)).sort("due_at");
        let next = self.first::<Task>(&open, TaskFields::due_at as usize).await?;
        Ok(vec![(LeadFields::last_activity_at as usize, last), (LeadFields::next_task_due_at as usize, next)])
    }

    /// Returns a field of the first record of a list; null if the list is empty.
    async fn first<K: RecordKind>(&self, query: &ListQuery, field: usize) -> Result<Value, Error> {
        let plan = listing::plan(self.reader.access, K::decl(), query, Action::Read)?;
        let mut after = None;
        loop {
            let page = listing::walk_page(self.reader.engine, self.reader.actor.tenant(), &plan, after, 1).await?;
            after = page.next;
            match page.items.first() {
                Some(image) => return Ok(image.values[field].clone()),
                None if after.is_none() => return Ok(Value::Null),
                None => {}
            }
        }
    }

    /// Returns the sum of a buyer's won deals in the base currency.
    async fn won(&mut self, buyer: &str, record: Ref) -> Result<(Decimal, LeftOut), Error> {
        let query = ListQuery::new()
            .filter(Filter::eq(buyer, record.id.to_string()))
            .filter(Filter::eq("stage_kind", "won"))
            .sort("created_at");
        let definitions = self.reader.access.definitions();
        let today = self.reader.engine.clock.now().date_in(definitions.zone());
        let mut amounts: Vec<(Money, Date)> = Vec::new();
        self.reader
            .walk::<Deal>(&query, Action::Read, |image| {
                if let Value::Money(money) = image.values[DealFields::value as usize] {
                    let closed = &image.values[DealFields::actual_close_date as usize];
                    let day = if let Value::Date(day) = closed { *day } else { today };
                    amounts.push((money, day));
                }
                Ok(())
            })
            .await?;
        let new: BTreeSet<Currency> =
            amounts.iter().map(|(money, _)| money.currency).filter(|currency| !self.known.contains(currency)).collect();
        self.reader.add_rates(&mut self.rates, &new).await?;
        self.known.extend(new);
        let (mut sum, mut out_of_range) = (ExactSum::default(), 0);
        for (money, day) in amounts {
            match self.rates.convert(money, day) {
                InBase::Amount(amount) => sum.add(amount),
                InBase::NoRate => {}
                InBase::OutOfRange => out_of_range += 1,
            }
        }
        let (_, without_rate) = self.rates.notes()?;
        Ok((sum.total().map_err(overflow)?, LeftOut { without_rate, out_of_range }))
    }
}

/// A list of the records that are linked to a record.
pub(super) fn linking(record: Ref) -> ListQuery {
    // A reference always has a JSON form.
    let link = serde_json::json!({"kind": record.kind.name(), "id": record.id.to_string()});
    ListQuery::new().filter(Filter::eq("links", link))
}
