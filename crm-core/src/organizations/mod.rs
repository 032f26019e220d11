//! The organization: the tenant's own record, with its settings.

pub mod record;
mod rules;

pub use record::*;
pub mod bootstrap;
