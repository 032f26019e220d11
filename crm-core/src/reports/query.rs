//! The queries of reports: filters and groupings.

use serde::{Deserialize, Serialize};

use crate::model::{
    error::Error,
    filter::{Filter, Op},
    records::{pipeline::Pipeline, user::User},
    value::{Date, FaultCode, Id},
};

/// The grouping of deals.
///
/// Owner, team and company are the deal's current ones. A deal without one is in the group of
/// [`Key::Missing`](super::Key::Missing).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// The deal's owner.
    Owner,
    /// The manager of the deal's owner.
    Manager,
    /// The deal's team.
    Team,
    /// The parent team of the deal's team.
    ParentTeam,
    /// The deal's company.
    Company,
    /// The deal's current stage.
    Stage,
    /// A field of the deal that reports can group by: `source`, `properties.product`.
    Field(String),
    /// Such a field of the deal's company: `industry`, `properties.country`. Missing if the actor may not see the
    /// company in reports.
    CompanyField(String),
    /// The month of the deal's close date, `2017-03`: the actual date of a closed deal, the expected date of an open
    /// one.
    CloseMonth,
    /// The quarter of the organization's fiscal year of the close date, `2017-Q1`. The year is the one in which the
    /// fiscal year ends.
    CloseQuarter,
    /// The month of the deal's first entry into the stage with this key.
    EnteredMonth(String),
    /// The quarter of the fiscal year of the deal's first entry into the stage with this key: a cohort.
    EnteredQuarter(String),
}

/// The restrictions of a report to deals of a pipeline, all of which must hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Narrow {
    filter: Option<Filter>,
    from: Option<Date>,
    until: Option<Date>,
    owners: Option<Vec<Id<User>>>,
}

impl Narrow {
    const NOT: Self = Self { filter: None, from: None, until: None, owners: None };

    /// Returns the restrictions as one filter; `None` without any.
    ///
    /// # Errors
    /// [`Error::Invalid`] (`bad_period`) if the period ends before it starts.
    pub(super) fn condition(&self) -> Result<Option<Filter>, Error> {
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until < from
        {
            return Err(Error::invalid("until", FaultCode::BadPeriod, "must not be before `from`"));
        }
        let day = |op, day: Option<Date>| day.map(|day| Filter::is("close_date", op, day.to_string()));
        let owners = self.owners.as_ref().map(|owners| match owners.as_slice() {
            [] => Filter::missing("owner_id"),
            owners => Filter::one_of("owner_id", owners.iter().map(Id::to_string)),
        });
        let parts = [self.filter.clone(), day(Op::Ge, self.from), day(Op::Le, self.until), owners];
        Ok(parts.into_iter().flatten().reduce(Filter::and))
    }
}

/// The restrictions, for every query with a [`Narrow`].
macro_rules! narrows {
    ($query:ident) => {
        impl $query {
            /// Restricts the report to deals that match the filter. `None`, here and in the methods below, removes the
            /// restriction.
            #[must_use]
            pub fn filter(mut self, filter: impl Into<Option<Filter>>) -> Self {
                self.narrow.filter = filter.into();
                self
            }

            /// Restricts the report to deals whose close date is this day or later, in the organization's time zone.
            /// The close date is the actual one of a closed deal and the expected one of an open deal.
            #[must_use]
            pub fn from(mut self, day: impl Into<Option<Date>>) -> Self {
                self.narrow.from = day.into();
                self
            }

            /// Restricts the report to deals whose close date is this day or earlier: the day itself is part of the
            /// period.
            #[must_use]
            pub fn until(mut self, day: impl Into<Option<Date>>) -> Self {
                self.narrow.until = day.into();
                self
            }

            /// Restricts the report to deals of these owners, at most 100. An empty list selects deals without an
            /// owner.
            #[must_use]
            pub fn owners(mut self, owners: impl Into<Option<Vec<Id<User>>>>) -> Self {
                self.narrow.owners = owners.into();
                self
            }
        }
    };
}
narrows!(SalesQuery);
narrows!(PipelineQuery);

