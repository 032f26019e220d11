//! Tasks: things to do.

pub mod record;

pub use record::*;
