//! Tasks: things to do.

pub mod record;
mod rules;

pub use record::*;
