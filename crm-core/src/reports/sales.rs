//! The fold of the sales report: how many were won and lost, for how much, and how long it took.

use serde::Serialize;

use super::{
    money::{MissingRate, MoneyTally, RateUsed, Sums, Valued},
    spread::Spread,
    table::Table,
};
use crate::{
    error::Error,
    pipelines::record::StageKind,
    value::{Currency, Date},
};

/// What sold. See [`Reports::sales`](super::Reports::sales).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SalesReport {
    /// Of all deals together.
    pub overall: Figures,
    /// The tables asked for, in their order.
    pub tables: Vec<Table<Figures>>,
    /// The currency that [`Sums::in_base`] is in.
    pub base_currency: Currency,
    /// The rates by which won amounts were converted: each won deal's at its close date.
    pub rates: Vec<RateUsed>,
    /// What could not be converted: in no [`Sums::in_base`].
    pub missing_rates: Vec<MissingRate>,
}

/// The figures of some deals.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// All of them: won + lost + open.
    pub deals: u64,
    /// Those in a stage that means won.
    pub won: u64,
    /// Those in a stage that means lost.
    pub lost: u64,
    /// Those in any other stage.
    pub open: u64,
    /// Won ÷ (won + lost), by count; `None` where none is closed.
    pub win_rate: Option<f64>,
    /// The values of the won deals.
    pub won_value: Sums,
    /// Won deals that have no value (or none that the actor may see): in `won`, not in `won_value`.
    pub won_without_value: u64,
    /// How long it took.
    pub cycle: Cycle,
}

/// Sales cycles: the days from the first entry of the stage where a cycle begins (or from the creation) to the actual
/// close date, both as days of the organization's time zone. Deals that never were in that stage have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cycle {
    /// Of the won deals.
    pub won: Option<Spread>,
    /// Of the lost ones.
    pub lost: Option<Spread>,
    /// Of both.
    pub closed: Option<Spread>,
}

impl Figures {
    /// Sales velocity, in base currency a day: open deals × win rate × average won value ÷ mean cycle of won deals.
    /// `None` where one of these is not known or the mean cycle is nought.
    #[allow(clippy::cast_precision_loss)] // a count of deals is far below 2^53
    pub fn velocity(&self, open: u64) -> Option<f64> {
        let average = self.won_value.in_base.as_ref()?.average.to_f64();
        let days = self.cycle.won.map(|won| won.mean).filter(|&days| days > 0.0)?;
        Some(open as f64 * self.win_rate? * average / days)
    }
}

/// A deal, as far as this report looks at it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fact {
    pub(super) kind: StageKind,
    pub(super) value: Option<Valued>,
    pub(super) cycle_days: Option<i64>,
}

/// The cycle of a closed deal; negative where it is said to have closed before it began.
pub(super) fn cycle_days(kind: StageKind, began: Option<Date>, closed: Option<Date>) -> Option<i64> {
    let (began, closed) = began.zip(closed)?;
    (kind != StageKind::Open).then(|| i64::from(closed.since(began)))
}

/// Deals being counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    open: u64,
    won: u64,
    lost: u64,
    value: MoneyTally,
    without_value: u64,
    won_days: Vec<i64>,
    lost_days: Vec<i64>,
}

impl Tally {
    pub(super) fn add(&mut self, fact: &Fact) -> Result<(), Error> {
        match fact.kind {
            StageKind::Open => self.open += 1,
            StageKind::Won => {
                self.won += 1;
                self.won_days.extend(fact.cycle_days);
                match fact.value {
                    Some(value) => self.value.add(value)?,
                    None => self.without_value += 1,
                }
            }
            StageKind::Lost => {
                self.lost += 1;
                self.lost_days.extend(fact.cycle_days);
            }
        }
        Ok(())
    }

    #[allow(clippy::cast_precision_loss)] // a count of deals is far below 2^53
    pub(super) fn figures(self) -> Result<Figures, Error> {
        let closed = self.won + self.lost;
        let both = [self.won_days.as_slice(), self.lost_days.as_slice()].concat();
        Ok(Figures {
            deals: closed + self.open,
            won: self.won,
            lost: self.lost,
            open: self.open,
            win_rate: (closed > 0).then(|| self.won as f64 / closed as f64),
            won_value: self.value.sums()?,
            won_without_value: self.without_value,
            cycle: Cycle { closed: Spread::of(both), won: Spread::of(self.won_days), lost: Spread::of(self.lost_days) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Decimal, Money};

    fn fact(kind: StageKind, value: i64, cycle_days: Option<i64>) -> Fact {
        let money = Money::new(value, Currency::USD);
        Fact { kind, value: Some(Valued { money, in_base: Some(money.amount) }), cycle_days }
    }

    fn figures(facts: &[Fact]) -> Figures {
        let mut tally = Tally::default();
        for fact in facts {
            tally.add(fact).unwrap();
        }
        tally.figures().unwrap()
    }

    #[test]
    fn of_no_deals_every_ratio_is_unknown() {
        let none = figures(&[]);
        assert_eq!(none, Figures::default());
        assert_eq!(none.velocity(3), None);
    }

    #[test]
    fn only_closed_deals_count_for_the_win_rate_and_only_won_ones_for_the_value() {
        use StageKind::{Lost, Open, Won};
        let facts = [
            fact(Won, 100, Some(10)),
            fact(Won, 300, Some(30)),
            fact(Lost, 5000, Some(2)),
            fact(Open, 7000, None),
            fact(Open, 1, None),
        ];
        let all = figures(&facts);
        assert_eq!((all.deals, all.won, all.lost, all.open), (5, 2, 1, 2));
        assert_eq!(all.win_rate, Some(2.0 / 3.0));
        let value = all.won_value.in_base.as_ref().unwrap();
        assert_eq!((value.sum, value.average), (Decimal::from(400), Decimal::from(200)));
        assert!((all.cycle.won.unwrap().mean - 20.0).abs() < 1e-12);
        assert_eq!(all.cycle.lost.unwrap().n, 1);
        assert_eq!(all.cycle.closed.unwrap().sum, 42);
        assert_eq!(all.velocity(2), Some(2.0 * (2.0 / 3.0) * 200.0 / 20.0));
    }

    #[test]
    fn a_won_deal_without_a_value_is_said() {
        let all = figures(&[Fact { kind: StageKind::Won, value: None, cycle_days: None }]);
        assert_eq!((all.won, all.won_without_value), (1, 1));
        assert_eq!(all.won_value, Sums::default());
        assert_eq!(all.cycle, Cycle::default());
    }

    #[test]
    fn a_cycle_has_a_beginning_and_an_end() {
        let (began, closed) = ("2017-01-30".parse().ok(), "2017-02-02".parse().ok());
        assert_eq!(cycle_days(StageKind::Won, began, closed), Some(3));
        assert_eq!(cycle_days(StageKind::Open, began, closed), None);
        assert_eq!(cycle_days(StageKind::Lost, None, closed), None);
        assert_eq!(cycle_days(StageKind::Lost, began, None), None);
    }
}
