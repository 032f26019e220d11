//! Times and calendar dates: whole microseconds in the years 1 to 9999, enforced on creation and on reading.

use std::{fmt, ops, str::FromStr};

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z, in microseconds since 1970.
const MIN_MICROS: i64 = -62_135_596_800_000_000;
const MAX_MICROS: i64 = 253_402_300_799_999_999;

/// A time in UTC, in whole microseconds, from the year 1 to the year 9999. Serialized as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// The reason a time or a date was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Before the year 1 or after the year 9999.
    #[error("must be in the years 1 to 9999")]
    OutOfRange,
    /// Not RFC 3339 (a time) or not YYYY-MM-DD (a date).
    #[error("must be a time such as 2024-01-31T09:30:00Z or a date such as 2024-01-31")]
    Malformed,
}

impl Time {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Time = Time(0);
    /// The earliest time.
    pub const MIN: Time = Time(MIN_MICROS);
    /// The latest time.
    pub const MAX: Time = Time(MAX_MICROS);

    /// Creates a time from microseconds since 1970.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] outside the years 1 to 9999.
    pub const fn from_micros(micros: i64) -> Result<Self, TimeError> {
        if micros < MIN_MICROS || micros > MAX_MICROS { Err(TimeError::OutOfRange) } else { Ok(Self(micros)) }
    }

    /// Returns the microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Converts from a chrono time, truncating to microseconds.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] outside the years 1 to 9999.
    pub fn from_chrono(time: DateTime<Utc>) -> Result<Self, TimeError> {
        Self::from_micros(time.timestamp_micros())
    }

    /// Converts into a chrono time.
    pub fn chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }

    /// Returns the microseconds from `earlier` to this time; negative if `earlier` is later.
    pub const fn since(self, earlier: Time) -> i64 {
        self.0 - earlier.0
    }

    /// Returns this time plus `micros` microseconds, clamped to the years 1 to 9999.
    #[must_use]
    pub const fn plus_micros(self, micros: i64) -> Self {
        let moved = self.0.saturating_add(micros);
        if moved < MIN_MICROS {
            Self(MIN_MICROS)
        } else if moved > MAX_MICROS {
            Self(MAX_MICROS)
        } else {
            Self(moved)
        }
    }

    /// Returns this time plus `days` days of 24 hours.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        self.plus_micros(days.saturating_mul(86_400_000_000))
    }

    /// Returns the calendar date in a time zone.
    pub fn date_in(self, zone: chrono_tz::Tz) -> Date {
        let local = self.chrono().with_timezone(&zone).date_naive();
        Date::from_chrono(local).unwrap_or(Date::of(self))
    }
}

/// A text of digits of known length, built without allocation: lists of records consist mostly of times.
pub(crate) struct Digits<const N: usize> {
    text: [u8; N],
    length: usize,
}

impl<const N: usize> Digits<N> {
    const fn new() -> Self {
        Self { text: [b'0'; N], length: 0 }
    }

    /// Appends a number, zero-padded to `digits` digits.
    fn number(&mut self, mut number: u32, digits: usize) {
        for place in self.text[self.length..self.length + digits].iter_mut().rev() {
            *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
        self.length += digits;
    }

    fn sign(&mut self, sign: u8) {
        self.text[self.length] = sign;
        self.length += 1;
    }

    fn date(&mut self, date: Date) {
        let (year, month, day) = date.ymd();
        self.number(year.unsigned_abs(), 4);
        self.sign(b'-');
        self.number(month, 2);
        self.sign(b'-');
        self.number(day, 2);
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }
}

impl Time {
    /// Formats as RFC 3339 with the fewest fractional digits of none, three or six.
    pub(crate) fn digits(self) -> Digits<27> {
        let mut text = Digits::new();
        text.date(Date::of(self));
        let part = |unit: i64, of: i64| u32::try_from(self.0.div_euclid(unit).rem_euclid(of)).unwrap_or_default();
        for (sign, number) in
            [(b'T', part(3_600_000_000, 24)), (b':', part(60_000_000, 60)), (b':', part(1_000_000, 60))]
        {
            text.sign(sign);
            text.number(number, 2);
        }
        match part(1, 1_000_000) {
            0 => {}
            micros if micros.is_multiple_of(1000) => {
                text.sign(b'.');
                text.number(micros / 1000, 3);
            }
            micros => {
                text.sign(b'.');
                text.number(micros, 6);
            }
        }
        text.sign(b'Z');
        text
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.digits().as_str())
    }
}

