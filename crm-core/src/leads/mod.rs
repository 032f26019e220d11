//! Leads: those who may become customers.

pub mod record;
mod rules;

pub use record::*;
