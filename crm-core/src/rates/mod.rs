//! Exchange rates: what one unit of a currency was worth in the base currency, by day.

pub mod record;
mod rules;

pub use record::*;
