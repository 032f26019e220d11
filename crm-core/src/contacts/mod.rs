//! Contacts: the people one deals with.

pub mod record;

pub use record::*;
