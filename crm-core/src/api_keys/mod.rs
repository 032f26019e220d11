//! API keys: credentials of programs, which act for a user with their own permissions.

pub mod record;
mod rules;

pub use record::*;
