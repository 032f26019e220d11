//! Tasks: work to be done by users.

mod complete;
mod record;
mod rules;

pub use record::*;

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("tasks")
        .kinds(&[crate::model::value::Kind::Task])
        .grants(|role| crate::engine::access::built_in::worked_with(crate::model::value::Kind::Task, role))
}
