//! Pipelines: ordered stages for leads or for deals.

mod board;
pub(crate) mod defaults;
pub(crate) mod gates;
pub mod moves;
pub(crate) mod place;
pub mod record;
mod retire;
mod rules;

pub use crate::jobs::Moved;
pub use board::Column;
pub(crate) use board::board;
pub use moves::StageRef;
pub use record::*;

/// What it adds to the engine.
pub(crate) fn system() -> crate::system::System {
    crate::system::System::new("pipelines")
        .kinds(&[crate::value::Kind::Pipeline])
        .grants(|_| crate::access::built_in::shared(crate::value::Kind::Pipeline))
        .job(retire::Retire)
}
