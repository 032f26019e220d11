//! Sums of money: unconverted for each currency, and in the base currency by dated rates.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{
    error::Error,
    value::{Currency, Date, Decimal, ExactSum, Money, MoneyError, product},
};

/// Decimal places of a converted amount, and of an average or median beyond the currency's minor unit.
const PLACES: u32 = 6;

/// Sums of amounts. They are exact and rounded once, to the 28 digits of a decimal, so that they depend neither on the
/// order nor on the grouping of the amounts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sums {
    /// The sum for each currency, unconverted.
    pub by_currency: BTreeMap<Currency, Decimal>,
    /// The amounts in the base currency; `None` without amounts, or if none can be converted.
    pub in_base: Option<Amounts>,
    /// The number of amounts that are part of [`Sums::by_currency`] but, because a rate is missing, not of
    /// [`Sums::in_base`].
    pub without_rate: u64,
    /// The number of amounts excluded because they are 10^18 or more in size ([`Decimal::BOUND`]). They are excluded
    /// from both sums or, if only the converted amount is that large, from [`Sums::in_base`].
    pub out_of_range: u64,
}

/// Amounts in the base currency, at least one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Amounts {
    /// The number of amounts.
    pub n: u64,
    /// The sum.
    pub sum: Decimal,
    /// Sum ÷ n, rounded half to even to 6 digits beyond the currency's minor unit: to 8 for euros.
    pub average: Decimal,
    /// The median, rounded as the average; for an even number of amounts, the mean of the two middle values.
    pub median: Decimal,
    /// The smallest amount.
    pub min: Decimal,
    /// The largest amount.
    pub max: Decimal,
}

/// A rate that amounts were converted with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RateUsed {
    /// The converted currency.
    pub currency: Currency,
    /// The day of the rate, which applies until the next.
    pub day: Date,
    /// Units of the base currency for one unit.
    pub rate: Decimal,
    /// The number of amounts converted with it.
    pub amounts: u64,
}

/// Amounts of a currency without a rate for their day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingRate {
    /// The currency.
    pub currency: Currency,
    /// The number of amounts.
    pub amounts: u64,
    /// The sum of the amounts, in the currency.
    pub sum: Decimal,
    /// The first day without a rate.
    pub first_day: Date,
    /// The last day without a rate.
    pub last_day: Date,
}

/// Returns the error of a sum with more digits than a decimal holds.
pub(crate) fn overflow(_: MoneyError) -> Error {
    Error::TooLarge { what: "the number of digits of a sum", limit: 28 }
}

/// An amount in the base currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InBase {
    Amount(Decimal),
    /// No rate is known for its day.
    NoRate,
    /// The amount or the converted amount is out of range.
    OutOfRange,
}

/// The rates of some currencies, and a record of the used and the missing ones.
#[derive(Debug)]
pub(crate) struct RateTable {
    base: Currency,
    rates: BTreeMap<Currency, BTreeMap<Date, Decimal>>,
    used: BTreeMap<(Currency, Date), (Decimal, u64)>,
    missing: BTreeMap<Currency, (MissingRate, ExactSum)>,
}

impl RateTable {
    pub(crate) const fn new(base: Currency) -> Self {
        Self { base, rates: BTreeMap::new(), used: BTreeMap::new(), missing: BTreeMap::new() }
    }

    /// Adds a rate that applies from a day on, until the next.
    pub(super) fn add(&mut self, currency: Currency, day: Date, rate: Decimal) {
        self.rates.entry(currency).or_default().insert(day, rate);
    }

