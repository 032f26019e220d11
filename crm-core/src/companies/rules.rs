//! The rules of companies. That parents form no cycle, the draft holds for every kind with a parent.

use super::record::Company;
use crate::{
    definitions::Definitions,
    rules::{Rules, Settle},
    schema::Record,
    value::Time,
};

impl Rules for Company {
    fn settle(_: Option<&Record<Self>>, after: &mut Self, cx: &mut Settle<'_>) {
        if after.annual_revenue.is_some_and(|revenue| revenue.amount.is_negative()) {
            cx.faults.push("annual_revenue", "too_small", "must not be negative");
        }
    }

    fn derive(&mut self, _: Time, _: &Definitions) {
        self.size = self.employee_count.map(|count| {
            match count {
                ..=10 => "1-10",
                11..=50 => "11-50",
                51..=200 => "51-200",
                201..=1000 => "201-1000",
                1001..=5000 => "1001-5000",
                _ => "5001+",
            }
            .to_owned()
        });
    }
}