/// The query of the sales report: see [`Reports::sales`](super::Reports::sales).
///
/// ```
/// # use crm_core::{reports::{GroupBy, SalesQuery}, value::{Date, Id}};
/// # let (pipeline, owner) = (Id::NIL, Id::NIL);
/// let query = SalesQuery::of(pipeline)
///     .from(Date::from_ymd(2024, 1, 1).unwrap())
///     .until(Date::from_ymd(2024, 3, 31).unwrap())
///     .owners(vec![owner])
///     .cycle_from("qualified")
///     .by([GroupBy::Owner])
///     .by([GroupBy::Team, GroupBy::CloseQuarter]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SalesQuery {
    pub(super) pipeline: Id<Pipeline>,
    pub(super) narrow: Narrow,
    pub(super) cycle_from: Option<String>,
    pub(super) tables: Vec<Vec<GroupBy>>,
}

impl SalesQuery {
    /// All deals of a pipeline that the actor may see in reports, as one group.
    pub const fn of(pipeline: Id<Pipeline>) -> Self {
        Self { pipeline, narrow: Narrow::NOT, cycle_from: None, tables: Vec::new() }
    }

    /// Sets the stage whose first entry starts a sales cycle, by its key. Without it, a cycle starts with the deal's
    /// creation.
    #[must_use]
    pub fn cycle_from(mut self, stage: impl Into<String>) -> Self {
        self.cycle_from = Some(stage.into());
        self
    }

    /// Adds a table of groups. All tables are computed from one read of the deals.
    #[must_use]
    pub fn by(mut self, groups: impl Into<Vec<GroupBy>>) -> Self {
        self.tables.push(groups.into());
        self
    }
}

/// The query of the pipeline report: see [`Reports::pipeline`](super::Reports::pipeline).
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineQuery {
    pub(super) pipeline: Id<Pipeline>,
    pub(super) narrow: Narrow,
    pub(super) value: String,
    pub(super) tables: Vec<Vec<GroupBy>>,
}

impl PipelineQuery {
    /// All open deals of a pipeline that the actor may see in reports.
    pub fn of(pipeline: Id<Pipeline>) -> Self {
        Self { pipeline, narrow: Narrow::NOT, value: "value".to_owned(), tables: Vec::new() }
    }

    /// Sets the field to sum in place of the deal's value: an amount or a number (in the base currency), such as
    /// `properties.list_price`.
    #[must_use]
    pub fn value(mut self, field: impl Into<String>) -> Self {
        self.value = field.into();
        self
    }

    /// Adds a table of groups. All tables are computed from one read of the deals.
    #[must_use]
    pub fn by(mut self, groups: impl Into<Vec<GroupBy>>) -> Self {
        self.tables.push(groups.into());
        self
    }
}

/// The query of the age report: see [`Reports::ages`](super::Reports::ages).
#[derive(Clone, Debug, PartialEq)]
pub struct AgesQuery {
    pub(super) pipeline: Id<Pipeline>,
    pub(super) stage: String,
    pub(super) filter: Option<Filter>,
    pub(super) on: Option<Date>,
    pub(super) older_than: Vec<i64>,
}

impl AgesQuery {
    /// The deals of a pipeline that are in the stage with this key.
    pub fn of(pipeline: Id<Pipeline>, stage: impl Into<String>) -> Self {
        Self { pipeline, stage: stage.into(), filter: None, on: None, older_than: Vec::new() }
    }

    /// Restricts the report to deals that match the filter now.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Sets the day at whose end the ages are computed, by the change log. The default is today.
    #[must_use]
    pub const fn on(mut self, day: Date) -> Self {
        self.on = Some(day);
        self
    }

    /// Adds counts of deals that have been in the stage for more than these numbers of days.
    #[must_use]
    pub fn older_than(mut self, days: impl Into<Vec<i64>>) -> Self {
        self.older_than = days.into();
        self
    }
}
