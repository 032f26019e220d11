//! Moments and calendar dates: whole microseconds, years 1 to 9999, when made and when read.

use std::{fmt, ops, str::FromStr};

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z in microseconds since 1970.
const MIN_MICROS: i64 = -62_135_596_800_000_000;
const MAX_MICROS: i64 = 253_402_300_799_999_999;

/// A moment in UTC, in whole microseconds, from the year 1 to the year 9999. Written as RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// Why a time or a date was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Before the year 1 or after the year 9999.
    #[error("must lie in the years 1 to 9999")]
    OutOfRange,
    /// Not RFC 3339 (a time) or not YYYY-MM-DD (a date).
    #[error("must be written as 2024-01-31T09:30:00Z (a time) or 2024-01-31 (a date)")]
    Malformed,
}

impl Time {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Time = Time(0);
    /// The first moment there is.
    pub const MIN: Time = Time(MIN_MICROS);
    /// The last moment there is.
    pub const MAX: Time = Time(MAX_MICROS);

    /// From microseconds since 1970.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] outside the years 1 to 9999.
    pub const fn from_micros(micros: i64) -> Result<Self, TimeError> {
        if micros < MIN_MICROS || micros > MAX_MICROS { Err(TimeError::OutOfRange) } else { Ok(Self(micros)) }
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// From a chrono time; what is finer than a microsecond is cut off.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] outside the years 1 to 9999.
    pub fn from_chrono(time: DateTime<Utc>) -> Result<Self, TimeError> {
        Self::from_micros(time.timestamp_micros())
    }

    /// As a chrono time.
    pub fn chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }

    /// Microseconds from `earlier` to this moment; negative when `earlier` is later.
    pub const fn since(self, earlier: Time) -> i64 {
        self.0 - earlier.0
    }

    /// This moment moved by so many microseconds, held within the years 1 to 9999.
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

    /// This moment moved by so many days of 24 hours.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        self.plus_micros(days.saturating_mul(86_400_000_000))
    }

    /// The calendar date in a time zone.
    pub fn date_in(self, zone: chrono_tz::Tz) -> Date {
        let local = self.chrono().with_timezone(&zone).date_naive();
        Date::from_chrono(local).unwrap_or(Date::of(self))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chrono().to_rfc3339_opts(SecondsFormat::AutoSi, true))
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
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A day of the Gregorian calendar, from 0001-01-01 to 9999-12-31, without a time zone. Written as YYYY-MM-DD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i32);

/// Days from 0000-12-31 to 1970-01-01 in chrono's count.
const EPOCH_DAYS: i32 = 719_163;

impl Date {
    /// From days since 1970-01-01.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] outside the years 1 to 9999.
    pub fn from_days(days: i32) -> Result<Self, TimeError> {
        let date = days.checked_add(EPOCH_DAYS).and_then(NaiveDate::from_num_days_from_ce_opt);
        Self::from_chrono(date.ok_or(TimeError::OutOfRange)?)
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i32 {
        self.0
    }

    /// From year, month (1 to 12) and day (1 to 31).
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] when there is no such day.
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Result<Self, TimeError> {
        Self::from_chrono(NaiveDate::from_ymd_opt(year, month, day).ok_or(TimeError::OutOfRange)?)
    }

    /// From a chrono date.
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

    /// As a chrono date.
    pub fn chrono(self) -> NaiveDate {
        NaiveDate::from_num_days_from_ce_opt(self.0 + EPOCH_DAYS).unwrap_or_default()
    }

    /// The date of a moment in UTC.
    pub fn of(time: Time) -> Self {
        Self(i32::try_from(time.micros().div_euclid(86_400_000_000)).unwrap_or_default())
    }

    /// Midnight of this day in UTC.
    pub const fn midnight(self) -> Time {
        Time(self.0 as i64 * 86_400_000_000)
    }

    /// Midnight of this day in a time zone (the first moment of the day where the clock skips midnight).
    pub fn midnight_in(self, zone: chrono_tz::Tz) -> Time {
        let naive = self.chrono().and_hms_opt(0, 0, 0).unwrap_or_default();
        (0..24)
            .find_map(|hour| (naive + chrono::Duration::hours(hour)).and_local_timezone(zone).earliest())
            .and_then(|local| Time::from_chrono(local.with_timezone(&Utc)).ok())
            .unwrap_or_else(|| self.midnight())
    }

    /// Days from `earlier` to this date.
    pub const fn since(self, earlier: Date) -> i32 {
        self.0 - earlier.0
    }

    /// Year, month (1 to 12) and day (1 to 31).
    pub fn ymd(self) -> (i32, u32, u32) {
        let date = self.chrono();
        (date.year(), date.month(), date.day())
    }
}

impl ops::Add<i32> for Date {
    type Output = Date;
    /// So many days later, held within the years 1 to 9999.
    fn add(self, days: i32) -> Date {
        Date::from_days(self.0.saturating_add(days)).unwrap_or(self)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
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
