//! Custom properties: fields that a tenant adds to a kind at run time.

pub mod record;
mod rules;

pub use record::*;

pub mod typing;
