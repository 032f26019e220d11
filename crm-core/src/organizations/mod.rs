//! The organization: the tenant's own record, with its settings.

pub mod record;
mod rules;

pub use record::*;
pub mod bootstrap;

/// What it adds to the engine.
pub(crate) fn system() -> crate::system::System {
    crate::system::System::new("organizations")
        .kinds(&[crate::value::Kind::Organization])
        .grants(|_| crate::access::built_in::shared(crate::value::Kind::Organization))
}
