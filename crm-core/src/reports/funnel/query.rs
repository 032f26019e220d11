//! The query of the funnel report: pipeline, period, follow-up and filter.

use std::str::FromStr;

use chrono_tz::Tz;

use super::fold::Period;
use crate::model::{
    error::Error,
    filter::Filter,
    records::pipeline::Pipeline,
    value::{Date, FaultCode, Id, Time, TimeError},
};

/// The start or end of a period: a time, or the start of a day in the organization's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A time.
    At(Time),
    /// The start of a day.
    Day(Date),
}

impl Moment {
    fn time(self, zone: Tz) -> Time {
        match self {
            Self::At(time) => time,
            Self::Day(day) => day.midnight_in(zone),
        }
    }
}

impl From<Time> for Moment {
    fn from(time: Time) -> Self {
        Self::At(time)
    }
}

impl From<Date> for Moment {
    fn from(day: Date) -> Self {
        Self::Day(day)
    }
}

impl FromStr for Moment {
    type Err = TimeError;
    /// Parses `2024-01-31` or `2024-01-31T09:30:00Z`.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        text.parse::<Date>().map(Self::Day).or_else(|_| text.parse::<Time>().map(Self::At))
    }
}

/// The query of the funnel report: see [`Reports::funnel`](crate::reports::Reports::funnel).
///
/// ```
/// # use crm_core::{reports::FunnelQuery, users::User, value::{Date, Id}, filter::Filter};
/// # let (pipeline, owner) = (Id::NIL, Id::<User>::NIL);
/// // The first quarter of 2024, for one owner: from 1 January, midnight, inclusive, to 1 April, midnight, exclusive.
/// let query = FunnelQuery::of(pipeline)
///     .from(Date::from_ymd(2024, 1, 1).unwrap())
///     .until(Date::from_ymd(2024, 4, 1).unwrap())
///     .filter(Filter::eq("owner_id", owner.to_string()));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct FunnelQuery {
    pub(super) pipeline: Id<Pipeline>,
    pub(super) filter: Option<Filter>,
    from: Option<Moment>,
    until: Option<Moment>,
    follow_until: Option<Moment>,
}

impl FunnelQuery {
    /// All records of a lead or deal pipeline that the actor may see in reports.
    pub const fn of(pipeline: Id<Pipeline>) -> Self {
        Self { pipeline, filter: None, from: None, until: None, follow_until: None }
    }

    /// Sets the start of the period, inclusive.
    #[must_use]
    pub fn from(mut self, from: impl Into<Moment>) -> Self {
        self.from = Some(from.into());
        self
    }

    /// Sets the end of the period, exclusive. Without it, the period ends now, including changes that occur now.
    #[must_use]
    pub fn until(mut self, until: impl Into<Moment>) -> Self {
        self.until = Some(until.into());
        self
    }

    /// Sets the end of the follow-up of records that entered, and of stays that began, in the period. The default is
    /// now. With the end of the period, the report is the one that would have been produced then for these records.
    #[must_use]
    pub fn follow_until(mut self, until: impl Into<Moment>) -> Self {
        self.follow_until = Some(until.into());
        self
    }

    /// Restricts the report to records that match the filter now, such as those of an owner, a team or a source.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Returns the period as times.
    pub(super) fn period(&self, zone: Tz, now: Time) -> Result<Period, Error> {
        let time = |moment: Option<Moment>| moment.map(|moment| moment.time(zone));
        let from = time(self.from).unwrap_or(Time::MIN);
        let until = time(self.until).unwrap_or(Time::MAX);
        let followed = time(self.follow_until).unwrap_or(Time::MAX);
        if until < from {
            return Err(Error::invalid("until", FaultCode::BadPeriod, "must not be before `from`"));
        }
        if followed < until && self.until.is_some() {
            return Err(Error::invalid("follow_until", FaultCode::BadPeriod, "must not be before `until`"));
        }
        // A follow-up that ends before the period shortens the period.
        Ok(Period { from, until: until.min(followed), followed, now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_begins_at_the_midnight_of_the_organization() {
        let berlin = Tz::Europe__Berlin;
        let day: Moment = "2024-04-01".parse().unwrap();
        let time: Moment = "2024-04-01T00:00:00Z".parse().unwrap();
        let period = FunnelQuery::of(Id::NIL).from(day).until(time).period(berlin, at("2025-01-01T00:00:00Z")).unwrap();
        assert_eq!((period.from, period.until), (at("2024-03-31T22:00:00Z"), at("2024-04-01T00:00:00Z")));
        assert!("2024-04".parse::<Moment>().is_err());
    }

    #[test]
    fn a_period_that_ends_before_it_begins_is_refused() {
        let (early, late) = (at("2024-01-01T00:00:00Z"), at("2024-02-01T00:00:00Z"));
        let code = |query: FunnelQuery| match query.period(Tz::UTC, late) {
            Err(Error::Invalid(faults)) => faults.all()[0].field.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(code(FunnelQuery::of(Id::NIL).from(late).until(early)), "until");
        assert_eq!(code(FunnelQuery::of(Id::NIL).until(late).follow_until(early)), "follow_until");
        let empty = FunnelQuery::of(Id::NIL).from(early).until(early).period(Tz::UTC, late).unwrap();
        assert_eq!(empty.from, empty.until);
    }
}