    /// Converts an amount to the base currency, with the latest rate on or before its day, rounded to 6 decimal places.
    /// Records a missing rate.
    pub(crate) fn convert(&mut self, money: Money, day: Date) -> InBase {
        if !money.amount.is_in_range() {
            return InBase::OutOfRange;
        }
        if money.currency == self.base {
            return InBase::Amount(money.amount);
        }
        let rate = self.rates.get(&money.currency).and_then(|rates| rates.range(..=day).next_back());
        if let Some((&of, &rate)) = rate {
            let Some(amount) = product(money.amount, rate, PLACES).ok().filter(|amount| amount.is_in_range()) else {
                return InBase::OutOfRange;
            };
            self.used.entry((money.currency, of)).or_insert((rate, 0)).1 += 1;
            return InBase::Amount(amount);
        }
        let new =
            || MissingRate { currency: money.currency, amounts: 0, sum: Decimal::ZERO, first_day: day, last_day: day };
        let (missing, sum) = self.missing.entry(money.currency).or_insert_with(|| (new(), ExactSum::default()));
        missing.amounts += 1;
        sum.add(money.amount);
        missing.first_day = missing.first_day.min(day);
        missing.last_day = missing.last_day.max(day);
        InBase::NoRate
    }

    /// Returns and clears the records of used and missing rates.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more than 28 digits in a sum.
    pub(crate) fn notes(&mut self) -> Result<(Vec<RateUsed>, Vec<MissingRate>), Error> {
        let used = std::mem::take(&mut self.used)
            .into_iter()
            .map(|((currency, day), (rate, amounts))| RateUsed { currency, day, rate, amounts })
            .collect();
        let missing = std::mem::take(&mut self.missing).into_values();
        let missing = missing.map(|(missing, sum)| Ok(MissingRate { sum: sum.total().map_err(overflow)?, ..missing }));
        Ok((used, missing.collect::<Result<_, Error>>()?))
    }
}

/// An amount and its value in the base currency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Valued {
    pub(super) money: Money,
    pub(super) in_base: InBase,
}

/// Amounts being summed.
#[derive(Clone, Debug, Default)]
pub(super) struct MoneyTally {
    by_currency: BTreeMap<Currency, ExactSum>,
    in_base: Vec<Decimal>,
    without_rate: u64,
    out_of_range: u64,
}

impl MoneyTally {
    pub(super) fn add(&mut self, amount: Valued) {
        let Valued { money, in_base } = amount;
        if money.amount.is_in_range() {
            self.by_currency.entry(money.currency).or_default().add(money.amount);
        }
        match in_base {
            InBase::Amount(amount) => self.in_base.push(amount),
            InBase::NoRate => self.without_rate += 1,
            InBase::OutOfRange => self.out_of_range += 1,
        }
    }

