//! Sums of money: per currency as they are, and in the base currency by the dated rates.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    error::Error,
    value::{Currency, Date, Decimal, Money, MoneyError},
};

/// What some amounts come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sums {
    /// The sum of each currency, nothing converted.
    pub by_currency: BTreeMap<Currency, Decimal>,
    /// What they come to in the base currency; `None` where there is no amount, or none that a rate converts.
    pub in_base: Option<Amounts>,
    /// Amounts that are in [`Sums::by_currency`] and, for want of a rate, not in [`Sums::in_base`].
    pub without_rate: u64,
}

/// Some amounts in the base currency. Only ever of at least one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Amounts {
    /// How many.
    pub n: u64,
    /// All together.
    pub sum: Decimal,
    /// Sum ÷ n, to 28 digits.
    pub average: Decimal,
    /// The middle one; of an even number of them the mean of the two in the middle.
    pub median: Decimal,
    /// The least.
    pub min: Decimal,
    /// The greatest.
    pub max: Decimal,
}

/// A rate by which amounts were converted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RateUsed {
    /// Of which currency.
    pub currency: Currency,
    /// Of which day. It stands until the next.
    pub day: Date,
    /// Units of the base currency for one unit.
    pub rate: Decimal,
    /// How many amounts were converted by it.
    pub amounts: u64,
}

/// Amounts of a currency for whose days there is no rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingRate {
    /// Of which currency.
    pub currency: Currency,
    /// How many.
    pub amounts: u64,
    /// What they come to in that currency.
    pub sum: Decimal,
    /// The first day for which a rate is missing.
    pub first_day: Date,
    /// The last.
    pub last_day: Date,
}

/// A sum of more digits than a decimal holds.
pub(crate) fn overflow(_: MoneyError) -> Error {
    Error::TooLarge { what: "the number of digits of a sum", limit: 28 }
}

/// The rates of some currencies, and which of them were used and missed.
#[derive(Debug)]
pub(crate) struct RateTable {
    base: Currency,
    rates: BTreeMap<Currency, BTreeMap<Date, Decimal>>,
    used: BTreeMap<(Currency, Date), (Decimal, u64)>,
    missing: BTreeMap<Currency, MissingRate>,
}

impl RateTable {
    pub(crate) const fn new(base: Currency) -> Self {
        Self { base, rates: BTreeMap::new(), used: BTreeMap::new(), missing: BTreeMap::new() }
    }

    /// A rate that stands from a day on, until the next.
    pub(super) fn add(&mut self, currency: Currency, day: Date, rate: Decimal) {
        self.rates.entry(currency).or_default().insert(day, rate);
    }

    /// The amount in the base currency, by the latest rate of its day or before; `None`, and noted, where there is
    /// none.
    pub(crate) fn convert(&mut self, money: Money, day: Date) -> Result<Option<Decimal>, Error> {
        if money.currency == self.base {
            return Ok(Some(money.amount));
        }
        let rate = self.rates.get(&money.currency).and_then(|rates| rates.range(..=day).next_back());
        if let Some((&of, &rate)) = rate {
            self.used.entry((money.currency, of)).or_insert((rate, 0)).1 += 1;
            return money.amount.times(rate).map(Some).map_err(overflow);
        }
        let missing = self.missing.entry(money.currency).or_insert(MissingRate {
            currency: money.currency,
            amounts: 0,
            sum: Decimal::ZERO,
            first_day: day,
            last_day: day,
        });
        missing.amounts += 1;
        missing.sum = missing.sum.plus(money.amount).map_err(overflow)?;
        missing.first_day = missing.first_day.min(day);
        missing.last_day = missing.last_day.max(day);
        Ok(None)
    }

    /// What was used and what was missing since it was last asked.
    pub(crate) fn notes(&mut self) -> (Vec<RateUsed>, Vec<MissingRate>) {
        let used = std::mem::take(&mut self.used)
            .into_iter()
            .map(|((currency, day), (rate, amounts))| RateUsed { currency, day, rate, amounts })
            .collect();
        (used, std::mem::take(&mut self.missing).into_values().collect())
    }
}

/// An amount and what it is in the base currency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Valued {
    pub(super) money: Money,
    pub(super) in_base: Option<Decimal>,
}

/// Amounts being summed.
#[derive(Clone, Debug, Default)]
pub(super) struct MoneyTally {
    by_currency: BTreeMap<Currency, Decimal>,
    in_base: Vec<Decimal>,
    without_rate: u64,
}

