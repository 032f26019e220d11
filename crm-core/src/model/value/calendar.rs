//! The calendar of an organization: the instant at which a local day begins, arithmetic in days, weeks, months,
//! quarters and years, and named periods (`today`, `last_quarter`, `last_7_days`). Queries, grants, gates, scoring
//! rules and reports share this module.
//!
//! Spans of a day or more use calendar arithmetic: three days from now is the same local time on the third day, however
//! many hours that takes. Shorter spans are exact.

use std::ops::RangeInclusive;

use chrono::{Datelike, Months, NaiveDateTime, Utc, Weekday};
use chrono_tz::Tz;

use super::{Date, Time};

/// The time zone, week and fiscal year of an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The time zone.
    pub zone: Tz,
    /// The first day of a week.
    pub week_start: Weekday,
    /// The month in which the fiscal year begins, 1 to 12.
    pub fiscal_start: u32,
}

/// UTC, weeks from Monday, the fiscal year equal to the calendar year.
impl Default for Calendar {
    fn default() -> Self {
        Self { zone: Tz::UTC, week_start: Weekday::Mon, fiscal_start: 1 }
    }
}

/// A unit of calendar arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A calendar day.
    Days,
    /// Seven days.
    Weeks,
    /// A calendar month. The 31st becomes the last day of a shorter month.
    Months,
    /// Three months.
    Quarters,
    /// Twelve months.
    Years,
}

impl Unit {
    /// Returns the unit with this name, such as `days`.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "days" => Self::Days,
            "weeks" => Self::Weeks,
            "months" => Self::Months,
            "quarters" => Self::Quarters,
            "years" => Self::Years,
            _ => return None,
        })
    }
}

/// The named periods, in addition to `last_N_days` and `next_N_days`.
pub const PERIODS: [&str; 21] = [
    "yesterday",
    "today",
    "tomorrow",
    "last_week",
    "this_week",
    "next_week",
    "last_month",
    "this_month",
    "next_month",
    "last_quarter",
    "this_quarter",
    "next_quarter",
    "last_year",
    "this_year",
    "next_year",
    "last_fiscal_quarter",
    "this_fiscal_quarter",
    "next_fiscal_quarter",
    "last_fiscal_year",
    "this_fiscal_year",
    "next_fiscal_year",
];

/// The maximum N in `last_N_days`.
const MAX_DAYS: i32 = 3660;

impl Calendar {
    /// Returns the local day of a time.
    pub fn day(&self, time: Time) -> Date {
        time.date_in(self.zone)
    }

    /// Returns the first instant on or after the day. If the clock skips midnight or the whole day, that is the instant
    /// of the skip.
    pub fn start_of(&self, day: Date) -> Time {
        instant(day.chrono().and_hms_opt(0, 0, 0).unwrap_or_default(), self.zone)
    }

    /// Returns the first and last instant of a range of days. The range is empty (first after last) if the clock
    /// skipped all of them.
    pub fn instants(&self, days: &RangeInclusive<Date>) -> RangeInclusive<Time> {
        let (first, last) = (*days.start(), *days.end());
        let after = last + 1;
        let end = if after == last { Time::MAX } else { self.start_of(after).plus_micros(-1) };
        self.start_of(first)..=end
    }

    /// Returns the day `count` units later, clamped to the years 1 to 9999.
    pub fn later(&self, day: Date, unit: Unit, count: i64) -> Date {
        let months = |months: i64| {
            let count = Months::new(u32::try_from(months.unsigned_abs()).unwrap_or(u32::MAX));
            let moved = if months < 0 {
                day.chrono().checked_sub_months(count)
            } else {
                day.chrono().checked_add_months(count)
            };
            moved.and_then(|moved| Date::from_chrono(moved).ok())
        };
        let days = |days: i64| {
            let moved = i64::from(day.days()).checked_add(days).and_then(|days| i32::try_from(days).ok());
            moved.and_then(|days| Date::from_days(days).ok())
        };
        let moved = match unit {
            Unit::Days => days(count),
            Unit::Weeks => count.checked_mul(7).and_then(days),
            Unit::Months => months(count),
            Unit::Quarters => count.checked_mul(3).and_then(months),
            Unit::Years => count.checked_mul(12).and_then(months),
        };
        moved.unwrap_or(if count < 0 { Date::MIN } else { Date::MAX })
    }

    /// Returns the same local time `count` units later. If the clock shows that local time twice, the result is the
    /// first; if it skips it, the instant of the skip.
    pub fn later_time(&self, time: Time, unit: Unit, count: i64) -> Time {
        let local = time.chrono().with_timezone(&self.zone).naive_local();
        let moved = instant(self.later(self.day(time), unit, count).chrono().and_time(local.time()), self.zone);
        // The local day is clamped at the limits of time, which must not reverse the direction.
        match count {
            0 => time,
            1.. => moved.max(time),
            _ => moved.min(time),
        }
    }

