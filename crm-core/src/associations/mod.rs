//! Associations: labelled links between two records, with roles and dates.

pub mod record;
mod rules;

pub use record::*;
