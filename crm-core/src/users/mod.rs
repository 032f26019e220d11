//! Users: who acts. What they sign in with is no part of this record.

pub mod record;
pub(crate) mod rules;

pub use record::*;
