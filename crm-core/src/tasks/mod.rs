//! Tasks: things to do.

mod complete;
pub mod record;
mod rules;

pub use record::*;