    /// Returns the sums, those in the base currency rounded to its usual digits.
    pub(super) fn sums(mut self, base: Currency) -> Result<Sums, Error> {
        let places = base.minor_digits() + PLACES;
        self.in_base.sort_unstable();
        let in_base = match (self.in_base.first(), self.in_base.last()) {
            (Some(&min), Some(&max)) => {
                let all = &self.in_base;
                let n = all.len() as u64;
                let sum: ExactSum = all.iter().copied().collect();
                let (low, high) = (all[(all.len() - 1) / 2], all[all.len() / 2]);
                let middle: ExactSum = [low, high].into_iter().collect();
                let median = if low == high { low } else { middle.divided(2, places).map_err(overflow)? };
                let average = sum.divided(n, places).map_err(overflow)?;
                Some(Amounts { n, sum: sum.total().map_err(overflow)?, average, median, min, max })
            }
            _ => None,
        };
        let by_currency = self.by_currency.into_iter();
        let by_currency = by_currency.map(|(currency, sum)| Ok((currency, sum.total().map_err(overflow)?)));
        Ok(Sums {
            by_currency: by_currency.collect::<Result<_, Error>>()?,
            in_base,
            without_rate: self.without_rate,
            out_of_range: self.out_of_range,
        })
    }
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
            tally.add(Valued { money, in_base: in_base.map_or(InBase::NoRate, |text| InBase::Amount(dec(text))) });
        }
        tally.sums(Currency::EUR).unwrap()
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
        let mut at = |date: &str| table.convert(euros, day(date));
        assert_eq!(at("2024-01-10"), InBase::Amount(dec("110")));
        assert_eq!(at("2024-01-31"), InBase::Amount(dec("110")));
        assert_eq!(at("2024-02-01"), InBase::Amount(dec("120")));
        assert_eq!(at("2024-01-09"), InBase::NoRate);
        assert_eq!(at("2023-12-01"), InBase::NoRate);
        assert_eq!(table.convert(Money::new(7, Currency::USD), day("1999-01-01")), InBase::Amount(dec("7")));
        let (used, missing) = table.notes().unwrap();
        assert_eq!(
            used.iter().map(|used| (used.day, used.amounts)).collect::<Vec<_>>(),
            [(day("2024-01-10"), 2), (day("2024-02-01"), 1)]
        );
        let [missing] = missing.as_slice() else { panic!("one currency") };
        assert_eq!((missing.amounts, missing.sum), (2, dec("200")));
        assert_eq!((missing.first_day, missing.last_day), (day("2023-12-01"), day("2024-01-09")));
    }

    #[test]
    fn what_is_out_of_range_is_left_out_and_counted() {
        let mut table = RateTable::new(Currency::USD);
        table.add(Currency::EUR, day("2024-01-10"), dec("100000"));
        let mut tally = MoneyTally::default();
        let amounts = ["79228162514264337593543950335", "-1000000000000000000", "99999999999999999", "0.5"];
        for (amount, currency) in
            amounts.map(|amount| (amount, Currency::EUR)).into_iter().chain([("7", Currency::USD)])
        {
            let money = Money::new(dec(amount), currency);
            let in_base = table.convert(money, day("2024-02-01"));
            tally.add(Valued { money, in_base });
        }
        let sums = tally.sums(Currency::USD).unwrap();
        assert_eq!(sums.out_of_range, 3, "two amounts, and one that converts to too much");
        assert_eq!(sums.by_currency.get(&Currency::EUR), Some(&dec("99999999999999999.5")));
        assert_eq!(sums.in_base.map(|all| (all.n, all.sum)), Some((2, dec("50007"))));
        assert_eq!(table.notes().unwrap().0[0].amounts, 1, "no rate is said to be used for what is left out");
    }

    #[test]
    fn averages_end_six_digits_past_the_minor_unit() {
        let average = |base: Currency, amounts: &[&str]| {
            let mut tally = MoneyTally::default();
            for amount in amounts {
                let amount = dec(amount);
                tally.add(Valued { money: Money::new(amount, base), in_base: InBase::Amount(amount) });
            }
            let all = tally.sums(base).unwrap().in_base.unwrap();
            (all.average.to_string(), all.median.to_string())
        };
        let of = |average: &str, median: &str| (average.to_owned(), median.to_owned());
        assert_eq!(average(Currency::EUR, &["1", "1", "0"]), of("0.66666667", "1"));
        assert_eq!(average("JPY".parse().unwrap(), &["10", "0", "0"]), of("3.333333", "0"));
        assert_eq!(average("KWD".parse().unwrap(), &["1", "0.000000001"]), of("0.5", "0.5"), "half to even");
        assert_eq!(average("XAU".parse().unwrap(), &["1", "1", "0"]), of("0.66666667", "1"), "gold has no minor unit");
    }

    proptest::proptest! {
        #[test]
        fn no_order_of_amounts_moves_a_figure(
            amounts in proptest::collection::vec((-1_i64 << 60..1 << 60, 0_u32..=18, 0_usize..3), 1..20),
            turn in 0_usize..20,
        ) {
            let figures = |amounts: &[(i64, u32, usize)]| {
                let mut table = RateTable::new(Currency::USD);
                table.add(Currency::EUR, day("2024-01-10"), dec("1.08423719"));
                let mut tally = MoneyTally::default();
                for &(amount, scale, currency) in amounts {
                    let amount = Decimal::new(rust_decimal::Decimal::new(amount, scale));
                    let currency = [Currency::USD, Currency::EUR, "CHF".parse().unwrap()][currency];
                    let money = Money::new(amount, currency);
                    let in_base = table.convert(money, day("2024-01-10"));
                    tally.add(Valued { money, in_base });
                }
                (tally.sums(Currency::USD).unwrap(), table.notes().unwrap())
            };
            let mut turned = amounts.clone();
            turned.rotate_left(turn % amounts.len());
            turned.reverse();
            proptest::prop_assert_eq!(figures(&turned), figures(&amounts));
        }
    }
}
