//! The organization: the tenant's own record, with its settings.

pub mod record;

pub use record::*;
