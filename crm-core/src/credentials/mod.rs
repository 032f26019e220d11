//! Credentials: password hashes and second factors of users. The log records only that they changed.

pub mod record;
mod rules;

pub use record::*;
pub(crate) use rules::next_generation;
