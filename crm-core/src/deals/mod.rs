//! Deals: the sales that may happen.

pub mod record;
mod rules;

pub use record::*;
