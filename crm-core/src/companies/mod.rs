//! Companies: the businesses one sells to.

pub mod record;
mod rules;

pub use record::*;
