//! Parts of the examples that are too long for a single file.

pub mod sales_year;
pub mod training;

mod docs;
