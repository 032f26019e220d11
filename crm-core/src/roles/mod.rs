//! Roles: sets of grants and field rules.

mod grants;
mod rules;

pub use crate::model::records::role::*;

pub(crate) fn system() -> crate::engine::system::System {
    crate::engine::system::System::new("roles")
        .kinds(&[crate::model::value::Kind::Role])
        .grants(|_| crate::engine::access::built_in::shared(crate::model::value::Kind::Role))
}
