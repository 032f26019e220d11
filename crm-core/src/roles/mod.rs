//! Roles: sets of grants and field rules.

pub mod record;
mod rules;

pub use record::*;
