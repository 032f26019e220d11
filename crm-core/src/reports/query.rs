//! What is asked of a report: whose deals, and by what they are put into groups.

use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    filter::{Filter, Op},
    value::{Date, Id},
};

/// By what deals are put into groups.
///
/// Owner, team and company are those that the deal has now. A deal that has none is in the group of
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
    /// The team above the deal's team.
    ParentTeam,
    /// The deal's company.
    Company,
    /// The stage the deal is in.
    Stage,
    /// A field of the deal that reports may group by: `source`, `properties.product`.
    Field(String),
    /// Such a field of the deal's company: `industry`, `properties.country`. Missing where the actor may not see the
    /// company in reports.
    CompanyField(String),
    /// The month of the deal's close date, `2017-03`: when it closed; of an open deal, when it should.
    CloseMonth,
    /// The quarter of the organization's fiscal year in which that day is, `2017-Q1`; the year is the one it ends in.
    CloseQuarter,
    /// The month in which the deal first entered the stage of this key.
    EnteredMonth(String),
    /// The quarter of the fiscal year in which the deal first entered the stage of this key: a cohort.
    EnteredQuarter(String),
}

/// Which deals of a pipeline a report is about: all that is given has to hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Narrow {
    filter: Option<Filter>,
    from: Option<Date>,
    until: Option<Date>,
    owners: Option<Vec<Id>>,
}

impl Narrow {
    const NOT: Self = Self { filter: None, from: None, until: None, owners: None };

    /// All of it as one filter; `None` where nothing is given.
    ///
    /// # Errors
    /// [`Error::Invalid`] (`bad_period`) where the period ends before it begins.
    pub(super) fn condition(&self) -> Result<Option<Filter>, Error> {
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until < from
        {
            return Err(Error::invalid("until", "bad_period", "must not be before `from`"));
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

/// What narrows a query, the same for each that has a [`Narrow`].
macro_rules! narrows {
    ($query:ident) => {
        impl $query {
            /// Only deals of which this holds; all for `None`, as below.
            #[must_use]
            pub fn filter(mut self, filter: impl Into<Option<Filter>>) -> Self {
                self.narrow.filter = filter.into();
                self
            }

            /// Only deals whose close date is this day or later: when it closed, as a day of the organization's time zone; of
            /// an open deal, when it should.
            #[must_use]
            pub fn from(mut self, day: impl Into<Option<Date>>) -> Self {
                self.narrow.from = day.into();
                self
            }

            /// Only deals whose close date is this day or earlier: the day itself belongs to the period.
            #[must_use]
            pub fn until(mut self, day: impl Into<Option<Date>>) -> Self {
                self.narrow.until = day.into();
                self
            }

            /// Only deals of these owners, at most 100; of none: deals without an owner.
            #[must_use]
            pub fn owners(mut self, owners: impl Into<Option<Vec<Id>>>) -> Self {
                self.narrow.owners = owners.into();
                self
            }
        }
    };
}
narrows!(SalesQuery);
narrows!(PipelineQuery);

/// What sold, how often, for how much, and how long it took: see [`Reports::sales`](super::Reports::sales).
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
    pub(super) pipeline: Id,
    pub(super) narrow: Narrow,
    pub(super) cycle_from: Option<String>,
    pub(super) tables: Vec<Vec<GroupBy>>,
}

impl SalesQuery {
    /// All deals of a pipeline that the actor may see in reports, as one group.
    pub const fn of(pipeline: Id) -> Self {
        Self { pipeline, narrow: Narrow::NOT, cycle_from: None, tables: Vec::new() }
    }

    /// A sales cycle begins when the deal first enters the stage of this key; without it, at the deal's creation.
    #[must_use]
    pub fn cycle_from(mut self, stage: impl Into<String>) -> Self {
        self.cycle_from = Some(stage.into());
        self
    }

    /// One more table of groups. All tables come from one reading.
    #[must_use]
    pub fn by(mut self, groups: impl Into<Vec<GroupBy>>) -> Self {
        self.tables.push(groups.into());
        self
    }
}

/// What is open, by stage: see [`Reports::pipeline`](super::Reports::pipeline).
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineQuery {
    pub(super) pipeline: Id,
    pub(super) narrow: Narrow,
    pub(super) value: String,
    pub(super) tables: Vec<Vec<GroupBy>>,
}

impl PipelineQuery {
    /// All open deals of a pipeline that the actor may see in reports.
    pub fn of(pipeline: Id) -> Self {
        Self { pipeline, narrow: Narrow::NOT, value: "value".to_owned(), tables: Vec::new() }
    }

    /// What a deal counts for: an amount or a number (which is of the base currency), such as `properties.list_price`,
    /// in place of its value.
    #[must_use]
    pub fn value(mut self, field: impl Into<String>) -> Self {
        self.value = field.into();
        self
    }

    /// One more table of groups. All tables come from one reading.
    #[must_use]
    pub fn by(mut self, groups: impl Into<Vec<GroupBy>>) -> Self {
        self.tables.push(groups.into());
        self
    }
}

/// How long deals have been in a stage: see [`Reports::ages`](super::Reports::ages).
#[derive(Clone, Debug, PartialEq)]
pub struct AgesQuery {
    pub(super) pipeline: Id,
    pub(super) stage: String,
    pub(super) filter: Option<Filter>,
    pub(super) on: Option<Date>,
    pub(super) older_than: Vec<i64>,
}

impl AgesQuery {
    /// The deals of a pipeline that are in the stage of this key.
    pub fn of(pipeline: Id, stage: impl Into<String>) -> Self {
        Self { pipeline, stage: stage.into(), filter: None, on: None, older_than: Vec::new() }
    }

    /// Only deals of which this holds (now).
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// As of the end of this day, by the change log; today where not given.
    #[must_use]
    pub const fn on(mut self, day: Date) -> Self {
        self.on = Some(day);
        self
    }

    /// Also count those that have been there for more than so many days.
    #[must_use]
    pub fn older_than(mut self, days: impl Into<Vec<i64>>) -> Self {
        self.older_than = days.into();
        self
    }
}
