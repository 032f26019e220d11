//! Companies: the businesses one sells to.

pub mod record;

pub use record::*;
