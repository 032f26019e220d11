//! Exchange rates: what one unit of a currency was worth in the base currency, by day.

use crate::model::{
    schema::record,
    value::{Currency, Date, Decimal},
};

record! {
    /// What one unit of a currency was worth in the organization's base currency on a day, and until the next rate.
    Rate, NewRate, RatePatch, RateFields {
        own: [], team: [],
        person {
            /// Of which currency.
            currency: Option<Currency> = FieldType::Currency, [required];
            /// From which day.
            day: Option<Date> = FieldType::Date, [required];
            /// Units of the base currency for one unit.
            rate: Decimal = FieldType::Decimal, [required];
            /// Where the rate is from, such as `ECB`.
            source: Option<String> = Text(MAX_TEXT), [];
        }
        read_only {}
        machine {}
        derived {}
        indexes { (currency) -> day; }
    }
}