impl MoneyTally {
    pub(super) fn add(&mut self, amount: Valued) -> Result<(), Error> {
        let sum = self.by_currency.entry(amount.money.currency).or_insert(Decimal::ZERO);
        *sum = sum.plus(amount.money.amount).map_err(overflow)?;
        match amount.in_base {
            Some(amount) => self.in_base.push(amount),
            None => self.without_rate += 1,
        }
        Ok(())
    }

    pub(super) fn sums(mut self) -> Result<Sums, Error> {
        self.in_base.sort_unstable();
        let in_base = match (self.in_base.first(), self.in_base.last()) {
            (Some(&min), Some(&max)) => {
                let all = &self.in_base;
                let mut sum = Decimal::ZERO;
                for &amount in all {
                    sum = sum.plus(amount).map_err(overflow)?;
                }
                let middle = all[(all.len() - 1) / 2].plus(all[all.len() / 2]).map_err(overflow)?;
                let n = all.len() as u64;
                Some(Amounts { n, sum, average: divide(sum, n)?, median: divide(middle, 2)?, min, max })
            }
            _ => None,
        };
        Ok(Sums { by_currency: self.by_currency, in_base, without_rate: self.without_rate })
    }
}

/// The quotient, to 28 digits.
fn divide(sum: Decimal, n: u64) -> Result<Decimal, Error> {
    sum.get().checked_div(n.into()).map(Decimal::new).ok_or_else(|| overflow(MoneyError::Overflow))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn sums(amounts: &[(&str, Option<&str>)]) -> Sums {
        let mut tally = MoneyTally::default();
        for (amount, in_base) in amounts {
            let money = Money::new(dec(amount), Currency::EUR);
            tally.add(Valued { money, in_base: in_base.map(dec) }).unwrap();
        }
        tally.sums().unwrap()
    }

    #[test]
    fn of_nothing_there_are_no_amounts() {
        assert_eq!(sums(&[]), Sums::default());
    }

    #[test]
    fn amounts_are_summed_exactly() {
        let sums = sums(&[("0.1", Some("0.1")), ("0.2", Some("0.2")), ("9.7", Some("9.7")), ("1", Some("1"))]);
        let all = sums.in_base.unwrap();
        assert_eq!((all.n, all.sum, all.average), (4, dec("11"), dec("2.75")));
        assert_eq!((all.median, all.min, all.max), (dec("0.6"), dec("0.1"), dec("9.7")));
    }

    #[test]
    fn an_amount_without_a_rate_is_counted_and_in_no_base_sum() {
        let sums = sums(&[("5", None), ("3", Some("4"))]);
        assert_eq!(sums.by_currency.get(&Currency::EUR), Some(&dec("8")));
        assert_eq!((sums.in_base.unwrap().sum, sums.without_rate), (dec("4"), 1));
    }

    #[test]
    fn the_latest_rate_of_the_day_or_before_converts() {
        let mut table = RateTable::new(Currency::USD);
        table.add(Currency::EUR, day("2024-01-10"), dec("1.10"));
        table.add(Currency::EUR, day("2024-02-01"), dec("1.20"));
        let euros = Money::new(100, Currency::EUR);
        let mut at = |date: &str| table.convert(euros, day(date)).unwrap();
        assert_eq!(at("2024-01-10"), Some(dec("110")));
        assert_eq!(at("2024-01-31"), Some(dec("110")));
        assert_eq!(at("2024-02-01"), Some(dec("120")));
        assert_eq!(at("2024-01-09"), None);
        assert_eq!(at("2023-12-01"), None);
        assert_eq!(table.convert(Money::new(7, Currency::USD), day("1999-01-01")).unwrap(), Some(dec("7")));
        let (used, missing) = table.notes();
        assert_eq!(
            used.iter().map(|used| (used.day, used.amounts)).collect::<Vec<_>>(),
            [(day("2024-01-10"), 2), (day("2024-02-01"), 1)]
        );
        let [missing] = missing.as_slice() else { panic!("one currency") };
        assert_eq!((missing.amounts, missing.sum), (2, dec("200")));
        assert_eq!((missing.first_day, missing.last_day), (day("2023-12-01"), day("2024-01-09")));
    }

    #[test]
    fn a_sum_of_too_many_digits_is_an_error() {
        let mut tally = MoneyTally::default();
        let most = Money::new(dec("79228162514264337593543950335"), Currency::USD);
        let valued = Valued { money: most, in_base: Some(most.amount) };
        tally.add(valued).unwrap();
        assert!(matches!(tally.add(valued), Err(Error::TooLarge { .. })));
    }
}
