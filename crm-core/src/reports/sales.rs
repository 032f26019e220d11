//! The aggregation of the sales report: deals won and lost, their value, and sales cycles.

use serde::Serialize;

use super::{
    money::{MissingRate, MoneyTally, RateUsed, Sums, Valued},
    spread::Spread,
    table::Table,
};
use crate::model::{
    error::Error,
    records::pipeline::StageKind,
    value::{Currency, Date},
};

/// The sales report. See [`Reports::sales`](super::Reports::sales).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SalesReport {
    /// The metrics of all deals.
    pub overall: Figures,
    /// The requested tables, in the order of the request.
    pub tables: Vec<Table<Figures>>,
    /// The currency of [`Sums::in_base`].
    pub base_currency: Currency,
    /// The rates used for conversion: each won deal's on its close date.
    pub rates: Vec<RateUsed>,
    /// Amounts that could not be converted and are not part of [`Sums::in_base`].
    pub missing_rates: Vec<MissingRate>,
}

/// The metrics of a group of deals.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// The number of deals: won + lost + open.
    pub deals: u64,
    /// Deals in a won stage.
    pub won: u64,
    /// Deals in a lost stage.
    pub lost: u64,
    /// Deals in any other stage.
    pub open: u64,
    /// Won ÷ (won + lost), by count. `None` without closed deals.
    pub win_rate: Option<f64>,
    /// The values of the won deals.
    pub won_value: Sums,
    /// Won deals without a value (or none that the actor may see). They are part of `won` and not of `won_value`.
    pub won_without_value: u64,
    /// The sales cycles.
    pub cycle: Cycle,
}

/// Sales cycles: the days from the first entry into the stage where a cycle starts (or from the creation) to the actual
/// close date, both as days of the organization's time zone. Deals that never were in that stage have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cycle {
    /// The cycles of won deals.
    pub won: Option<Spread>,
    /// The cycles of lost deals.
    pub lost: Option<Spread>,
    /// The cycles of both.
    pub closed: Option<Spread>,
    /// Closed deals that are excluded because their dates are impossible: closed before the cycle started, or after
    /// today.
    pub left_out: u64,
}

impl Figures {
    /// Returns the sales velocity, in the base currency per day: open deals × win rate × average won value ÷ mean cycle
    /// of won deals. `None` if one of these is unknown or the mean cycle is zero.
    #[allow(clippy::cast_precision_loss)] // a count of deals is far below 2^53
    pub fn velocity(&self, open: u64) -> Option<f64> {
        let average = self.won_value.in_base.as_ref()?.average.to_f64();
        let days = self.cycle.won.map(|won| won.mean).filter(|&days| days > 0.0)?;
        Some(open as f64 * self.win_rate? * average / days)
    }
}

/// The fields of a deal that this report uses.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fact {
    pub(super) kind: StageKind,
    pub(super) value: Option<Valued>,
    pub(super) cycle: CycleDays,
}

/// The sales cycle of a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CycleDays {
    Days(i64),
    /// The deal is open, or never was in the stage where cycles start.
    None,
    /// The close date is before the start of the cycle, or after today.
    Impossible,
}

impl CycleDays {
    pub(super) fn of(kind: StageKind, began: Option<Date>, closed: Option<Date>, today: Date) -> Self {
        match began.zip(closed) {
            Some((began, closed)) if !kind.is_open() => {
                if began <= closed && closed <= today {
                    Self::Days(i64::from(closed.since(began)))
                } else {
                    Self::Impossible
                }
            }
            _ => Self::None,
        }
    }

    const fn days(self) -> Option<i64> {
        if let Self::Days(days) = self { Some(days) } else { None }
    }
}

/// The state of the aggregation.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    open: u64,
    won: u64,
    lost: u64,
    value: MoneyTally,
    without_value: u64,
    won_days: Vec<i64>,
    lost_days: Vec<i64>,
    cycles_left_out: u64,
}

