//! Pipelines: ordered stages for leads or for deals.

pub mod record;

pub use record::*;
