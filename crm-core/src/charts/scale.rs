//! Scales: round ticks for numbers, durations and calendars, and the formatting of values.

use chrono::Timelike as _;
use chrono_tz::Tz;

use crate::model::value::{Date, Time};

/// Microseconds of a second, a minute, an hour, a day.
const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A linear mapping from values to pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) low: i128,
    pub(super) high: i128,
    /// The pixels of the low and the high end.
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Scale {
    /// Returns the position of a value, clamped to the ends.
    pub(super) fn at(&self, value: i128) -> f64 {
        let span = (self.high - self.low).max(1) as f64;
        let share = (value.clamp(self.low, self.high) - self.low) as f64 / span;
        self.from + (self.to - self.from) * share
    }
}

/// Returns the smallest of 1, 2, 5, 10, 20, 50 … that is at least `least`.
fn round_step(least: i128) -> i128 {
    let mut power = 1;
    while power * 10 <= least {
        power *= 10;
    }
    [1, 2, 5, 10].map(|factor| factor * power).into_iter().find(|&step| step >= least).unwrap_or(power * 10)
}

/// Returns approximately `about` round numbers, at least two, that enclose the range. A step is at least `finest`.
pub(super) fn ticks(least: i128, greatest: i128, about: i128, finest: i128) -> Vec<i128> {
    let span = (greatest - least).max(1);
    let step = round_step((span + about - 1) / about).max(finest);
    let first = least.div_euclid(step) * step;
    let mut all = vec![first];
    let mut next = first + step;
    while next < greatest + step || all.len() < 2 {
        all.push(next);
        next += step;
    }
    all
}

/// Formats thousandths as a decimal number: 12500 is `12.5`.
pub(super) fn thousandths(value: i128) -> String {
    let sign = if value < 0 { "−" } else { "" };
    let (whole, part) = (value.abs() / 1000, value.abs() % 1000);
    if part == 0 {
        return format!("{sign}{whole}");
    }
    let part = format!("{part:03}");
    format!("{sign}{whole}.{}", part.trim_end_matches('0'))
}

/// An axis of durations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DurationAxis {
    /// The microseconds of each tick, from 0 to at or above the maximum.
    pub(super) ticks: Vec<i64>,
    /// The unit of the labels.
    pub(super) unit: &'static str,
    /// The microseconds of the unit.
    per: i64,
}

impl DurationAxis {
    /// Creates an axis with approximately `about` ticks up to a duration.
    pub(super) fn up_to(longest: i64, about: i64) -> Self {
        let longest = longest.max(SECOND);
        let needed = longest / about.max(1);
        let fine = [
            (SECOND, "seconds", [1, 2, 5, 10, 15, 30].as_slice()),
            (MINUTE, "minutes", &[1, 2, 5, 10, 15, 30]),
            (HOUR, "hours", &[1, 2, 3, 6, 12]),
        ];
        let found = fine.into_iter().find_map(|(per, unit, steps)| {
            let step = steps.iter().map(|step| step * per).find(|&step| step >= needed)?;
            Some((per, unit, step))
        });
        let (per, unit, step) = found.unwrap_or_else(|| {
            let days = round_step(i128::from(needed.saturating_add(DAY - 1) / DAY));
            (DAY, "days", i64::try_from(days).unwrap_or(i64::MAX / DAY).saturating_mul(DAY))
        });
        let mut ticks = vec![0];
        let mut end = 0_i64;
        while end < longest && end < i64::MAX {
            end = end.saturating_add(step);
            ticks.push(end);
        }
        Self { ticks, unit, per }
    }

    pub(super) fn label(&self, tick: i64) -> String {
        (tick / self.per).to_string()
    }
}

/// Formats a duration for display: `45 s`, `12 min`, `5.2 h`, `12.5 days`.
pub(super) fn duration(micros: i64) -> String {
    let micros = micros.max(0);
    let tenths = |per: i64| {
        let tenths = (i128::from(micros) * 10 + i128::from(per) / 2) / i128::from(per);
        thousandths(tenths * 100)
    };
    // A value that would round up to the next unit is written in that unit.
    if micros < MINUTE - SECOND / 20 {
        format!("{} s", tenths(SECOND))
    } else if micros < HOUR - MINUTE / 20 {
        format!("{} min", tenths(MINUTE))
    } else if micros < DAY - HOUR / 20 {
        format!("{} h", tenths(HOUR))
    } else {
        let days = tenths(DAY);
        format!("{days} {}", if days == "1" { "day" } else { "days" })
    }
}