impl FromStr for Time {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let parsed = DateTime::parse_from_rfc3339(text).map_err(|_| TimeError::Malformed)?;
        Self::from_chrono(parsed.with_timezone(&Utc))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.digits().as_str())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A date of the Gregorian calendar without a time zone, from 0001-01-01 to 9999-12-31. Serialized as YYYY-MM-DD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i32);

/// Days from 0000-12-31 to 1970-01-01, as counted by chrono.
const EPOCH_DAYS: i32 = 719_163;

impl Date {
    /// 0001-01-01.
    pub const MIN: Date = Date(1 - EPOCH_DAYS);
    /// 9999-12-31.
    pub const MAX: Date = Date(2_932_896);

    /// Creates a date from days since 1970-01-01.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] outside the years 1 to 9999.
    pub fn from_days(days: i32) -> Result<Self, TimeError> {
        let date = days.checked_add(EPOCH_DAYS).and_then(NaiveDate::from_num_days_from_ce_opt);
        Self::from_chrono(date.ok_or(TimeError::OutOfRange)?)
    }

    /// Returns the days since 1970-01-01.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// Creates a date from year, month (1 to 12) and day (1 to 31).
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] if the day does not exist.
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Result<Self, TimeError> {
        Self::from_chrono(NaiveDate::from_ymd_opt(year, month, day).ok_or(TimeError::OutOfRange)?)
    }

    /// Converts from a chrono date.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] outside the years 1 to 9999.
    pub fn from_chrono(date: NaiveDate) -> Result<Self, TimeError> {
        if (1..=9999).contains(&date.year()) {
            Ok(Self(date.num_days_from_ce() - EPOCH_DAYS))
        } else {
            Err(TimeError::OutOfRange)
        }
    }

    /// Converts into a chrono date.
    pub fn chrono(self) -> NaiveDate {
        NaiveDate::from_num_days_from_ce_opt(self.0 + EPOCH_DAYS).unwrap_or_default()
    }

    /// Returns the date of a time in UTC.
    pub fn of(time: Time) -> Self {
        Self(i32::try_from(time.micros().div_euclid(86_400_000_000)).unwrap_or_default())
    }

    /// Returns midnight of this day in UTC.
    pub const fn midnight(self) -> Time {
        Time(self.0 as i64 * 86_400_000_000)
    }

    /// Returns midnight of this day in a time zone. If the clock skips midnight or the whole day, that is the first
    /// instant on or after the day.
    pub fn midnight_in(self, zone: chrono_tz::Tz) -> Time {
        super::Calendar { zone, ..super::Calendar::default() }.start_of(self)
    }

    /// Returns the days from `earlier` to this date.
    pub const fn since(self, earlier: Date) -> i32 {
        self.0 - earlier.0
    }

    /// Returns the year, month (1 to 12) and day (1 to 31).
    pub fn ymd(self) -> (i32, u32, u32) {
        let date = self.chrono();
        (date.year(), date.month(), date.day())
    }
}

impl ops::Add<i32> for Date {
    type Output = Date;
    /// Returns this date plus `days` days, clamped to the years 1 to 9999.
    fn add(self, days: i32) -> Date {
        Date::from_days(self.0.saturating_add(days)).unwrap_or(self)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Digits::<10>::new();
        text.date(*self);
        f.write_str(text.as_str())
    }
}

impl FromStr for Date {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        if text.len() != 10 {
            return Err(TimeError::Malformed);
        }
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| TimeError::Malformed)?;
        Self::from_chrono(date)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        let mut random = 88_172_645_463_325_252_u64;
        let edges = [MIN_MICROS, MAX_MICROS, 0, -1, 1, 999, 1000, 1_000_000, -1_000_000, 951_782_400_000_000];
        let many = std::iter::repeat_with(|| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let whole = i64::try_from(random % MAX_MICROS.unsigned_abs()).expect("it fits") / 3 + MIN_MICROS;
            // Whole seconds, whole milliseconds, and microseconds.
            [whole, whole / 1000 * 1000, whole / 1_000_000 * 1_000_000]
        });
        for micros in edges.into_iter().chain(many.take(10_000).flatten()) {
            let time = Time::from_micros(micros).expect("within its years");
            let chrono = time.chrono();
            assert_eq!(time.to_string(), chrono.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true));
            assert_eq!(time.to_string().parse(), Ok(time));
            assert_eq!(Date::of(time).to_string(), chrono.format("%Y-%m-%d").to_string());
        }
    }
}
