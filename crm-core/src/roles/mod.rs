//! Roles: sets of grants and field rules.

pub mod record;

pub use record::*;