impl Tally {
    pub(super) fn add(&mut self, fact: &Fact) {
        match fact.kind {
            StageKind::Open | StageKind::Unknown(_) => self.open += 1,
            StageKind::Won => {
                self.won += 1;
                self.won_days.extend(fact.cycle.days());
                match fact.value {
                    Some(value) => self.value.add(value),
                    None => self.without_value += 1,
                }
            }
            StageKind::Lost => {
                self.lost += 1;
                self.lost_days.extend(fact.cycle.days());
            }
        }
        self.cycles_left_out += u64::from(fact.cycle == CycleDays::Impossible);
    }

    #[allow(clippy::cast_precision_loss)] // a count of deals is far below 2^53
    pub(super) fn figures(self, base: Currency) -> Result<Figures, Error> {
        let closed = self.won + self.lost;
        let both = [self.won_days.as_slice(), self.lost_days.as_slice()].concat();
        Ok(Figures {
            deals: closed + self.open,
            won: self.won,
            lost: self.lost,
            open: self.open,
            win_rate: (closed > 0).then(|| self.won as f64 / closed as f64),
            won_value: self.value.sums(base)?,
            won_without_value: self.without_value,
            cycle: Cycle {
                closed: Spread::of(both),
                won: Spread::of(self.won_days),
                lost: Spread::of(self.lost_days),
                left_out: self.cycles_left_out,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::value::{Decimal, Money},
        reports::money::InBase,
    };

    fn fact(kind: StageKind, value: i64, days: Option<i64>) -> Fact {
        let money = Money::new(value, Currency::USD);
        let cycle = days.map_or(CycleDays::None, CycleDays::Days);
        Fact { kind, value: Some(Valued { money, in_base: InBase::Amount(money.amount) }), cycle }
    }

    fn figures(facts: &[Fact]) -> Figures {
        let mut tally = Tally::default();
        for fact in facts {
            tally.add(fact);
        }
        tally.figures(Currency::USD).unwrap()
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
        let all = figures(&[Fact { kind: StageKind::Won, value: None, cycle: CycleDays::None }]);
        assert_eq!((all.won, all.won_without_value), (1, 1));
        assert_eq!(all.won_value, Sums::default());
        assert_eq!(all.cycle, Cycle::default());
    }

    #[test]
    fn a_cycle_has_a_beginning_and_an_end() {
        let day = |text: &str| -> Option<Date> { text.parse().ok() };
        let (began, closed, today) = (day("2017-01-30"), day("2017-02-02"), "2017-02-02".parse().unwrap());
        let of = |kind, began, closed| CycleDays::of(kind, began, closed, today);
        assert_eq!(of(StageKind::Won, began, closed), CycleDays::Days(3));
        assert_eq!(of(StageKind::Won, closed, closed), CycleDays::Days(0));
        assert_eq!(of(StageKind::Open, began, closed), CycleDays::None);
        assert_eq!(of(StageKind::Open, closed, began), CycleDays::None);
        assert_eq!(of(StageKind::Lost, None, closed), CycleDays::None);
        assert_eq!(of(StageKind::Lost, began, None), CycleDays::None);
    }

    #[test]
    fn a_cycle_that_cannot_be_is_left_out_and_counted() {
        let day = |text: &str| -> Option<Date> { text.parse().ok() };
        let today = "2017-02-02".parse().unwrap();
        let before = CycleDays::of(StageKind::Won, day("2017-02-01"), day("2015-06-15"), today);
        let ahead = CycleDays::of(StageKind::Lost, day("2017-02-01"), day("2071-02-02"), today);
        assert_eq!((before, ahead), (CycleDays::Impossible, CycleDays::Impossible));
        let kinds = [(StageKind::Won, before), (StageKind::Lost, ahead), (StageKind::Won, CycleDays::Days(4))];
        let all = figures(&kinds.map(|(kind, cycle)| Fact { kind, value: None, cycle }));
        assert_eq!((all.won, all.lost, all.cycle.left_out), (2, 1, 2), "they are won and lost all the same");
        assert_eq!(all.cycle.won.map(|won| (won.n, won.min, won.max)), Some((1, 4, 4)));
        assert_eq!((all.cycle.lost, all.cycle.closed.map(|closed| closed.n)), (None, Some(1)));
    }
}
