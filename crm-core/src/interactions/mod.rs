//! Interactions: emails, calls, meetings and messages that happened or are planned.

mod record;
mod rules;

pub use record::*;

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("interactions")
        .kinds(&[crate::model::value::Kind::Interaction])
        .grants(|role| crate::engine::access::built_in::worked_with(crate::model::value::Kind::Interaction, role))
}
