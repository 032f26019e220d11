//! Contacts: the people one deals with.

pub mod record;
mod rules;

pub use record::*;