    /// Returns the days of a named period relative to `today`, or `None` if the name is unknown.
    pub fn period(&self, name: &str, today: Date) -> Option<RangeInclusive<Date>> {
        match name {
            "yesterday" => return Some(today + -1..=today + -1),
            "today" => return Some(today..=today),
            "tomorrow" => return Some(today + 1..=today + 1),
            _ => {}
        }
        let (which, rest) = name.split_once('_')?;
        let offset = match which {
            "last" => -1,
            "this" => 0,
            "next" => 1,
            _ => return None,
        };
        if let Some(count) = rest.strip_suffix("_days") {
            let count: i32 = count.parse().ok().filter(|count| (1..=MAX_DAYS).contains(count))?;
            return match which {
                "last" => Some(today + (1 - count)..=today),
                "next" => Some(today..=today + (count - 1)),
                _ => None,
            };
        }
        let (_, month, _) = today.ymd();
        let back = |months: u32| {
            let first = today.chrono().with_day(1).and_then(|day| Date::from_chrono(day).ok()).unwrap_or(today);
            self.later(first, Unit::Months, -i64::from(months))
        };
        let fiscal = (month + 12 - self.fiscal_start.clamp(1, 12)) % 12;
        let (first, unit) = match rest {
            "week" => {
                let since = today.chrono().weekday().days_since(self.week_start);
                (today + -i32::try_from(since).unwrap_or_default(), Unit::Weeks)
            }
            "month" => (back(0), Unit::Months),
            "quarter" => (back((month - 1) % 3), Unit::Quarters),
            "year" => (back(month - 1), Unit::Years),
            "fiscal_quarter" => (back(fiscal % 3), Unit::Quarters),
            "fiscal_year" => (back(fiscal), Unit::Years),
            _ => return None,
        };
        Some(self.later(first, unit, offset)..=self.later(first, unit, offset + 1) + -1)
    }

    /// Returns the month of a day, as in `2017-03`.
    pub fn month_label(day: Date) -> String {
        let (year, month, _) = day.ymd();
        format!("{year:04}-{month:02}")
    }

    /// Returns the fiscal quarter of a day, as in `2017-Q1`. A fiscal year is named after the calendar year in which it
    /// ends.
    ///
    /// For a year that begins in April 2017 and ends in March 2018, April 2017 is `2018-Q1` and March 2018 is
    /// `2018-Q4`. A year that begins in January is the calendar year.
    pub fn quarter_label(&self, day: Date) -> String {
        let (year, month, _) = day.ymd();
        let start = self.fiscal_start.clamp(1, 12);
        let quarter = (month + 12 - start) % 12 / 3 + 1;
        let year = if start > 1 && month >= start { year + 1 } else { year };
        format!("{year:04}-Q{quarter}")
    }
}

/// Returns `true` for words whose meaning depends on the current time, in filters on times and dates.
pub(crate) fn is_relative(word: &str) -> bool {
    word == "now" || Calendar::default().period(word, Date::of(Time::EPOCH)).is_some()
}

