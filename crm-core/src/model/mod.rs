//! The model: values, records and their declarations, filters, the log, and the traits of stores. It knows no use case.

pub mod access;
pub mod ambient;
pub mod change;
pub mod error;
pub mod filter;
pub mod records;
pub mod schema;
pub mod store;
pub mod value;
