//! Credentials: what a user signs in with. The log holds only that it changed.

pub mod record;
mod rules;

pub use record::*;
