//! Pipelines: ordered stages for leads or for deals.

pub(crate) mod defaults;
pub(crate) mod gates;
pub mod moves;
pub(crate) mod place;
pub mod record;
mod rules;

pub use moves::{Column, Moved, StageRef};
pub use record::*;
