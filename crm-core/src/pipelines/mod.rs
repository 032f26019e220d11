//! Pipelines: ordered stages for leads or for deals.

mod board;
pub(crate) mod defaults;
pub(crate) mod gates;
pub mod moves;
pub(crate) mod place;
pub mod record;
mod rules;

pub use crate::walk::Moved;
pub use board::Column;
pub(crate) use board::board;
pub use moves::StageRef;
pub use record::*;
