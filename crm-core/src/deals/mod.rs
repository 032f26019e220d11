//! Deals: the sales that may happen.

pub mod record;

pub use record::*;
