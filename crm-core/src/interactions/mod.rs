//! Interactions: e-mails, calls, meetings and messages that happened or are planned.

pub mod record;
mod rules;

pub use record::*;

/// What it adds to the engine.
pub(crate) fn system() -> crate::system::System {
    crate::system::System::new("interactions")
        .kinds(&[crate::value::Kind::Interaction])
        .grants(|role| crate::access::built_in::worked_with(crate::value::Kind::Interaction, role))
}
