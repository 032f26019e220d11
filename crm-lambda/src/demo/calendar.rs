//! The times of events: within working hours, a number of days before now, in the author's time zone. No past time is
//! later than now.

use chrono_tz::Tz;
use crm_core::value::{Date, Time};
use fastrand::Rng;

/// The number of days of history.
pub(super) const HISTORY: i64 = 182;

const MINUTE: i64 = 60_000_000;
/// The working hours in minutes of the day: from 9:00 to 17:30.
const WORK: std::ops::Range<i64> = 540..1050;

/// The calendar relative to `now`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    pub(super) now: Time,
}

impl Calendar {
    /// The day `ago` days before now; in the future if negative.
    pub(super) fn day(self, zone: Tz, ago: i64) -> Date {
        self.now.date_in(zone) + i32::try_from(-ago).unwrap_or_default()
    }

    /// A time within working hours on the working day `ago` days before now, or on the last one before it.
    pub(super) fn moment(self, rng: &mut Rng, zone: Tz, ago: i64) -> Time {
        let mut day = self.day(zone, ago);
        loop {
            while is_weekend(day) {
                day = day + -1;
            }
            let at = at_work(rng, day, zone);
            if at <= self.now {
                return at;
            }
            day = day + -1;
        }
    }

    /// Successive times, each a number of days before now; times on the same day are some minutes apart.
    pub(super) fn moments(self, rng: &mut Rng, zone: Tz, ago: impl IntoIterator<Item = i64>) -> Vec<Time> {
        let mut moments: Vec<Time> = Vec::new();
        for ago in ago {
            let mut at = self.moment(rng, zone, ago);
            if let Some(&last) = moments.last().filter(|&&last| last >= at) {
                at = self.soon(rng, last);
            }
            moments.push(at);
        }
        moments
    }

    /// A time some minutes after `after`, but not after now.
    pub(super) fn soon(self, rng: &mut Rng, after: Time) -> Time {
        after.plus_micros(rng.i64(12..75) * MINUTE).min(self.now)
    }

    /// A time within working hours in `days` days, at least one, or on the first working day after.
    pub(super) fn ahead(self, rng: &mut Rng, zone: Tz, days: i64) -> Time {
        let mut day = self.day(zone, -days.max(1));
        while is_weekend(day) {
            day = day + 1;
        }
        at_work(rng, day, zone)
    }
}

fn at_work(rng: &mut Rng, day: Date, zone: Tz) -> Time {
    day.midnight_in(zone).plus_micros(rng.i64(WORK) * MINUTE)
}

/// 1970-01-01 was a Thursday.
fn is_weekend(day: Date) -> bool {
    (day.days() + 3).rem_euclid(7) >= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_of_working_days_in_order_and_not_after_now() {
        // A Sunday at noon, a Monday before working hours, a Wednesday within them.
        for now in ["2026-03-29T12:00:00Z", "2026-06-01T03:00:00Z", "2026-06-03T15:30:00Z"] {
            let calendar = Calendar { now: now.parse().unwrap() };
            let mut rng = Rng::with_seed(1);
            for zone in [Tz::America__New_York, Tz::Europe__Berlin] {
                for _ in 0..200 {
                    let ago = [rng.i64(0..200), 1, 1, 0, 0, 0];
                    let moments = calendar.moments(&mut rng, zone, ago);
                    assert!(moments.is_sorted() && moments.iter().all(|&at| at <= calendar.now), "{moments:?}");
                    assert!(moments.iter().all(|at| !is_weekend(at.date_in(zone))), "{moments:?}");
                    let next = calendar.ahead(&mut rng, zone, ago[0]);
                    assert!(next > calendar.now && !is_weekend(next.date_in(zone)), "{next}");
                }
            }
        }
    }
}
