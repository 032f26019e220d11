//! Pipelines: ordered stages for leads or for deals.

mod board;
pub(crate) mod defaults;
pub mod moves;
mod retire;
mod rules;

pub use crate::model::records::job::Moved;
pub use crate::model::records::pipeline::*;
pub use board::Column;
pub use moves::{StageRef, Staged};

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("pipelines")
        .kinds(&[crate::model::value::Kind::Pipeline])
        .grants(|_| crate::engine::access::built_in::shared(crate::model::value::Kind::Pipeline))
        .job(retire::Retire)
}
