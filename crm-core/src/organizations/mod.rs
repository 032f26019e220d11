//! The organization: the tenant's own record, with its settings.

mod rules;

pub use crate::model::records::organization::*;
pub mod bootstrap;

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("organizations")
        .kinds(&[crate::model::value::Kind::Organization])
        .grants(|_| crate::engine::access::built_in::shared(crate::model::value::Kind::Organization))
}
