//! Notes: texts about records.

pub mod record;
mod rules;

pub use record::*;
