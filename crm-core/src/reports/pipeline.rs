//! The fold of the pipeline report: what is open, by stage.

use serde::Serialize;

use super::{
    money::{InBase, MissingRate, MoneyTally, RateUsed, Sums, Valued},
    table::Table,
};
use crate::{
    error::Error,
    value::{Currency, Date, Decimal, Id, Money},
};

/// What is open. See [`Reports::pipeline`](super::Reports::pipeline).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PipelineReport {
    /// All open deals together.
    pub total: OpenDeals,
    /// The open stages of the pipeline in their order, those without deals too; a retired one only with deals.
    pub stages: Vec<OpenStage>,
    /// The tables asked for, in their order.
    pub tables: Vec<Table<OpenDeals>>,
    /// The currency that [`Sums::in_base`] is in.
    pub base_currency: Currency,
    /// The day whose rates converted the amounts: today.
    pub day: Date,
    /// The rates by which amounts were converted.
    pub rates: Vec<RateUsed>,
    /// What could not be converted: in no [`Sums::in_base`].
    pub missing_rates: Vec<MissingRate>,
}

/// The open deals of one stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenStage {
    /// Which stage.
    pub id: Id,
    /// Its key.
    pub key: String,
    /// What it is called.
    pub name: String,
    /// Its deals.
    #[serde(flatten)]
    pub open: OpenDeals,
}

/// Some open deals.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OpenDeals {
    /// How many.
    pub deals: u64,
    /// What they count for.
    pub value: Sums,
    /// What they count for × their probability ÷ 100.
    pub weighted: Sums,
    /// Deals that count for nothing, since they have no such value (or none that the actor may see).
    pub without_value: u64,
}

/// An open deal, as far as this report looks at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OpenFact {
    pub(super) value: Option<Valued>,
    /// 0 to 100; nought where it is not known.
    pub(super) probability: i64,
}

/// Open deals being counted.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenTally {
    deals: u64,
    value: MoneyTally,
    weighted: MoneyTally,
    without_value: u64,
}

impl OpenTally {
    pub(super) fn add(&mut self, fact: &OpenFact) {
        self.deals += 1;
        let Some(value) = fact.value else {
            self.without_value += 1;
            return;
        };
        self.value.add(value);
        let weighted = if value.money.amount.is_in_range() { weigh(value, fact.probability) } else { value };
        self.weighted.add(weighted);
    }

    pub(super) fn finish(self, base: Currency) -> Result<OpenDeals, Error> {
        Ok(OpenDeals {
            deals: self.deals,
            value: self.value.sums(base)?,
            weighted: self.weighted.sums(base)?,
            without_value: self.without_value,
        })
    }
}

/// The part of an amount that its probability makes of it, in percent: as the deal's own `weighted_value`.
fn weigh(value: Valued, probability: i64) -> Valued {
    let share = Decimal::new(rust_decimal::Decimal::new(probability, 2));
    // A part of what is in range has at most 28 digits once it is rounded, and so there always is one.
    let part = |amount: Decimal| amount.times(share).unwrap_or(amount);
    let Valued { money, in_base } = value;
    let in_base = if let InBase::Amount(amount) = in_base { InBase::Amount(part(amount)) } else { in_base };
    Valued { money: Money { amount: part(money.amount), ..money }, in_base }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_weighted_by_probability() {
        let fact = |amount: i64, probability| {
            let money = Money::new(amount, Currency::USD);
            OpenFact { value: Some(Valued { money, in_base: InBase::Amount(money.amount) }), probability }
        };
        let mut tally = OpenTally::default();
        for fact in [fact(1000, 25), fact(10, 5), OpenFact { value: None, probability: 90 }] {
            tally.add(&fact);
        }
        let open = tally.finish(Currency::USD).unwrap();
        assert_eq!((open.deals, open.without_value), (3, 1));
        assert_eq!(open.value.in_base.unwrap().sum, Decimal::from(1010));
        assert_eq!(open.weighted.by_currency.get(&Currency::USD), Some(&"250.5".parse().unwrap()));
        assert_eq!(open.weighted.in_base.unwrap().sum, "250.5".parse().unwrap());
    }
}
