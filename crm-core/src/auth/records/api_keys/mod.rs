//! API keys: credentials of programs, which act for a user with their own permissions.

mod rules;

pub use crate::model::records::api_key::*;
