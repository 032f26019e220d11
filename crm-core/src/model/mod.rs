//! The model: values, records and their declarations, filters, the log, and the traits of stores. It knows no use case.

pub mod access;
pub mod change;
pub mod clock;
pub mod error;
pub mod filter;
pub mod ids;
pub mod records;
pub mod schema;
pub mod store;
pub mod value;
