//! What the examples are made of where one file would be too long for them.

pub mod sales_year;
pub mod training;

mod docs;