/// Returns the first instant at which the clock of a zone shows this local time or a later one, clamped to the years 1
/// to 9999.
pub(super) fn instant(local: NaiveDateTime, zone: Tz) -> Time {
    let held = |time: chrono::DateTime<Utc>| {
        Time::from_chrono(time).unwrap_or(if time.year() < 1 { Time::MIN } else { Time::MAX })
    };
    if let Some(time) = local.and_local_timezone(zone).earliest() {
        return held(time.with_timezone(&Utc));
    }
    // The clock skips it. No zone is more than 26 hours from UTC, and within the gap the clock only runs forward.
    let (mut before, mut after) = (-26 * 3600, 26 * 3600);
    let shows = |seconds: i64| {
        let at = (local + chrono::Duration::seconds(seconds)).and_utc();
        (at, at.with_timezone(&zone).naive_local() >= local)
    };
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if shows(middle).1 { after = middle } else { before = middle }
    }
    // Transitions occur on whole seconds; a local time with a fraction rounds down to one.
    let at = shows(after).0;
    held(chrono::DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn of(zone: Tz) -> Calendar {
        Calendar { zone, ..Calendar::default() }
    }

    #[test]
    fn a_day_begins_at_the_first_instant_that_is_on_or_after_it() {
        let starts = |zone, on: &str| of(zone).start_of(day(on)).to_string();
        assert_eq!(starts(Tz::Europe__Berlin, "2026-03-29"), "2026-03-28T23:00:00Z");
        // The clock skips midnight.
        assert_eq!(starts(Tz::America__Sao_Paulo, "2018-11-04"), "2018-11-04T03:00:00Z");
        assert_eq!(starts(Tz::Asia__Beirut, "2021-03-28"), "2021-03-27T22:00:00Z");
        // The clock skips the whole day.
        for on in ["2011-12-30", "2011-12-31"] {
            assert_eq!(starts(Tz::Pacific__Apia, on), "2011-12-30T10:00:00Z", "{on}");
        }
        assert!(of(Tz::Pacific__Apia).instants(&(day("2011-12-30")..=day("2011-12-30"))).is_empty());
        assert_eq!(of(Tz::Asia__Tokyo).start_of(Date::MIN), Time::MIN);
        assert_eq!(*of(Tz::Pacific__Pago_Pago).instants(&(Date::MAX..=Date::MAX)).end(), Time::MAX);
    }

    #[test]
    fn days_follow_one_another_without_gap_or_overlap_in_every_zone() {
        for zone in chrono_tz::TZ_VARIANTS {
            let calendar = of(zone);
            for year in [1919, 1945, 1995, 2011, 2023] {
                let first = Date::from_ymd(year, 1, 1).unwrap();
                for offset in 0..365 {
                    let on = first + offset;
                    let (start, next) = (calendar.start_of(on), calendar.start_of(on + 1));
                    assert!(start <= next, "{zone} {on}");
                    assert!(calendar.day(start) >= on, "{zone} {on}: {start}");
                    assert!(calendar.day(start.plus_micros(-1)) <= on, "{zone} {on}: {start}");
                }
            }
        }
    }

    #[test]
    fn spans_of_days_and_longer_keep_the_local_time() {
        let berlin = of(Tz::Europe__Berlin);
        let later = |at: &str, unit, count| berlin.later_time(time(at), unit, count).to_string();
        assert_eq!(later("2026-03-28T22:30:00Z", Unit::Days, 1), "2026-03-29T21:30:00Z");
        assert_eq!(later("2026-10-24T22:30:00Z", Unit::Days, 1), "2026-10-25T23:30:00Z");
        // 02:30 is skipped on March 29 and shown twice on October 25.
        assert_eq!(later("2026-03-28T01:30:00.5Z", Unit::Days, 1), "2026-03-29T01:00:00Z");
        assert_eq!(later("2026-10-24T00:30:00Z", Unit::Days, 1), "2026-10-25T00:30:00Z");
        assert_eq!(later("2026-01-31T12:00:00Z", Unit::Months, 1), "2026-02-28T12:00:00Z");
        assert_eq!(later("2024-02-29T12:00:00Z", Unit::Years, -1), "2023-02-28T12:00:00Z");
        assert_eq!(berlin.later_time(Time::MAX, Unit::Days, i64::MAX), Time::MAX);
        assert_eq!(berlin.later_time(Time::MIN, Unit::Weeks, i64::MIN), Time::MIN);
        assert_eq!(berlin.later(day("2026-08-31"), Unit::Quarters, -2), day("2026-02-28"));
    }

    #[test]
    fn periods_go_by_the_organizations_week_and_fiscal_year() {
        let calendar = Calendar { zone: Tz::UTC, week_start: Weekday::Sun, fiscal_start: 4 };
        let period = |name: &str| {
            let days = calendar.period(name, day("2026-02-18")).unwrap();
            format!("{} {}", days.start(), days.end())
        };
        assert_eq!(period("this_week"), "2026-02-15 2026-02-21");
        assert_eq!(period("last_month"), "2026-01-01 2026-01-31");
        assert_eq!(period("this_month"), "2026-02-01 2026-02-28");
        assert_eq!(period("last_quarter"), "2025-10-01 2025-12-31");
        assert_eq!(period("this_fiscal_quarter"), "2026-01-01 2026-03-31");
        assert_eq!(period("next_year"), "2027-01-01 2027-12-31");
        assert_eq!(period("this_fiscal_year"), "2025-04-01 2026-03-31");
        assert_eq!(period("last_fiscal_year"), "2024-04-01 2025-03-31");
        assert_eq!(period("last_7_days"), "2026-02-12 2026-02-18");
        assert_eq!(period("next_1_days"), "2026-02-18 2026-02-18");
        for name in PERIODS {
            for on in [Date::MIN, Date::MAX, day("2024-02-29")] {
                assert!(calendar.period(name, on).is_some(), "{name}");
            }
        }
        for name in ["last_0_days", "this_7_days", "last_99999999999_days", "soon", "last_", "next_decade"] {
            assert_eq!(calendar.period(name, day("2026-02-18")), None, "{name}");
        }
    }

    #[test]
    fn a_fiscal_year_is_called_by_the_year_it_ends_in() {
        let quarter = |start, on: &str| Calendar { fiscal_start: start, ..Calendar::default() }.quarter_label(day(on));
        let expected = ["2017-Q1", "2017-Q2", "2017-Q3", "2017-Q4"].map(|label| [label; 3]).concat();
        let all: Vec<String> = (1..=12).map(|month| quarter(1, &format!("2017-{month:02}-01"))).collect();
        assert_eq!(all, expected);
        assert_eq!(quarter(4, "2017-04-01"), "2018-Q1");
        assert_eq!(quarter(4, "2017-12-01"), "2018-Q3");
        assert_eq!(quarter(4, "2018-03-31"), "2018-Q4");
        assert_eq!(quarter(12, "2017-12-01"), "2018-Q1");
        assert_eq!(quarter(12, "2018-11-30"), "2018-Q4");
        assert_eq!(Calendar::month_label(day("2017-03-31")), "2017-03");
    }
}
