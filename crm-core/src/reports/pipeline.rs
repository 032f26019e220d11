//! The aggregation of the pipeline report: open deals by stage.

use serde::Serialize;

use super::{
    money::{InBase, MissingRate, MoneyTally, RateUsed, Sums, Valued},
    table::Table,
};
use crate::model::{
    error::Error,
    records::pipeline::Stage,
    value::{Currency, Date, Decimal, Id, Money},
};

/// The pipeline report: the open deals. See [`Reports::pipeline`](super::Reports::pipeline).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PipelineReport {
    /// All open deals.
    pub total: OpenDeals,
    /// The open stages of the pipeline in order, including those without deals; a retired one only with deals.
    pub stages: Vec<OpenStage>,
    /// The requested tables, in the order of the request.
    pub tables: Vec<Table<OpenDeals>>,
    /// The currency of [`Sums::in_base`].
    pub base_currency: Currency,
    /// The day whose rates are used for conversion: today.
    pub day: Date,
    /// The rates used for conversion.
    pub rates: Vec<RateUsed>,
    /// Amounts that could not be converted and are not part of [`Sums::in_base`].
    pub missing_rates: Vec<MissingRate>,
}

/// The open deals of one stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenStage {
    /// The id of the stage.
    pub id: Id<Stage>,
    /// The key of the stage.
    pub key: String,
    /// The name of the stage.
    pub name: String,
    /// The deals of the stage.
    #[serde(flatten)]
    pub open: OpenDeals,
}

/// Metrics of open deals.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OpenDeals {
    /// The number of deals.
    pub deals: u64,
    /// The sum of the deals' values, or of the requested field.
    pub value: Sums,
    /// The sum of value × probability ÷ 100; empty if the actor may not see probabilities.
    pub weighted: Sums,
    /// The number of deals without a value (or none that the actor may see).
    pub without_value: u64,
}

/// The fields of an open deal that this report uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct OpenFact {
    pub(super) value: Option<Valued>,
    /// 0 to 100; `None` if there is none, or none that the actor may see.
    pub(super) probability: Option<i64>,
}

/// The state of the aggregation.
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
        let Some(probability) = fact.probability else { return };
        let weighted = if value.money.amount.is_in_range() { weigh(value, probability) } else { value };
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

/// Returns the amount weighted by its probability in percent, as the deal's own `weighted_value`.
fn weigh(value: Valued, probability: i64) -> Valued {
    let share = Decimal::new(rust_decimal::Decimal::new(probability, 2));
    // A share of an amount in range has at most 28 digits after rounding, so this always succeeds.
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
            let value = Some(Valued { money, in_base: InBase::Amount(money.amount) });
            OpenFact { value, probability: Some(probability) }
        };
        let mut tally = OpenTally::default();
        for fact in [fact(1000, 25), fact(10, 5), OpenFact { value: None, probability: Some(90) }] {
            tally.add(&fact);
        }
        let open = tally.finish(Currency::USD).unwrap();
        assert_eq!((open.deals, open.without_value), (3, 1));
        assert_eq!(open.value.in_base.unwrap().sum, Decimal::from(1010));
        assert_eq!(open.weighted.by_currency.get(&Currency::USD), Some(&"250.5".parse().unwrap()));
        assert_eq!(open.weighted.in_base.unwrap().sum, "250.5".parse().unwrap());
    }
}
