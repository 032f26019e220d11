//! Roles: sets of grants and field rules.

mod grants;
pub mod record;
mod rules;

pub use record::*;
