//! Pipelines: ordered stages for leads or for deals.

pub(crate) mod gates;
pub(crate) mod place;
pub mod record;
mod rules;

pub use record::*;
