//! Months and quarters of an organization's calendar, as the labels that reports group by.

use crate::value::Date;

/// How an organization counts its quarters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Calendar {
    /// The month in which its fiscal year begins, 1 to 12.
    pub(super) fiscal_start: u32,
}

impl Calendar {
    /// `2017-03`: always the calendar's own month.
    pub(super) fn month(day: Date) -> String {
        let (year, month, _) = day.ymd();
        format!("{year:04}-{month:02}")
    }

    /// `2017-Q1`: the quarter of the fiscal year, which is called by the calendar year it ends in.
    ///
    /// A year that begins in April 2017 ends in March 2018: April 2017 is `2018-Q1`, and March 2018 `2018-Q4`. A year
    /// that begins in January is the calendar year.
    pub(super) fn quarter(self, day: Date) -> String {
        let (year, month, _) = day.ymd();
        let start = self.fiscal_start.clamp(1, 12);
        let quarter = (month + 12 - start) % 12 / 3 + 1;
        let year = if start > 1 && month >= start { year + 1 } else { year };
        format!("{year:04}-Q{quarter}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quarter(start: u32, year: i32, month: u32) -> String {
        Calendar { fiscal_start: start }.quarter(Date::from_ymd(year, month, 1).unwrap())
    }

    #[test]
    fn a_year_that_begins_in_january_is_the_calendar_year() {
        let all: Vec<String> = (1..=12).map(|month| quarter(1, 2017, month)).collect();
        let expected = ["2017-Q1", "2017-Q2", "2017-Q3", "2017-Q4"].map(|label| [label; 3]).concat();
        assert_eq!(all, expected);
    }

    #[test]
    fn a_fiscal_year_is_called_by_the_year_it_ends_in() {
        assert_eq!(quarter(4, 2017, 4), "2018-Q1");
        assert_eq!(quarter(4, 2017, 12), "2018-Q3");
        assert_eq!(quarter(4, 2018, 1), "2018-Q4");
        assert_eq!(quarter(4, 2018, 3), "2018-Q4");
        assert_eq!(quarter(12, 2017, 12), "2018-Q1");
        assert_eq!(quarter(12, 2018, 2), "2018-Q1");
        assert_eq!(quarter(12, 2018, 11), "2018-Q4");
    }

    #[test]
    fn months_are_the_calendars_own() {
        assert_eq!(Calendar::month(Date::from_ymd(2017, 3, 31).unwrap()), "2017-03");
    }
}
