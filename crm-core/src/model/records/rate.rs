//! Exchange rates: what one unit of a currency was worth in the base currency, by day.

use crate::model::{
    schema::record,
    value::{Currency, Date, Decimal},
};

record! {
    /// The value of one unit of a currency in the organization's base currency, from a day until the next rate.
    Rate, NewRate, RatePatch, RateFields {
        own: [], team: [],
        person {
            /// Currency.
            currency: Option<Currency> = FieldType::Currency, [required];
            /// First day on which the rate applies.
            day: Option<Date> = FieldType::Date, [required];
            /// Units of the base currency per unit.
            rate: Decimal = FieldType::Decimal, [required];
            /// Source of the rate, such as `ECB`.
            source: Option<String> = Text(MAX_TEXT), [];
        }
        read_only {}
        machine {}
        derived {}
        indexes { (currency) -> day; }
    }
}