/// A step of a calendar axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CalendarStep {
    /// Microseconds: a divisor of a day.
    Micros(i64),
    Days(i32),
    Months(u32),
    Years(i32),
}

impl CalendarStep {
    /// Returns the approximate length.
    const fn micros(self) -> i64 {
        match self {
            Self::Micros(micros) => micros,
            Self::Days(days) => days as i64 * DAY,
            Self::Months(months) => months as i64 * 30 * DAY,
            Self::Years(years) => years as i64 * 365 * DAY,
        }
    }

    /// Returns the finest step that is at least `least`.
    fn of(least: i64) -> Self {
        const MICROS: [i64; 16] = [
            SECOND,
            2 * SECOND,
            5 * SECOND,
            15 * SECOND,
            30 * SECOND,
            MINUTE,
            2 * MINUTE,
            5 * MINUTE,
            15 * MINUTE,
            30 * MINUTE,
            HOUR,
            2 * HOUR,
            3 * HOUR,
            4 * HOUR,
            6 * HOUR,
            12 * HOUR,
        ];
        let steps = MICROS.map(Self::Micros).into_iter();
        let steps = steps.chain([1, 2, 7, 14].map(Self::Days)).chain([1, 2, 3, 6].map(Self::Months));
        let steps = steps.chain([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].map(Self::Years));
        let mut found = Self::Years(5000);
        for step in steps {
            found = step;
            if step.micros() >= least {
                break;
            }
        }
        found
    }
}

/// Returns the ticks of a calendar between two times, in ascending order, each with its label: the starts of days,
/// weeks (Mondays), months and years in a time zone.
pub(super) fn calendar_ticks(from: Time, to: Time, about: i64, zone: Tz) -> Vec<(Time, String)> {
    let step = CalendarStep::of(to.since(from) / about.max(1));
    let mut all = Vec::new();
    let mut day = from.date_in(zone);
    let last = to.date_in(zone);
    // Steps of a day or more visit every candidate day, a few hundred at most.
    if let CalendarStep::Months(_) | CalendarStep::Years(_) = step {
        let (year, month, _) = day.ymd();
        let month = if matches!(step, CalendarStep::Years(_)) { 1 } else { month };
        day = Date::from_ymd(year, month, 1).unwrap_or(day);
    }
    loop {
        let begins = day.midnight_in(zone);
        if let CalendarStep::Micros(step) = step {
            let next = (day + 1).midnight_in(zone);
            let mut at = begins;
            while at < next && at <= to {
                if at >= from {
                    all.push((at, clock_label(at, zone, step)));
                }
                at = at.plus_micros(step);
            }
        } else if is_tick(day, step) && begins >= from && begins <= to {
            all.push((begins, day_label(day, step)));
        }
        let next = following(day, step);
        if next > last || next <= day {
            return all;
        }
        day = next;
    }
}

/// Returns the next day that can begin a step.
fn following(day: Date, step: CalendarStep) -> Date {
    let (year, month, _) = day.ymd();
    match step {
        CalendarStep::Micros(_) | CalendarStep::Days(_) => day + 1,
        CalendarStep::Months(_) if month == 12 => Date::from_ymd(year + 1, 1, 1).unwrap_or(day),
        CalendarStep::Months(_) => Date::from_ymd(year, month + 1, 1).unwrap_or(day),
        CalendarStep::Years(_) => Date::from_ymd(year + 1, 1, 1).unwrap_or(day),
    }
}

fn is_tick(day: Date, step: CalendarStep) -> bool {
    let (year, month, _) = day.ymd();
    match step {
        CalendarStep::Micros(_) => true,
        // Day 4 of 1970 was a Monday.
        CalendarStep::Days(days) => (day.days() - 4).rem_euclid(days) == 0,
        CalendarStep::Months(months) => (month - 1) % months == 0,
        CalendarStep::Years(years) => year % years == 0,
    }
}

fn day_label(day: Date, step: CalendarStep) -> String {
    let (year, month, _) = day.ymd();
    match step {
        CalendarStep::Months(_) => format!("{year:04}-{month:02}"),
        CalendarStep::Years(_) => format!("{year:04}"),
        _ => day.to_string(),
    }
}

