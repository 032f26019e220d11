//! Leads: those who may become customers.

pub mod record;

pub use record::*;
