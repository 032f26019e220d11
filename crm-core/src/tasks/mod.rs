//! Tasks: things to do.

mod complete;
pub mod record;
mod rules;

pub use record::*;

/// What it adds to the engine.
pub(crate) fn system() -> crate::system::System {
    crate::system::System::new("tasks")
        .kinds(&[crate::value::Kind::Task])
        .grants(|role| crate::access::built_in::worked_with(crate::value::Kind::Task, role))
}