/// Returns the hour or, at midnight, the day.
fn clock_label(at: Time, zone: Tz, step: i64) -> String {
    let local = at.chrono().with_timezone(&zone);
    let (hour, minute, second) = (local.hour(), local.minute(), local.second());
    if (hour, minute, second) == (0, 0, 0) {
        at.date_in(zone).to_string()
    } else if step < MINUTE {
        format!("{hour:02}:{minute:02}:{second:02}")
    } else {
        format!("{hour:02}:{minute:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        assert_eq!(ticks(0, 97_000, 5, 1), [0, 20_000, 40_000, 60_000, 80_000, 100_000]);
        assert_eq!(ticks(-12_300, 8_000, 4, 1), [-20_000, -10_000, 0, 10_000]);
        assert_eq!(ticks(5, 5, 4, 1), [5, 6]);
        assert_eq!(ticks(0, 3, 5, 1), [0, 1, 2, 3]);
        assert_eq!(ticks(0, 2500, 5, 1000), [0, 1000, 2000, 3000]);
        let all = ticks(i128::from(i64::MIN), i128::from(i64::MAX), 4, 1);
        assert!(all.len() < 10 && all[0] <= i128::from(i64::MIN) && *all.last().unwrap() >= i128::from(i64::MAX));
    }

    #[test]
    fn thousandths_are_written_without_needless_digits() {
        assert_eq!([12_500, 12_000, -250, 1, 0].map(thousandths), ["12.5", "12", "−0.25", "0.001", "0"]);
    }

    #[test]
    fn the_unit_of_durations_follows_their_size() {
        let axis = |micros| {
            let axis = DurationAxis::up_to(micros, 5);
            let labels: Vec<String> = axis.ticks.iter().map(|&tick| axis.label(tick)).collect();
            (labels.join(" "), axis.unit)
        };
        assert_eq!(axis(0), ("0 1".into(), "seconds"));
        assert_eq!(axis(100 * SECOND), ("0 30 60 90 120".into(), "seconds"));
        assert_eq!(axis(3 * HOUR), ("0 1 2 3".into(), "hours"));
        assert_eq!(axis(12 * DAY), ("0 5 10 15".into(), "days"));
        assert_eq!(axis(400 * DAY), ("0 100 200 300 400".into(), "days"));
        assert!(DurationAxis::up_to(i64::MAX, 5).ticks.len() < 10);
    }

    #[test]
    fn durations_are_written_in_the_unit_that_fits() {
        let all = [0, 45 * SECOND, 90 * SECOND, 59 * MINUTE + 59 * SECOND, 5 * HOUR + 12 * MINUTE, DAY, 300 * HOUR];
        assert_eq!(all.map(duration), ["0 s", "45 s", "1.5 min", "1 h", "5.2 h", "1 day", "12.5 days"]);
        assert_eq!(duration(DAY - SECOND), "1 day");
    }

    #[test]
    fn the_calendar_has_ticks_where_days_months_and_years_begin() {
        let labels = |from: &str, to: &str, zone| -> Vec<String> {
            calendar_ticks(at(from), at(to), 4, zone).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels("2026-01-05T09:00:00Z", "2026-01-05T15:00:00Z", Tz::UTC), ["10:00", "12:00", "14:00"]);
        assert_eq!(labels("2026-01-05T09:00:00Z", "2026-01-06T15:00:00Z", Tz::UTC), ["12:00", "2026-01-06", "12:00"]);
        assert_eq!(
            labels("2026-01-05T09:00:00Z", "2026-02-02T09:00:00Z", Tz::UTC),
            ["2026-01-12", "2026-01-19", "2026-01-26", "2026-02-02"]
        );
        assert_eq!(
            labels("2025-11-20T00:00:00Z", "2026-11-03T00:00:00Z", Tz::UTC),
            ["2026-01", "2026-04", "2026-07", "2026-10"]
        );
        assert_eq!(labels("1999-01-02T00:00:00Z", "2013-01-03T00:00:00Z", Tz::UTC), ["2000", "2005", "2010"]);
        // Midnight in Berlin, and the spring day of 23 hours.
        let ticks = calendar_ticks(at("2026-03-28T12:00:00Z"), at("2026-03-30T12:00:00Z"), 2, Tz::Europe__Berlin);
        assert_eq!(ticks[0], (at("2026-03-28T23:00:00Z"), "2026-03-29".into()));
        assert_eq!(ticks[1], (at("2026-03-29T22:00:00Z"), "2026-03-30".into()));
        assert!(calendar_ticks(Time::MIN, Time::MAX, 4, Tz::UTC).len() < 10);
        assert!(calendar_ticks(Time::MAX, Time::MAX, 4, Tz::UTC).len() < 10);
    }
}
