//! Roles: sets of grants and field rules.

mod grants;
pub mod record;
mod rules;

pub use record::*;

/// What it adds to the engine.
pub(crate) fn system() -> crate::system::System {
    crate::system::System::new("roles")
        .kinds(&[crate::value::Kind::Role])
        .grants(|_| crate::access::built_in::shared(crate::value::Kind::Role))
}
