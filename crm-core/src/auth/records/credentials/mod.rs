//! Credentials: password hashes and second factors of users. The log records only that they changed.

mod rules;

pub use crate::model::records::credential::*;
pub(crate) use rules::next_generation;
