//! The aggregation of the age report: how long deals have been in a stage, by the change log.

use chrono_tz::Tz;
use serde::Serialize;

use super::spread::Spread;
use crate::model::{
    records::pipeline::Stage,
    value::{Date, Id, Time},
};

/// The time that deals have been in a stage. See [`Reports::ages`](super::Reports::ages).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgeReport {
    /// The day, at whose end the ages are computed.
    pub on: Date,
    /// The days since each deal in the stage entered it; `None` if no deal is in it.
    pub days: Option<Spread>,
    /// For each requested number of days, in the order of the request: the number of deals that have been there longer.
    pub older_than: Vec<OlderThan>,
}

/// The deals that have been in a stage for more than a number of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OlderThan {
    /// The number of days that is exceeded.
    pub days: i64,
    /// The number of deals.
    pub deals: u64,
}

/// A deal's entry into a stage.
pub(super) type Entry = (Time, Id<Stage>);

/// Returns the number of days that a deal has been in a stage at the end of a day; `None` if it is not in the stage
/// then. The entries are in chronological order.
pub(super) fn age(entries: &[Entry], stage: Id<Stage>, on: Date, zone: Tz) -> Option<i64> {
    let (entered, last) = entries.iter().rev().find(|(at, _)| at.date_in(zone) <= on)?;
    (*last == stage).then(|| i64::from(on.since(entered.date_in(zone))))
}

/// Returns the report of all ages.
pub(super) fn report(ages: Vec<i64>, on: Date, older_than: &[i64]) -> AgeReport {
    let count = |days: i64| ages.iter().filter(|&&age| age > days).count() as u64;
    let older_than = older_than.iter().map(|&days| OlderThan { days, deals: count(days) }).collect();
    AgeReport { on, older_than, days: Spread::of(ages) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> Id<Stage> {
        Id::from_parts(1, [number; 10]).typed()
    }

    #[test]
    fn a_deal_is_in_the_stage_it_entered_last_by_that_day() {
        let at = |text: &str| -> Time { text.parse().unwrap() };
        let on = |text: &str| -> Date { text.parse().unwrap() };
        let entries = [
            (at("2024-01-01T00:00:00Z"), id(1)),
            (at("2024-01-11T12:00:00Z"), id(2)),
            (at("2024-01-31T00:00:00Z"), id(1)),
        ];
        let age_of = |stage, day: &str| age(&entries, stage, on(day), Tz::UTC);
        assert_eq!(age_of(id(1), "2023-12-31"), None);
        assert_eq!(age_of(id(1), "2024-01-01"), Some(0));
        assert_eq!(age_of(id(1), "2024-01-10"), Some(9));
        assert_eq!(age_of(id(1), "2024-01-11"), None, "it left on that day");
        assert_eq!(age_of(id(2), "2024-01-30"), Some(19));
        assert_eq!(age_of(id(1), "2024-02-02"), Some(2), "it came back");
        // The same time is on another day in another time zone.
        assert_eq!(age(&entries, id(2), on("2024-01-30"), Tz::Pacific__Kiritimati), Some(18));
    }

    #[test]
    fn older_than_means_more_days_than() {
        let report = report(vec![90, 91, 5], "2024-01-01".parse().unwrap(), &[90, 4]);
        assert_eq!(report.older_than, [OlderThan { days: 90, deals: 1 }, OlderThan { days: 4, deals: 3 }]);
        assert_eq!(report.days.unwrap().max, 91);
    }
}
