//! Deals: the sales that may happen.

pub mod record;
mod rules;
mod stages;

pub use record::*;
