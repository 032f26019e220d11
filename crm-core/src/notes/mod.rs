//! Notes: texts about records.

pub mod record;

pub use record::*;
